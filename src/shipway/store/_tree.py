"""Hash trees of folders: one object a folder, so that a changed file rewrites only the nodes on its path."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple, cast

from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, canonical_json, name_of_text, parse_object, text_of_name
from shipway.kernel.digest import Descriptor, Digest, parse_digest
from shipway.store._objects import Objects
from shipway.store._stat_cache import StatCache
from shipway.store._types import FileUnreadable, ObjectUnexpected

TREE = media.media_type("tree")


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file of a tree: its path below the root, digest, size in bytes, and whether it is executable."""

    path: str
    digest: Digest
    size: int
    executable: bool


class TreeWriter:
    """Puts folders and files into the store; files that the stat cache knows are not read again."""

    def __init__(self, objects: Objects, cache: StatCache, report: Callable[[str, int], None] | None = None) -> None:
        self._objects, self._cache, self._report = objects, cache, report
        self._new: list[tuple[Path, os.stat_result, Digest]] = []
        self.files = self.bytes = self.read = 0

    def put(self, root: Path) -> Descriptor:
        """The tree of a folder, or of a folder that holds this one file. Raises FileUnreadable, StoreFull."""
        if not root.is_dir():
            return self.put_files({root.name: root})
        try:
            return self._folder(root)
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

    def _files(self, files: dict[str, Path]) -> Descriptor:
        folders: dict[str, dict[str, Path]] = {}
        entries: list[JsonObject] = []
        for path, source in files.items():
            head, _, rest = path.partition("/")
            if rest:
                folders.setdefault(head, {})[rest] = source
            else:
                entries.append(self._file(source, os.fsencode(head)))
        entries += [_folder_entry(os.fsencode(name), self._files(below)) for name, below in folders.items()]
        return self._node(entries)

    def _folder(self, folder: Path) -> Descriptor:
        entries: list[JsonObject] = []
        try:
            children = sorted(os.scandir(os.fsencode(folder)), key=lambda child: child.name)
        except OSError as problem:
            raise FileUnreadable(f"cannot list {folder.name}: {problem.strerror}", where=str(folder)) from problem
        for child in children:
            path = Path(os.fsdecode(child.path))
            if child.is_symlink():
                raise FileUnreadable(
                    f"{path.name} is a symbolic link",
                    where=str(path),
                    mend="copy the file into the folder",
                )
            if child.is_dir():
                entries.append(_folder_entry(child.name, self._folder(path)))
            else:
                entries.append(self._file(path, child.name))
        return self._node(entries)

    def _file(self, source: Path, name: bytes) -> JsonObject:
        """The entry of one file; its size is that of the bytes that were read, which may have grown since the stat."""
        try:
            status = source.stat()
        except OSError as problem:
            raise FileUnreadable(f"cannot read {source.name}: {problem.strerror}", where=str(source)) from problem
        if not stat.S_ISREG(status.st_mode):
            raise FileUnreadable(f"{source.name} is not a regular file", where=str(source))
        digest, size = self._cache.find(source, status), status.st_size
        if digest is None or not self._objects.keeps(digest, size):
            digest, size = self._objects.put_file(source)
            self._new.append((source, status, digest))
            self.read += size
        self.files += 1
        self.bytes += size
        if self._report:
            self._report(text_of_name(name), size)
        return {
            "name": text_of_name(name),
            "type": "file",
            "digest": digest,
            "size": size,
            "executable": bool(status.st_mode & 0o100),
        }

    def _node(self, entries: list[JsonObject]) -> Descriptor:
        ordered = sorted(entries, key=lambda entry: name_of_text(str(entry["name"])))
        data = canonical_json({"kind": "tree", "version": 1, "entries": ordered})
        return Descriptor(TREE, self._objects.put(data), len(data))


class Node(NamedTuple):
    """What stands in one folder of a tree: its files, and its folders by name."""

    files: tuple[TreeFile, ...]
    folders: Mapping[str, Descriptor]


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
    return _walk(objects, root, PurePosixPath())


def tree_nodes(objects: Objects, root: Digest) -> Iterator[tuple[Digest, bytes]]:
    """Every folder node of a tree with its bytes, the root first."""
    data = objects.get(root)
    yield root, data
    for entry in _entries(data):
        if entry["type"] == "tree":
            yield from tree_nodes(objects, parse_digest(str(entry["digest"])))


def _walk(objects: Objects, node: Digest, below: PurePosixPath) -> Iterator[TreeFile]:
    for entry in _entries(objects.get(node)):
        path, digest = below / _safe_name(str(entry["name"])), parse_digest(str(entry["digest"]))
        if entry["type"] == "tree":
            yield from _walk(objects, digest, path)
        else:
            yield TreeFile(str(path), digest, int(cast("int", entry["size"])), bool(entry["executable"]))


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
