"""Hash trees of folders: one object a folder, so that a changed file rewrites only the nodes on its path."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from json.encoder import encode_basestring
from pathlib import Path
from typing import NamedTuple, cast

from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, name_of_text, parse_object, text_of_name
from shipway.kernel.digest import Descriptor, Digest, parse_digest
from shipway.store._objects import Objects, put_with_md5
from shipway.store._scan import Scan, scan_folder
from shipway.store._stat_cache import Known, NodeSeen, StatCache, is_settled, known_as, known_digest
from shipway.store._types import FileUnreadable, ObjectUnexpected

TREE = media.media_type("tree")
_DIGESTS = re.compile("(?:sha256:[0-9a-f]{64})*")
_LARGE = 8 << 20  # bytes from which hashing a file is worth a thread


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file of a tree: its path below the root, digest, size in bytes, and whether it is executable."""

    path: str
    digest: Digest
    size: int
    executable: bool


@dataclass(slots=True)
class _Folder:
    """A folder to be put. digests: of its files in order, None of one that has to be read; sizes: as they were kept.

    whole: nothing about its files has changed since its node was remembered.
    """

    scan: Scan
    signature: str
    digests: list[Digest | None]
    sizes: list[int]
    folders: list[_Folder]
    whole: bool


class _Read(NamedTuple):
    """A file that has to be read: in which folder, and its place there."""

    folder: _Folder
    place: int

    @property
    def path(self) -> bytes:
        return self.folder.scan.path + b"/" + self.folder.scan.files[self.place][0]


