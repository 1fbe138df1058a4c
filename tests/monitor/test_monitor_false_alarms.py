"""How often the default monitors of days fail where nothing has changed, and whether they see what has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

import numpy as np
import pytest
from monitor_logs import FIRST_DAY, REF, RELEASE
from numpy.typing import NDArray

from shipway.data import Profile, measure_outcomes, measure_profile, reference_profile
from shipway.kernel.check import Verdict
from shipway.monitor import Severity
from shipway.monitor._judge import judge_day
from shipway.monitor._leaf import Leaf
from shipway.monitor._window import Outcomes, Windows, outcomes_of
from shipway.spec import default_monitors
from shipway.stats import wilson

DAYS, ROWS = 28, 100
MONITORS = {name: monitor for name, monitor in default_monitors("local").items() if name != "schema"}


class InMemory(Windows):
    """The profiles of days that no store holds."""

    def __init__(self, features: Sequence[Profile], outcomes: Sequence[Profile]) -> None:
        self._features, self._outcomes = features, outcomes

    def each(self, leaves: Sequence[Leaf]) -> list[Profile]:
        return [self._features[leaf.rows_at] for leaf in leaves]

    def outcomes(self, leaves: Sequence[Leaf]) -> Outcomes:
        held = [(leaf.day, self._outcomes[leaf.rows_at].outcomes) for leaf in leaves]
        return outcomes_of([(day, found) for day, found in held if found is not None])


class Rows(NamedTuple):
    """One day: features by name, the model's probability, what became true."""

    features: dict[str, NDArray[np.float64]]
    score: NDArray[np.float64]
    label: NDArray[np.float64]


def rows_of(random: np.random.Generator, rows: int, *, shift: float = 0.0, slope: float = 1.0) -> Rows:
    """Features and truth share an effect of the day; the model is calibrated but for shift, ranks by slope."""
    day = random.normal(0, 0.2)
    features = {f"x{number}": random.normal(day, 1, rows) for number in range(3)} | {"odd": random.lognormal(0, 1, rows)}
    logit = random.normal(-1.2, 0.8, rows)
    truth = 1 / (1 + np.exp(-(-1.2 + slope * (logit + 1.2) + shift + day)))
    return Rows(features, 1 / (1 + np.exp(-logit)), (random.random(rows) < truth).astype(np.float64))


def failing(seed: int, *, shift: float = 0.0, slope: float = 1.0, moved: float = 0.0) -> list[tuple[Severity, str]]:
    """What fails on the last day of a window, with a reference of twenty days drawn anew."""
    random = np.random.default_rng(seed)
    past = [rows_of(random, ROWS) for _ in range(20)]
    columns = {name: np.concatenate([day.features[name] for day in past]) for name in past[0].features}
    score, label = np.concatenate([day.score for day in past]), np.concatenate([day.label for day in past])
    reference = reference_profile(columns, score=score, label=label)
    features, outcomes = [], []
    for _ in range(DAYS):
        inputs, score, label = rows_of(random, ROWS, shift=shift, slope=slope)
        inputs["x0"] = inputs["x0"] + moved
        features.append(measure_profile(reference, inputs, score=score))
        outcomes.append(measure_outcomes(reference, score=score, label=label))
    leaves = [
        Leaf(RELEASE, FIRST_DAY + timedelta(days=day), rows=ROWS, rows_at=day, labels=ROWS, labels_at=0, label_sum=0.0)
        for day in range(DAYS)
    ]
    verdict = judge_day(REF, leaves[-1], leaves, MONITORS, InMemory(features, outcomes), reference)
    return [(found.severity, found.check.name) for found in verdict.findings if found.check.verdict is Verdict.FAIL]


def counted(windows: int) -> Counter[Severity]:
    """Windows in which anything of a severity fails."""
    return Counter(severity for seed in range(windows) for severity in {severity for severity, _ in failing(seed)})


def test_next_to_no_window_pages_or_informs_where_nothing_has_changed() -> None:
    assert counted(12) == {}


@pytest.mark.slow
def test_of_2_000_windows_without_a_change_fewer_than_one_in_a_hundred_pages() -> None:
    found = counted(2000)
    assert wilson(found[Severity.PAGE], 2000, level=0.9).high < 0.01  # one-sided 95 %
    assert wilson(found[Severity.INFORM], 2000, level=0.9).high < 0.01


def test_a_model_that_is_wrong_by_a_tenth_pages_and_a_column_that_moved_informs() -> None:
    assert (Severity.PAGE, "base_rate") in failing(1, shift=1.0)
    assert (Severity.PAGE, "performance") in failing(1, slope=-0.2)
    assert failing(1, moved=1.0) == [(Severity.INFORM, "drift.x0")]
