"""Bytes by key in whatever fsspec opens (SSH, WebDAV, FTP, HDFS, ...), for a remote whose kind obstore does not speak.

fsspec promises less than an object store: no write on a condition, no tag that changes with the bytes. So what is put comes
under another name first, its size is looked at, and then it is renamed. Credentials are those of the library and of the machine
(keys and known hosts of SSH, settings of fsspec); no address holds any.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shipway.kernel.errors import ShipwayError
from shipway.store._bucket import Content, Found, Version
from shipway.store._types import ObjectsAddress, ObjectsDown, ObjectsRefused, StoreFull

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

EXTRA = 'pip install "shipway[fsspec]"'
_ADDRESS = re.compile(r"([a-z][a-z0-9+-]*)://(?:[A-Za-z0-9_.-]+@)?[\w.\[\]:-]*(?:/[\w .+=~,@%:-]*)*", re.ASCII)
_CHUNK = 1 << 20
_DRAFTS = "tmp"  # a folder of the remote
_REFUSED = re.compile(r"[Pp]ermission|[Dd]enied|[Aa]uth|HostKey|[Ll]ogin incorrect|\b(530|401|403)\b")
_STRANGER = re.compile(r"HostKey|[Hh]ost key")
_FULL = re.compile(r"[Nn]o space|[Qq]uota|[Ii]nsufficient [Ss]torage|ENOSPC|\b(452|552|507)\b")
_PACKAGES = {
    "ssh": "sshfs",
    "sftp": "sshfs",
    "webdav": "webdav4",
    "webdavs": "webdav4",
    "hdfs": "pyarrow",
    "smb": "smbprotocol",
}
_PARENT_OF = re.compile(r"(^|/)\.\.?(/|$)")


class FsspecBucket:
    """Everything below one address. For use by several threads. Raises ObjectsAddress; connects when it is asked first."""

    def __init__(self, url: str) -> None:
        self.where = parse_odd_address(url)
        self.variables: tuple[str, ...] = ()
        self._make = _opener(self.where)
        self._shared: AbstractFileSystem | None = None
        self._own, self._lock = threading.local(), threading.Lock()

    def look(self, key: str) -> Found | None:
        """Whether there is a file, without its bytes. Raises ObjectsDown, ObjectsRefused, as all of these."""
        with self._told(key):
            return self._look(key)

    def read(self, key: str, start: int = 0) -> Content | None:
        """A file from a place on, in chunks; None when there is none."""
        found = self.look(key)
        return Content(found, self._chunks(key, start)) if found else None

    def put(
        self,
        key: str,
        data: bytes | Path,
        *,
        replace: bool,
        report: Callable[[int], None] | None = None,  # noqa: ARG002 - fsspec's callbacks differ from kind to kind
    ) -> Found | None:
        """Put a file as a whole; None when there was one already and it was not to be replaced."""
        if not replace and self.look(key):
            return None
        draft = f"{_DRAFTS}/{os.getpid()}-{os.urandom(8).hex()}"
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        with self._told(key):
            system = self._system()
            for folder in (_DRAFTS, key.rpartition("/")[0]):
                system.makedirs(folder, exist_ok=True)
            try:
                if isinstance(data, Path):
                    system.put_file(os.fspath(data), draft)
                else:
                    system.pipe_file(draft, data)
                came = self._look(draft)
                if came is None or came.size != size:
                    raise ObjectsDown("what was put is not there as a whole", where=self._at(key), mend="run this again")
                self._rename(draft, key)
            except BaseException:
                with suppress(Exception):
                    system.rm_file(draft)
                raise
        return Found(key, size, None)

    def read_version(self, key: str) -> tuple[bytes, Version] | None:
        """A small file and its version, which is its SHA-256; None when there is none."""
        with self._told(key):
            if self._look(key) is None:
                return None
            data: bytes = self._system().cat_file(key)
        return data, Version(hashlib.sha256(data).hexdigest(), None)

    def put_if(self, key: str, data: bytes, was: Version | None) -> bool:
        """Put a small file while what stands there is what it was; between that look and the rename nobody is kept away."""
        found = self.read_version(key)
        if (found[1] if found else None) != was:
            return False
        self.put(key, data, replace=True)
        return True

    def list(self, prefix: str) -> Iterator[Found]:
        """What stands below a prefix that ends where a name ends."""
        with self._told(prefix):
            system = self._system()
            system.invalidate_cache()
            found: Mapping[str, Mapping[str, Any]] = system.find(prefix, detail=True) if system.exists(prefix) else {}
        for name, info in found.items():
            yield Found(name.lstrip("/"), int(info["size"]), None)

    def _look(self, key: str) -> Found | None:
        system = self._system()
        system.invalidate_cache()  # of the folders that were listed before
        try:
            info = system.info(key)
        except FileNotFoundError:
            return None
        return Found(key, int(info["size"]), None) if info["type"] == "file" else None

    def _chunks(self, key: str, start: int) -> Iterator[bytes]:
        with self._told(key), self._system().open(key, "rb") as file:
            file.seek(start)
            while chunk := file.read(_CHUNK):
                yield chunk

    def _rename(self, draft: str, key: str) -> None:
        """Onto what is there: some kinds rename only where nothing is, and there it is away for a moment."""
        system = self._system()
        try:
            system.mv(draft, key)
        except Exception:
            if self._look(key) is None or self._look(draft) is None:
                raise
            system.rm_file(key)
            system.mv(draft, key)

    def _system(self) -> AbstractFileSystem:
        """One for all threads where it has a loop of its own, else one a thread: a connection of FTP is nobody else's."""
        if self._shared is not None:
            return self._shared
        made: AbstractFileSystem | None = getattr(self._own, "system", None)
        if made is None:
            with self._lock:
                made = self._shared or self._make()
                if made.async_impl and self._shared is None:
                    self._shared = made
            self._own.system = made
        return made

    def _at(self, key: str) -> str:
        return f"{self.where}/{key}" if key else self.where

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        try:
            yield
        except (ShipwayError, GeneratorExit):
            raise
        except Exception as problem:  # each kind has errors of its own, and they have no root in common
            raise _fault(problem, self._at(key)) from problem


