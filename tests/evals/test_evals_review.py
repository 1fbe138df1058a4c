"""The review queue: blind, idempotent, and nothing that a person said is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from evals_help import ASKED, GOLDEN, NOW, OTHER, evaluated, make_rows, new_store, right, wrong

from shipway import stats
from shipway.evals import (
    Judge,
    Judged,
    JudgedPairs,
    Pair,
    RatingMalformed,
    Review,
    ReviewMissing,
    SampleLog,
    corrected_share,
    judge_agreement,
    judge_pairs,
    load_reviews,
    pick_reviews,
    queue_reviews,
    rate,
    rate_reviews,
)
from shipway.llm import Message
from shipway.store import Store

RATER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from shipway.evals import load_reviews, rate
from shipway.store import open_store
store = open_store(Path(sys.argv[1]), "test")
for n in range(20):
    for review in load_reviews(store):
        rate(store, review.id, by=f"{sys.argv[2]}-{n}", value=n % 2, now=datetime(2026, 11, 23, tzinfo=UTC))
store.close()
"""


def some_reviews(count: int, *, judged: bool = True, wrongs: int = 0) -> tuple[Review, ...]:
    rows = make_rows(count)
    evaluation = evaluated(rows, lambda row, _: wrong(row) if int(row.id[1:]) < wrongs else right(row), samples=2)
    verdicts = Judged(OTHER, {(row.id, 0): int(int(row.id[1:]) >= wrongs) for row in rows})
    return rate_reviews(evaluation, verdicts if judged else None, golden=GOLDEN, release=ASKED)


def some_picks(count: int) -> tuple[Review, ...]:
    pairs = [Pair(row, f"good {row.id}", f"bad {row.id}") for row in make_rows(count)]

    async def complete(messages: Sequence[Message]) -> str:
        text = messages[-1].content
        return "A" if text.index("good") < text.index("bad") else "B"

    async def judge(path: Path) -> JudgedPairs:
        judge = Judge("judge")
        with SampleLog(path, judge.digest) as kept:
            return await judge_pairs(judge, pairs, complete, concurrency=1, kept=kept)

    with tempfile.TemporaryDirectory() as folder:
        judged = asyncio.run(judge(Path(folder) / "j.jsonl"))
    return pick_reviews(judged, golden=GOLDEN, release=ASKED, live=OTHER)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)


def test_queueing_twice_is_queueing_once_and_keeps_ratings(store: Store) -> None:
    reviews = some_reviews(10)
    assert queue_reviews(store, reviews, limit=4) == 4
    (first, *_) = load_reviews(store)
    rate(store, first.id, by="ann", value=1, now=NOW)
    assert queue_reviews(store, reviews[::-1], limit=4) == 0
    assert len(load_reviews(store)) == 4
    assert len(load_reviews(store, open_only=True)) == 3
    assert queue_reviews(store, reviews, limit=6) == 2
    rated, *rest = load_reviews(store)
    assert [rating.by for rating in rated.ratings] == ["ann"]
    assert rest == sorted(reviews, key=lambda one: one.id)[1:6]


def test_a_row_of_state_says_what_the_format_says(store: Store) -> None:
    (review,) = some_reviews(1)
    queue_reviews(store, [review], limit=1)
    row = store.state("review", review.id)
    assert row is not None
    assert row.value == {
        "version": 1,
        "kind": "rate",
        "question": "what is 0?",
        "answers": [{"text": "It is number 0.", "release": ASKED}],
        "judge": 1,
        "ratings": [],
        "golden": GOLDEN,
        "release": ASKED,
    }


def test_the_order_of_a_pair_is_fixed_and_tells_nothing() -> None:
    picks = some_picks(200)
    assert picks == some_picks(200)
    first = sum(review.answers[0].release == ASKED for review in picks)
    assert 70 < first < 130
    for review in picks:
        (winner,) = [n for n, answer in enumerate(review.answers) if answer.text.startswith("good")]
        assert review.judge == winner
        assert review.answers[winner].release == ASKED


