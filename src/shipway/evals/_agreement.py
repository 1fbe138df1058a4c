"""Whether a judge can be believed: its agreement with the matches or with people, beyond what chance would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shipway import stats
from shipway.evals._judge import Judged
from shipway.evals._measure import cluster_of
from shipway.evals._run import Evaluation
from shipway.evals._scorers import find_scorers
from shipway.kernel.canonical import JsonObject


@dataclass(frozen=True, slots=True)
class Agreement:
    """agreement: share of n verdicts that are alike; kappa: Cohen's, None where one verdict was given to everything."""

    agreement: stats.Interval
    kappa: stats.Interval | None

    @property
    def n(self) -> int:
        return self.agreement.n

    def to_json(self) -> JsonObject:
        """As in the state `evaluated`."""
        kappa = interval_json(self.kappa) if self.kappa else None
        return {"agreement": interval_json(self.agreement), "kappa": kappa}


def interval_json(interval: stats.Interval) -> JsonObject:
    """value, low, high, n.

    >>> interval_json(stats.Interval(0.5, 0.25, 0.75, 0.95, 9, 9))
    {'value': 0.5, 'low': 0.25, 'high': 0.75, 'n': 9}
    """
    return {"value": interval.value, "low": interval.low, "high": interval.high, "n": interval.n}


def measure_agreement(
    first: Sequence[object], second: Sequence[object], clusters: Sequence[str], *, level: float = 0.95, seed: int = 0
) -> Agreement:
    """Of two raters' verdicts on the same things; kappa's interval is a bootstrap over clusters with this seed."""
    alike = [float(one == other) for one, other in zip(first, second, strict=True)]
    share = stats.share_interval(alike, clusters, level=level)
    try:
        kappa = stats.cohen_kappa([str(one) for one in first], [str(one) for one in second], clusters, level=level, seed=seed)
    except ValueError:  # one verdict for everything: agreement by chance is complete
        kappa = None
    return Agreement(share, kappa)


def agreement_with_scorer(
    evaluation: Evaluation, judged: Judged, scorer: str = "contains", *, level: float = 0.95, seed: int = 0
) -> Agreement | None:
    """The judge against a scorer of yes and no, over every answer that both rate; None when there is none."""
    score = find_scorers([scorer], ())[scorer]
    both = [
        (verdict, int(said), cluster_of(row))
        for row in evaluation.rows
        for sample, answer in evaluation.of(row)
        if (verdict := judged.verdicts.get((row.id, sample))) is not None and (said := score(row, answer)) is not None
    ]
    if not both:
        return None
    ours, theirs, clusters = zip(*both, strict=True)
    return measure_agreement(ours, theirs, clusters, level=level, seed=seed)
