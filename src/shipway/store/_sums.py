"""The MD5 of objects, beside them: another tool knows the same bytes by it, and no digest of ours depends on it.

Raw `sqlite3`: a cache that may be deleted at any time, since whoever needs a sum can read the object.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path

from shipway.kernel.digest import Digest

_TABLE = "CREATE TABLE IF NOT EXISTS md5 (digest TEXT PRIMARY KEY, sum TEXT) WITHOUT ROWID"
_SUM = re.compile("[0-9a-f]{32}")
_AT_ONCE = 500  # names in one question; SQLite's own limit is higher


class Sums:
    """One file; a damaged or locked one is worked without."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, digests: Collection[Digest]) -> dict[Digest, str]:
        """The sums that are known, 32 hexadecimal digits each."""
        found: dict[Digest, str] = {}
        if not self._path.exists():
            return found
        wanted = sorted(set(digests))
        try:
            with sqlite3.connect(self._path, timeout=5) as connection:
                for first in range(0, len(wanted), _AT_ONCE):
                    batch = wanted[first : first + _AT_ONCE]
                    marks = ", ".join("?" * len(batch))
                    rows = connection.execute(f"SELECT digest, sum FROM md5 WHERE digest IN ({marks})", batch)
                    found |= {Digest(digest): md5 for digest, md5 in rows if _SUM.fullmatch(str(md5))}
        except sqlite3.Error:
            return found
        return found

    def add(self, sums: Mapping[Digest, str]) -> None:
        """Remember; failure costs a later read, nothing else."""
        if not sums:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with sqlite3.connect(self._path, timeout=5) as connection:
                connection.execute(_TABLE)
                connection.executemany("INSERT OR REPLACE INTO md5 VALUES (?, ?)", list(sums.items()))
        except (sqlite3.Error, OSError):
            return
