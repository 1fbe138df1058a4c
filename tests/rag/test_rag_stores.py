"""One contract, three stores: a version is whole or not there, and a reader's groups are applied exactly."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import stores_help
from numpy.typing import NDArray
from stores_help import KINDS, member, nearest, new_place, open_store, some, unit_vectors, version_of

from shipway.kernel.errors import ShipwayError
from shipway.rag import Groups, IndexStore, Member

PUBLIC, STAFF, LEGAL = frozenset[str](), frozenset({"staff"}), frozenset({"legal"})
BIG, DOCS = version_of("big"), version_of("docs")
TEXTS = [
    "Migrations change the schema of a database table by table.",
    "The get_or_create method of a manager is atomic when the database enforces unique rows.",
    "Templates escape HTML by default, unless a filter says safe.",
    "A session holds data on the server side and a cookie on the client side.",
    "The module django.db.models holds the fields, see https://docs.example.org/ref/fields/ and docs/ref/fields.txt too.",
    "The secret salary table is for people of the office only: migrations of salaries.",
]


class Place(NamedTuple):
    kind: str
    place: str
    store: IndexStore


@pytest.fixture(params=KINDS)
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = new_place(request.param, tmp_path)
    store = open_store(request.param, place)
    yield Place(request.param, place, store)
    store.close()


class Big(NamedTuple):
    store: IndexStore
    members: list[Member]
    vectors: NDArray[np.float32]


@pytest.fixture(params=KINDS, scope="module")
def big(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Big]:
    """10,000 chunks of 384 numbers: 1 % for the lawyers, 60 % for the staff, the last 500 for everybody."""

    def access(number: int) -> tuple[str, ...]:
        if number >= 9500:
            return ()
        return ("legal",) if number % 100 == 7 else ("staff", "office") if number % 10 < 6 else ("nobody",)

    store = open_store(request.param, new_place(request.param, tmp_path_factory.mktemp("big")))
    members, vectors = some(10_000, access), unit_vectors(10_000, 384)
    store.write(BIG, members, vectors)
    yield Big(store, members, vectors)
    store.close()


@pytest.fixture(params=KINDS, scope="module")
def docs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Big]:
    """The six texts, for tests that only read."""
    store = open_store(request.param, new_place(request.param, tmp_path_factory.mktemp("docs")))
    yield Big(store, *write_docs(store))
    store.close()


def write_docs(store: IndexStore) -> tuple[list[Member], NDArray[np.float32]]:
    members = [member(n, text, ("office",) if "salary" in text else ()) for n, text in enumerate(TEXTS)]
    vectors = unit_vectors(len(members), 8)
    store.write(DOCS, members, vectors)
    return members, vectors


@pytest.mark.parametrize(
    "groups",
    [LEGAL, STAFF, PUBLIC, None, frozenset({"legal", "office"}), frozenset({"unknown"})],
    ids=["legal", "staff", "public", "everything", "legal or office", "unknown"],  # the text of a set is in no order
)
def test_a_filter_gives_k_rows_and_they_are_the_nearest_that_the_reader_may_see(big: Big, groups: Groups) -> None:
    for query in unit_vectors(3, 384, seed=11):
        hits = big.store.dense(BIG, query, 10, groups)
        assert [hit.number for hit in hits] == nearest(big.members, big.vectors, query, 10, groups)
        assert np.allclose([hit.score for hit in hits], [big.vectors[hit.number] @ query for hit in hits], atol=1e-5)


def test_a_text_search_gives_only_what_the_reader_may_see_and_as_many_as_match(big: Big) -> None:
    for groups in (LEGAL, STAFF, PUBLIC, None):
        seen = [
            n
            for n, row in enumerate(big.members)
            if n % 50 == 7 and (groups is None or not row.access or groups & set(row.access))
        ]
        assert {hit.number for hit in big.store.text(BIG, "topic7", 300, groups)} == set(seen)
        assert len(big.store.text(BIG, "topic7", 5, groups)) == min(5, len(seen))


def test_members_come_back_as_they_were_written_in_the_order_asked_for(big: Big) -> None:
    numbers = [9999, 0, 7, 4321, 7]
    assert big.store.members(BIG, numbers) == [big.members[number] for number in numbers]
    assert big.store.members(BIG, []) == []
    with pytest.raises(IndexError):
        big.store.members(BIG, [1, 10_000])


def test_a_version_is_there_once_written_and_writing_it_twice_changes_nothing(at: Place) -> None:
    assert not at.store.has(DOCS)
    members, vectors = write_docs(at.store)
    assert at.store.has(DOCS)
    assert not at.store.has(BIG)
    at.store.write(DOCS, members, vectors)
    assert len(at.store.dense(DOCS, vectors[0], 100, None)) == len(members)


def test_a_version_is_there_for_who_opens_the_store_again(at: Place) -> None:
    members, vectors = write_docs(at.store)
    at.store.close()
    again = open_store(at.kind, at.place)
    assert again.has(DOCS)
    assert again.dense(DOCS, vectors[2], 1, None)[0].number == 2
    assert again.text(DOCS, "templates", 3, PUBLIC)[0].number == 2
    assert again.members(DOCS, [3]) == [members[3]]
    again.close()


def test_more_rows_than_a_version_has_gives_all_of_them_once_best_first(docs: Big) -> None:
    hits = docs.store.dense(DOCS, docs.vectors[1], 1000, None)
    assert [hit.number for hit in hits] == nearest(docs.members, docs.vectors, docs.vectors[1], 1000, None)
    assert len(docs.store.text(DOCS, "migrations database table", 1000, None)) >= 2
    assert docs.store.dense(DOCS, docs.vectors[1], 0, None) == []


def test_no_groups_see_what_is_public_and_none_sees_everything(docs: Big) -> None:
    assert {hit.number for hit in docs.store.dense(DOCS, docs.vectors[4], 9, PUBLIC)} == {0, 1, 2, 3, 4}
    assert {hit.number for hit in docs.store.dense(DOCS, docs.vectors[4], 9, None)} == {0, 1, 2, 3, 4, 5}
    assert {hit.number for hit in docs.store.text(DOCS, "migrations", 9, PUBLIC)} == {0}
    assert {hit.number for hit in docs.store.text(DOCS, "migrations", 9, frozenset({"office"}))} == {0, 5}


def test_a_text_search_finds_names_with_underscores_and_ranks_more_matches_first(docs: Big) -> None:
    assert docs.store.text(DOCS, "how does get_or_create work", 3, None)[0].number == 1
    assert docs.store.text(DOCS, "what is in django.db.models", 3, None)[0].number == 4
    assert docs.store.text(DOCS, "fields.txt", 3, None)[0].number == 4
    assert {hit.number for hit in docs.store.text(DOCS, "section 3", 3, None)} >= {3}, "headings are searched too"
    hits = docs.store.text(DOCS, "session data cookie client server", 5, None)
    assert hits[0].number == 3
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@pytest.mark.parametrize("query", ["", "   ", "?!*\"'()-:&|<>~^", "\ufffd\u200b"])
def test_a_question_without_words_finds_nothing_by_text(docs: Big, query: str) -> None:
    assert docs.store.text(DOCS, query, 5, None) == []


HOSTILE = [
    "'; DROP TABLE shipway_rag; --",
    'say "quoted" \\ and \\\' and `back` and $$ and %s %(x)s {y} {0}',
    "NEAR(a b, 3) AND NOT body:* OR ^x + y - z",
    "array_contains(access, 'x') or 1 == 1",
    "線形回帰と確率 Ünïcödé 👩‍🚀 \u202eright to left\u202c tab\tline\nreturn\r\x01\x7f",
    "x" * 60_000,
    " ".join(f"word{number}" for number in range(6_000)),
    " ",
]


def test_hostile_texts_names_and_groups_are_data_and_nothing_else(at: Place) -> None:
    groups = ["a'b", 'c"d', "e\\f", "g]h", "{i}", "j or true", "ключ", "k%s"]
    members = [member(n, text, (groups[n],), document=f"docs/{text[:40]}") for n, text in enumerate(HOSTILE)]
    vectors = unit_vectors(len(members), 8)
    at.store.write(DOCS, members, vectors)
    assert at.store.members(DOCS, range(len(members))) == members
    for number, text in enumerate(HOSTILE):
        seen = at.store.dense(DOCS, vectors[number], 9, frozenset({groups[number]}))
        assert [hit.number for hit in seen] == [number]
        assert {hit.number for hit in at.store.text(DOCS, text, 9, frozenset({groups[number]}))} <= {number}
        assert at.store.text(DOCS, text, 9, frozenset({"nobody", "' or true or '", '"] or true'})) == []
    assert at.store.has(DOCS)


def test_a_dropped_version_is_gone_another_stays_and_it_can_be_written_again(at: Place) -> None:
    _, vectors = write_docs(at.store)
    at.store.write(BIG, some(20), unit_vectors(20, 4))
    at.store.drop(DOCS)
    at.store.drop(DOCS)
    assert not at.store.has(DOCS)
    assert len(at.store.dense(BIG, unit_vectors(1, 4)[0], 99, None)) == 20
    with pytest.raises(ShipwayError) as refused:
        at.store.dense(DOCS, vectors[0], 3, None)
    assert refused.value.code == "rag.index-missing"
    write_docs(at.store)
    assert at.store.dense(DOCS, vectors[0], 1, None)[0].number == 0


def test_a_query_of_another_space_and_rows_that_do_not_fit_are_refused(docs: Big) -> None:
    with pytest.raises(ShipwayError) as refused:
        docs.store.dense(DOCS, unit_vectors(1, 9)[0], 3, None)
    assert refused.value.code == "rag.index-damaged"
    with pytest.raises(ValueError, match="5 members need as many rows"):
        docs.store.write(BIG, some(5), unit_vectors(4, 8))
    assert not docs.store.has(BIG)


def test_equal_vectors_come_in_the_order_of_their_numbers(at: Place) -> None:
    at.store.write(DOCS, some(6), np.repeat(unit_vectors(1, 4), 6, axis=0))
    assert [hit.number for hit in at.store.dense(DOCS, unit_vectors(1, 4)[0], 6, None)] == [0, 1, 2, 3, 4, 5]


HALF_WAY = {"local": 1, "pgvector": 1, "milvus": 2}  # how often a text is read before it is sent, after 2,100 rows are


def test_a_writer_that_is_killed_leaves_no_half_version_and_the_next_one_succeeds(at: Place) -> None:
    assert kill_writer(at, HALF_WAY[at.kind]) == "half"


@pytest.mark.slow
@pytest.mark.parametrize("reads", [1, 2, 3])
def test_a_writer_may_be_killed_at_other_steps_too(at: Place, reads: int) -> None:
    kill_writer(at, reads)


def kill_writer(at: Place, reads: int) -> str:
    """Kill a writer when it reads a text for the nth time, and see that the version is whole or not there; what it said."""
    at.store.close()
    command = [sys.executable, stores_help.__file__, at.kind, at.place, str(reads)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = writer.stdout.readline().strip()
        writer.kill()
    killed, store = version_of("killed"), open_store(at.kind, at.place)
    assert store.has(killed) == (said == "done")
    members, vectors = some(2500), unit_vectors(2500, 8)
    store.write(killed, members, vectors)
    found = [hit.number for hit in store.dense(killed, vectors[9], 2500, None)]
    assert found == nearest(members, vectors, vectors[9], 2500, None)
    assert len(store.text(killed, "topic9", 100, None)) == 50
    store.close()
    return said


def test_several_threads_search_one_store_at_once(at: Place) -> None:
    members, vectors = some(100), unit_vectors(100, 16)
    at.store.write(DOCS, members, vectors)
    wrong: list[object] = []

    def search(start: int) -> None:
        for number in range(start, 100, 4):
            if at.store.dense(DOCS, vectors[number], 1, None)[0].number != number:
                wrong.append(number)
            if not at.store.text(DOCS, f"topic{number % 50}", 1, None):
                wrong.append(f"text {number}")

    threads = [threading.Thread(target=search, args=[start]) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
