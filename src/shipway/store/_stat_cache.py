"""Remembers the digest of files by (path, inode, size, mtime, ctime), so that an unchanged file is not read again.

A row a folder: a signature of its files' stats tells at once that none has changed, the digest of its node what it is, and the
digests of its files one after the other what they are. So a folder that has not changed costs one comparison.
Raw `sqlite3`: this is a cache that may be deleted at any time, not part of the catalogue.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from shipway.kernel.canonical import text_of_name
from shipway.kernel.digest import Digest, is_digest
from shipway.store._scan import Seen, seen_of

_RACY_NS = 2_000_000_000  # a file changed this recently may change again within one tick of its timestamp: never trusted
_FILE, _OLD = "stat-3.sqlite", ("stat.sqlite", "stat-2.sqlite")  # the old ones are what a Shipway before had
_HEAD = len("sha256:")

Known = Sequence[int | str]  # of a file: inode, size, mtime, ctime, digest


class NodeSeen(NamedTuple):
    """The node of a folder when its files had this signature and the folders in it these nodes, one after the other.

    files: the digests of its files in order, 64 hexadecimal digits each; empty where load was not asked for them.
    """

    signature: str
    below: str
    digest: Digest
    size: int
    files: str = ""


@dataclass(slots=True)
class _Folder:
    """What is known of a folder: its node, and its files by name, loaded when first asked for."""

    node: NodeSeen | None = None
    files: dict[str, Known] | None = None
    changed: bool = False


@dataclass(slots=True)
class _Rows:
    """Folders by path. Without these words `dataclasses` would make others, and import `inspect` for them."""

    folders: dict[str, _Folder] = field(default_factory=dict)
    looked: set[str] = field(default_factory=set)


class StatCache:
    """One file in `folder`; a damaged or locked one is worked without."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._known = _Rows()
        self._connection: sqlite3.Connection | None = None

    def find(self, path: Path | bytes, status: os.stat_result) -> Digest | None:
        """The digest of the file as it was last read, when nothing about it has changed since. path: bytes are absolute."""
        folder, name = os.path.split(_bytes(path))
        return known_digest(self.files(folder), seen_of(name, status))

    def files(self, folder: bytes) -> Mapping[str, Known]:
        """What is known of a folder's files, by name as text. Ask with known_digest."""
        return self._files(text_of_name(folder))

    def node(self, folder: bytes) -> NodeSeen | None:
        """The node that a folder had when it was last put or looked at as a whole."""
        return self._folder(text_of_name(folder)).node

    def knows(self, folder: bytes) -> bool:
        """Whether any of a folder's files may be known."""
        return text_of_name(folder) in self._known.folders

    def load(self, root: bytes, *, files: bool = False) -> None:
        """Look up the nodes of all folders at and below a root at once; files: with the digests of their files."""
        text = text_of_name(root)
        with self._reading() as connection:
            sql = f"SELECT path, signature, below, node, size, {'digests' if files else 'NULL'} FROM folders"
            sql += " WHERE path >= ? AND path < ?"
            for low, high in ((text, text + "\0"), (text + "/", text + "0")):
                for path, *node in connection.execute(sql, (low, high)) if connection else ():
                    self._known.folders.setdefault(path, _Folder(_node(node)))
            self._known.looked.add(text)

    def add(self, path: Path | bytes, status: os.stat_result, digest: Digest) -> None:
        """Remember what was read; `status` was taken before reading."""
        folder, name = os.path.split(_bytes(path))
        seen = seen_of(name, status)
        if is_settled(seen, time.time_ns()):
            text = text_of_name(folder)
            self._files(text)[text_of_name(name)] = known_as(seen, digest)
            self._known.folders[text].changed = True

    def put(self, folder: bytes, files: Mapping[str, Known], node: NodeSeen | None) -> None:
        """Remember a whole folder: its settled files in order, and its node when all of them are."""
        self._known.folders[text_of_name(folder)] = _Folder(node, dict(files), changed=True)

    def save(self) -> None:
        """Write what is new; failure costs a later read, nothing else."""
        new = {path: folder for path, folder in self._known.folders.items() if folder.changed}
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if not new:
            return
        for folder in new.values():
            folder.changed = False
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=5)) as connection, connection:
                connection.execute(_TABLE)
                connection.executemany("INSERT OR REPLACE INTO folders VALUES (?, ?, ?, ?, ?, ?, ?)", map(_row, new.items()))
            for old in _OLD:
                self._path.with_name(old).unlink(missing_ok=True)
        except (sqlite3.Error, OSError):
            return

    def _folder(self, text: str) -> _Folder:
        found = self._known.folders.get(text)
        if found is None:
            found = self._known.folders[text] = _Folder()
            if not any(text == root or text.startswith(f"{root}/") for root in self._known.looked):
                with self._reading() as connection:
                    sql = "SELECT signature, below, node, size, NULL FROM folders WHERE path = ?"
                    row = connection.execute(sql, (text,)).fetchone() if connection else None
                    found.node = _node(row) if row else None
        return found

    def _files(self, text: str) -> dict[str, Known]:
        folder = self._folder(text)
        if folder.files is None:
            folder.files = {}
            with self._reading() as connection:
                sql = "SELECT files, digests FROM folders WHERE path = ?"
                row = connection.execute(sql, (text,)).fetchone() if connection else None
                folder.files = _parse(*row) if row else {}
        return folder.files

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """None where there is no cache yet; what cannot be read is not known."""
        if self._connection is None and self._path.exists():
            with suppress(sqlite3.Error):
                self._connection = sqlite3.connect(self._path, timeout=5, check_same_thread=False)
        with suppress(sqlite3.Error, ValueError, TypeError):
            yield self._connection


