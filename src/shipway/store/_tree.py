"""Hash trees of folders: one object a folder, so that a changed file rewrites only the nodes on its path."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress
from json.encoder import encode_basestring
from typing import NamedTuple, cast

from shipway.kernel import media
from shipway.kernel.canonical import Json, name_of_text, parse_object, text_of_name, texts_of_names
from shipway.kernel.digest import Descriptor, Digest
from shipway.store._objects import Objects
from shipway.store._types import ObjectUnexpected

TREE = media.media_type("tree")
_BIT = {True: "true", False: "false"}


class TreeFile(NamedTuple):
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
    """As file_entries, of one."""
    return file_entries([name], [executable], [digest], [size])[0][1]


def file_entries(
    names: Sequence[bytes], executable: Iterable[int], digests: Iterable[Digest | None], sizes: Iterable[int]
) -> list[tuple[bytes, str]]:
    """Canonical by hand: keys are in order, and Python's quick writer of texts agrees with RFC 8785."""
    texts = map(encode_basestring, texts_of_names(names))
    return [
        (name, f'{{"digest":"{digest}","executable":{_BIT[bool(bit)]},"name":{text},"size":{size},"type":"file"}}')
        for name, text, bit, digest, size in zip(names, texts, executable, digests, sizes, strict=True)
    ]


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
            inside.setdefault(head, []).append(file._replace(path=rest))
        else:
            name = os.fsencode(head)
            entries.append((name, file_entry(name, file.digest, file.size, executable=file.executable)))
    for head, below in inside.items():
        name = os.fsencode(head)
        entries.append((name, folder_entry(name, put_listing(objects, below))))
    data = node_bytes(entries)
    return Descriptor(TREE, objects.put(data), len(data))


class Entry(NamedTuple):
    """What stands in a folder: a file, or a folder, of which executable is None."""

    name: str
    digest: Digest
    size: int
    executable: bool | None


class Columns(NamedTuple):
    """What stands in a folder, as Entry has it, a column each: to make a tuple of each costs as much as to read them."""

    names: Sequence[str]
    digests: Sequence[Digest]
    sizes: Sequence[int]
    executable: Sequence[bool | None]

    def part(self, low: int, high: int) -> Columns:
        """The entries from one place up to another."""
        names, digests, sizes, executable = self
        return Columns(names[low:high], digests[low:high], sizes[low:high], executable[low:high])

    def files(self) -> Columns:
        """Without the folders; itself where there are none."""
        if None not in self.executable:
            return self
        names, digests, sizes, executable = self
        kept = [bit is not None for bit in executable]
        return Columns(
            [*compress(names, kept)], [*compress(digests, kept)], [*compress(sizes, kept)], [*compress(executable, kept)]
        )


def read_columns(data: bytes) -> Columns:
    """The entries of a folder node in order, whoever made it. Raises ObjectUnexpected, NotCanonical, DigestMalformed."""
    found = _read_ours(data)
    if found is None:
        entries = [_entry(entry) for entry in _json_entries(data)]
        found = Columns(*zip(*entries, strict=True)) if entries else Columns((), (), (), ())
    names = found.names
    if len(set(names)) < len(names):
        raise ObjectUnexpected(f"a tree holds the name {next(name for name in names if names.count(name) > 1)!r} twice")
    return found


def read_entries(data: bytes) -> list[Entry]:
    """As read_columns, one by one."""
    return list(map(Entry, *read_columns(data)))


def read_node(data: bytes) -> Node:
    """As read_entries, files and folders apart."""
    entries = read_entries(data)
    files = [TreeFile(one.name, one.digest, one.size, one.executable) for one in entries if one.executable is not None]
    folders = {one.name: Descriptor(TREE, one.digest, one.size) for one in entries if one.executable is None}
    return Node(tuple(files), folders)


def walk_tree(objects: Objects, root: Digest) -> Iterator[TreeFile]:
    """Every file of a tree in the order of its nodes. Raises ObjectMissing, ObjectDamaged, and as read_entries."""
    return _walk(objects, root, "")


