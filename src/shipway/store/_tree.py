"""Hash trees of folders: one object a folder, so that a changed file rewrites only the nodes on its path."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, cast

from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, name_of_text, parse_object, text_of_name
from shipway.kernel.digest import Descriptor, Digest, parse_digest
from shipway.store._objects import Objects
from shipway.store._stat_cache import StatCache
from shipway.store._types import FileUnreadable, ObjectUnexpected

TREE = media.media_type("tree")
_LARGE = 8 << 20  # bytes from which hashing a file is worth a thread


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file of a tree: its path below the root, digest, size in bytes, and whether it is executable."""

    path: str
    digest: Digest
    size: int
    executable: bool


class _Source(NamedTuple):
    """A file to be put. path: absolute; below: from the root; digest: None when it has to be read."""

    path: bytes
    below: bytes
    status: os.stat_result
    digest: Digest | None


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
        self._new: list[tuple[bytes, os.stat_result, Digest]] = []
        self.listed: list[tuple[bytes, Digest]] = []
        self.files = self.bytes = self.read = 0

    def put(self, root: Path) -> Descriptor:
        """The tree of a folder, or of a folder that holds this one file. Raises FileUnreadable, StoreFull."""
        if not root.is_dir():
            return self.put_files({root.name: root})
        try:
            return self._folder(os.fsencode(root.absolute()), b"")
        finally:
            self._remember()

    def put_files(self, files: dict[str, Path]) -> Descriptor:
        """The tree of these files, keyed by their path below the root with `/` between names."""
        try:
            return self._files(files)
        finally:
            self._remember()

    def _remember(self) -> None:
        """What was read goes to the stat cache once the disk has it: the cache may not outlive the object."""
        if self._new:
            self._objects.sync()
        for known in self._new:
            self._cache.add(*known)
        self._new.clear()

    def _files(self, files: dict[str, Path], below: str = "") -> Descriptor:
        folders: dict[str, dict[str, Path]] = {}
        entries: list[JsonObject] = []
        for path, source in files.items():
            head, _, rest = path.partition("/")
            if rest:
                folders.setdefault(head, {})[rest] = source
            else:
                entries.append(self._file(self._look(os.fsencode(source.absolute()), os.fsencode(below + head))))
        entries += [
            _folder_entry(os.fsencode(name), self._files(inside, f"{below}{name}/")) for name, inside in folders.items()
        ]
        return self._node(entries)

    def _folder(self, folder: bytes, below: bytes) -> Descriptor:
        """The tree of a folder at an absolute path; below: its path from the root, with a slash at its end."""
        entries: list[JsonObject] = []
        large: list[_Source] = []
        try:
            with os.scandir(folder) as found:
                children = sorted(found, key=lambda child: child.name)
        except OSError as problem:
            name = os.fsdecode(os.path.basename(folder))
            raise FileUnreadable(f"cannot list {name}: {problem.strerror}", where=os.fsdecode(folder)) from problem
        for child in children:
            if child.is_symlink():
                raise FileUnreadable(
                    f"{os.fsdecode(child.name)} is a symbolic link",
                    where=os.fsdecode(child.path),
                    mend="copy the file into the folder",
                )
            if child.is_dir():
                entries.append(_folder_entry(child.name, self._folder(child.path, below + child.name + b"/")))
                continue
            source = self._look(child.path, below + child.name)
            if source.digest is None and source.status.st_size >= _LARGE:
                large.append(source)
            else:
                entries.append(self._file(source))
        return self._node([*entries, *self._large(large)])

    def _look(self, path: bytes, below: bytes) -> _Source:
        """What is known of a file before it is read: its digest where nothing has changed since the cache saw it."""
        try:
            status = os.stat(path)
        except OSError as problem:
            name = os.fsdecode(os.path.basename(path))
            raise FileUnreadable(f"cannot read {name}: {problem.strerror}", where=os.fsdecode(path)) from problem
        if not stat.S_ISREG(status.st_mode):
            name = os.fsdecode(os.path.basename(path))
            raise FileUnreadable(f"{name} is not a regular file", where=os.fsdecode(path))
        digest = self._cache.find(path, status)
        if digest is not None and not self._objects.keeps(digest, status.st_size):
            digest = None
        return _Source(path, below, status, digest)

    def _large(self, sources: list[_Source]) -> list[JsonObject]:
        """Large files in threads: hashing leaves Python's lock, and one core hashes slower than most disks read."""
        if len(sources) < 2:
            return [self._file(source) for source in sources]
        with ThreadPoolExecutor(min(len(sources), os.cpu_count() or 1)) as pool:
            try:
                read = list(pool.map(self._put, sources))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return [self._entry(source, *found) for source, found in zip(sources, read, strict=True)]

    def _file(self, source: _Source) -> JsonObject:
        """The entry of one file; its size is that of the bytes that were read, which may have grown since the stat."""
        if source.digest is None:
            return self._entry(source, *self._put(source))
        return self._entry(source, source.digest, source.status.st_size)

    def _put(self, source: _Source) -> tuple[Digest, int]:
        path = os.fsdecode(source.path)
        if self._md5s is None:
            return self._objects.put_file(path)
        md5 = hashlib.md5(usedforsecurity=False)
        digest, size = self._objects.put_file(path, also=md5.update)
        self._md5s[digest] = md5.hexdigest()
        return digest, size

    def _entry(self, source: _Source, digest: Digest, size: int) -> JsonObject:
        if source.digest is None:
            self._new.append((source.path, source.status, digest))
            self.read += size
        self.files += 1
        self.bytes += size
        self.listed.append((source.below, digest))
        name = text_of_name(os.path.basename(source.below))
        if self._report:
            self._report(name, size)
        executable = bool(source.status.st_mode & 0o100)
        return {"digest": digest, "executable": executable, "name": name, "size": size, "type": "file"}

    def _node(self, entries: list[JsonObject]) -> Descriptor:
        data = node_bytes(sorted(entries, key=lambda entry: name_of_text(str(entry["name"]))))
        return Descriptor(TREE, self._objects.put(data), len(data))


