"""A business metric is held against its own weeks before: neither a weekday nor the noise of weeks is a fall."""

from __future__ import annotations

from datetime import date, timedelta
from typing import cast

import numpy as np
import pytest

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Verdict
from shipway.kernel.units import Seconds
from shipway.monitor import MetricDays, check_business
from shipway.monitor._business import MetricFall, measure_fall
from shipway.spec import MonitorSpec

LAST = date(2026, 11, 29)
MONITOR = MonitorSpec(name="business", page=0.1, window=Seconds(7 * 86_400.0))
WEEKDAY = np.array([1.0, 1.1, 1.0, 0.9, 1.2, 0.4, 0.3])


def metric(
    *, weeks: int = 9, fall: float = 0.0, noise: float = 0.02, persists: float = 0.0, seed: int = 1, higher: bool = True
) -> MetricDays:
    """Daily means around a weekday's own, in the last week lower by a share; noise persists from a day to the next."""
    random, count, state = np.random.default_rng(seed), 7 * weeks, 0.0
    days = tuple(LAST - timedelta(days=count - 1 - at) for at in range(count))
    rows, sums = [], []
    for at in range(count):
        state = persists * state + random.normal(0, noise * np.sqrt(1 - persists**2))
        rows.append(100.0)
        sums.append(100.0 * 20 * WEEKDAY[at % 7] * (1 + state) * (1 - (fall if at >= count - 7 else 0.0)))
    return MetricDays("revenue", "EUR", higher, LAST, days, tuple(rows), tuple(sums))


def judged(*metrics: MetricDays) -> tuple[Verdict, str]:
    check = check_business(MONITOR, metrics)[0].check
    return check.verdict, check.text or ""


def test_a_fall_beyond_the_weeks_own_noise_pages_and_says_what_was_and_is() -> None:
    finding, detail = check_business(MONITOR, [metric(fall=0.3)])
    check = finding.check
    assert (finding.severity.value, check.verdict) == ("page", Verdict.FAIL)
    assert check.value == pytest.approx(0.3, abs=0.03)
    assert check.low is not None
    assert check.low > 0.25
    assert check.text is not None
    assert check.text.startswith("revenue 11.7")
    assert "EUR over 7 days" in check.text
    assert check.text.endswith("on the same days of 8 windows before")
    (shown,) = cast("list[JsonObject]", detail["metrics"])
    assert (shown["windows"], shown["unit"]) == (8, "EUR")


def test_weekdays_are_no_noise_and_a_rise_is_no_fall() -> None:
    assert judged(metric())[0] is Verdict.PASS
    assert judged(metric(fall=-0.3))[0] is Verdict.PASS
    assert judged(metric(fall=-0.3, higher=False))[0] is Verdict.FAIL  # of costs more is worse


def test_weeks_that_differ_anyway_hide_a_small_fall_and_it_is_said() -> None:
    verdict, text = judged(metric(fall=0.15, noise=0.3))
    assert verdict is Verdict.INCONCLUSIVE
    assert "more labels would decide" in text


def test_with_too_few_weeks_nothing_is_said_but_how_many_there_are() -> None:
    assert judged(metric(weeks=2)) == (Verdict.INCONCLUSIVE, "revenue: 1 of 3 windows of 7 days before; not enough yet")
    short = metric()
    short = short._replace(last=LAST + timedelta(days=5))
    assert judged(short) == (Verdict.INCONCLUSIVE, "revenue: 2 of 4 days with a value")
    nothing = metric()._replace(sums=(0.0,) * 63)
    assert judged(nothing)[1] == "revenue was 0 before, and no share can be told of nothing"


def test_the_worst_of_several_is_the_word_of_the_monitor_and_each_pays_for_the_others() -> None:
    fine, fallen = metric(), metric(fall=0.3)._replace(name="orders", unit=None)
    verdict, text = judged(fine, fallen)
    assert (verdict, text.split(" ")[0]) == (Verdict.FAIL, "orders")
    alone, beside = (measure_fall(fallen, window=7, level=level) for level in (0.95, 0.975))
    assert isinstance(alone, MetricFall)
    assert isinstance(beside, MetricFall)
    assert beside.fall.high - beside.fall.low > alone.fall.high - alone.fall.low


@pytest.mark.parametrize(("persists", "most"), [(0.0, 0.03), (0.5, 0.035), (0.8, 0.05)])
def test_without_a_fall_the_interval_is_seldom_above_zero(persists: float, most: float) -> None:
    runs, wrong = 400, 0
    for seed in range(runs):
        found = measure_fall(metric(noise=0.1, persists=persists, seed=seed), window=7)
        assert isinstance(found, MetricFall)
        wrong += found.fall.low > 0
    assert wrong / runs <= most