def tree_nodes(objects: Objects, root: Digest) -> Iterator[tuple[Digest, bytes]]:
    """Every folder node of a tree with its bytes, the root first."""
    data = objects.get(root)
    yield root, data
    for entry in read_entries(data):
        if entry.executable is None:
            yield from tree_nodes(objects, entry.digest)


def _walk(objects: Objects, node: Digest, below: str) -> Iterator[TreeFile]:
    for name, digest, size, executable in read_entries(objects.get(node)):
        if executable is None:
            yield from _walk(objects, digest, f"{below}{name}/")
        else:
            yield TreeFile(below + name, digest, size, executable)


_OPENS, _CLOSES = '{"entries":[', '],"kind":"tree","version":1}'
# an entry as file_entry and folder_entry write it, with a name in which nothing is escaped; whether the digits of its digest
# are some is asked of all at once, in a fifth of the time
_OURS = re.compile(
    r'\{"digest":"(sha256:[^"]{64})",(?:"executable":(true|false),)?'
    r'"name":"([^"\\\x00-\x1f]+)","size":(0|[1-9][0-9]{0,14}),"type":"(file|tree)"\}'
)
_GROUPS = 5
_HEX = b"0123456789abcdef"
_NO_HEX = b"sh:"  # what is left of a digest without them
_BITS = {"true": True, "false": False, None: None}
_KINDS = {"true": "file", "false": "file", None: "tree"}


def _read_ours(data: bytes) -> Columns | None:
    """A node in the very form in which nodes are written here, a tenth of the time of JSON. None: it is in another."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    parts = _OURS.split(text)  # what is between entries, and after each but the last its entry's groups
    digests, bits, names, sizes, kinds = (parts[group :: _GROUPS + 1] for group in range(1, _GROUPS + 1))
    between = [_OPENS, *[","] * (len(names) - 1), _CLOSES]
    if parts[:: _GROUPS + 1] != between or [_KINDS.get(bit) for bit in bits] != kinds:
        return None
    if "".join(digests).encode().translate(None, _HEX) != _NO_HEX * len(digests):
        return None
    return Columns(_safe_names(names), cast("list[Digest]", digests), [*map(int, sizes)], [_BITS[bit] for bit in bits])


def _safe_names(names: Sequence[str]) -> Sequence[str]:
    """As _safe_name of each."""
    whole = "/".join(names)
    plain = whole.isascii() and whole.count("/") == len(names) - 1 and "base64:" not in whole
    return names if plain and not {".", ".."} & set(names) else [_safe_name(name) for name in names]


def _entry(entry: Json) -> Entry:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise ObjectUnexpected("an entry of a tree is an object with a name")
    name, kind, bit = _safe_name(str(entry["name"])), entry.get("type"), entry.get("executable")
    target = Descriptor.from_json({**entry, "mediaType": TREE})
    if kind == "tree":
        return Entry(name, target.digest, target.size, None)
    if kind == "file" and isinstance(bit, bool):
        return Entry(name, target.digest, target.size, bit)
    raise ObjectUnexpected(f"the entry {name!r} of a tree is neither a file nor a folder")


def _json_entries(data: bytes) -> Sequence[Json]:
    node = parse_object(data)
    entries = node.get("entries")
    if node.get("kind") != "tree" or node.get("version") != 1 or not isinstance(entries, list):
        raise ObjectUnexpected(f"a tree was expected, not {node.get('kind')} version {node.get('version')}")
    return entries


def _safe_name(text: str) -> str:
    """A tree that somebody else made must not climb out of the folder it is checked out into."""
    if text.isascii() and "/" not in text and "\0" not in text and text[:7] != "base64:" and text not in ("", ".", ".."):
        return text
    name = name_of_text(text)
    if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
        raise ObjectUnexpected(f"a tree holds the name {text!r}, which no file can have")
    return os.fsdecode(name)
