from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rag_help import PAGES, HashEmbedder, Project

from shipway.kernel.digest import Digest
from shipway.rag import (
    Breaker,
    EmbedderMismatch,
    Groups,
    Hit,
    Index,
    Limits,
    LocalStore,
    Member,
    RetrievalDown,
    citations,
    fuse,
    load_members,
    load_version,
    open_index,
)

QUICK = Limits(embed=0.3, dense=0.3, text=0.3, members=0.3, failures=2, pause=10.0)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, PAGES, access={"internal/**": ("staff",)})
    made.sync()
    yield made
    made.close()


class Faulty(LocalStore):
    """The local store with legs that fail, hang or lose answers when told to."""

    def __init__(self, project: Project) -> None:
        super().__init__(project.store)
        self.broken: set[str] = set()
        self.hanging: set[str] = set()
        self.losing = False
        self.asked: list[str] = []
        self.over = threading.Event()

    def _fault(self, leg: str) -> None:
        self.asked.append(leg)
        if leg in self.hanging:
            self.over.wait(20)
        if leg in self.broken:
            raise ConnectionError(f"{leg} is down")

    def dense(self, version: Digest, query: NDArray[np.float32], k: int, groups: Groups) -> list[Hit]:
        self._fault("dense")
        return super().dense(version, query, k, groups)[: 1 if self.losing else None]

    def text(self, version: Digest, query: str, k: int, groups: Groups) -> list[Hit]:
        self._fault("text")
        return super().text(version, query, k, groups)[: 0 if self.losing else None]

    def members(self, version: Digest, numbers: Sequence[int]) -> list[Member]:
        self._fault("members")
        return super().members(version, numbers)


class Clock:
    """Real time, and what a test adds to it."""

    def __init__(self) -> None:
        self.added = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.added


@pytest.fixture
def faulty(project: Project) -> Iterator[Faulty]:
    store = Faulty(project)
    yield store
    store.over.set()
    store.close()


def opened(project: Project, faulty: Faulty, clock: Clock | None = None, embedder: HashEmbedder | None = None) -> Index:
    return open_index(
        project.store,
        project.store.resolve("index/docs"),
        embedder=embedder or project.embedder,
        backend=faulty,
        limits=QUICK,
        clock=clock or Clock(),
    )


def statuses(index: Index, question: str = "save an object") -> tuple[tuple[str, ...], dict[str, str]]:
    found = index.search(question, 2)
    assert found.passages
    return found.degraded, {span.layer: span.status for span in found.spans}


def test_a_search_gives_the_best_of_both_legs_with_ranks_and_spans(project: Project) -> None:
    index = project.open()
    found = index.search("save an object with save()", 3)
    best = found.passages[0]
    assert best.member.heading == "Queries > Saving"
    assert (best.dense_rank, best.text_rank) == (1, 1)
    assert best.score == pytest.approx(2 / 61)
    assert (found.degraded, found.short) == ((), None)
    assert [(span.layer, span.status) for span in found.spans] == [
        (name, "ok") for name in ("embed", "dense", "text", "members")
    ]
    assert all(span.start >= 0 and span.took >= 0 for span in found.spans)
    index.close()


def test_a_citation_leads_to_the_bytes_of_the_document(project: Project) -> None:
    index = project.open()
    for cited, passage in zip(
        citations(index.search("UTC dates", 2).passages), index.search("UTC dates", 2).passages, strict=True
    ):
        data = project.store.objects.get(Digest(str(cited["digest"])))
        assert data[passage.member.start : passage.member.end].decode() == passage.member.text
        assert set(cited) == {"document", "digest", "start", "end", "heading"}
    index.close()


def test_who_may_not_see_a_document_never_gets_it_and_short_results_say_why(project: Project) -> None:
    index = project.open()
    for groups, expected in ((frozenset[str](), 4), (frozenset({"other"}), 4), (frozenset({"staff"}), 5), (None, 5)):
        found = index.search("salary band of a senior engineer", 50, groups=groups)
        assert len(found.passages) == expected
        assert found.short == "allowed"
        assert any("salary" in passage.member.text for passage in found.passages) == (expected == 5)
    index.close()


def test_a_store_that_loses_answers_is_noticed(project: Project, faulty: Faulty) -> None:
    faulty.losing = True
    assert opened(project, faulty).search("save", 3, groups=frozenset()).short == "lost"


def test_an_index_of_another_embedder_cannot_be_opened(project: Project) -> None:
    digest = project.store.resolve("index/docs")
    with pytest.raises(EmbedderMismatch, match="embedded by hash, not by other"):
        open_index(project.store, digest, embedder=HashEmbedder("other"))
    with pytest.raises(EmbedderMismatch):
        Index(
            project.store,
            load_version(project.store, digest),
            HashEmbedder("other"),
            LocalStore(project.store),
            limits=QUICK,
            clock=Clock(),
        )


