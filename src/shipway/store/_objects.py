"""Immutable bytes under their own digest, as files: written atomically, read verified.

A file appears under its final name only when whole. Bytes reach the disk before a commit of the catalogue names them
(`sync`), also those that another writer left there, so a ref never points at an object that a power cut can take away.
A put believes what it finds only as far as it looked: it compares small objects, and writes anew one that `verify` has
marked as damaged, so that taking a snapshot again mends a store.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from shipway.kernel.digest import Descriptor, Digest, digest_bytes, is_digest, parse_digest
from shipway.store._faults import disk_fault
from shipway.store._flush import flush_disk, open_disk
from shipway.store._hands import share_out
from shipway.store._hashed import (
    CHUNK,
    continue_hashed,
    copy_hashed,
    damaged,
    discard,
    fsync,
    hash_open,
    holds,
    is_shared_copy,
    no_file,
    open_object,
    open_partial,
    receive_hashed,
    remove_unheld,
    rename,
    write_all,
)
from shipway.store._md5 import Md5
from shipway.store._small import put_small
from shipway.store._types import ObjectDamaged, ObjectMissing

if TYPE_CHECKING:
    from shipway.store._bucket import Keyed

_DRAFT = "tmp-"  # begins the name of what is not whole yet
_PARTIAL = "part-"  # begins the name of what came of an object, before its digits
_PARTIAL_FROM = 8 << 20  # bytes of an object from which on what came of it is worth keeping
_MANY = 64  # above this many new files one sync of the disk first is cheaper than one each
_WHOLE, _DAMAGED = 0o444, 0o400  # modes of an object: as it was put, and as verify has marked it
_GONE, _YOUNG, _OLD = b"\0", b"\1", b"\2"  # what is said of an object that is looked for among many
_SETTLED = 300.0  # seconds: ten times what Linux lets written bytes wait for the disk, so an older object is there
_ABANDONED = 3600.0  # seconds after which a temporary file that nobody has open is of a dead writer
_FORGOTTEN = 7 * 86_400.0  # seconds after which nobody comes back for the rest of an object


Wanted = tuple[Digest, int]  # an object and the size in bytes that it should have
Group = Callable[[], Iterable[Wanted]]


class Kept(NamedTuple):
    """An object as it is kept. size: in bytes, -1 of what is no file; tag: changes whenever the bytes do, None: unknown."""

    digest: Digest
    size: int
    tag: str | None


class Objects(Protocol):
    """Immutable bytes under their own digest: what every room may ask, wherever they are kept.

    root: a folder of this machine that has them, or copies of them; where: for errors; variables: names of those that another
    process needs to reach them. All of it raises what FileObjects' raises, and of a bucket ObjectsDown and ObjectsRefused.
    """

    root: Path
    where: str
    variables: tuple[str, ...]
    bucket: Keyed | None

    def path(self, digest: Digest) -> Path: ...
    def file(self, digest: Digest) -> Path: ...
    def has(self, digest: Digest) -> bool: ...
    def size(self, digest: Digest) -> int | None: ...
    def find(self, prefix: str) -> list[Digest]: ...
    def all(self) -> Iterator[Digest]: ...
    def listing(self) -> Iterator[Kept]: ...
    def keeps(self, digest: Digest, size: int) -> bool: ...
    def keeps_each(self, wanted: Sequence[Wanted]) -> list[bool]: ...
    def keeps_all(self, groups: Sequence[Group], count: int) -> list[bool]: ...
    def put(self, data: bytes) -> Digest: ...
    def put_file(
        self,
        source: Path | str,
        *,
        report: Callable[[int], None] | None = None,
        also: Callable[[memoryview], None] | None = None,
    ) -> tuple[Digest, int]: ...
    def adopt(self, source: Path, *, also: Callable[[memoryview], None] | None = None) -> tuple[Digest, int]: ...
    def put_small(
        self,
        sources: Sequence[bytes],
        *,
        tell: Callable[[int], None],
        md5s: dict[Digest, str] | None = None,
    ) -> list[tuple[Digest, int]]: ...
    def put_stream(self, wanted: Descriptor, chunks: Iterable[bytes | memoryview]) -> bool: ...
    def fetch(self, wanted: Descriptor, read: Callable[[int], Iterable[bytes | memoryview]]) -> bool: ...
    def get(self, digest: Digest) -> bytes: ...
    def read(self, digest: Digest, start: int = 0) -> Iterator[bytes]: ...
    def verify(self, digest: Digest, *, name: str | None = None) -> Path: ...
    def confirm(self, digest: Digest) -> Kept: ...
    def sync(self) -> None: ...
    def close(self) -> None: ...
    def again(self) -> Objects: ...


class FileObjects:
    """The objects below one folder: `<root>/<2 hex>/<62 hex>`, mode 0444.

    at_once: each comes to the disk when it is written, for a folder that nobody will `sync`.
    """

    def __init__(self, root: Path, *, at_once: bool = False) -> None:
        self.root, self.where, self._at_once = root, str(root), at_once
        self.variables: tuple[str, ...] = ()
        self.bucket: Keyed | None = None
        self._unsynced: dict[str, None] = {}
        self._young: list[Group] = []  # what whoever wrote it may not have brought to the disk
        self._below = os.fspath(root)  # pathlib costs as much as the system call that it is for
        self._drafts = itertools.count()
        self._swept, self._prefix, self._disk = False, "", -1

    def path(self, digest: Digest) -> Path:
        """Where the object is, whether it exists or not."""
        return Path(self._name(digest))

    def _name(self, digest: Digest) -> str:
        name = parse_digest(digest)
        return f"{self._below}/{name[7:9]}/{name[9:]}"

    def file(self, digest: Digest) -> Path:
        """Where its bytes are as they are kept now, for who hashes them. Raises ObjectMissing."""
        if not self.has(digest):
            raise self._missing(digest)
        return self.path(digest)

    def has(self, digest: Digest) -> bool:
        return self.path(digest).is_file()

    def size(self, digest: Digest) -> int | None:
        """In bytes, None when the object is not there."""
        try:
            status = self.path(digest).stat()
        except OSError:  # missing, or links in a circle
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def find(self, prefix: str) -> list[Digest]:
        """The digests of objects whose hexadecimal digits begin so, in order; none for fewer than four digits."""
        if len(prefix) < 4 or not set(prefix) <= set("0123456789abcdef"):
            return []
        folder = self.root / prefix[:2]
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        found = [f"sha256:{prefix[:2]}{name}" for name in names if name.startswith(prefix[2:])]
        return [Digest(name) for name in found if is_digest(name)]

    def all(self) -> Iterator[Digest]:
        """Every object, in order."""
        for folder in self._names(self._below):
            for rest in self._names(f"{self._below}/{folder}") if len(folder) == 2 else ():
                if is_digest(name := f"sha256:{folder}{rest}"):
                    yield Digest(name)

    @staticmethod
    def _names(folder: str) -> list[str]:
        try:
            return sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def listing(self) -> Iterator[Kept]:
        """Every object with its size and tag, in order."""
        return map(self._kept, self.all())

    def _kept(self, digest: Digest) -> Kept:
        try:
            status = self.path(digest).stat()
        except OSError:  # links in a circle, or to nowhere; removed meanwhile
            return Kept(digest, -1, None)
        if not stat.S_ISREG(status.st_mode):
            return Kept(digest, -1, None)
        return Kept(digest, status.st_size, f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}")

    def keeps(self, digest: Digest, size: int) -> bool:
        """Whether the object is there with this size in bytes and not marked as damaged; the next sync includes a young one."""
        path = self._name(digest)
        try:
            status = os.lstat(path)  # a link is nothing that was put here
        except OSError:
            return False
        found = stat.S_ISREG(status.st_mode) and status.st_size == size and stat.S_IMODE(status.st_mode) != _DAMAGED
        if found and not self._at_once and time.time() - status.st_ctime < _SETTLED:
            self._unsynced[path] = None  # whoever wrote it may have been killed before the disk had it
        return found

    def keeps_each(self, wanted: Sequence[Wanted]) -> list[bool]:
        """As keeps of each, for many: one stat each, on all cores."""
        said = share_out(wanted, lambda _, share: self._look(share, time.time()), size=1, tell=lambda _: None)
        if not self._at_once:
            young = [pair for pair, one in zip(wanted, said, strict=True) if one == _YOUNG]
            self._sync_later(lambda: young)
        return [one in (_YOUNG, _OLD) for one in said]

    def keeps_all(self, groups: Sequence[Group], count: int) -> list[bool]:
        """Of each group whether all of it is kept, as keeps says. count: of all objects; a group may be asked for twice."""

        def look(_: int, share: Sequence[Group]) -> Iterator[bytes]:
            now = time.time()
            for group in share:
                said = set(self._look(group(), now))
                yield _GONE if _GONE in said else _YOUNG if _YOUNG in said else _OLD

        said = share_out(groups, look, size=1, tell=lambda _: None, weight=count)
        if not self._at_once:
            for group, one in zip(groups, said, strict=True):
                if one == _YOUNG:
                    self._sync_later(group)
        return [one in (_YOUNG, _OLD) for one in said]

    def find_here(self, digests: Sequence[Digest], sizes: Sequence[int], handle: int) -> list[str]:
        """The names of these below the root, which `handle` is, for a fork that looks at its share: it remembers nothing.

        Raises OSError when one is not kept with its size in bytes, as keeps says.
        """
        names, look = [f"{digest[7:9]}/{digest[9:]}" for digest in digests], os.lstat
        for name, size in zip(names, sizes, strict=True):
            status = look(name, dir_fd=handle)
            mode = status.st_mode
            if status.st_size != size or (
                mode != 0o100444 and (mode & 0o170000 != 0o100000 or mode & 0o7777 == 0o400)  # not as put; no file, or _DAMAGED
            ):
                raise FileNotFoundError(errno.ENOENT, "an object is not as it was", name)
        return names

    def _sync_later(self, group: Group) -> None:
        """Once there is more than one call for each would bring, one for all will, and nothing has to be listed."""
        if len(self._unsynced) > _MANY:
            self._young.append(group)
        else:
            self._unsynced |= dict.fromkeys(self._name(digest) for digest, _ in group())

    def _look(self, wanted: Iterable[Wanted], now: float) -> Iterator[bytes]:
        below, young, lstat = self._below, now - _SETTLED, os.lstat
        for digest, size in wanted:  # a hundred thousand of them
            try:
                status = lstat(f"{below}/{digest[7:9]}/{digest[9:]}")
            except (OSError, ValueError):
                yield _GONE
                continue
            mode = status.st_mode
            kept = mode & 0o170000 == stat.S_IFREG and status.st_size == size and mode & 0o7777 != _DAMAGED
            yield (_YOUNG if status.st_ctime > young else _OLD) if kept else _GONE

    def put(self, data: bytes) -> Digest:
        """Keep these bytes; putting twice is no error, and mends an object that is not as it was. Raises StoreFull."""
        digest = digest_bytes(data)
        if not (self.keeps(digest, len(data)) and holds(self.path(digest), data)):

            def fill(out: int) -> tuple[Digest, int]:
                write_all(out, data)
                return digest, len(data)

            self._write(fill)
        return digest

    def put_file(
        self,
        source: Path | str,
        *,
        report: Callable[[int], None] | None = None,
        also: Callable[[memoryview], None] | None = None,
    ) -> tuple[Digest, int]:
        """Keep a copy of a file, read once: digest and size. also: sees every byte. Raises FileUnreadable, StoreFull."""
        return self._write(lambda out: copy_hashed(source, out, report, also))

    def adopt(self, source: Path, *, also: Callable[[memoryview], None] | None = None) -> tuple[Digest, int]:
        """As put_file, of a file that another tool keeps read-only for ever: by a second name for it where that can be."""
        if not self._may_link(source):
            return self.put_file(source, also=also)
        digest, size = copy_hashed(source, None, None, also)
        if self.keeps(digest, size):
            return digest, size
        final = self._name(digest)
        try:
            os.makedirs(os.path.dirname(final), exist_ok=True)
            os.link(source, final)
        except OSError:  # another file system after all, all the names that a file can have, a damaged object
            return self.put_file(source)
        self._unsynced[final] = None
        return digest, size

    def _may_link(self, source: Path) -> bool:
        if self._at_once:
            return False
        status = os.lstat(source)
        try:
            device = os.stat(self._below).st_dev
        except FileNotFoundError:
            self.root.mkdir(parents=True, exist_ok=True)
            device = os.stat(self._below).st_dev
        same = status.st_dev == device and stat.S_ISREG(status.st_mode)
        return same and not status.st_mode & 0o333  # who could write to it would change the object

    def put_small(
        self,
        sources: Sequence[bytes],
        *,
        tell: Callable[[int], None],
        md5s: dict[Digest, str] | None = None,
    ) -> list[tuple[Digest, int]]:
        """As put_file of each, for many small files at once. tell: the number of each that is done, in any order.

        md5s: is given the MD5 of each. Raises FileUnreadable, StoreFull.
        """
        self._begin()
        found: list[tuple[Digest, int]] = []
        prefix = f"{self._prefix}{next(self._drafts)}-"
        done = put_small(self._below, prefix, sources, tell=tell, md5=md5s is not None)
        for source, result in zip(sources, done, strict=True):
            if result is None:
                found.append(put_with_md5(self, os.fsdecode(source), md5s))
                continue
            digits, size, md5 = result
            digest = Digest(f"sha256:{digits}")
            found.append((digest, size))
            if md5s is not None:
                md5s[digest] = md5
        self._sync_later(lambda: found[: _MANY + 1])  # where these are there, the rest is never listed
        self._sync_later(lambda: found[_MANY + 1 :])
        return found

    def put_stream(self, wanted: Descriptor, chunks: Iterable[bytes | memoryview]) -> bool:
        """Keep bytes that come from elsewhere under the name that they should have, read once and never past their size.

        Returns whether they were taken: what is there already is not asked for. Raises ObjectDamaged, when they are not what
        they were said to be and nothing is kept, and StoreFull.
        """
        if self.keeps(wanted.digest, wanted.size):
            return False
        self.receive(wanted, chunks)
        return True

    def fetch(self, wanted: Descriptor, read: Callable[[int], Iterable[bytes | memoryview]]) -> bool:
        """As put_stream, of bytes that can be had from any place on: what came before a kill or an error is asked for no more.

        It lies beside the objects for a week. What is wrong with it is found at the end; then all is read anew, once.
        """
        if self.keeps(wanted.digest, wanted.size):
            return False
        begun = self._partial(wanted)
        if begun:
            self._write(lambda out: continue_hashed(wanted, read, out), begun)
        else:
            self.receive(wanted, read(0))
        return True

    def _partial(self, wanted: Descriptor) -> tuple[int, str] | None:
        """Where a large object grows, unless another writer is at it."""
        if wanted.size < _PARTIAL_FROM:
            return None
        self._begin()
        path = f"{self._below}/{_PARTIAL}{wanted.digest[7:]}"
        handle = open_partial(path)
        return (handle, path) if handle >= 0 else None

    def receive(self, wanted: Descriptor, chunks: Iterable[bytes | memoryview]) -> None:
        """As put_stream, whatever is there already."""
        self._write(lambda out: receive_hashed(wanted, chunks, out))

    def get(self, digest: Digest) -> bytes:
        """The bytes, verified. Raises ObjectMissing, ObjectDamaged."""
        path = self._name(digest)
        try:
            with open_object(path) as file:
                data = file.read()
        except FileNotFoundError:
            raise self._missing(digest) from None
        found = digest_bytes(data)
        if found != digest:
            raise damaged(path, digest, found)
        return data

    def read(self, digest: Digest, start: int = 0) -> Iterator[bytes]:
        """The bytes from a place on, in chunks, unverified: for who hashes them.

        Raises ObjectMissing, ObjectDamaged for what is no file.
        """
        try:
            with open_object(self.path(digest)) as source:
                source.seek(start)
                while chunk := source.read(CHUNK):
                    yield chunk
        except FileNotFoundError:
            raise self._missing(digest) from None

    def verify(self, digest: Digest, *, name: str | None = None) -> Path:
        """The path of the object after reading and hashing all of it; `name` is the user's name for it.

        A damaged one is marked, so that the next put writes it anew. Raises ObjectMissing, ObjectDamaged.
        """
        path = self.path(digest)
        try:
            with open_object(path) as file:
                found = hash_open(file)
        except FileNotFoundError:
            raise self._missing(digest) from None
        if found != digest:
            if not path.is_symlink():  # what a link leads to is not ours
                with suppress(OSError):  # a store that may only be read stays as it is
                    path.chmod(_DAMAGED)
            raise damaged(path, digest, found, name=name)
        return path

    def confirm(self, digest: Digest) -> Kept:
        """What is kept now, after hashing all of it. Raises ObjectMissing, ObjectDamaged."""
        self.verify(digest)
        return self._kept(digest)

    def sync(self) -> None:
        """Bring to the disk what was put since the last call that succeeded, whoever wrote it, and the folders on the way."""
        if not self._unsynced and not self._young:
            return
        if len(self._unsynced) > _MANY:
            self._disk = self._disk if self._disk >= 0 else open_disk(self._below)
            if self._disk >= 0:
                flush_disk(self._disk)
                self._unsynced.clear()
                self._young.clear()
                return
        self._unsynced |= dict.fromkeys(self._name(digest) for group in self._young for digest, _ in group())
        self._young.clear()
        paths = list(self._unsynced)
        if len(paths) > _MANY:
            os.sync()  # all at once; what follows then finds them clean, and hears of errors, which this does not
        for path in paths:
            with suppress(FileNotFoundError):  # somebody has removed it; reading it will tell
                fsync(path)
        for folder in {os.fspath(self.root.parent), self._below, *map(os.path.dirname, paths)}:
            fsync(folder)
        for path in paths:
            self._unsynced.pop(path, None)

    def remove(self, digest: Digest) -> None:
        """Take an object away; none is no error. Only for who is alone with the store."""
        Path(self._name(digest)).unlink(missing_ok=True)
        self._unsynced.pop(self._name(digest), None)

    def again(self) -> FileObjects:
        """The same folder, for another thread."""
        return FileObjects(self.root, at_once=self._at_once)

    def close(self) -> None:
        """Let go of the file system; whoever puts something after it has it again."""
        if self._disk >= 0:
            os.close(self._disk)
        self._disk, self._swept = -1, False

    def __del__(self) -> None:
        self.close()

    def _missing(self, digest: Digest) -> ObjectMissing:
        return ObjectMissing(f"no object {digest}", where=self.where, mend="restore it from a backup")

    def _write(self, fill: Callable[[int], tuple[Digest, int]], begun: tuple[int, str] | None = None) -> tuple[Digest, int]:
        """Run `fill` on a temporary file and rename it to the digest that it returns.

        begun: a file that grows, which stays for the next try unless it is wrong or its disk is.
        """
        temporary, final = "", ""
        try:
            handle, temporary = begun or self._draft()
            try:
                with suppress(OSError):  # a file system without locks: then age alone says who is dead
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                digest, size = fill(handle)
                os.fchmod(handle, _WHOLE)
                final = self._name(digest)
                if is_shared_copy(final, temporary, size):  # to replace it would keep the same bytes twice
                    discard(temporary)
                else:
                    if self._at_once or os.path.exists(final):  # a ref may name it: what replaces it must be on the disk first
                        os.fsync(handle)
                    rename(temporary, final)
            finally:
                os.close(handle)
        except OSError as problem:
            discard(temporary)
            if final and os.path.isdir(final):
                raise no_file(Path(final)) from problem
            raise disk_fault(problem, self.root.parent) or problem from problem
        except BaseException as problem:
            if not begun or isinstance(problem, ObjectDamaged):
                discard(temporary)
            raise
        if not self._at_once:
            self._unsynced[final] = None
        return digest, size

    def _begin(self) -> None:
        """Before anything is written."""
        if self._swept:
            return
        self.root.mkdir(parents=True, exist_ok=True)
        self._sweep()
        self._prefix = f"{self._below}/{_DRAFT}{os.getpid()}-{os.urandom(6).hex()}-"
        self._disk = open_disk(self._below)

    def _draft(self) -> tuple[int, str]:
        """A new file that no other writer has."""
        self._begin()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        name = f"{self._prefix}{next(self._drafts)}"
        try:
            return os.open(name, flags, 0o600), name
        except FileNotFoundError:  # somebody has removed the folder meanwhile
            self.root.mkdir(parents=True, exist_ok=True)
            return os.open(name, flags, 0o600), name

    def _sweep(self) -> None:
        """Before the first write: remove what killed writers left, too old and held open by nobody."""
        if self._swept:
            return
        self._swept = True
        for begins, most in ((_DRAFT, _ABANDONED), (_PARTIAL, _FORGOTTEN)):
            for path in self.root.glob(f"{begins}*"):
                with suppress(OSError):  # gone meanwhile, or held: BlockingIOError
                    if time.time() - path.stat().st_mtime > most:
                        remove_unheld(path)


def put_with_md5(objects: Objects, source: str, md5s: dict[Digest, str] | None) -> tuple[Digest, int]:
    """As put_file, out of one pass with the MD5 where there is somewhere to tell it."""
    if md5s is None:
        return objects.put_file(source)
    md5 = Md5(source)
    digest, size = objects.put_file(source, also=md5.update)
    md5s[digest] = md5.hexdigest()
    return digest, size
