"""Metrics of an evaluation, alone and against another on the same items: each an interval that knows about clusters.

An item counts once, as the mean of its samples; what a metric does not apply to is not in it. Verdicts are the gate's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from shipway import stats
from shipway.evals._answer import Answer
from shipway.evals._golden import GoldenRow
from shipway.evals._judge import Judged
from shipway.evals._run import Evaluation
from shipway.evals._scorers import Scorer, find_scorers
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.errors import ShipwayError, nearest

SHARE, DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)
_UNBOUNDED = ("cost_usd", "seconds")
_Bounds = tuple[float, float] | None
_Score = Callable[[GoldenRow, int, Answer], float | None]
_Values = dict[str, dict[str, float]]  # metric to row id to value


class ComparisonEmpty(ShipwayError):
    """Two evaluations have no item in common."""

    code = "evals.comparison-empty"


class MetricUnknown(ShipwayError):
    """Evaluations have no metric of that name."""

    code = "evals.metric-unknown"


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured mean over n items in so many clusters, with its interval at `level`.

    name: `recall_at_5`, `mrr`, `exact`, `cost_usd`, ...; slice: the group of items, None for all; low, high: None where
    there is nothing to tell a spread from; bounds: between which values can lie, None for costs and seconds.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    n: int
    clusters: int
    level: float
    slice: str | None = None
    still_needed: int | None = None
    bounds: tuple[float, float] | None = SHARE

    def to_check(self, name: str) -> Check:
        """The bare measurement under this name (`golden.recall_at_5`): inconclusive, for it is held against nothing."""
        needed = self.still_needed
        numbers = (self.value, self.low, self.high)
        return Check(name, Verdict.INCONCLUSIVE, *numbers, n=self.n, still_needed=needed, level=self.level)

    def to_json(self, name: str) -> JsonObject:
        """A row of the state `evaluated`: the check, its clusters and slice."""
        return {**self.to_check(name).to_json(), "clusters": self.clusters, "slice": self.slice}


def measure_metrics(
    evaluation: Evaluation,
    *,
    level: float = 0.95,
    at: Sequence[int] = (5,),
    scorers: Sequence[str] = ("exact", "contains"),
    judged: Judged | None = None,
) -> tuple[Metric, ...]:
    """recall_at_k, mrr, ndcg_at_k, the scorers, `judge` when judged, cost_usd where every price is known, and seconds.

    All items first, then each slice. Values are shares in [0, 1], US dollars and seconds an answer. Raises ScorerUnknown.
    """
    values = _item_values(evaluation, at, scorers, judged)
    return tuple(_each(evaluation.rows, values, lambda name, ids, kin: _alone(name, _of(values, name, ids), kin, level)))


def compare_metrics(
    candidate: Evaluation,
    live: Evaluation,
    *,
    level: float = 0.95,
    at: Sequence[int] = (5,),
    scorers: Sequence[str] = ("exact", "contains"),
    judged: tuple[Judged, Judged] | None = None,
) -> tuple[Metric, ...]:
    """As measure_metrics, but candidate minus live, paired on the items that both were asked in the same words.

    Both are scored by the candidate's rows; judged: of the candidate and of live. For cost_usd and seconds less is better.
    Raises ComparisonEmpty, ScorerUnknown.
    """
    asked = {row.id: row.question for row in live.rows}
    rows = tuple(row for row in candidate.rows if asked.get(row.id) == row.question)
    if not rows:
        mend = "run the golden set on both releases"
        raise ComparisonEmpty("the two evaluations have no item in common", mend=mend)
    ours, theirs = judged or (None, None)
    one = _item_values(replace(candidate, rows=rows), at, scorers, ours)
    other = _item_values(replace(live, rows=rows), at, scorers, theirs)
    both = {name: {key: 0.0 for key in one[name] if key in other[name]} for name in one if name in other}
    return tuple(
        _each(rows, both, lambda name, ids, kin: _paired(name, _of(one, name, ids), _of(other, name, ids), kin, level))
    )


class ItemScores(NamedTuple):
    """A metric of several evaluations on the items that all of them answered.

    values: a row for each evaluation, an item each; clusters: of the items; bounded: shares between 0 and 1.
    """

    metric: str
    values: list[list[float]]
    clusters: list[str]
    bounded: bool


def item_scores(evaluations: Sequence[Evaluation], metric: str, *, at: Sequence[int], scorers: Sequence[str]) -> ItemScores:
    """The items of several evaluations of the same rows. Raises MetricUnknown, ComparisonEmpty, ScorerUnknown."""
    each = [_item_values(one, at, scorers, None) for one in evaluations]
    known = sorted(set.intersection(*(set(values) for values in each)))
    if metric not in known:
        near = nearest(metric[:80], known)
        mend = f"did you mean {near}?" if near else f"one of: {', '.join(known)}"
        raise MetricUnknown(f"these evaluations have no metric {metric[:80]}", mend=mend)
    rows = [row for row in evaluations[0].rows if all(row.id in values[metric] for values in each)]
    if not rows:
        raise ComparisonEmpty("the evaluations have no item in common", mend="run the golden set on all of them")
    ids, bounded = [row.id for row in rows], metric not in _UNBOUNDED
    return ItemScores(metric, [_of(values, metric, ids) for values in each], [cluster_of(row) for row in rows], bounded)


def items_needed(metric: Metric, threshold: float) -> int | None:
    """About how many more items until the metric's interval leaves the threshold; None where there is no interval.

    0 when it is decided; at most stats.NEVER. More items means more of the same kind, clusters too.
    """
    if metric.low is None or metric.high is None:
        return None
    interval = stats.Interval(metric.value, metric.low, metric.high, metric.level, metric.n, metric.clusters)
    return stats.items_needed(interval, threshold, bounds=metric.bounds)


def cluster_of(row: GoldenRow) -> str:
    """The label of the row's cluster; rows without one are kin only when they ask the same: a copy is no new evidence."""
    return f"words {row.words}" if row.cluster is None else f"cluster {row.cluster}"


