"""The store of index versions on one machine: exact search over mapped vectors, SQLite for words and members.

For threads: every call takes a connection that no other call has at that moment, and the vectors are only read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shipway.kernel.digest import Digest, parse_digest, short
from shipway.rag._errors import IndexDamaged, IndexMissing
from shipway.rag._fts import (
    EVERYBODY,
    build_file,
    check_file,
    fact,
    open_file,
    read_access,
    read_members,
    search_text,
)
from shipway.rag._index import load_members, load_version, map_vectors, put_vectors
from shipway.rag._types import Groups, Hit, Member
from shipway.store import ObjectMissing, Store

Answer = TypeVar("Answer")
_SPARSE = 0.3  # below this share of allowed rows, gathering them first is cheaper than scoring all


@dataclass
class _Open:
    """One version that is in use: mapped vectors, who may see what, and connections that nobody uses now."""

    path: Path
    vectors: NDArray[np.float32]
    access: dict[str, NDArray[np.int64]]
    idle: list[sqlite3.Connection] = field(default_factory=list)
    allowed: dict[frozenset[str], NDArray[np.int64]] = field(default_factory=dict)


class LocalStore:
    """Implements IndexStore over a Store's objects and the files in `.shipway/index`. May be used by many threads at once."""

    def __init__(self, store: Store) -> None:
        self._store, self._folder = store, store.root / "index"
        self._versions: dict[Digest, _Open] = {}
        self._lock = Lock()

    def write(self, version: Digest, members: Sequence[Member], vectors: NDArray[np.float32]) -> None:
        """Keep a version; one that is there is left as it is. Raises ValueError when rows and members differ in number."""
        if vectors.ndim != 2 or len(vectors) != len(members):
            raise ValueError(f"{len(members)} members need as many rows of vectors, not an array of {vectors.shape}")
        if not self.has(version):
            build_file(self._path(version), version, members, put_vectors(self._store, vectors).digest)

    def has(self, version: Digest) -> bool:
        """Whether the version's file is there and is its own."""
        try:
            open_file(self._path(version), version).close()
        except sqlite3.DatabaseError:
            return False
        return True

    def dense(self, version: Digest, query: NDArray[np.float32], k: int, groups: Groups) -> list[Hit]:
        """The k nearest by inner product, which is the cosine for rows of length 1; exact; ties in the order of members."""
        held = self._held(version)
        if query.shape != (held.vectors.shape[1],):
            raise IndexDamaged(f"a query of shape {query.shape} for vectors of {held.vectors.shape[1]}", where=version)
        asked = query.astype(np.float32, copy=False)
        numbers = None if groups is None else self._allowed(held, groups)
        if numbers is None or len(numbers) > _SPARSE * len(held.vectors):
            scores = np.vecdot(held.vectors, asked)  # one thread: two of BLAS wait for each other on a busy machine
            scores, numbers = (scores, np.arange(len(scores))) if numbers is None else (scores[numbers], numbers)
        else:
            scores = np.vecdot(held.vectors[numbers], asked)
        return [Hit(int(numbers[place]), float(scores[place])) for place in best(scores, k)]

    def text(self, version: Digest, query: str, k: int, groups: Groups) -> list[Hit]:
        """The k best by words; none of them when nothing matches. What a reader types is never query syntax."""
        return self._ask(version, lambda connection: search_text(connection, query, k, groups))

    def members(self, version: Digest, numbers: Sequence[int]) -> list[Member]:
        return self._ask(version, lambda connection: read_members(connection, numbers))

    def drop(self, version: Digest) -> None:
        """Remove the version's file; its objects stay in the store, so that it can be built again. Not while it is searched."""
        with self._lock:
            self._forget(version)
        self._path(version).unlink(missing_ok=True)

    def close(self) -> None:
        with self._lock:
            for version in list(self._versions):
                self._forget(version)

    def _path(self, version: Digest) -> Path:
        return self._folder / (parse_digest(version).removeprefix("sha256:") + ".sqlite")

    def _ask(self, version: Digest, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """The answer of the version's file, which is rebuilt once when it turns out to be damaged."""
        try:
            return self._with_connection(version, question)
        except sqlite3.DatabaseError:
            with self._lock:
                self._forget(version)
                self._rebuild(version)
            return self._with_connection(version, question)

    def _with_connection(self, version: Digest, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        held = self._held(version)
        with self._lock:
            connection = held.idle.pop() if held.idle else None
        if connection is None:
            connection = open_file(held.path, version)
        try:
            answer = question(connection)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            if self._versions.get(version) is held:
                held.idle.append(connection)
                return answer
        connection.close()  # the version was closed meanwhile
        return answer

    def _held(self, version: Digest) -> _Open:
        with self._lock:
            if version not in self._versions:
                try:
                    self._versions[version] = self._open(version)
                except sqlite3.DatabaseError:
                    self._rebuild(version)
                    self._versions[version] = self._open(version)
            return self._versions[version]

    def _open(self, version: Digest) -> _Open:
        path = self._path(version)
        connection = open_file(path, version)
        try:
            check_file(connection)
            access = {group: np.array(numbers, np.int64) for group, numbers in read_access(connection).items()}
            vectors = map_vectors(self._store, parse_digest(fact(connection, "vectors")), rows=int(fact(connection, "members")))
        except BaseException:
            connection.close()
            raise
        return _Open(path, vectors, access, [connection])

    def _rebuild(self, version: Digest) -> None:
        """Write the file anew from the version's objects. Raises IndexMissing when there are none."""
        try:
            manifest = load_version(self._store, version)
        except ObjectMissing as problem:
            raise IndexMissing(
                f"no index version {short(version)} here", where=str(self._folder), mend="write it with `shipway rag sync`"
            ) from problem
        build_file(self._path(version), version, load_members(self._store, manifest), manifest.vectors.digest)

    def _forget(self, version: Digest) -> None:
        held = self._versions.pop(version, None)
        for connection in held.idle if held else ():
            with suppress(sqlite3.Error):
                connection.close()

    def _allowed(self, held: _Open, groups: frozenset[str]) -> NDArray[np.int64]:
        """The numbers of the members that these groups may see, ascending."""
        known = held.allowed.get(groups)
        if known is None:
            parts = [held.access[group] for group in {EVERYBODY, *groups} if group in held.access]
            known = np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
            if len(held.allowed) < 256:  # combinations of groups; a stranger's thousandth is computed each time
                held.allowed[groups] = known
        return known


def best(scores: NDArray[np.float32], k: int) -> list[int]:
    """The places of the k largest, best first, ties by place: the same whatever partition numpy chooses.

    >>> best(np.array([0.5, 0.9, 0.5, 0.5], np.float32), 3)
    [1, 0, 2]
    """
    if k <= 0 or not len(scores):
        return []
    if k < len(scores):
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        above = np.flatnonzero(scores > least)
        places = np.concatenate([above, np.flatnonzero(scores == least)[: k - len(above)]])
    else:
        places = np.arange(len(scores))
    order = np.lexsort((places, -scores[places]))
    return [int(place) for place in places[order]]