class TreeWriter:
    """Puts folders and files into the store; files that the stat cache knows are not read again.

    listed: each file that was put, by its path below the root, and its digest. md5s: is given the MD5 of each that is read.
    """

    def __init__(
        self,
        objects: Objects,
        cache: StatCache,
        report: Callable[[str, int], None] | None = None,
        *,
        md5s: dict[Digest, str] | None = None,
    ) -> None:
        self._objects, self._cache, self._report, self._md5s = objects, cache, report, md5s
        self._seen = 0  # nanoseconds: before any stat was taken
        self.listed: list[tuple[bytes, Digest]] = []
        self.files = self.bytes = self.read = 0

    def put(self, root: Path) -> Descriptor:
        """The tree of a folder, or of a folder that holds this one file. Raises FileUnreadable, StoreFull."""
        if not root.is_dir():
            return self.put_files({root.name: root})
        path = os.fsencode(root.absolute())
        self._seen = time.time_ns()
        self._cache.load(path)
        folders: list[_Folder] = []
        top = self._look(_scanned(path), folders)
        self._check_kept(folders)
        try:
            self._read_all([_Read(one, place) for one in folders for place, known in enumerate(one.digests) if known is None])
        except BaseException:
            self._remember_files(folders)
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
            entries.append((name, _file_entry(name, digest, size, executable=bool(status.st_mode & 0o100))))
        for head, inside in folders.items():
            name = os.fsencode(head)
            entries.append((name, _folder_entry(name, self._files(inside, f"{below}{head}/", new))))
        return self._node(entries)

    def _look(self, scan: Scan, folders: list[_Folder]) -> _Folder:
        """What is known of a folder's files before any is read, and of all below it; each goes to `folders`."""
        _refuse_others(scan)
        below = [self._look(one, folders) for one in scan.folders]
        signature, node = scan.signature(), self._cache.node(scan.path)
        known = self._cache.files(scan.path) if node or self._cache.knows(scan.path) else {}
        whole = node is not None and node.signature == signature and len(known) == len(scan.files)
        digests: list[Digest | None] = [None] * len(scan.files)
        if whole and _DIGESTS.fullmatch("".join(str(one[4]) for one in known.values())):
            digests = [Digest(str(one[4])) for one in known.values()]  # in the order of the scan that they were remembered of
        elif known:
            digests = [known_digest(known, name, status) for name, status in scan.files]
        made = _Folder(scan, signature, digests, [status.st_size for _, status in scan.files], below, whole)
        folders.append(made)
        return made

    def _check_kept(self, folders: list[_Folder]) -> None:
        """What the cache knows has to be read all the same where its object is not there as it was."""
        wanted = [pair for one in folders for pair in zip(one.digests, one.sizes, strict=True)]
        kept = iter(self._objects.keeps_each([(one, size) for one, size in wanted if one]))
        for folder in folders:
            folder.digests = [one if one and next(kept) else None for one in folder.digests]
            folder.whole = folder.whole and None not in folder.digests
            if self._report:
                for (name, status), digest in zip(folder.scan.files, folder.digests, strict=True):
                    if digest:
                        self._report(text_of_name(name), status.st_size)

    def _read_all(self, reads: list[_Read]) -> None:
        """Large files in threads, as hashing leaves Python's lock; small ones in processes, as calls of the system do not."""
        small = [one for one in reads if one.folder.sizes[one.place] < _LARGE]
        large = [one for one in reads if one.folder.sizes[one.place] >= _LARGE]
        done = self._objects.put_small([one.path for one in small], tell=self._teller(small), md5s=self._md5s)
        for one, result in zip(small, done, strict=True):
            self._take(one, result)
        if not large:
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(len(large), os.cpu_count() or 1)) as pool:
            work = [(one, pool.submit(put_with_md5, self._objects, os.fsdecode(one.path), self._md5s)) for one in large]
            try:
                for one, future in work:
                    self._take(one, future.result())
                    self._tell(one)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _take(self, one: _Read, result: tuple[Digest, int]) -> None:
        """What was read; its size is that of the bytes that were read, which may have grown since the stat."""
        one.folder.digests[one.place], one.folder.sizes[one.place] = result
        one.folder.whole = False
        self.read += result[1]

    def _teller(self, reads: list[_Read]) -> Callable[[int], None]:
        return (lambda number: self._tell(reads[number])) if self._report else lambda _: None

    def _tell(self, one: _Read) -> None:
        if self._report:
            self._report(text_of_name(one.folder.scan.files[one.place][0]), one.folder.sizes[one.place])

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
        self._count_all(folder)
        below, seen = ",".join(node.digest for node in nodes), self._cache.node(folder.scan.path)
        if folder.whole and seen and seen.below == below and self._objects.keeps(seen.digest, seen.size):
            return Descriptor(TREE, seen.digest, seen.size)
        entries = [(one.scan.name, _folder_entry(one.scan.name, node)) for one, node in zip(folder.folders, nodes, strict=True)]
        for (name, status), digest, size in zip(folder.scan.files, folder.digests, folder.sizes, strict=True):
            assert digest is not None, "every file was read"
            entries.append((name, _file_entry(name, digest, size, executable=bool(status.st_mode & 0o100))))
        found = self._node(entries)
        new.append((folder, NodeSeen(folder.signature, below, found.digest, found.size)))
        return found

    def _count_all(self, folder: _Folder) -> None:
        self.files += len(folder.sizes)
        self.bytes += sum(folder.sizes)
        below = folder.scan.below
        self.listed += [
            (below + name, digest) for (name, _), digest in zip(folder.scan.files, folder.digests, strict=True) if digest
        ]

    def _count(self, below: bytes, name: bytes, digest: Digest, size: int) -> None:
        self.files += 1
        self.bytes += size
        self.listed.append((below, digest))
        if self._report:
            self._report(text_of_name(name), size)

    def _remember(self, folder: _Folder, node: NodeSeen | None) -> None:
        """Files whose next change will show in their stat, and the node when that holds for all of them."""
        known: dict[str, Known] = {}
        for (name, status), digest in zip(folder.scan.files, folder.digests, strict=True):
            if digest and is_settled(status, self._seen):
                known[text_of_name(name)] = known_as(status, digest)
        self._cache.put(folder.scan.path, known, node if len(known) == len(folder.scan.files) else None)

    def _remember_files(self, folders: list[_Folder]) -> None:
        """What was read before something went wrong."""
        self._objects.sync()
        for folder in folders:
            if any(folder.digests):
                self._remember(folder, None)

    def _node(self, entries: list[tuple[bytes, str]]) -> Descriptor:
        data = node_bytes(entries)
        return Descriptor(TREE, self._objects.put(data), len(data))


def _scanned(path: bytes) -> Scan:
    try:
        return scan_folder(path)
    except OSError as problem:
        name = os.fsdecode(problem.filename or path)
        what = f"cannot list {os.path.basename(name)}: {problem.strerror}"
        raise FileUnreadable(what, where=name) from problem


def _refuse_others(scan: Scan) -> None:
    for name, status in scan.others:
        shown, where = os.fsdecode(name), os.fsdecode(scan.path + b"/" + name)
        if stat.S_ISLNK(status.st_mode):
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


def node_bytes(entries: list[tuple[bytes, str]]) -> bytes:
    """The canonical JSON of a folder: entries as _file_entry and _folder_entry write them, each with its name."""
    inside = ",".join(text for _, text in sorted(entries))
    return f'{{"entries":[{inside}],"kind":"tree","version":1}}'.encode()


