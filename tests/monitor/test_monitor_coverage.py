"""Coverage, its bias, how labels arrive, and rows that stand for many: against brute force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor_logs import (
    FIRST_DAY,
    NOW,
    OTHER_RELEASE,
    REF,
    RELEASE,
    FakeClock,
    log_predictions,
    make_days,
    new_store,
    prediction,
    time_column,
)

from shipway.data import reference_profile
from shipway.kernel.units import Seconds
from shipway.monitor import (
    OutcomeLog,
    Question,
    compact_logs,
    joined,
    matures_by,
    maturity_curve,
    measure_bias,
    measure_coverage,
    measure_labels,
)
from shipway.monitor._coverage import AGES
from shipway.monitor._measure import Measure
from shipway.monitor._tables import WEIGHT
from shipway.monitor._weights import repeated_rows
from shipway.store import SegmentWriter, encode_record

DAY = 86_400
START = datetime(2013, 2, 1, tzinfo=UTC)
END = int((START + timedelta(days=60)).timestamp() * 1e6)
ROW = st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]), st.booleans(), st.integers(1, 3))


def scored(score: list[float], known: list[bool], weight: list[float] | None = None) -> pl.DataFrame:
    label = [1.0 if one else None for one in known]
    frame = pl.DataFrame({"probability": score, "label": pl.Series(label, dtype=pl.Float64), "mature": True})
    return frame if weight is None else frame.with_columns(pl.Series(WEIGHT, weight))


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=2, max_size=30))
def test_the_distance_is_that_of_a_look_at_every_step_and_a_weight_is_as_many_rows(rows: list[tuple[float, bool, int]]) -> None:
    score, known, weight = map(list, zip(*rows, strict=True))
    found = measure_bias(scored(score, known, [float(one) for one in weight]))
    one, other = ([s for s, k, w in rows for _ in range(w) if k is kind] for kind in (True, False))
    if not one or not other:
        assert found is None
        return
    assert found is not None
    steps = {*one, *other}
    apart = [abs(sum(s <= at for s in one) / len(one) - sum(s <= at for s in other) / len(other)) for at in steps]
    assert found.ks == pytest.approx(max(apart), abs=1e-12)
    assert found.low <= found.ks <= found.high
    repeated = measure_bias(scored([*one, *other], [True] * len(one) + [False] * len(other)))
    assert repeated is not None
    assert found.psi == pytest.approx(repeated.psi)
    assert found.labelled <= sum(known)  # unequal weights know less


def test_labels_that_are_missing_by_chance_are_not_called_biased_and_others_are() -> None:
    random = np.random.default_rng(5)
    called = 0
    for _ in range(200):
        score = random.random(400)
        found = measure_bias(scored(score.tolist(), (random.random(400) < 0.3).tolist()))
        assert found is not None
        called += found.low > 0
    assert called <= 4, "the band is wider than it has to be, so below 5 %"
    score = random.random(4000)
    found = measure_bias(scored(score.tolist(), (random.random(4000) < score).tolist()))
    assert found is not None
    assert found.notable
    assert found.low < 0.5 < found.high, "densities 2x and 2(1 - x): x squared against 2x - x squared, farthest at 1/2"


def test_immature_rows_and_rows_without_a_score_say_nothing_of_bias() -> None:
    frame = scored([0.1, float("nan"), 0.9], [True, True, False]).with_columns(mature=pl.Series([True, True, False]))
    assert measure_bias(frame) is None


def arrivals(delays: list[float | None], *, age: list[float], replayed: bool = False) -> pl.DataFrame:
    """Rows of these ages in seconds at START + 60 days, with labels that came after these delays."""
    now = START + timedelta(days=60)
    asked = [now - timedelta(seconds=one) for one in age]
    came = [None if d is None else t + timedelta(seconds=d) for t, d in zip(asked, delays, strict=True)]
    kind = pl.Datetime("us", "UTC")
    recorded = [t + timedelta(days=1000 if replayed else 0) for t in asked]
    known = [d is not None for d in delays]
    columns = {"time": asked, "recorded": recorded, "label_time": came, "label_recorded": came}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, kind)).with_columns(label_known=pl.Series(known))


@pytest.mark.parametrize("replayed", [False, True])
def test_the_curve_of_rows_that_are_all_old_is_the_plain_share_by_age(replayed: bool) -> None:
    delays: list[float | None] = [30.0, 3 * DAY - 1, 3 * DAY + 1, 20 * DAY, None]
    curve = maturity_curve(arrivals(delays, age=[59.0 * DAY] * 5, replayed=replayed), now=END)
    shares = {point.age: point.share for point in curve}
    assert shares[Seconds(60.0)] == pytest.approx(0.2)
    assert shares[Seconds(3.0 * DAY)] == pytest.approx(0.4)
    assert shares[Seconds(5.0 * DAY)] == pytest.approx(0.6)
    assert shares[Seconds(28.0 * DAY)] == pytest.approx(0.8)
    assert max(shares) < 60 * DAY


def test_young_rows_do_not_look_like_labels_that_never_come() -> None:
    random = np.random.default_rng(3)
    age = random.uniform(0, 40 * DAY, 20_000)
    delay = random.exponential(3 * DAY, 20_000)
    delays = [float(d) if d < a else None for d, a in zip(delay, age, strict=True)]  # what has come by now
    curve = maturity_curve(arrivals(delays, age=age.tolist()), now=END)
    for point in curve:
        assert point.share == pytest.approx(1 - np.exp(-point.age / (3 * DAY)), abs=0.02)
    assert [point.share for point in curve] == sorted(point.share for point in curve)
    assert matures_by(curve) == Seconds(14.0 * DAY)  # 95 % of an exponential is at 9 days
    assert [point.age for point in curve] == list(AGES[: len(curve)])


def test_a_curve_without_labels_is_empty_and_one_that_still_rises_says_nothing_of_maturity() -> None:
    assert maturity_curve(arrivals([None], age=[DAY])) == ()
    assert matures_by(()) is None
    rising = maturity_curve(arrivals([30.0, 5000.0], age=[7 * 3600.0] * 2), now=END)
    assert [point.share for point in rising] == [0.5, 0.5, 1.0]
    assert matures_by(rising) is None


@given(st.lists(st.floats(0, 50), min_size=1, max_size=40))
def test_rows_stand_for_what_their_weights_add_up_to_within_one(weights: list[float]) -> None:
    places = repeated_rows(np.array(weights))
    assert abs(len(places) - sum(weights)) <= 1
    for place, count in zip(*np.unique(places, return_counts=True), strict=True):
        assert abs(count - weights[place]) <= 1


def test_a_leaf_of_sampled_rows_is_the_profile_of_as_many_rows_as_they_stand_for() -> None:
    (day,) = make_days(3, days=1, rows=40)
    table = pl.DataFrame({"x0": day.columns["x0"], "probability": day.score, "label": day.label})
    weights = [1.0, 10.0] * 20
    reference = reference_profile(table.select("x0"), score=day.score, label=day.label)
    weighted = Measure(reference, table.with_columns(pl.Series(WEIGHT, weights)))
    plain = Measure(reference, pl.concat([table[at : at + 1] for at, weight in enumerate(weights) for _ in range(int(weight))]))
    assert weighted.features(slice(0, 40)).to_json() == plain.features(slice(0, 220)).to_json()
    assert weighted.outcomes(slice(20, 40)).to_json() == plain.outcomes(slice(110, 220)).to_json()


def test_what_is_known_is_told_by_release_and_arm_with_weights(tmp_path: Path) -> None:
    clock = FakeClock()
    store, days = new_store(tmp_path, clock), make_days(1, days=3, rows=200)
    log_predictions(store, days[:2], writer="a")
    log_predictions(store, days[2:], writer="b", release=OTHER_RELEASE, arm="challenger")
    log = SegmentWriter(store.log_folder("predictions"), "sampled")
    columns = {"scheduled": np.array([f"{FIRST_DAY}T12:00:00"], dtype=object)}
    record = prediction("s", columns, np.array([0.9]))
    log.append(encode_record(msgspec.structs.replace(record, weight=10.0)), 1)
    log.close()
    with OutcomeLog(store) as outcomes:
        for day in days:
            ids, when = [f"{day.day}-{row // 100}:{row % 100}" for row in range(200)], f"{day.day + timedelta(days=1)}T00:00:00"
            table = pl.DataFrame({"id": ids, "name": "late", "value": day.label, "time": when})
            outcomes.record_table(table.filter(pl.Series(day.score > 0.2)))
    compact_logs(store, now=NOW, time_column=time_column)
    clock_at = datetime(2013, 2, 4, tzinfo=UTC)
    first, second = measure_labels(store, Question(REF, "late", Seconds(DAY), clock_at, NOW))
    if first.arm == "challenger":
        first, second = second, first
    assert (first.release, first.arm, first.rows, first.weighted) == (RELEASE, "live", 401, 410.0)
    assert (second.release, second.arm, second.rows, second.mature) == (OTHER_RELEASE, "challenger", 200, 0)
    expected = sum(int((day.score > 0.2).sum()) for day in days[:2])
    assert (first.mature, first.labels, first.ambiguous) == (401, expected, 0)
    assert first.bias is not None
    assert first.bias.notable
    assert second.bias is None
    assert first.curve[-1].share == pytest.approx(expected / 401, abs=0.05)
    whole = joined(store, release=OTHER_RELEASE, start=FIRST_DAY, end=days[-1].day, outcome="late").collect()
    arrived = whole.with_columns(label_known=pl.col("label").is_not_null())
    assert second.curve == maturity_curve(arrived), "labels of rows that are not mature have arrived as well"
    assert (second.labels, bool(second.curve)) == (0, True)
    found = measure_coverage(joined(store, release=RELEASE, start=FIRST_DAY, end=FIRST_DAY, outcome="late"))
    rest = days[0].score[days[0].score <= 0.2]
    assert found.score_unlabelled == pytest.approx((rest.sum() + 9.0) / (rest.size + 10))
