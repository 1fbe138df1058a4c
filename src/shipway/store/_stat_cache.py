"""Remembers the digest of files by (path, inode, size, mtime, ctime), so that an unchanged file is not read again.

Raw `sqlite3`: this is a cache that may be deleted at any time, not part of the catalogue.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from shipway.kernel.canonical import text_of_name
from shipway.kernel.digest import Digest, is_digest

_RACY_NS = 2_000_000_000  # a file changed this recently may change again within one tick of its timestamp: never trusted


class StatCache:
    """One file; a damaged or locked one is worked without."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[tuple[int, int, int, int], str]] = {}
        self._new: dict[str, tuple[int, int, int, int, str]] = {}
        self._load()

    def find(self, path: Path | bytes, status: os.stat_result) -> Digest | None:
        """The digest of the file as it was last read, when nothing about it has changed since. path: bytes are absolute."""
        known = self._known.get(_name(path))
        return Digest(known[1]) if known and known[0] == _key(status) and is_digest(known[1]) else None

    def add(self, path: Path | bytes, status: os.stat_result, digest: Digest) -> None:
        """Remember what was read; `status` was taken before reading."""
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _RACY_NS:
            self._new[_name(path)] = (*_key(status), digest)

    def save(self) -> None:
        """Write what is new; failure costs a later read, nothing else."""
        if not self._new:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with sqlite3.connect(self._path, timeout=5) as connection:
                connection.execute(_TABLE)
                rows = [(name, *row) for name, row in self._new.items()]
                connection.executemany("INSERT OR REPLACE INTO stat VALUES (?, ?, ?, ?, ?, ?)", rows)
        except (sqlite3.Error, OSError):
            return
        finally:
            self._known |= {name: (row[:4], row[4]) for name, row in self._new.items()}
            self._new.clear()

    def _load(self) -> None:
        if not self._path.exists():
            return
        try:
            with sqlite3.connect(self._path, timeout=5) as connection:
                rows = connection.execute("SELECT path, ino, size, mtime, ctime, digest FROM stat").fetchall()
        except sqlite3.Error:
            return
        self._known = {row[0]: (row[1:5], row[5]) for row in rows}


_TABLE = (
    "CREATE TABLE IF NOT EXISTS stat (path TEXT PRIMARY KEY, ino INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER,"
    " digest TEXT) WITHOUT ROWID"
)


def _key(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _name(path: Path | bytes) -> str:
    return text_of_name(path if isinstance(path, bytes) else os.fsencode(path.absolute()))
