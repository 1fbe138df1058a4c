from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rag_help import PAGES, HashEmbedder, Project

from shipway.kernel.digest import Digest, digest_bytes
from shipway.rag import IndexDamaged, IndexMissing, LocalStore, Member

VERSION = digest_bytes(b"a version that is no object")
ROWS, DIMENSION = 2000, 32
TEXTS = [
    "Call get_or_create to look an object up.",
    "The setting USE_TZ turns time zones on.",
    "Create the tables first.",
    "django.db.models holds the fields; see QuerySet.filter().",
    "Zones of the café are naïve.",
]


def members(texts: list[str], access: list[tuple[str, ...]] | None = None) -> list[Member]:
    groups = access or [()] * len(texts)
    return [
        Member("a.txt", digest_bytes(b"a"), digest_bytes(text.encode()), text, "Head", 0, len(text), group)
        for text, group in zip(texts, groups, strict=True)
    ]


def vectors(rows: int, seed: int = 1) -> NDArray[np.float32]:
    made = np.random.default_rng(seed).normal(size=(rows, DIMENSION)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = Project(tmp_path_factory.mktemp("local"), PAGES)
    yield made
    made.close()


@pytest.fixture(scope="module")
def words(project: Project) -> Iterator[LocalStore]:
    """A version of a few texts."""
    local = LocalStore(project.store)
    local.write(VERSION, members(TEXTS), vectors(len(TEXTS)))
    yield local
    local.close()


def texts(local: LocalStore, query: str, k: int = 10, version: Digest = VERSION) -> list[int]:
    return [hit.number for hit in local.text(version, query, k, None)]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("get_or_create", [0]),
        ("get_or_create()", [0]),
        ("creates", [2, 0]),
        ("USE_TZ", [1]),
        ("use_tz", [1]),
        ("TZ", [1]),
        ("zone", [4, 1]),
        ("cafe", [4]),
        ("models", [3]),
        ("django.db.models", [3]),
        ("queryset.filter", [3]),
        ("nothing of it", []),
        ("the", [2, 1]),
        ("", []),
        ("_ ()*", []),
    ],
)
def test_words_and_identifiers_are_found_whole_and_by_part(words: LocalStore, query: str, numbers: list[int]) -> None:
    assert set(texts(words, query)) >= set(numbers)
    assert bool(texts(words, query)) == bool(numbers)
    if query in ("get_or_create", "USE_TZ", "TZ", "django.db.models"):
        assert texts(words, query) == numbers


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(['"', "*", "NEAR(", "OR", "AND NOT", "heading:", "^get", "{x}", "-", "get", "\x00", "'", ")"]),
            max_size=8,
        ).map(" ".join),
    )
)
def test_what_a_reader_types_is_never_query_syntax(words: LocalStore, query: str) -> None:
    assert all(0 <= number < len(TEXTS) for number in texts(words, query))


def test_syntax_in_a_question_neither_widens_nor_narrows_it(words: LocalStore) -> None:
    assert texts(words, 'tables NOT "create" heading:x NEAR(first)') == texts(words, "tables not create heading x near first")


@pytest.fixture(scope="module")
def many(project: Project) -> Iterator[LocalStore]:
    """2,000 members: one of a hundred for `few`, half for `half`, the rest for everybody."""
    local = LocalStore(project.store)
    local.write(digest_bytes(b"many"), members([f"common word{number % 50}" for number in range(ROWS)], GROUPS), vectors(ROWS))
    yield local
    local.close()


GROUPS: list[tuple[str, ...]] = [("few",) if n % 100 == 0 else ("half",) if n % 2 else () for n in range(ROWS)]
MANY = digest_bytes(b"many")
READERS: list[frozenset[str] | None] = [
    None,
    frozenset(),
    frozenset({"few"}),
    frozenset({"half"}),
    frozenset({"few", "half"}),
    frozenset({"stranger", ""}),
]


def may_see(number: int, groups: frozenset[str] | None) -> bool:
    return groups is None or not GROUPS[number] or bool(groups & set(GROUPS[number]))


@pytest.mark.parametrize("groups", READERS)
@pytest.mark.parametrize("k", [1, 10, ROWS + 1])
def test_dense_search_is_exact_among_the_members_that_a_reader_may_see(
    many: LocalStore, groups: frozenset[str] | None, k: int
) -> None:
    rows, queries = vectors(ROWS), vectors(5, seed=2)
    allowed = [number for number in range(ROWS) if may_see(number, groups)]
    for query in queries:
        hits = many.dense(MANY, query, k, groups)
        scores = rows.astype(np.float64) @ query.astype(np.float64)
        expected = sorted(allowed, key=lambda number: -scores[number])[:k]
        assert [hit.number for hit in hits] == expected
        np.testing.assert_allclose([hit.score for hit in hits], scores[expected], atol=1e-5)


def test_a_filter_of_one_percent_gives_k_rows_with_recall_one(project: Project) -> None:
    only_few: list[tuple[str, ...]] = [("few",) if number % 100 == 0 else ("many",) for number in range(ROWS)]
    local, version = LocalStore(project.store), digest_bytes(b"one percent")
    local.write(version, members([f"common {number}" for number in range(ROWS)], only_few), vectors(ROWS))
    for query in vectors(20, seed=3):
        hits = [hit.number for hit in local.dense(version, query, 10, frozenset({"few"}))]
        scores = vectors(ROWS) @ query
        assert hits == sorted(range(0, ROWS, 100), key=lambda number: -scores[number])[:10]
    assert {hit.number for hit in local.text(version, "common", 100, frozenset({"few"}))} == set(range(0, ROWS, 100))
    local.close()


