"""The lock: every package of an environment with its version and hashes, for all platforms, and no index address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from shipway.environment._uv import EnvironmentFailed, run_uv
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor, Digest
from shipway.kernel.errors import ShipwayError

RUNNER = "v1"
"""The runner that new environments name; older ones stay beside it in `runner/`."""

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?==(?P<version>[^\s;=]+)\s*"
    r"(;\s*(?P<marker>.*?))?(?P<hashes>(\s+--hash=\w+:[0-9a-f]+)*)\s*"
)


class Pin(NamedTuple):
    """One locked package; marker (PEP 508) says where it is installed, None everywhere; the digests of its files."""

    name: str
    version: str
    marker: str | None
    hashes: tuple[str, ...] = ()


class LockUnpinned(ShipwayError):
    """A lock with a line that does not fix one version by its hashes."""

    code = "environment.lock-unpinned"

    def __init__(self, line: int, text: str) -> None:
        super().__init__(
            f"not a version with its hashes: {text[:120]}",
            where=f"line {line} of the lock",
            mend="uv pip compile --universal --generate-hashes requirements.in -o requirements.lock",
        )
        self.line = line


def lock_requirements(requirements: Path, *, python: str) -> bytes:
    """The universal hash-pinned lock of a requirements file for Python `python` ("3.11") and later.

    A function of the requirements and what the index has: no path, date or address is written. Raises
    EnvironmentFailed, LockUnpinned (a requirement that only an address gives).
    """
    if not requirements.is_file():
        raise EnvironmentFailed(f"{requirements} is not there", mend="write the project's requirements, one a line")
    lock = run_uv(
        ["pip", "compile", "--universal", "--python-version", python, "--generate-hashes", "--quiet", "--no-header",
         "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", requirements.resolve()],
        what=f"{requirements.name} has no lock", cwd=requirements.resolve().parent,
    )  # fmt: skip
    parse_lock(lock)
    return lock


def parse_lock(data: bytes) -> tuple[Pin, ...]:
    """The pins of a lock in its own order; raises LockUnpinned, naming the first line that is not one."""
    return tuple(_pin(number, text) for number, text in _logical_lines(data.decode("utf-8", "replace")))


def lock_hashes(data: bytes) -> frozenset[Digest]:
    """The digests of every file that a lock lets in."""
    return frozenset(Digest(text.decode()) for text in re.findall(rb"--hash=(sha256:[0-9a-f]{64})(?![0-9a-f])", data))


def environment_object(*, lock: Descriptor, python: str) -> JsonObject:
    """What an environment is; the digest of its canonical JSON names it."""
    return {"kind": "environment", "version": 1, "python": python, "lock": lock.to_json(), "runner": RUNNER}


def _pin(number: int, text: str) -> Pin:
    match = _PIN.fullmatch(text)
    if not match or not match["hashes"]:
        raise LockUnpinned(number, text)
    hashes = tuple(word.removeprefix("--hash=") for word in match["hashes"].split())
    return Pin(match["name"], match["version"], match["marker"] or None, hashes)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number of the first line, text) with continuations joined; without comments and empty lines."""
    first, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        line = re.sub(r"(^|\s)#.*", "", line).rstrip()
        first = first if parts else number
        parts.append(line.removesuffix("\\").strip())
        if line.endswith("\\"):
            continue
        if joined := " ".join(filter(None, parts)):
            yield first, joined
        parts = []
    if joined := " ".join(filter(None, parts)):
        yield first, joined
