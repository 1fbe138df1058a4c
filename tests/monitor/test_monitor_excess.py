"""Slices of numbers and classes: some are harder than others, and only one that became worse than it was is told."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from shipway.kernel.check import Verdict
from shipway.monitor import Severity, Slices, check_segments, measure_excess
from shipway.spec import ADDED_MONITORS
from shipway.stats import t_quantile

MONITOR = ADDED_MONITORS["segments"]
CARRIERS, HARD = ["AA", "B6", "UA", "DL", "WN"], np.array([1.0, 0.5, 2.0, 1.0, 1.5])
Floats = NDArray[np.float64]


def rows_of(seed: int, *, days: int = 28, rows: int = 150, worse: float = 0.0, of_number: bool = True) -> pl.DataFrame:
    """Carriers that are not equally hard, days that share an effect; of UA in the morning errors are larger by a share."""
    random = np.random.default_rng(seed)
    n, day = days * rows, np.repeat(np.arange(days), rows)
    carrier, hour = random.integers(0, 5, n), random.uniform(0, 24, n)
    size = HARD[carrier] * np.exp(random.normal(0, 0.2, days))[day] * (1 + worse * ((carrier == 2) & (hour < 6)))
    loss = random.exponential(size) if of_number else (random.random(n) < np.clip(0.2 * size, 0, 1)).astype(np.float64)
    dates = [date(2026, 1, 1) + timedelta(days=int(number)) for number in day]
    return pl.DataFrame({"day": dates, "loss": loss, "carrier": np.array(CARRIERS)[carrier], "hour": hour})


def searched(seed: int, *, worse: float = 0.0, of_number: bool = True, pairs: bool = True, rows: int = 150) -> Slices:
    now = rows_of(seed, worse=worse, of_number=of_number, rows=rows)
    before = rows_of(10_000 + seed, days=20, of_number=of_number)
    return measure_excess(now, ["carrier", "hour"], share=of_number, held_out=before, pairs=pairs)


@pytest.mark.parametrize("of_number", [True, False])
def test_the_slice_that_became_worse_is_found_and_not_the_one_that_was_always_hard(of_number: bool) -> None:
    found = searched(1, worse=1.5, of_number=of_number, rows=400)
    worst = found.found[0]
    assert found.searched == 5 + 4 + 20
    assert worst.name.startswith("carrier = UA and hour below ")
    assert found.sure(worst) == worst.gap.low > 0
    assert worst.gap.low < worst.alone.low
    assert not any(found.sure(one) for one in found.found if "UA" not in one.name and "below" not in one.name)
    assert 1.3 < found.price < 2.0


def test_values_and_intervals_are_those_of_leaving_out_a_day_at_a_time() -> None:
    """By hand, and by the jackknife over days of the window; the held-out rows are fixed by being two hundred times as many."""
    now = rows_of(3)
    before = pl.concat([rows_of(4)] * 200)
    for share in (True, False):
        (one,) = (x for x in measure_excess(now, ["carrier"], share=share, held_out=before).found if x.name == "carrier = UA")

        def excess(rows: pl.DataFrame, *, as_share: bool = share) -> float:
            mine, whole = rows.filter(pl.col("carrier") == "UA")["loss"].mean(), rows["loss"].mean()
            assert isinstance(mine, float)
            assert isinstance(whole, float)
            return mine / whole - 1 if as_share else mine - whole

        assert one.alone.value == pytest.approx(excess(now) - excess(before))
        left = np.array([excess(now.filter(pl.col("day") != day)) for day in now["day"].unique()])
        jackknife = np.sqrt(27 / 28 * np.square(left - left.mean()).sum())
        assert (one.alone.high - one.alone.low) / 2 == pytest.approx(t_quantile(0.975, 27) * jackknife, rel=0.03)


def test_the_noise_of_held_out_rows_counts() -> None:
    now, much = rows_of(5), rows_of(6, days=60)
    wide, narrow = (
        next(one for one in measure_excess(now, ["carrier"], share=True, held_out=held).found if one.name == "carrier = UA")
        for held in (much.head(1500), much)
    )
    assert wide.gap.high - wide.gap.low > 1.1 * (narrow.gap.high - narrow.gap.low)


def test_a_segment_that_is_surely_worse_opens_a_ticket_and_one_that_is_better_does_not() -> None:
    failing = check_segments(MONITOR, searched(2, worse=6.0, pairs=False))
    assert (failing.severity, failing.check.verdict) == (Severity.TICKET, Verdict.FAIL)
    assert failing.check.text.startswith("carrier = UA: worst of 9 segments, ")
    assert failing.check.text.endswith("its share of the whole's mean absolute error less that on the held-out rows")
    better = measure_excess(rows_of(2), ["carrier"], share=True, held_out=rows_of(3, worse=6.0))
    assert better.found[-1].name == "carrier = UA"
    assert better.found[-1].gap.high < -0.3
    assert better.sure(better.found[-1]) == 0.0


def test_without_held_out_rows_a_search_compares_with_the_whole_and_the_monitor_does_not_judge() -> None:
    found = measure_excess(rows_of(7), ["carrier"], share=True)
    assert (found.found[0].name, found.held_out) == ("carrier = UA", False)
    assert found.found[0].gap.value == pytest.approx(2.0 / 1.2 - 1, abs=0.15)
    check = check_segments(MONITOR, found).check
    assert check.verdict is Verdict.INCONCLUSIVE
    assert check.text == "the held-out rows are not in this store, and some segments are harder than others"
    assert not measure_excess(rows_of(7), ["carrier"], share=True, held_out=rows_of(8).drop("carrier")).held_out


def test_types_of_the_log_are_those_that_name_a_value_and_what_has_few_held_out_rows_is_not_looked_at() -> None:
    now = rows_of(9).with_columns(stop=(pl.col("hour") > 12).cast(pl.Float64))
    before = rows_of(10).with_columns(stop=(pl.col("hour") > 12).cast(pl.Int64))
    found = measure_excess(now, ["stop"], share=True, held_out=before)
    assert {one.name for one in found.found} == {"stop = 0.0", "stop = 1.0"}
    rare = before.filter((pl.col("stop") == 1) | (pl.int_range(pl.len()) < 60))
    assert {one.name for one in measure_excess(now, ["stop"], share=True, held_out=rare).found} == {"stop = 1.0"}
    nothing = now.with_columns(loss=pl.lit(float("nan")))
    assert measure_excess(nothing, ["stop"], share=True, held_out=before).found == ()


@pytest.mark.parametrize("rounds", [40, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("of_number", [True, False])
def test_a_search_where_nothing_became_worse_is_sure_of_it_in_no_more_than_one_of_twenty(rounds: int, of_number: bool) -> None:
    sure = 0
    for seed in range(rounds):
        found = searched(seed, of_number=of_number, rows=60)
        sure += found.sure(found.found[0]) > 0
    assert sure <= 0.05 * rounds + 2 * (0.0475 * rounds) ** 0.5