@pytest.mark.parametrize("groups", READERS)
def test_text_search_is_filtered_before_it_is_cut(many: LocalStore, groups: frozenset[str] | None) -> None:
    matching = {number for number in range(ROWS) if number % 50 == 0 and may_see(number, groups)}
    assert {hit.number for hit in many.text(MANY, "word0", ROWS, groups)} == matching
    ten = many.text(MANY, "word0", 10, groups)
    assert len(ten) == min(10, len(matching))
    assert [hit.score for hit in ten] == sorted((hit.score for hit in ten), reverse=True)


def test_equal_scores_are_in_the_order_of_the_members(project: Project) -> None:
    local, version = LocalStore(project.store), digest_bytes(b"equal")
    row = vectors(1)
    local.write(version, members(["same"] * 100), np.repeat(row, 100, axis=0))
    assert [hit.number for hit in local.dense(version, row[0], 7, None)] == list(range(7))
    assert [hit.number for hit in local.text(version, "same", 7, None)] == list(range(7))
    local.close()


def test_members_come_back_as_they_were_written_in_the_order_asked_for(project: Project) -> None:
    local, version = LocalStore(project.store), digest_bytes(b"members")
    written = members(["a", "b\n'\"", "c 🙂"], [(), ("x", "a"), ("é",)])
    local.write(version, written, vectors(3))
    assert local.members(version, [2, 0, 2, 1]) == [written[2], written[0], written[2], written[1]]
    assert local.members(version, []) == []
    with pytest.raises(IndexError):
        local.members(version, [3])
    local.close()


def test_writing_twice_changes_nothing_and_a_dropped_version_is_gone(project: Project) -> None:
    local, version = LocalStore(project.store), digest_bytes(b"twice")
    assert not local.has(version)
    for _ in range(2):
        local.write(version, members(["one"]), vectors(1))
    assert local.has(version)
    assert texts(local, "one", version=version) == [0]
    local.drop(version)
    local.drop(version)
    assert not local.has(version)
    with pytest.raises(IndexMissing):
        texts(local, "one", version=version)
    local.close()


def test_rows_and_members_that_differ_in_number_are_refused(project: Project) -> None:
    with pytest.raises(ValueError, match="rows"):
        LocalStore(project.store).write(digest_bytes(b"wrong"), members(["one"]), vectors(2))


def test_a_query_of_another_dimension_is_an_error_not_an_answer(words: LocalStore) -> None:
    with pytest.raises(IndexDamaged):
        words.dense(VERSION, np.ones(DIMENSION + 1, np.float32), 3, None)


def test_a_version_without_members_finds_nothing(project: Project) -> None:
    local, version = LocalStore(project.store), digest_bytes(b"none")
    local.write(version, [], np.zeros((0, DIMENSION), np.float32))
    assert local.dense(version, vectors(1)[0], 3, None) == []
    assert local.text(version, "word", 3, frozenset()) == []
    local.close()


@pytest.mark.parametrize("damage", ["missing", "garbage", "cut", "empty", "hole", "foreign"])
@pytest.mark.parametrize("when", ["closed", "open"])
def test_a_damaged_or_missing_file_is_rebuilt_from_the_objects(tmp_path: Path, damage: str, when: str) -> None:
    project = Project(tmp_path, PAGES)
    version = project.sync().index
    path = project.store.root / "index" / (version.removeprefix("sha256:") + ".sqlite")
    whole, local = path.read_bytes(), LocalStore(project.store)
    before = texts(local, "tz", version=version)
    if when == "closed":
        local.close()
        local = LocalStore(project.store)
    path.unlink()
    hole = whole[:8192] + b"\xff" * 8192 + whole[16384:]
    content = {
        "garbage": b"x" * 5000,
        "cut": whole[:10000],
        "empty": b"",
        "hole": hole,
        "foreign": whole.replace(version.encode(), b"sha256:" + b"0" * 64),
    }
    if damage != "missing":
        path.write_bytes(content[damage])
    assert texts(local, "tz", version=version) == before
    assert [member.heading for member in local.members(version, before)] == ["Settings > USE_TZ"]
    local.close()
    fresh = LocalStore(project.store)
    assert texts(fresh, "tz", version=version) == before
    fresh.close()
    project.close()


def test_damaged_vectors_are_told_and_not_searched(tmp_path: Path) -> None:
    project = Project(tmp_path, PAGES)
    version = project.sync().index
    from shipway.rag import load_version
    from shipway.store import ObjectDamaged

    path = project.store.objects.path(load_version(project.store, version).vectors.digest)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.unlink()
    path.write_bytes(data)
    local = LocalStore(project.store)
    with pytest.raises(ObjectDamaged):
        local.dense(version, HashEmbedder().embed(["x"])[0], 3, None)
    local.close()
    project.close()


def test_many_threads_search_at_once_and_see_the_same(many: LocalStore) -> None:
    query, wrong = vectors(1, seed=9)[0], []
    expected = (many.dense(MANY, query, 10, None), many.text(MANY, "word7", 10, READERS[3]), many.members(MANY, [5, 7]))

    def search() -> None:
        for _ in range(10):
            got = (many.dense(MANY, query, 10, None), many.text(MANY, "word7", 10, READERS[3]), many.members(MANY, [5, 7]))
            if got != expected:
                wrong.append(got)

    threads = [threading.Thread(target=search) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