def _item_values(evaluation: Evaluation, at: Sequence[int], scorers: Sequence[str], judged: Judged | None) -> _Values:
    """Metric to row id to the mean over that row's samples; metrics that apply to no row are left out."""
    values: _Values = {}
    for name, scorer in find_scorers(scorers, at).items():
        values[name] = _means(evaluation, _sampled(scorer))
    if judged is not None:
        verdicts: Mapping[tuple[str, int], int | None] = judged.verdicts
        values["judge"] = _means(evaluation, lambda row, n, _answer: verdicts.get((row.id, n)))
    if all(answer.usd is not None for row in evaluation.rows for _, answer in evaluation.of(row)):
        values["cost_usd"] = _means(evaluation, lambda _row, _n, answer: answer.usd)
    values["seconds"] = _means(evaluation, lambda _row, _n, answer: answer.seconds)
    return {name: means for name, means in values.items() if means}


def _sampled(scorer: Scorer) -> _Score:
    return lambda row, _n, answer: scorer(row, answer)


def _means(evaluation: Evaluation, score: _Score) -> dict[str, float]:
    found = {}
    for row in evaluation.rows:
        scores = [one for n, answer in evaluation.of(row) if (one := score(row, n, answer)) is not None]
        if scores:
            found[row.id] = sum(scores) / len(scores)
    return found


def _each(
    rows: Sequence[GoldenRow], values: _Values, make: Callable[[str, Sequence[str], Sequence[str]], Metric]
) -> Iterator[Metric]:
    """Every metric over all rows, then over the rows of each slice. make: from its name, the ids and their clusters."""
    for part in (None, *sorted({row.slice for row in rows if row.slice is not None})):
        for name in values:
            kin = [row for row in rows if row.id in values[name] and part in (None, row.slice)]
            if kin:
                yield replace(make(name, [row.id for row in kin], [cluster_of(row) for row in kin]), slice=part)


def _of(values: _Values, name: str, ids: Sequence[str]) -> list[float]:
    return [values[name][key] for key in ids]


def _alone(name: str, found: Sequence[float], clusters: Sequence[str], level: float) -> Metric:
    if name not in _UNBOUNDED:
        return _metric(name, stats.share_interval(found, clusters, level=level), SHARE)
    if len(set(clusters)) < 2:
        return Metric(name, sum(found) / len(found), None, None, len(found), 1, level, bounds=None)
    measured = _metric(name, stats.mean_interval(found, clusters, level=level), None)
    return replace(measured, low=max(0.0, measured.low or 0.0))  # which a normal interval does not know of seconds and dollars


def _paired(name: str, ours: Sequence[float], theirs: Sequence[float], clusters: Sequence[str], level: float) -> Metric:
    if name not in _UNBOUNDED:
        return _metric(name, stats.paired_interval(ours, theirs, clusters, level=level), DIFFERENCE)
    if len(set(clusters)) < 2:
        return Metric(name, (sum(ours) - sum(theirs)) / len(ours), None, None, len(ours), 1, level, bounds=None)
    return _metric(name, stats.paired_interval(ours, theirs, clusters, level=level, bounds=None), None)


def _metric(name: str, interval: stats.Interval, bounds: _Bounds) -> Metric:
    value, low, high, level, n, clusters = interval
    return Metric(name, value, low, high, n, clusters, level, bounds=bounds)