def _file_entry(name: bytes, digest: Digest, size: int, *, executable: bool) -> str:
    """Canonical by hand: keys are in order, and Python's quick writer of texts agrees with RFC 8785."""
    bit = "true" if executable else "false"
    text = encode_basestring(text_of_name(name))
    return f'{{"digest":"{digest}","executable":{bit},"name":{text},"size":{size},"type":"file"}}'


def _folder_entry(name: bytes, node: Descriptor) -> str:
    text = encode_basestring(text_of_name(name))
    return f'{{"digest":"{node.digest}","name":{text},"size":{node.size},"type":"tree"}}'


class Node(NamedTuple):
    """What stands in one folder of a tree: its files, and its folders by name."""

    files: tuple[TreeFile, ...]
    folders: Mapping[str, Descriptor]


def put_listing(objects: Objects, files: Iterable[TreeFile]) -> Descriptor:
    """The tree of files whose bytes are objects already."""
    inside: dict[str, list[TreeFile]] = {}
    entries: list[tuple[bytes, str]] = []
    for file in files:
        head, _, rest = file.path.partition("/")
        if rest:
            inside.setdefault(head, []).append(replace(file, path=rest))
        else:
            name = os.fsencode(head)
            entries.append((name, _file_entry(name, file.digest, file.size, executable=file.executable)))
    for head, below in inside.items():
        name = os.fsencode(head)
        entries.append((name, _folder_entry(name, put_listing(objects, below))))
    data = node_bytes(entries)
    return Descriptor(TREE, objects.put(data), len(data))


def read_node(data: bytes) -> Node:
    """The entries of a folder node, whoever made it. Raises ObjectUnexpected, NotCanonical, DigestMalformed."""
    files: list[TreeFile] = []
    folders: dict[str, Descriptor] = {}
    seen: set[str] = set()
    for entry in _entries(data):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            raise ObjectUnexpected("an entry of a tree is an object with a name")
        name, kind = _safe_name(str(entry["name"])), entry.get("type")
        if name in seen:
            raise ObjectUnexpected(f"a tree holds the name {name!r} twice")
        seen.add(name)
        target = Descriptor.from_json({**entry, "mediaType": TREE})
        if kind == "tree":
            folders[name] = target
        elif kind == "file" and isinstance(entry.get("executable"), bool):
            files.append(TreeFile(name, target.digest, target.size, bool(entry["executable"])))
        else:
            raise ObjectUnexpected(f"the entry {name!r} of a tree is neither a file nor a folder")
    return Node(tuple(files), folders)


def walk_tree(objects: Objects, root: Digest) -> Iterator[TreeFile]:
    """Every file of a tree in the order of its nodes. Raises ObjectMissing, ObjectDamaged, ObjectUnexpected."""
    return _walk(objects, root, "")


def tree_nodes(objects: Objects, root: Digest) -> Iterator[tuple[Digest, bytes]]:
    """Every folder node of a tree with its bytes, the root first."""
    data = objects.get(root)
    yield root, data
    for entry in _entries(data):
        if entry["type"] == "tree":
            yield from tree_nodes(objects, parse_digest(str(entry["digest"])))


def _walk(objects: Objects, node: Digest, below: str) -> Iterator[TreeFile]:
    entries = _entries(objects.get(node))
    if not _DIGESTS.fullmatch("".join([str(entry["digest"]) for entry in entries])):
        raise ObjectUnexpected("a tree names what is no digest")
    for entry in entries:
        path, digest = below + _safe_name(str(entry["name"])), Digest(str(entry["digest"]))
        if entry["type"] == "tree":
            yield from _walk(objects, digest, f"{path}/")
        else:
            yield TreeFile(path, digest, int(cast("int", entry["size"])), bool(entry["executable"]))


def _entries(data: bytes) -> list[JsonObject]:
    node = parse_object(data)
    if node.get("kind") != "tree" or node.get("version") != 1 or not isinstance(node.get("entries"), list):
        raise ObjectUnexpected(f"a tree was expected, not {node.get('kind')} version {node.get('version')}")
    return cast("list[JsonObject]", node["entries"])


def _safe_name(text: str) -> str:
    """A tree that somebody else made must not climb out of the folder it is checked out into."""
    if text.isascii() and "/" not in text and "\0" not in text and text[:7] != "base64:" and text not in ("", ".", ".."):
        return text
    name = name_of_text(text)
    if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
        raise ObjectUnexpected(f"a tree holds the name {text!r}, which no file can have")
    return os.fsdecode(name)
