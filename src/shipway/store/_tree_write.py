"""Folders and files put as hash trees: what the stat cache knows is not read again, a folder that it knows not opened."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from shipway.kernel.canonical import text_of_name, texts_of_names
from shipway.kernel.collector import uncollected
from shipway.kernel.digest import Descriptor, Digest
from shipway.store._md5 import prepare_md5
from shipway.store._objects import Objects, Wanted, put_with_md5
from shipway.store._scan import Scan, Seen, scan_folder
from shipway.store._stat_cache import Known, NodeSeen, StatCache, is_settled, known_as, known_digest
from shipway.store._tree import TREE, file_entries, file_entry, folder_entry, node_bytes
from shipway.store._types import FileUnreadable

_LARGE = 8 << 20  # bytes from which hashing a file is worth a thread
_HANDED_ON = 0.0001  # seconds: a tenth of what the hash of a chunk takes


@dataclass(slots=True)
class _Folder:
    """A folder to be put. node: what it had when it was remembered; whole: nothing about its files has changed since.

    Once it is open: its files, their digests in order, None of one that has to be read, and their sizes as they were kept.
    """

    scan: Scan
    folders: list[_Folder]
    node: NodeSeen | None
    whole: bool
    files: list[Seen] = field(default_factory=list)
    digests: list[Digest | None] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def remembered(self) -> list[Wanted]:
        """Of a whole folder: the objects of its files."""
        digits = self.node.files if self.node else ""
        return [(Digest(f"sha256:{digits[64 * at : 64 * at + 64]}"), file[3]) for at, file in enumerate(self.scan.files)]

    def open(self, digests: list[Digest | None] | None = None) -> None:
        """Look at each file. digests: what is known of them; as they are remembered without."""
        if not self.files:
            self.files = self.scan.files
            self.sizes = [file[3] for file in self.files]
            self.digests = digests if digests is not None else [digest for digest, _ in self.remembered()]


class _Read(NamedTuple):
    """A file that has to be read: in which folder, and its place there."""

    folder: _Folder
    place: int

    @property
    def name(self) -> bytes:
        return self.folder.files[self.place][0]

    @property
    def path(self) -> bytes:
        return self.folder.scan.path + b"/" + self.name

    @property
    def size(self) -> int:
        return self.folder.sizes[self.place]


class TreeWriter:
    """Puts folders and files into the store.

    Costs one stat a file on disk and one an object, on all cores; beyond these, work for what has changed alone: its files are
    read, and the nodes from it up to the root written. md5s: is given the MD5 of each file that is read; beside: done once
    while large files are hashed.
    """

    def __init__(
        self,
        objects: Objects,
        cache: StatCache,
        report: Callable[[str, int], None] | None = None,
        *,
        md5s: dict[Digest, str] | None = None,
        beside: Callable[[], None] | None = None,
    ) -> None:
        self._objects, self._cache, self._report, self._md5s, self._beside = objects, cache, report, md5s, beside
        self._seen = 0  # nanoseconds: before any stat was taken
        self._listed: list[tuple[bytes, Digest]] = []
        self._folders: list[_Folder] = []
        self.files = self.bytes = self.read = 0

    @uncollected()
    def put(self, root: Path) -> Descriptor:
        """The tree of a folder, or of a folder that holds this one file. Raises FileUnreadable, StoreFull."""
        if not root.is_dir():
            return self.put_files({root.name: root})
        path = os.fsencode(root.absolute())
        self._seen = time.time_ns()
        self._cache.load(path, files=True)
        top = self._look(_scanned(path))
        self._check_kept()
        try:
            unread = [one for one in self._folders if None in one.digests]
            self._read_all([_Read(one, place) for one in unread for place, known in enumerate(one.digests) if known is None])
        except BaseException:
            self._remember_files()
            raise
        return self._put_nodes(top)

    def put_files(self, files: dict[str, Path]) -> Descriptor:
        """The tree of these files, keyed by their path below the root with `/` between names."""
        new: list[tuple[bytes, os.stat_result, Digest]] = []
        try:
            return self._files(files, "", new)
        finally:
            if new:
                self._objects.sync()  # the cache may not outlive the object
            for known in new:
                self._cache.add(*known)

    def listing(self, *endings: bytes) -> Iterator[tuple[bytes, Digest]]:
        """Each file that was put whose path ends so in lower case: its path below the root, and its digest."""
        yield from ((path, digest) for path, digest in self._listed if path.lower().endswith(endings))
        for folder in self._folders:
            names = folder.scan.packed.lower()
            if any(ending in names for ending in endings):
                folder.open()
                for file, digest in zip(folder.files, folder.digests, strict=True):
                    if digest and file[0].lower().endswith(endings):
                        yield folder.scan.below + file[0], digest

    def _files(self, files: dict[str, Path], below: str, new: list[tuple[bytes, os.stat_result, Digest]]) -> Descriptor:
        folders: dict[str, dict[str, Path]] = {}
        entries: list[tuple[bytes, str]] = []
        for path, source in files.items():
            head, _, rest = path.partition("/")
            if rest:
                folders.setdefault(head, {})[rest] = source
                continue
            place, status = os.fsencode(source.absolute()), _status(source)
            digest, size = self._cache.find(place, status), status.st_size
            if digest is None or not self._objects.keeps(digest, size):
                digest, size = put_with_md5(self._objects, os.fsdecode(place), self._md5s)
                new.append((place, status, digest))
                self.read += size
            name = os.fsencode(head)
            self._count(os.fsencode(below) + name, name, digest, size)
            entries.append((name, file_entry(name, digest, size, executable=bool(status.st_mode & 0o100))))
        for head, inside in folders.items():
            name = os.fsencode(head)
            entries.append((name, folder_entry(name, self._files(inside, f"{below}{head}/", new))))
        return self._node(entries)

    def _look(self, scan: Scan) -> _Folder:
        """What is known of a folder's files before any is read, and of all below it; each is one of our folders."""
        _refuse_others(scan)
        below = [self._look(one) for one in scan.folders]
        node = self._cache.node(scan.path)
        whole = node is not None and node.signature == scan.signature and len(node.files) == 64 * scan.count
        made = _Folder(scan, below, node, whole)
        if not whole:
            known = self._cache.files(scan.path) if node or self._cache.knows(scan.path) else {}
            made.open([known_digest(known, file) for file in scan.files] if known else [None] * scan.count)
        self._folders.append(made)
        return made

    def _check_kept(self) -> None:
        """What the cache knows has to be read all the same where its object is not there as it was."""
        whole = [one for one in self._folders if one.whole]
        kept = self._objects.keeps_all([one.remembered for one in whole], sum(one.scan.count for one in whole))
        for folder, all_kept in zip(whole, kept, strict=True):
            folder.whole = all_kept
            if not all_kept:
                folder.open()
        opened = [one for one in self._folders if not one.whole]
        wanted = [(digest, size) for one in opened for digest, size in zip(one.digests, one.sizes, strict=True) if digest]
        each = iter(self._objects.keeps_each(wanted))
        for folder in opened:
            folder.digests = [one if one and next(each) else None for one in folder.digests]
        if self._report:
            for folder in self._folders:
                for at, file in enumerate(folder.scan.files):
                    if folder.whole or folder.digests[at]:
                        self._report(text_of_name(file[0]), file[3])

    def _read_all(self, reads: list[_Read]) -> None:
        """Large files in threads, as hashing leaves Python's lock; small ones in processes, as calls of the system do not."""
        small = [one for one in reads if one.size < _LARGE]
        large = [one for one in reads if one.size >= _LARGE]
        done = self._objects.put_small([one.path for one in small], tell=self._teller(small), md5s=self._md5s)
        for one, result in zip(small, done, strict=True):
            self._take(one, result)
        if not large:
            return
        from shipway.store._threads import Threads

        if self._md5s is not None:
            prepare_md5(max(one.size for one in large))
        with Threads(min(len(large), os.cpu_count() or 1)) as threads:
            put = partial(put_with_md5, self._objects, md5s=self._md5s)
            work = [(one, threads.begin(partial(put, os.fsdecode(one.path)))) for one in large]
            if self._beside:
                with _often_handed_on():
                    self._beside()
            for one, later in work:
                self._take(one, later.result())
                self._tell(one)

    def _take(self, one: _Read, result: tuple[Digest, int]) -> None:
        """What was read; its size is that of the bytes that were read, which may have grown since the stat."""
        one.folder.digests[one.place], one.folder.sizes[one.place] = result
        self.read += result[1]

    def _teller(self, reads: list[_Read]) -> Callable[[int], None]:
        return (lambda number: self._tell(reads[number])) if self._report else lambda _: None

    def _tell(self, one: _Read) -> None:
        if self._report:
            self._report(text_of_name(one.name), one.size)

    def _put_nodes(self, top: _Folder) -> Descriptor:
        """The nodes of all folders, then on the disk with all files, then remembered: the cache may not outlive an object."""
        new: list[tuple[_Folder, NodeSeen]] = []
        found = self._put_node(top, new)
        if new:
            self._objects.sync()
        for folder, node in new:
            self._remember(folder, node)
        return found

    def _put_node(self, folder: _Folder, new: list[tuple[_Folder, NodeSeen]]) -> Descriptor:
        nodes = [self._put_node(one, new) for one in folder.folders]
        self.files += folder.scan.count
        self.bytes += sum(folder.sizes) if folder.files else folder.scan.size
        below, seen = ",".join(node.digest for node in nodes), folder.node
        if folder.whole and seen and seen.below == below and self._objects.keeps(seen.digest, seen.size):
            return Descriptor(TREE, seen.digest, seen.size)
        folder.open()
        entries = [(one.scan.name, folder_entry(one.scan.name, node)) for one, node in zip(folder.folders, nodes, strict=True)]
        assert None not in folder.digests, "every file was read"
        names, executable = [file[0] for file in folder.files], [file[1] for file in folder.files]
        entries += file_entries(names, executable, folder.digests, folder.sizes)
        found = self._node(entries)
        new.append((folder, NodeSeen(folder.scan.signature, below, found.digest, found.size)))
        return found

    def _count(self, below: bytes, name: bytes, digest: Digest, size: int) -> None:
        self.files += 1
        self.bytes += size
        self._listed.append((below, digest))
        if self._report:
            self._report(text_of_name(name), size)

    def _remember(self, folder: _Folder, node: NodeSeen | None) -> None:
        """Files whose next change will show in their stat, and the node when that holds for all of them."""
        texts = texts_of_names([file[0] for file in folder.files])
        known: dict[str, Known] = {
            text: known_as(file, digest)
            for text, file, digest in zip(texts, folder.files, folder.digests, strict=True)
            if digest and is_settled(file, self._seen)
        }
        self._cache.put(folder.scan.path, known, node if len(known) == len(folder.files) else None)

    def _remember_files(self) -> None:
        """What was read before something went wrong."""
        self._objects.sync()
        for folder in self._folders:
            if any(folder.digests):
                self._remember(folder, None)

    def _node(self, entries: list[tuple[bytes, str]]) -> Descriptor:
        data = node_bytes(entries)
        return Descriptor(TREE, self._objects.put(data), len(data))


@contextmanager
def _often_handed_on() -> Iterator[None]:
    """Python's lock, so that threads that need it for a moment between two chunks do not wait 5 ms for it each time."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_HANDED_ON)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _scanned(path: bytes) -> Scan:
    try:
        return scan_folder(path)
    except OSError as problem:
        name = os.fsdecode(problem.filename or path)
        what = f"cannot list {os.path.basename(name)}: {problem.strerror}"
        raise FileUnreadable(what, where=name) from problem


def _refuse_others(scan: Scan) -> None:
    for name in scan.others:
        shown, where = os.fsdecode(name), os.fsdecode(scan.path + b"/" + name)
        if os.path.islink(where):
            raise FileUnreadable(f"{shown} is a symbolic link", where=where, mend="copy the file into the folder")
        raise FileUnreadable(f"{shown} is not a regular file", where=where)


def _status(source: Path) -> os.stat_result:
    try:
        status = source.stat()
    except OSError as problem:
        raise FileUnreadable(f"cannot read {source.name}: {problem.strerror}", where=str(source)) from problem
    if not stat.S_ISREG(status.st_mode):
        raise FileUnreadable(f"{source.name} is not a regular file", where=str(source))
    return status
