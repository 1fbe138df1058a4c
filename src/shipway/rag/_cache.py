"""Embeddings that were made once, by (chunk, embedder): one SQLite file that every index of a store shares.

A batch is committed before the next is asked for, so that whatever ends a sync costs at most one batch. A cache: a damaged
file is put aside and begun anew, and nothing is lost but time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shipway.kernel.digest import Digest

Vector = NDArray[np.float32]
_AT_ONCE = 500  # parameters of one query, below SQLite's oldest limit of 999
_TABLE = (
    "CREATE TABLE IF NOT EXISTS embedding (embedder TEXT, chunk TEXT, vector BLOB, PRIMARY KEY (embedder, chunk)) WITHOUT ROWID"
)


class EmbeddingCache:
    """The embeddings of one embedder in a cache file; close it."""

    def __init__(self, path: Path, embedder: Digest, dimension: int) -> None:
        self._embedder, self._dimension = embedder, dimension
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = _open(path)
        except sqlite3.DatabaseError as problem:
            if isinstance(problem, sqlite3.OperationalError):  # held by somebody, no room: not the file's fault
                raise
            _put_aside(path)
            self._connection = _open(path)

    def find(self, chunks: Iterable[Digest]) -> dict[Digest, Vector]:
        """The vectors that are known among these; one of another length counts as unknown."""
        wanted, found = list(chunks), {}
        for at in range(0, len(wanted), _AT_ONCE):
            some = wanted[at : at + _AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"SELECT chunk, vector FROM embedding WHERE embedder = ? AND chunk IN ({marks})"
            for chunk, data in self._connection.execute(query, [self._embedder, *some]):
                vector = np.frombuffer(data, "<f4") if len(data) == 4 * self._dimension else None
                if vector is not None:
                    found[Digest(chunk)] = vector.astype(np.float32, copy=False)
        return found

    def add(self, vectors: Mapping[Digest, Vector]) -> None:
        """Keep a batch in one transaction."""
        rows = [(self._embedder, chunk, vector.astype("<f4").tobytes()) for chunk, vector in vectors.items()]
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO embedding VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        self._connection.close()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=20)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last batches, never the file
        connection.execute(_TABLE)
        connection.execute("SELECT count(*) FROM (SELECT 1 FROM embedding LIMIT 1)").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _put_aside(path: Path) -> None:
    path.replace(path.with_suffix(".damaged"))
    for ending in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).unlink()