def node_bytes(entries: list[JsonObject]) -> bytes:
    """The canonical JSON of a folder, by the quick encoder of Python's library.

    For these values the two agree: keys are ASCII, sizes are below 2^53, and there is no number with a fraction.
    """
    value = {"entries": entries, "kind": "tree", "version": 1}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


class Node(NamedTuple):
    """What stands in one folder of a tree: its files, and its folders by name."""

    files: tuple[TreeFile, ...]
    folders: Mapping[str, Descriptor]


def put_listing(objects: Objects, files: Iterable[TreeFile]) -> Descriptor:
    """The tree of files whose bytes are objects already."""
    inside: dict[str, list[TreeFile]] = {}
    entries: list[JsonObject] = []
    for file in files:
        head, _, rest = file.path.partition("/")
        if rest:
            inside.setdefault(head, []).append(replace(file, path=rest))
        else:
            name = text_of_name(os.fsencode(head))
            entries.append(
                {"digest": file.digest, "executable": file.executable, "name": name, "size": file.size, "type": "file"}
            )
    entries += [_folder_entry(os.fsencode(name), put_listing(objects, below)) for name, below in inside.items()]
    data = node_bytes(sorted(entries, key=lambda entry: name_of_text(str(entry["name"]))))
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
    for entry in _entries(objects.get(node)):
        path, digest = below + _safe_name(str(entry["name"])), parse_digest(str(entry["digest"]))
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
    name = name_of_text(text)
    if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
        raise ObjectUnexpected(f"a tree holds the name {text!r}, which no file can have")
    return os.fsdecode(name)


def _folder_entry(name: bytes, node: Descriptor) -> JsonObject:
    return {"name": text_of_name(name), "type": "tree", "digest": node.digest, "size": node.size}
