"""Scorers against sklearn, against a plain reimplementation, and against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shipway.evals import Answer, Assertion, GoldenRow, ScorerUnknown, find_scorers

DOCUMENTS = [f"page{n}.txt" for n in range(12)]
rankings = st.permutations(DOCUMENTS)
contexts = st.lists(st.sampled_from(DOCUMENTS), min_size=1, max_size=5, unique=True)


def score(name: str, answer: Answer, **row: object) -> float | None:
    (k,) = [int(part) for part in name.split("_") if part.isdigit()] or [5]
    return find_scorers(("exact", "contains"), (k,))[name](GoldenRow("q", "?", **row), answer)  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(rankings, contexts, st.integers(1, 12))
def test_ndcg_is_sklearns(ranked: list[str], context: list[str], k: int) -> None:
    from sklearn.metrics import ndcg_score

    relevance = np.array([[float(document in context) for document in ranked]])
    expected = ndcg_score(relevance, np.array([[-float(n) for n in range(12)]]), k=k)
    assert score(f"ndcg_at_{k}", Answer("", tuple(ranked)), context=tuple(context)) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(rankings, st.sampled_from(DOCUMENTS))
def test_mrr_of_one_relevant_document_is_sklearns_ranking_precision(ranked: list[str], relevant: str) -> None:
    from sklearn.metrics import label_ranking_average_precision_score

    relevance = np.array([[float(document == relevant) for document in ranked]])
    expected = label_ranking_average_precision_score(relevance, np.array([[-float(n) for n in range(12)]]))
    assert score("mrr", Answer("", tuple(ranked)), context=(relevant,)) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(rankings, contexts, st.integers(1, 12))
def test_recall_is_the_share_found(ranked: list[str], context: list[str], k: int) -> None:
    expected = len(set(ranked[:k]) & set(context)) / len(context)
    assert score(f"recall_at_{k}", Answer("", tuple(ranked)), context=tuple(context)) == pytest.approx(expected)


@given(st.lists(st.sampled_from(["a", "a#x", "a#y", "b#x", "c"]), max_size=8), st.integers(1, 6))
def test_passages_of_one_document_never_score_beyond_one(documents: list[str], k: int) -> None:
    for context in [("a",), ("a", "a#x"), ("a#x", "b")]:
        for name in (f"recall_at_{k}", "mrr", f"ndcg_at_{k}"):
            value = score(name, Answer("", tuple(documents)), context=context)
            assert value is not None
            assert 0 <= value <= 1


def test_a_key_with_a_heading_wants_that_section() -> None:
    answer = Answer("", ("a.txt#intro", "a.txt#usage"))
    assert score("mrr", answer, context=("a.txt#usage",)) == 0.5
    assert score("mrr", answer, context=("a.txt",)) == 1.0
    assert score("recall_at_1", answer, context=("a.txt#usage",)) == 0.0


@pytest.mark.parametrize(
    ("said", "value"),
    [("Paris", 1.0), ("  PARIS!\n", 1.0), ('"Paris".', 1.0), ("Lutetia", 1.0), ("It is Paris", 0.0), ("", 0.0)],
)
def test_exact_forgives_case_space_and_punctuation_only(said: str, value: float) -> None:
    assert score("exact", Answer(said), target=("Paris", "lutetia")) == value


@pytest.mark.parametrize(("said", "value"), [("It is\n  NEW york.", 1.0), ("It is New Jersey", 0.0)])
def test_contains_forgives_case_and_space(said: str, value: float) -> None:
    assert score("contains", Answer(said), target=("New York",)) == value


@pytest.mark.parametrize(("said", "value"), [("port 5432", 1.0), ("port 5432, I guess", 0.0), ("I cannot say", 0.0)])
def test_contains_wants_one_target_and_everything_expected(said: str, value: float) -> None:
    expect = (Assertion("starts-with", "port"), Assertion("not-contains", "guess"))
    assert score("contains", Answer(said), target=("5432", "five"), expect=expect) == value


def test_a_row_that_asks_nothing_of_the_kind_has_no_score() -> None:
    assert score("exact", Answer("x"), context=("a",)) is None
    assert score("contains", Answer("x"), context=("a",)) is None
    assert score("recall_at_5", Answer("x"), target=("a",)) is None
    assert score("mrr", Answer("x"), target=("a",)) is None
    assert score("ndcg_at_5", Answer("x"), target=("a",)) is None


def test_a_scorer_that_is_none_names_the_nearest() -> None:
    with pytest.raises(ScorerUnknown) as caught:
        find_scorers(("contain",), (5,))
    assert caught.value.mend == "did you mean `contains`?"


@given(rankings, contexts)
def test_a_better_ranking_never_scores_less(ranked: list[str], context: list[str]) -> None:
    place = next((n for n in range(1, 12) if ranked[n] in context and ranked[n - 1] not in context), None)
    assume(place is not None)
    assert place is not None
    better = ranked.copy()
    better[place - 1], better[place] = better[place], better[place - 1]
    for name in ("recall_at_5", "mrr", "ndcg_at_5"):
        before, after = (score(name, Answer("", tuple(order)), context=tuple(context)) for order in (ranked, better))
        assert before is not None
        assert after is not None
        assert after >= before
