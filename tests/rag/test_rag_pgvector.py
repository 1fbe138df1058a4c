"""What only the store in PostgreSQL does: no short list whatever the index, one transaction, connections that break."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from stores_help import member, nearest, need, new_place, postgres_url, some, unit_vectors, version_of

need("pgvector")

import psycopg  # noqa: E402

from shipway.kernel.errors import ShipwayError  # noqa: E402
from shipway.rag import Member  # noqa: E402
from shipway.rag.pgvector import PgvectorStore  # noqa: E402

V, W = version_of("v"), version_of("w")


def project(folder: Path) -> str:
    return new_place("pgvector", folder).rsplit("#", 1)[1]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PgvectorStore]:
    opened = PgvectorStore(postgres_url(), project=project(tmp_path))
    yield opened
    opened.close()


class Indexed:
    """10,000 rows in a store that scans at most 500 of them: HNSW has to do the rest."""

    def __init__(self, name: str) -> None:
        self.store = PgvectorStore(postgres_url(), project=name, exact_up_to=500)
        self.vectors = unit_vectors(10_000, 32)
        self.members: list[Member] = some(10_000, lambda n: ("legal",) if n % 100 == 7 else ("staff",) if n % 2 else ())
        self.store.write(V, self.members, self.vectors)

    def recall(self, groups: frozenset[str] | None, *, k: int = 10) -> tuple[float, int]:
        """Mean recall over twenty queries, and the shortest list."""
        right, least = 0, k
        for query in unit_vectors(20, 32, seed=5):
            found = [hit.number for hit in self.store.dense(V, query, k, groups)]
            assert len(set(found)) == len(found)
            right += len(set(found) & set(nearest(self.members, self.vectors, query, k, groups)))
            least = min(least, len(found))
        return right / (20 * k), least


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexed]:
    made = Indexed(project(tmp_path_factory.mktemp("indexed")))
    yield made
    made.store.close()


def test_a_plain_where_beside_the_same_index_loses_rows_so_the_trap_is_real(indexed: Indexed) -> None:
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        table = connection.execute(
            "SELECT tablename FROM pg_indexes WHERE indexdef LIKE '%hnsw%' AND tablename LIKE 'shipway_rag_%'"
        ).fetchone()
        assert table is not None
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
        query = str(unit_vectors(1, 32, seed=5)[0].tolist())
        found = connection.execute(
            f'SELECT number FROM "{table[0]}" WHERE access = 1 ORDER BY vector <=> %s::vector LIMIT 10', [query]
        ).fetchall()
    assert len(found) < 10


def test_few_allowed_rows_of_an_indexed_version_are_scanned_and_exact(indexed: Indexed) -> None:
    indexed.store.write(W, some(2000, lambda n: ("few",) if n % 10 == 0 else ("many",)), unit_vectors(2000, 8))
    hits = indexed.store.dense(W, unit_vectors(1, 8)[0], 10, frozenset({"few"}))
    members = some(2000, lambda n: ("few",) if n % 10 == 0 else ("many",))
    assert [hit.number for hit in hits] == nearest(
        members, unit_vectors(2000, 8), unit_vectors(1, 8)[0], 10, frozenset({"few"})
    )


@pytest.mark.parametrize("groups", [None, frozenset({"legal"}), frozenset({"staff"}), frozenset[str]()], ids=str)
def test_the_index_gives_k_rows_for_every_reader_and_nearly_all_of_the_nearest(
    indexed: Indexed, groups: frozenset[str] | None
) -> None:
    recall, least = indexed.recall(groups)
    assert least == 10
    assert recall >= 0.9


def test_a_list_that_the_index_leaves_short_is_scanned(indexed: Indexed) -> None:
    query = unit_vectors(1, 32, seed=5)[0]
    hits = indexed.store.dense(V, query, 6000, None)  # beyond what an HNSW scan of effort 1000 has ready
    assert len({hit.number for hit in hits}) == 6000


def test_rows_without_a_direction_are_found_although_hnsw_holds_none_of_them(tmp_path: Path) -> None:
    store = PgvectorStore(postgres_url(), project=project(tmp_path), exact_up_to=3)
    vectors = np.zeros((10, 4), np.float32)
    vectors[0, 0] = 1
    store.write(V, some(10), vectors)
    hits = store.dense(V, vectors[0], 10, None)
    assert (hits[0].number, hits[0].score) == (0, 1.0)
    assert sorted(hit.number for hit in hits) == list(range(10))
    assert all(np.isfinite(hit.score) for hit in hits)
    store.close()


def test_two_projects_in_one_database_do_not_see_each_other(store: PgvectorStore, tmp_path: Path) -> None:
    other = PgvectorStore(postgres_url(), project=project(tmp_path))
    store.write(V, some(3), unit_vectors(3, 4))
    assert not other.has(V)
    other.write(V, some(5), unit_vectors(5, 4))
    other.drop(V)
    assert len(store.dense(V, unit_vectors(1, 4)[0], 9, None)) == 3
    other.close()


def test_writers_of_one_version_at_the_same_time_write_it_once(tmp_path: Path) -> None:
    name, failed = project(tmp_path), list[BaseException]()

    def write() -> None:
        store = PgvectorStore(postgres_url(), project=name)
        try:
            store.write(V, some(500), unit_vectors(500, 8))
        except BaseException as problem:
            failed.append(problem)
        store.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    store = PgvectorStore(postgres_url(), project=name)
    assert len(store.dense(V, unit_vectors(1, 8)[0], 1000, None)) == 500
    store.close()


def test_a_write_that_fails_leaves_nothing_and_says_why(store: PgvectorStore) -> None:
    with pytest.raises(ShipwayError) as refused:
        store.write(V, [member(0, "fine"), member(1, "a NUL \x00 inside")], unit_vectors(2, 4))
    assert refused.value.code == "rag.store-limit"
    assert not store.has(V)
    with pytest.raises(ShipwayError) as refused:
        store.write(V, some(1), np.array([[np.nan, 1]], np.float32))
    assert refused.value.code == "rag.store-limit"
    assert not store.has(V)


def test_a_connection_that_the_server_ended_is_replaced(store: PgvectorStore) -> None:
    store.write(V, some(3), unit_vectors(3, 4))
    assert store.has(V)
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'shipway'")
    assert store.has(V)


def test_a_database_that_is_down_is_one_clear_error_worth_a_retry_without_the_password() -> None:
    store = PgvectorStore("postgresql://ann:hidden1@127.0.0.1:9/db", project="p", password="hidden2")
    for call in (lambda: store.has(V), lambda: store.write(V, some(1), unit_vectors(1, 4))):
        with pytest.raises(ShipwayError) as down:
            call()
        assert (down.value.code, down.value.retry) == ("rag.store-down", True)
        assert "hidden" not in down.value.render()
    store.close()


def test_a_search_that_takes_too_long_is_stopped(store: PgvectorStore, tmp_path: Path) -> None:
    store.write(V, some(3), unit_vectors(3, 4))
    slow = PgvectorStore(postgres_url(), project=store._project, timeout=0.3)
    with psycopg.connect(postgres_url()) as holder:  # a lock that a search waits for
        holder.execute("LOCK TABLE shipway_rag IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(ShipwayError) as down:
            slow.has(V)
    assert down.value.code == "rag.store-down"
    assert slow.has(V)
    slow.close()


def test_a_url_that_is_none_is_refused_without_repeating_it() -> None:
    with pytest.raises(ShipwayError) as refused:
        PgvectorStore("postgresql://ann:hidden@[", project="p")
    assert refused.value.code == "rag.store-refused"
    assert "hidden" not in refused.value.render()


def test_a_user_who_may_not_create_tables_is_told_so(store: PgvectorStore) -> None:
    store.write(V, some(1), unit_vectors(1, 4))
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN")
    poor = PgvectorStore(postgres_url().replace("postgres:@", "reader:@"), project="poor")
    with pytest.raises(ShipwayError) as refused:
        poor.write(W, some(1), unit_vectors(1, 4))
    assert refused.value.code == "rag.store-refused"
    poor.close()