def parse_odd_address(url: str) -> str:
    """The address as it is compared and shown. Raises ObjectsAddress, which never repeats it.

    >>> parse_odd_address("ssh://ann@files.acme.dev/data/shipway/")
    'ssh://ann@files.acme.dev/data/shipway'
    """
    match = _ADDRESS.fullmatch(url)
    if match is None or _PARENT_OF.search(url.partition("://")[2]):
        mend = "write it as KIND://[USER@]HOST/PATH, without a password and without a query"
        raise ObjectsAddress("the address of the remote is none that can be used", mend=mend)
    return url.rstrip("/")


def _opener(url: str) -> Callable[[], AbstractFileSystem]:
    """What opens the folder at an address. Raises ObjectsAddress for a kind that nothing here opens."""
    kind = url.partition("://")[0]
    try:
        import fsspec
        from fsspec.implementations.dirfs import DirFileSystem
    except ImportError:
        what = f"addresses of the kind {kind}:// are opened by fsspec, which is not installed"
        raise ObjectsAddress(what, mend=f"{EXTRA}, then {_package(kind)}") from None
    try:
        found = fsspec.get_filesystem_class("webdav" if kind == "webdavs" else kind)
    except (ImportError, ValueError) as problem:
        known = "what opens it is not installed" if isinstance(problem, ImportError) else "nothing here knows it"
        what = f"addresses of the kind {kind}:// cannot be opened: {known}"
        raise ObjectsAddress(what, mend=f"{_package(kind)}; or name s3://, gs://, az:// or file://") from problem
    if kind in ("ssh", "sftp") and not found.__module__.startswith("sshfs"):
        raise ObjectsAddress("what opens ssh:// here trusts any host", mend="pip install sshfs, which reads known hosts")
    given, path = _given(kind, url, found)

    def make() -> AbstractFileSystem:
        system = fsspec.filesystem("webdav" if kind == "webdavs" else kind, skip_instance_cache=True, **given)
        if system.async_impl:  # of a connection that is cut each request fails by itself, and we tell it once
            system.loop.call_soon_threadsafe(system.loop.set_exception_handler, lambda *_: None)
        return DirFileSystem(path, system) if path else system

    return make


def _given(kind: str, url: str, found: type[AbstractFileSystem]) -> tuple[dict[str, object], str]:
    """What a file system of this kind is made with, and the folder in it."""
    if kind in ("webdav", "webdavs"):
        from fsspec.config import conf

        said = conf.get("webdav", {}).get("auth")
        auth = {"auth": tuple(said)} if isinstance(said, list) else {}  # JSON has no tuples
        plain = kind == "webdav"
        host = urlsplit(url).hostname
        if plain and host not in ("localhost", "127.0.0.1", "::1"):
            raise ObjectsAddress("webdav:// would send everything unencrypted", where=str(host), mend="use webdavs://")
        return {"base_url": f"http{'' if plain else 's'}{url[len(kind) :]}", **auth}, ""
    given = dict(found._get_kwargs_from_urls(url))
    if kind in ("ssh", "sftp"):
        given["known_hosts"] = ()  # those of the user; sshfs itself would look at none
    if kind == "ftp":
        given["use_listings_cache"] = False
    return given, found._strip_protocol(url)


def _package(kind: str) -> str:
    known = _PACKAGES.get(kind)
    return f"pip install {known}" if known else f"pip install the package that opens {kind}:// for fsspec"


def _fault(problem: Exception, where: str) -> ShipwayError:
    """What it said is looked at and not repeated: it may hold anything."""
    said = f"{type(problem).__name__}: {problem}"
    if _FULL.search(said):
        return StoreFull("no room left at the remote", where=where, mend="free some space there and run this again")
    if _STRANGER.search(said):
        mend = "look at its key, connect once with `ssh`, and say yes there"
        return ObjectsRefused("the remote's host is not among the known hosts", where=where, mend=mend)
    if isinstance(problem, PermissionError) or _REFUSED.search(said):
        what = "the remote refuses these credentials, or this to them"
        return ObjectsRefused(what, where=where, mend="look at your key or password, and at what this user may do there")
    what = (
        f"the remote cannot be reached, or went away ({type(problem).__name__}); what was written is whole there, or not there"
    )
    return ObjectsDown(what, where=where, mend="run this again when it is back")
