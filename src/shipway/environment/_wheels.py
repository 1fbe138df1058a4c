"""Wheels of a lock: which files uv would install here, and those files themselves, each checked against the lock's hashes.

uv keeps wheels unpacked only and has no command that downloads them; it says which ones it would take (as a pylock.toml), and
they are read from where it says. A source distribution is refused: building it takes packages that no lock names.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import IO, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from shipway.environment._cache import alone
from shipway.environment._lock import lock_hashes, parse_lock
from shipway.environment._uv import EnvironmentFailed, run_uv
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError

_CHUNK = 1 << 20
_PATIENCE = 60.0  # seconds without a byte
_TRIES = 3
_LARGE = 20_000_000  # bytes of a wheel that is worth a line of progress
_WHEELLESS = re.compile(r"(\S+==\S+) has no (?:usable )?wheels")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.whl")


class WheelMissing(ShipwayError):
    """A locked package has no wheel for this platform and Python that the lock knows by its hash."""

    code = "environment.wheel-missing"


class Wheel(NamedTuple):
    """A file that uv would install: its name, where it lies (an address or a path), its size in bytes where that is known."""

    name: str
    source: str
    digest: Digest | None
    size: int | None


def platform_tag(python: str) -> str:
    """The machines that can install each other's wheels: system, processor, C library, minor version of Python.

    >>> platform_tag("3.11.7").endswith("-3.11")
    True
    """
    libc = (platform.libc_ver()[0] or "musl") if sys.platform == "linux" else ""
    minor = ".".join(python.split(".")[:2])
    return "-".join(filter(None, (sys.platform, platform.machine(), libc, minor)))


def is_wheel_name(name: str) -> bool:
    """Whether a name is that of a wheel's file: one path segment, nothing that climbs.

    >>> is_wheel_name("noise-1.0-py3-none-any.whl"), is_wheel_name("../noise-1.0-py3-none-any.whl")
    (True, False)
    """
    return _NAME.fullmatch(name) is not None


def find_wheels(lock: bytes, *, python: str, offline: bool = False) -> tuple[Wheel, ...]:
    """The wheels that uv would take for a lock on this machine. Raises LockUnpinned, WheelMissing, EnvironmentFailed."""
    parse_lock(lock)
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:
        file.write(lock)
        file.flush()
        said = _ask(["--python-version", python, *(["--offline"] if offline else []), file.name])
    allowed = lock_hashes(lock)
    packages = cast("list[JsonObject]", tomllib.loads(said.decode()).get("packages", []))
    return tuple(wheel for package in packages for wheel in _wheels_of(package, allowed))


def _ask(arguments: list[str]) -> bytes:
    """uv's pylock.toml: of each package the files that fit this machine."""
    asked = ["pip", "compile", "--format", "pylock.toml", "--no-deps", "--no-header", "--quiet", "--only-binary", ":all:"]
    try:
        return run_uv([*asked, *arguments], what="the wheels of the lock could not be found")
    except EnvironmentFailed as problem:
        if found := _WHEELLESS.search(problem.what):
            raise _missing(found[1].replace("==", " ")) from problem
        raise


def collect_wheels(
    lock: bytes,
    folder: Path,
    *,
    python: str,
    report: Callable[[str], None],
    known: Callable[[Digest], Path | None] = lambda _digest: None,
) -> list[Path]:
    """Every wheel of a lock for this platform and Python in `folder`, in its own name.

    known: where a file with this digest lies already. What an interrupted call left whole is taken. Raises LockUnpinned,
    WheelMissing, EnvironmentFailed (worth a retry when the network was at fault).
    """
    wheels, allowed = find_wheels(lock, python=python), lock_hashes(lock)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / "wheels"):
        missing = [wheel for wheel in wheels if not _have(folder / wheel.name, wheel, allowed, known)]
        if missing:
            size = sum(wheel.size or 0 for wheel in missing)
            report(f"fetching {len(missing)} of {len(wheels)} wheels, {size / 1e6:,.1f} MB")
        for wheel in missing:
            if (wheel.size or 0) > _LARGE:
                report(f"fetching {wheel.name}, {(wheel.size or 0) / 1e6:,.0f} MB")
            _fetch(wheel, folder, allowed)
    return [folder / wheel.name for wheel in wheels]


def _wheels_of(package: JsonObject, allowed: frozenset[Digest]) -> Iterator[Wheel]:
    found = [_wheel(entry) for entry in cast("list[JsonObject]", package.get("wheels") or [])]
    fitting = [wheel for wheel in found if wheel.digest is None or wheel.digest in allowed]
    if not fitting:
        raise _missing(f"{package['name']} {package.get('version', '')}".rstrip())
    return iter(fitting)


def _missing(package: str) -> WheelMissing:
    return WheelMissing(
        f"{package} has no wheel for this platform that the lock knows",
        mend="a package that comes as source only cannot be kept: build its wheel, and lock that",
    )


def _wheel(entry: JsonObject) -> Wheel:
    source = str(entry.get("url") or entry.get("path"))
    name = str(entry.get("name") or unquote(urlsplit(source).path.rsplit("/", 1)[-1]))
    if not is_wheel_name(name):
        raise EnvironmentFailed(f"the package index offers a file of the name {name[:120]!r}")
    sha256 = cast("dict[str, Json]", entry.get("hashes") or {}).get("sha256")
    size = entry.get("size")
    return Wheel(name, source, Digest(f"sha256:{sha256}") if sha256 else None, size if isinstance(size, int) else None)


def _have(path: Path, wheel: Wheel, allowed: frozenset[Digest], known: Callable[[Digest], Path | None]) -> bool:
    """Whether the file is there, whole, or can be had from where it is known."""
    if path.exists() and _digest(path) in ({wheel.digest} if wheel.digest else allowed):
        return True
    found = known(wheel.digest) if wheel.digest else None
    if found is not None:
        path.unlink(missing_ok=True)
        path.symlink_to(found)
    return found is not None


def _digest(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest("sha256:" + hashlib.file_digest(file, "sha256").hexdigest())


def _fetch(wheel: Wheel, folder: Path, allowed: frozenset[Digest]) -> None:
    """The file under its name, or nothing; a wrong byte is not tried again."""
    for left in reversed(range(_TRIES)):
        handle, partial = tempfile.mkstemp(prefix=".fetching-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as out, _open(wheel.source) as source:
                shutil.copyfileobj(source, out, _CHUNK)
            _check(wheel, _digest(Path(partial)), allowed)
            os.replace(partial, folder / wheel.name)
            return
        except (OSError, HTTPException) as problem:
            if not left:
                raise _unfetched(wheel, problem) from problem
        finally:
            Path(partial).unlink(missing_ok=True)


def _check(wheel: Wheel, found: Digest, allowed: frozenset[Digest]) -> None:
    if found not in allowed:
        raise EnvironmentFailed(
            f"{wheel.name} has the hash {found}, which is not in the lock",
            mend="the package index or something before it changed the file; nothing of it was kept",
        )


def _open(source: str) -> IO[bytes]:
    """An address or a path, opened. uv has chosen it: https, http, file."""
    if urlsplit(source).scheme in ("https", "http", "file"):
        import urllib.request  # and ssl with it: a plan downloads nothing

        return cast("IO[bytes]", urllib.request.urlopen(source, timeout=_PATIENCE))  # noqa: S310
    return open(source, "rb")


def _unfetched(wheel: Wheel, problem: Exception) -> EnvironmentFailed:
    failed = EnvironmentFailed(
        f"{wheel.name} could not be fetched: {problem}", mend="run it again; an index that asks for a password is not supported"
    )
    failed.retry = True
    return failed