def test_people_agree_with_the_judge_by_who_won_and_not_by_place(store: Store) -> None:
    queue_reviews(store, some_picks(40), limit=40)
    for review in load_reviews(store):
        rate(store, review.id, by="ann", value="tie" if review.id < "4" else review.judge or 0, now=NOW)
    reviews = load_reviews(store)
    found = judge_agreement(reviews, kind="pick")
    assert found is not None
    ties = sum(review.id < "4" for review in reviews)
    assert found.agreement.value == pytest.approx(1 - ties / 40)
    assert found.kappa is not None
    assert found.kappa.value == 0.0  # the judge said `candidate` to everything
    assert judge_agreement(reviews, kind="rate") is None


def test_the_judges_agreement_with_people_is_measured(store: Store) -> None:
    queue_reviews(store, some_reviews(30, wrongs=10), limit=30)
    for place, review in enumerate(load_reviews(store)):
        said = int("number" in review.answers[0].text)
        rate(store, review.id, by="ann", value=1 - said if place < 3 else said, now=NOW)
    found = judge_agreement(load_reviews(store), seed=1)
    assert found is not None
    assert found.agreement[:3] == stats.wilson(27, 30)[:3]
    assert found.kappa is not None
    assert 0.4 < found.kappa.value < 0.95
    assert found == judge_agreement(load_reviews(store), seed=1)


def test_most_people_decide_and_a_second_rating_is_a_correction(store: Store) -> None:
    queue_reviews(store, some_reviews(1), limit=1)
    (review,) = load_reviews(store)
    assert review.verdict is None
    assert rate(store, review.id, by="ann", value=1, now=NOW).verdict == 1
    assert rate(store, review.id, by="bob", value=0, now=NOW).verdict is None
    assert rate(store, review.id, by="cy", value=0, now=NOW).verdict == 0
    last = rate(store, review.id, by="cy", value=1, now=NOW + timedelta(minutes=1))
    assert (last.verdict, len(last.ratings)) == (1, 4)
    assert load_reviews(store) == (last,)


@pytest.mark.parametrize(("kind", "value"), [("rate", 2), ("rate", "tie"), ("rate", True), ("pick", 2), ("pick", "first")])
def test_a_rating_that_is_not_asked_for_is_refused(store: Store, kind: str, value: int | str) -> None:
    (review,) = some_reviews(1) if kind == "rate" else some_picks(1)
    queue_reviews(store, [review], limit=1)
    with pytest.raises(RatingMalformed, match="no rating"):
        rate(store, review.id, by="ann", value=value, now=NOW)
    assert load_reviews(store, open_only=True) == (review,)


def test_a_rating_by_nobody_and_of_nothing_is_refused(store: Store) -> None:
    (review,) = some_reviews(1)
    queue_reviews(store, [review], limit=1)
    for by in ("", "  ", "x" * 201):
        with pytest.raises(RatingMalformed, match="somebody"):
            rate(store, review.id, by=by, value=1, now=NOW)
    with pytest.raises(ReviewMissing):
        rate(store, "nothing", by="ann", value=1, now=NOW)


def test_several_who_rate_at_once_lose_nothing(store: Store, tmp_path: Path) -> None:
    queue_reviews(store, some_reviews(2), limit=2)
    people = [subprocess.Popen([sys.executable, "-c", RATER, str(tmp_path), name]) for name in ("ann", "bob", "cy")]
    assert [person.wait(timeout=60) for person in people] == [0, 0, 0]
    for review in load_reviews(store):
        assert len(review.ratings) == 60
        assert len({rating.by for rating in review.ratings}) == 60


def test_people_correct_the_share_of_a_judge_that_is_too_kind(store: Store) -> None:
    rows = make_rows(200)
    evaluation = evaluated(rows, lambda row, _: right(row) if int(row.id[1:]) % 2 else wrong(row))
    kind = Judged(OTHER, {(row.id, 0): int(int(row.id[1:]) % 2 or int(row.id[1:]) % 3 == 0) for row in rows})
    everything = rate_reviews(evaluation, kind, golden=GOLDEN, release=ASKED)
    assert corrected_share(load_reviews(store), everything) is None
    queue_reviews(store, everything, limit=60)
    for review in load_reviews(store):
        rate(store, review.id, by="ann", value=int("number" in review.answers[0].text), now=NOW)
    found = corrected_share(load_reviews(store), everything)
    assert found is not None
    said = sum(float(review.judge or 0) for review in everything) / 200
    assert said == pytest.approx(0.67, abs=0.01)
    assert found.low < 0.5 < found.high < said + 0.01
    assert (found.n, found.level) == (60, 0.95)
