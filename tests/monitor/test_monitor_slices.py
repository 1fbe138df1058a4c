from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from shipway.kernel.check import Verdict
from shipway.monitor import Severity, Slices, check_segments, measure_slices
from shipway.spec import ADDED_MONITORS

MONITOR = ADDED_MONITORS["segments"]


def rows_of(seed: int, *, days: int = 28, rows: int = 200, wrong: float = 0.0) -> pl.DataFrame:
    """A calibrated model, but for carrier UA in the morning, where it says too little by `wrong`."""
    random = np.random.default_rng(seed)
    n = days * rows
    score = 1 / (1 + np.exp(-random.normal(-1.0, 0.8, n)))
    carrier = np.array(["AA", "B6", "UA", "DL", "WN"])[random.integers(0, 5, n)]
    hour = random.uniform(0, 24, n)
    truth = np.clip(score + wrong * ((carrier == "UA") & (hour < 6)), 0, 1)
    label = (random.random(n) < truth).astype(np.float64)
    day = [date(2026, 1, 1) + timedelta(days=number // rows) for number in range(n)]
    return pl.DataFrame({"day": day, "probability": score, "label": label, "carrier": carrier, "hour": hour, "key": range(n)})


def test_the_worst_slice_of_two_columns_is_found_with_the_price_of_having_searched() -> None:
    found = measure_slices(rows_of(1, wrong=0.4), ["carrier", "hour"], pairs=True)
    assert found.searched == 5 + 4 + 20
    worst = found.found[0]
    assert worst.name.startswith("carrier = UA and hour below ")
    assert worst.gap.low < worst.alone.low < worst.gap.value < -0.3
    assert 1.4 < found.price < 2.0


def test_a_segment_that_is_surely_wrong_opens_a_ticket_and_says_which() -> None:
    failing = check_segments(MONITOR, measure_slices(rows_of(2, wrong=0.8), ["carrier"]))
    assert (failing.severity, failing.check.verdict) == (Severity.TICKET, Verdict.FAIL)
    assert failing.check.text.startswith("carrier = UA: worst of 5 segments, ")
    assert check_segments(MONITOR, measure_slices(rows_of(2, rows=1000), ["carrier"])).check.verdict is Verdict.PASS
    few = check_segments(MONITOR, measure_slices(rows_of(2, days=8, rows=60), ["carrier"])).check
    assert few.verdict is Verdict.INCONCLUSIVE
    assert few.still_needed


def test_what_is_too_small_constant_or_a_key_is_no_slice() -> None:
    table = rows_of(3, days=8, rows=40).with_columns(one=pl.lit("same"), words=pl.col("key").cast(pl.String))
    assert {one.name.split()[0] for one in measure_slices(table, ["one", "words", "carrier", "gone"]).found} == {"carrier"}
    nothing = measure_slices(table.with_columns(label=pl.lit(None, dtype=pl.Float64)), ["carrier"])
    assert nothing == Slices(0, ())
    assert check_segments(MONITOR, nothing).check.text == "no segment with 50 labels on 7 days yet"


def test_missing_values_and_odd_names_are_taken_as_they_are() -> None:
    table = rows_of(4).with_columns(pl.col("carrier").alias("{} a"), hour=pl.when(pl.col("hour") > 3).then(pl.col("hour")))
    names = {one.name for one in measure_slices(table, ["{} a", "hour"]).found}
    assert "{} a = UA" in names
    assert len(names) == 9


@pytest.mark.parametrize("rounds", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_search_where_nothing_is_wrong_is_sure_of_an_error_in_no_more_than_one_of_twenty(rounds: int) -> None:
    sure = 0
    for seed in range(rounds):
        worst = measure_slices(rows_of(seed, rows=60), ["carrier", "hour"], pairs=True).found[0]
        sure += not worst.gap.low <= 0 <= worst.gap.high
    assert sure <= 0.05 * rounds + 2 * (0.0475 * rounds) ** 0.5