_TABLE = (
    "CREATE TABLE IF NOT EXISTS folders"
    " (path TEXT PRIMARY KEY, signature TEXT, below TEXT, node TEXT, size INTEGER, files TEXT, digests BLOB)"
)


def known_digest(files: Mapping[str, Known], seen: Seen) -> Digest | None:
    """The digest of a file of a folder, when nothing about it has changed since it was read."""
    known = files.get(text_of_name(seen[0]))
    if known is None or tuple(known[:4]) != seen[2:]:
        return None
    return Digest(str(known[4]))


def known_as(seen: Seen, digest: Digest) -> Known:
    """What is remembered of a file; what was seen of it was seen before it was read."""
    return (*seen[2:], digest)


def is_settled(seen: Seen, now: int) -> bool:
    """Whether a change from now on would show in the stat. now: nanoseconds of the Unix epoch."""
    return now - max(seen[4], seen[5]) > _RACY_NS


def _node(row: Sequence[object]) -> NodeSeen | None:
    signature, below, digest, size, digests = row
    if isinstance(size, int) and is_digest(str(digest)):
        files = digests.hex() if isinstance(digests, bytes) else ""
        return NodeSeen(str(signature), str(below), Digest(str(digest)), size, files)
    return None


def _row(item: tuple[str, _Folder]) -> tuple[str | int | bytes | None, ...]:
    path, folder = item
    files = folder.files or {}
    stats = json.dumps({name: known[:4] for name, known in files.items()}, ensure_ascii=False, separators=(",", ":"))
    digests = bytes.fromhex("".join([str(known[4])[_HEAD:] for known in files.values()]))
    return path, *(folder.node or (None,) * 4)[:4], stats, digests


def _parse(text: object, digests: object) -> dict[str, Known]:
    """Raises ValueError, TypeError for what this module has not written."""
    value = json.loads(str(text))
    if not isinstance(digests, bytes) or len(digests) != 32 * len(value):
        raise ValueError("not as many digests as files")
    digits = digests.hex()
    return {
        name: (*stats, f"sha256:{digits[64 * number : 64 * number + 64]}")
        for number, (name, stats) in enumerate(value.items())
        if len(stats) == 4
    }


def _bytes(path: Path | bytes) -> bytes:
    return path if isinstance(path, bytes) else os.fsencode(path.absolute())
