"""Hash trees of folders: one object a folder, so that a changed file rewrites only the nodes on its path."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from json.encoder import encode_basestring
from typing import NamedTuple, cast

from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, name_of_text, parse_object, text_of_name
from shipway.kernel.digest import Descriptor, Digest, parse_digest
from shipway.store._objects import Objects
from shipway.store._types import ObjectUnexpected

TREE = media.media_type("tree")
_DIGESTS = re.compile("(?:sha256:[0-9a-f]{64})*")


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file of a tree: its path below the root, digest, size in bytes, and whether it is executable."""

    path: str
    digest: Digest
    size: int
    executable: bool


def node_bytes(entries: list[tuple[bytes, str]]) -> bytes:
    """The canonical JSON of a folder: entries as file_entry and folder_entry write them, each with its name."""
    inside = ",".join(text for _, text in sorted(entries))
    return f'{{"entries":[{inside}],"kind":"tree","version":1}}'.encode()


def file_entry(name: bytes, digest: Digest, size: int, *, executable: bool) -> str:
    """Canonical by hand: keys are in order, and Python's quick writer of texts agrees with RFC 8785."""
    bit = "true" if executable else "false"
    text = encode_basestring(text_of_name(name))
    return f'{{"digest":"{digest}","executable":{bit},"name":{text},"size":{size},"type":"file"}}'


def folder_entry(name: bytes, node: Descriptor) -> str:
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
            entries.append((name, file_entry(name, file.digest, file.size, executable=file.executable)))
    for head, below in inside.items():
        name = os.fsencode(head)
        entries.append((name, folder_entry(name, put_listing(objects, below))))
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
