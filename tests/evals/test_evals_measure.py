"""Metrics: their values by hand, their intervals from the room of statistics, and the errors a gate would make with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evals_help import OTHER, evaluated, make_rows, right, wrong
from numpy.random import Generator

from shipway import stats
from shipway.evals import (
    Answer,
    ComparisonEmpty,
    Evaluation,
    GoldenRow,
    Judged,
    Metric,
    compare_metrics,
    items_needed,
    measure_metrics,
)
from shipway.kernel.check import Check, Verdict

RUNS = [pytest.param(60, id="quick"), pytest.param(1000, id="slow", marks=pytest.mark.slow)]


def named(metrics: tuple[Metric, ...], name: str, part: str | None = None) -> Metric:
    (found,) = [metric for metric in metrics if (metric.name, metric.slice) == (name, part)]
    return found


def some_right(numbers: set[int]) -> Callable[[GoldenRow, int], Answer]:
    return lambda row, _sample: right(row) if int(row.id[1:]) in numbers else wrong(row)


def test_each_metric_is_told_with_its_interval() -> None:
    rows = make_rows(20)
    metrics = measure_metrics(evaluated(rows, some_right(set(range(15)))), at=(1, 5))
    assert [metric.name for metric in metrics] == [
        *("recall_at_1", "recall_at_5", "mrr", "ndcg_at_1", "ndcg_at_5"),
        *("exact", "contains", "cost_usd", "seconds"),
    ]
    contains = named(metrics, "contains")
    assert (contains.value, contains.low, contains.high) == stats.wilson(15, 20)[:3]
    assert (contains.n, contains.clusters, contains.level, contains.slice) == (20, 20, 0.95, None)
    assert named(metrics, "exact").value == 0.0
    assert named(metrics, "cost_usd").value == pytest.approx(0.00125)
    assert named(metrics, "seconds").value == pytest.approx(0.4375)


def test_all_right_is_not_certainty() -> None:
    metrics = measure_metrics(evaluated(make_rows(20), lambda row, _: right(row)))
    for name in ("contains", "recall_at_5", "mrr"):
        assert named(metrics, name).value == 1.0
        assert named(metrics, name).low == pytest.approx(0.8389, abs=1e-4)


def test_an_item_counts_once_however_often_it_is_asked() -> None:
    rows = make_rows(10)
    metrics = measure_metrics(evaluated(rows, lambda row, n: right(row) if n < 3 else wrong(row), samples=4))
    contains = named(metrics, "contains")
    assert (contains.value, contains.n) == (0.75, 10)


def test_kin_count_together() -> None:
    alone = measure_metrics(evaluated(make_rows(40), some_right({n for n in range(40) if n % 4})))
    kin = measure_metrics(evaluated(make_rows(40, clusters=4), some_right({n for n in range(40) if n % 4})))
    one, other = named(alone, "contains"), named(kin, "contains")
    assert one.value == other.value == 0.75
    assert (one.clusters, other.clusters) == (40, 4)
    assert None not in (one.low, one.high, other.low, other.high)
    assert other.high - other.low > 2 * (one.high - one.low)  # type: ignore[operator]


def test_a_row_without_a_cluster_is_its_own_whatever_the_others_are_called() -> None:
    rows = (GoldenRow("a", "x", ("1",), cluster="b"), GoldenRow("b", "y", ("1",)), GoldenRow("c", "z", ("1",), cluster="b"))
    assert measure_metrics(evaluated(rows, lambda *_: Answer("1")))[0].clusters == 2


def test_copies_of_a_question_are_kin_whatever_they_are_called() -> None:
    rows = tuple(GoldenRow(f"q{n}", f"what is {n % 8}?", (f"number {n % 8}",), (f"page{n % 8}.txt",)) for n in range(40))
    contains = named(
        measure_metrics(evaluated(rows, lambda row, _: right(row) if row.target[0] != "number 1" else wrong(row))), "contains"
    )
    assert (contains.n, contains.clusters) == (40, 8)
    asked_otherwise = (GoldenRow("a", "x", ("1",), vars={"n": 1}), GoldenRow("b", "x", ("1",), vars={"n": 2}))
    assert measure_metrics(evaluated(asked_otherwise, lambda *_: Answer("1")))[0].clusters == 2
    told = (GoldenRow("a", "x", ("1",), cluster="one"), GoldenRow("b", "x", ("1",), cluster="two"))
    assert measure_metrics(evaluated(told, lambda *_: Answer("1")))[0].clusters == 2


def test_slices_are_told_after_the_whole() -> None:
    rows = make_rows(20, slices=("facts", "how-to"))
    metrics = measure_metrics(evaluated(rows, some_right({n for n in range(20) if n % 2})))
    assert named(metrics, "contains", "facts").value == 0.0
    assert named(metrics, "contains", "how-to").value == 1.0
    assert named(metrics, "contains").value == 0.5
    assert named(metrics, "contains", "facts").n == 10
    assert [metric.slice for metric in metrics] == sorted((metric.slice for metric in metrics), key=lambda part: part or "")


def test_what_failed_is_in_no_metric() -> None:
    def answer(row: GoldenRow, sample: int) -> Answer:
        return Answer("", error="down") if row.id == "q0" or sample else right(row)

    contains = named(measure_metrics(evaluated(make_rows(5), answer, samples=2)), "contains")
    assert (contains.value, contains.n) == (1.0, 4)


def test_a_metric_that_applies_to_no_row_is_left_out_and_so_is_an_unknown_cost() -> None:
    rows = (GoldenRow("a", "x", ("1",)), GoldenRow("b", "y", ("1",)))
    metrics = measure_metrics(evaluated(rows, lambda row, _: Answer("1", usd=0.1 if row.id == "a" else None)))
    assert [metric.name for metric in metrics] == ["exact", "contains", "seconds"]


def test_no_interval_of_seconds_or_dollars_begins_below_nothing() -> None:
    """One slow answer among quick ones: a normal interval around their mean would reach below 0, a difference may."""
    slow = make_rows(6)[0].id

    def ask(row: GoldenRow, _sample: int) -> Answer:
        return replace(right(row), seconds=30.0 if row.id == slow else 0.01, usd=1.0 if row.id == slow else 0.0)

    found = evaluated(make_rows(6), ask)
    for name in ("seconds", "cost_usd"):
        metric = named(measure_metrics(found), name)
        assert metric.low == 0.0
        assert metric.value > 0 < (metric.high or 0.0)
    quick = evaluated(make_rows(6), lambda row, n: replace(ask(row, n), seconds=0.02))
    difference = named(compare_metrics(found, quick), "seconds")
    assert difference.low is not None
    assert difference.low < 0


def test_seconds_of_one_item_have_no_interval() -> None:
    seconds = named(measure_metrics(evaluated(make_rows(1), lambda row, _: right(row))), "seconds")
    assert (seconds.value, seconds.low, seconds.high) == (0.5, None, None)
    assert items_needed(seconds, 1.0) is None


def test_the_judge_is_a_metric_of_what_it_could_read() -> None:
    rows = make_rows(4)
    judged = Judged(OTHER, {("q0", 0): 1, ("q1", 0): 0, ("q2", 0): None})
    judge = named(measure_metrics(evaluated(rows, lambda row, _: right(row)), judged=judged), "judge")
    assert (judge.value, judge.n) == (0.5, 2)
    assert judged.unparsable == 1


def test_a_comparison_is_candidate_minus_live_on_common_items() -> None:
    rows = make_rows(30)
    live = evaluated(rows[:25], some_right(set(range(20))), asked=OTHER)
    candidate = evaluated(rows[5:], some_right(set(range(5, 10))))
    metrics = compare_metrics(candidate, live)
    contains, cost = named(metrics, "contains"), named(metrics, "cost_usd")
    expected = stats.paired_interval([1] * 5 + [0] * 15, [1] * 15 + [0] * 5)
    assert (contains.value, contains.low, contains.high) == pytest.approx(expected[:3])
    assert (contains.n, contains.clusters, contains.bounds) == (20, 20, (-1.0, 1.0))
    assert cost.value == pytest.approx(0.0005)


def test_both_are_scored_by_the_rows_of_the_candidate() -> None:
    rows = make_rows(3)
    mended = tuple(GoldenRow(row.id, row.input, ("I do not know",), row.context) for row in rows)
    metrics = compare_metrics(evaluated(mended, lambda row, _: Answer("x")), evaluated(rows, lambda row, _: wrong(row)))
    assert named(metrics, "contains").value == -1.0


def test_a_question_asked_otherwise_is_another_item() -> None:
    rows = make_rows(3)
    other = tuple(GoldenRow(row.id, "otherwise", row.target, row.context) for row in rows)
    with pytest.raises(ComparisonEmpty):
        compare_metrics(evaluated(rows, lambda row, _: right(row)), evaluated(other, lambda row, _: right(row)))


def test_a_release_against_itself_differs_by_nothing_but_not_for_certain() -> None:
    one = evaluated(make_rows(100, slices=("a", "b")), some_right(set(range(60))))
    for metric in compare_metrics(one, one):
        assert metric.value == 0.0
        if metric.bounds is None:
            assert (metric.low, metric.high) == (0.0, 0.0)
        else:
            assert metric.low == -metric.high < -0.03  # type: ignore[operator]


def test_a_check_of_a_metric_goes_through_the_wire() -> None:
    contains = named(measure_metrics(evaluated(make_rows(20, slices=("a",)), some_right({1, 2}))), "contains", "a")
    check = contains.to_check("golden.contains")
    assert (check.verdict, check.threshold, check.n, check.level) == (Verdict.INCONCLUSIVE, None, 20, 0.95)
    record = contains.to_json("golden.contains")
    assert Check.from_json(record) == check
    assert (record["slice"], record["clusters"]) == ("a", 20)


def test_the_items_needed_are_told_for_a_threshold() -> None:
    contains = named(measure_metrics(evaluated(make_rows(20), some_right(set(range(20))))), "contains")
    assert items_needed(contains, 0.9) == 15
    assert items_needed(contains, 0.5) == 0
    assert items_needed(contains, 1.0) == stats.NEVER
    seconds = named(measure_metrics(evaluated(make_rows(20), some_right({1}))), "seconds")
    assert items_needed(seconds, seconds.value * 1.001) is not None


def golden_world(rng: Generator, loss: float) -> tuple[Evaluation, Evaluation]:
    """60 items in 20 clusters, asked twice; the live release gets each right with its own chance, the candidate with less."""
    rows = make_rows(60, clusters=20)
    chance = np.clip(rng.beta(2, 1, 20)[np.arange(60) % 20] * 0.8 + 0.2, 0, 1)

    def asked(share: float) -> Evaluation:
        hits = rng.random((60, 2)) < (chance * share)[:, None]
        return evaluated(rows, lambda row, n: right(row) if hits[int(row.id[1:]), n] else wrong(row), samples=2)

    return asked(1 - loss), asked(1.0)


@pytest.mark.parametrize("runs", RUNS)
def test_a_candidate_as_good_as_live_is_seldom_called_worse(runs: int) -> None:
    rng = np.random.default_rng(1)
    found = [named(compare_metrics(*golden_world(rng, 0.0), at=()), "contains") for _ in range(runs)]
    worse = sum(metric.high is not None and metric.high < 0 for metric in found) / runs
    covered = sum(metric.low is not None and metric.low <= 0 for metric in found) - worse * runs
    assert worse <= 0.025 + 4 * math.sqrt(0.025 * 0.975 / runs)
    assert covered / runs >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / runs)


@pytest.mark.parametrize("runs", RUNS)
def test_a_candidate_that_loses_half_is_found(runs: int) -> None:
    rng = np.random.default_rng(2)
    found = [named(compare_metrics(*golden_world(rng, 0.5), at=()), "contains") for _ in range(runs)]
    assert sum(metric.high is not None and metric.high < -0.1 for metric in found) / runs > 0.9