def test_a_backend_that_has_not_the_version_gets_it(project: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other")
    index = project.open(backend=LocalStore(other.store))
    assert index.search("save an object", 1).passages[0].member.heading == "Queries > Saving"
    index._backend.close()
    other.close()


@pytest.mark.parametrize("how", ["broken", "hanging"])
@pytest.mark.parametrize("leg", ["dense", "text"])
def test_with_one_leg_down_the_other_answers_and_the_result_says_so(
    project: Project, faulty: Faulty, leg: str, how: str
) -> None:
    getattr(faulty, how).add(leg)
    degraded, spans = statuses(opened(project, faulty))
    assert degraded == (leg,)
    assert spans[leg] == {"broken": "error", "hanging": "timeout"}[how]


def test_without_the_embedder_words_alone_answer_and_few_matches_are_told(project: Project, faulty: Faulty) -> None:
    index = opened(project, faulty, embedder=HashEmbedder(fails_after=0))
    found = index.search("get_or_create", 3)
    assert found.degraded == ("embed",)
    assert [passage.member.heading for passage in found.passages] == ["Queries > Getting or creating"]
    assert found.short == "matches"
    assert {span.layer: span.status for span in found.spans} == {
        "embed": "error",
        "dense": "skipped",
        "text": "ok",
        "members": "ok",
    }


@pytest.mark.parametrize("down", [{"dense", "text"}, {"members"}])
def test_when_nothing_answers_it_is_an_error_that_names_the_layers(project: Project, faulty: Faulty, down: set[str]) -> None:
    faulty.broken = down
    with pytest.raises(RetrievalDown, match=" error"):
        opened(project, faulty).search("save", 2)


def test_a_breaker_leaves_a_failing_layer_out_and_tries_it_again_after_a_pause(project: Project, faulty: Faulty) -> None:
    clock = Clock()
    index = opened(project, faulty, clock)
    faulty.hanging = {"dense"}
    assert [statuses(index)[1]["dense"] for _ in range(3)] == ["timeout", "timeout", "skipped"]
    assert faulty.asked.count("dense") == 2
    started = time.monotonic()
    assert statuses(index)[0] == ("dense",)
    assert time.monotonic() - started < QUICK.dense
    clock.added = 11
    assert [statuses(index)[1]["dense"] for _ in range(2)] == ["timeout", "skipped"]
    faulty.hanging = set()
    clock.added = 22
    assert [statuses(index) for _ in range(2)] == [((), dict.fromkeys(("embed", "dense", "text", "members"), "ok"))] * 2


def test_a_half_open_breaker_lets_one_call_through() -> None:
    breaker = Breaker(2, 10.0)
    for _ in range(2):
        assert breaker.allows(0.0)
        breaker.report(False, 0.0)
    assert breaker.open
    assert [breaker.allows(now) for now in (9.9, 10.0, 10.0)] == [False, True, False]
    breaker.report(False, 10.0)
    assert [breaker.allows(now) for now in (19.9, 20.0)] == [False, True]
    breaker.report(True, 20.0)
    assert [breaker.allows(20.0), breaker.allows(20.0), breaker.open] == [True, True, False]


def test_hanging_calls_never_take_more_threads_than_there_may_be(project: Project, faulty: Faulty) -> None:
    faulty.hanging = {"text"}
    index = Index(
        project.store,
        load_version(project.store, project.store.resolve("index/docs")),
        project.embedder,
        faulty,
        limits=Limits(text=0.01, failures=1000),
        clock=Clock(),
    )
    for _ in range(40):
        try:
            index.search("save", 1)
        except RetrievalDown:
            break
    assert sum(thread.name == "retrieval" for thread in threading.enumerate()) <= 32


def test_fusion_counts_ranks_not_scores_and_breaks_ties_by_the_better_rank() -> None:
    dense, text = [Hit(7, 0.9), Hit(3, 0.1)], [Hit(3, 1000.0), Hit(5, 1.0)]
    fused = fuse(dense, text, 10)
    assert [(one.number, one.dense_rank, one.text_rank) for one in fused] == [(3, 2, 1), (7, 1, None), (5, None, 2)]
    assert fused[0].score == pytest.approx(1 / 62 + 1 / 61)
    assert [one.number for one in fuse([Hit(9, 1)], [Hit(4, 1)], 2)] == [4, 9]
    assert fuse([], [], 5) == []


def test_a_version_of_before_answers_beside_the_new_one(project: Project) -> None:
    old = project.store.resolve("index/docs")
    project.write("db/queries.txt", PAGES["db/queries.txt"].replace("Call save()", "Call persist()"))
    new = project.sync().index
    texts = []
    for digest in (old, new):
        index = project.open(digest)
        texts.append(index.search("write an object SQL statement", 1).passages[0].member.text[:14])
        index.close()
    assert texts == ["Call save() to", "Call persist()"]
    assert len(load_members(project.store, load_version(project.store, old))) == 5
