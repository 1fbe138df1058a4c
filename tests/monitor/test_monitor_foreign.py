"""Somebody else's logs: what is said of broken columns, of labels that are not there yet, of weights, and of rubbish."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from shipway.kernel.check import Verdict
from shipway.kernel.units import Seconds
from shipway.monitor import (
    ColumnUnknown,
    ForeignColumns,
    ForeignWindow,
    OutcomeColumns,
    Severity,
    WeightMalformed,
    WindowEmpty,
    choose_columns,
    measure_foreign,
    pick_outcomes,
    take_columns,
    window_document,
    with_outcomes,
)
from shipway.web import render_window_page

DAY = 86_400
START = datetime(2013, 2, 1)
NOW = datetime(2013, 3, 2, tzinfo=UTC)


def rows(seed: int, *, days: int = 28, each: int = 60, tilt: float = 0.0) -> pl.DataFrame:
    """Calibrated predictions with their labels; `tilt` makes the truth other than what is predicted, in logits."""
    random = np.random.default_rng(seed)
    n = days * each
    x = random.normal(size=n)
    label = (random.random(n) < 1 / (1 + np.exp(-(x - 1 + tilt)))).astype(float)
    times = [START + timedelta(days=at // each, minutes=at % each) for at in range(n)]
    columns = {"id": [f"{at}:0" for at in range(n)], "time": times, "x": x, "carrier": random.choice(["AA", "UA"], n)}
    return pl.DataFrame({**columns, "probability": 1 / (1 + np.exp(-(x - 1))), "label": label})


def taken(frame: pl.DataFrame, **said: Any) -> pl.LazyFrame:
    lazy = frame.lazy()
    return take_columns(lazy, choose_columns(lazy, ForeignColumns(**said), ignore=(), where="here"))


def measured(current: pl.DataFrame, reference: pl.DataFrame | None = None, **asked: Any) -> ForeignWindow:
    asked = {"window": Seconds(28.0 * DAY), "now": NOW, **asked}
    return measure_foreign(taken(current), taken(rows(1) if reference is None else reference), **asked)


def said(found: ForeignWindow) -> dict[str, tuple[str, str]]:
    return {one.check.name: (one.severity.value, one.check.verdict.value) for one in found.findings}


def test_a_window_that_is_as_its_reference_passes_and_one_whose_truth_has_moved_pages() -> None:
    good = measured(rows(2))
    assert good.verdict is Verdict.PASS
    assert said(good)["calibration"] == ("page", "pass")
    assert good.labels == good.mature == good.rows == 28 * 60
    bad = measured(rows(2, tilt=1.5))
    assert bad.verdict is Verdict.FAIL
    assert said(bad)["base_rate"] == ("page", "fail")
    assert max(drift.psi or 0.0 for drift in bad.drifts.values()) < 0.1, "features did not move"


def test_a_lost_new_retyped_emptied_or_constant_column_is_an_alert_that_says_so() -> None:
    current = rows(2).with_columns(pl.lit("UA").alias("carrier"), pl.lit(1.0).alias("added"), wind=pl.lit(None))
    current = current.with_columns(x=pl.col("x").cast(pl.String))
    reference = rows(1).with_columns(gone=pl.lit(1.0), wind=pl.Series(np.arange(28.0 * 60)))
    found = measured(current, reference)
    assert found.columns == (("gone",), ("added",), ("x",), ("wind",), ("carrier",))
    kinds = {name: kind for name, kind in said(found).items() if name.startswith("schema")}
    assert kinds == {
        "schema.gone": ("page", "fail"), "schema.x": ("page", "fail"), "schema.wind": ("page", "fail"),
        "schema.added": ("inform", "fail"), "schema.carrier": ("inform", "fail"),
    }  # fmt: skip
    assert "gone is not there any more" in [one.check.text for one in found.findings]
    assert "x" not in found.drifts


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda frame: frame.drop("probability"), "no row has a prediction, and the reference has"),
        (
            lambda frame: frame.with_columns(probability=pl.col("probability").cast(pl.String)),
            "no row has a prediction, and the reference has",
        ),
        (
            lambda frame: frame.with_columns(probability=pl.Series([50.0, *[0.5] * (frame.height - 1)])),
            "1 of 1,680 are no probability, from 50 to 50, and all of the reference's are",
        ),
    ],
)
def test_predictions_that_are_gone_or_no_probabilities_any_more_page_and_say_so(change: Any, text: str) -> None:
    found = measured(change(rows(2)))
    assert said(found)["schema.prediction"] == ("page", "fail")
    assert text in [one.check.text for one in found.findings]
    assert found.verdict is Verdict.FAIL
    unlabelled = measured(change(rows(2)), rows(1).drop("label").with_columns(pl.col("probability") * 100))
    assert "schema.prediction" not in said(unlabelled) or text.startswith("no row")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda frame: frame.with_columns(pl.col("probability") * 100), "in the log 1,680 of 1,680 are no probability"),
        (lambda frame: frame.with_columns(pl.col("label") + 1), "labels here are 1, 2"),
        (lambda frame: frame.drop("probability"), "the log has no prediction: --score COLUMN"),
    ],
)
def test_why_outcomes_are_not_judged_is_said_with_the_numbers(change: Any, text: str) -> None:
    random = rows(2).with_columns(pl.col("probability").clip(0.02, 1.0))
    found = measured(change(random), change(rows(1).with_columns(pl.col("probability").clip(0.02, 1.0))))
    (why,) = [one.check.text for one in found.findings if one.check.name == "outcomes"]
    assert text in why


def test_a_column_that_is_called_like_a_label_and_holds_words_is_told() -> None:
    frame = rows(2).with_columns(label=pl.lit("late")).lazy()
    columns = choose_columns(frame, ForeignColumns(), ignore=(), where="here")
    assert columns.label is None
    assert columns.passed_over == ("label is String, and the label is a number: it is not used",)


def test_rows_too_young_for_a_label_are_no_failures_and_a_window_of_them_cannot_tell() -> None:
    young = rows(2, days=3, tilt=1.5)
    found = measured(young, matures=Seconds(60.0 * DAY))
    assert (found.mature, found.labels, found.verdict) == (0, 0, Verdict.INCONCLUSIVE)
    assert said(found)["outcomes"] == ("page", "inconclusive")
    assert window_document(found)["coverage"]["text"] == "no row is old enough for its label"  # type: ignore[index,call-overload]
    half = measured(rows(2), matures=Seconds(14.0 * DAY), until=datetime(2013, 3, 1, tzinfo=UTC))
    assert half.labels == half.mature == pytest.approx(14 * 60, abs=60)
    few = measured(rows(2, days=3), matures=Seconds(0.0))
    assert said(few)["calibration"] == ("page", "inconclusive")
    assert "3 of 14 days" in str(next(one.check.text for one in few.findings if one.check.name == "calibration"))


def test_a_label_that_comes_after_the_end_of_the_window_is_not_known_yet() -> None:
    late = rows(2).with_columns(label_time=pl.col("time") + timedelta(days=20))
    found = measured(late, until=datetime(2013, 3, 1, tzinfo=UTC), matures=Seconds(0.0))
    assert found.labels == pytest.approx(8 * 60, abs=60)
    assert found.curve[-1].age <= 28 * DAY


def test_a_weight_is_as_many_rows() -> None:
    current = rows(2, days=14)
    heavy = current.with_columns(sample_weight=pl.when(pl.col("label") == 1).then(3.0).otherwise(1.0))
    repeated = pl.concat([current, current.filter(pl.col("label") == 1), current.filter(pl.col("label") == 1)])
    one, other = measured(heavy), measured(repeated)
    assert one.weighted == other.rows
    assert {name: drift.psi for name, drift in one.drifts.items()} == pytest.approx(
        {name: drift.psi for name, drift in other.drifts.items()}
    )
    rates = [found.days[3].realised for found in (one, other)]
    assert rates[0] == pytest.approx(rates[1])
    for bad in ([-1.0], [float("nan")], [0.0]):
        with pytest.raises(WeightMalformed):
            measured(current.with_columns(sample_weight=pl.lit(bad[0])))


@pytest.mark.parametrize(
    "times",
    [
        lambda frame: pl.col("time").dt.epoch("s"),
        lambda frame: pl.col("time").dt.epoch("ms"),
        lambda frame: pl.col("time").dt.epoch("us"),
        lambda frame: pl.col("time").dt.epoch("ns"),
        lambda frame: pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        lambda frame: pl.col("time").dt.replace_time_zone("UTC"),
    ],
)
def test_a_time_in_any_usual_form_is_the_same_time(times: Any) -> None:
    frame = rows(2)
    found = measured(frame.with_columns(time=times(frame)))
    assert found.first == datetime(2013, 2, 1, tzinfo=UTC)
    assert found.rows == frame.height
    assert len(found.days) == 28


def test_times_of_the_future_and_rows_without_one_are_left_out_and_counted() -> None:
    frame = rows(2)
    odd = frame.with_columns(
        time=pl.when(pl.int_range(pl.len()) < 5)
        .then(datetime(2099, 1, 1))
        .when(pl.int_range(pl.len()) < 12)
        .then(None)
        .otherwise(pl.col("time"))
    )
    found = measured(odd)
    assert (found.mistimed, found.untimed, found.rows) == (5, 7, frame.height - 12)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame[:1],
        lambda frame: frame.drop("time"),
        lambda frame: frame.drop("label"),
        lambda frame: frame.with_columns(label=pl.lit(None, pl.Float64)),
        lambda frame: frame.with_columns(label=pl.lit(7.5)),
        lambda frame: frame.with_columns(label=pl.lit("yes")),
        lambda frame: frame.with_columns(label=pl.lit(float("nan"))),
        lambda frame: frame.with_columns(probability=pl.lit(None, pl.Float64)),
        lambda frame: frame.with_columns(probability=pl.col("probability") * 100),
        lambda frame: frame.with_columns(probability=pl.lit(float("inf"))),
        lambda frame: frame.with_columns(x=pl.lit(float("nan"))),
        lambda frame: frame.with_columns(x=pl.lit(1e308)),
        lambda frame: frame.with_columns(carrier=pl.Series([f"<script>{at}</script>" for at in range(frame.height)])),
        lambda frame: frame.with_columns(listed=pl.lit([1]), nested=pl.struct("x")),
        lambda frame: frame.rename({"x": "x\n<b>\x00"}),
        lambda frame: frame.select("id", "time"),
    ],
)
def test_whatever_the_log_holds_there_is_a_verdict_or_one_error_and_a_small_page_without_scripts(change: Any) -> None:
    for pair in ((change(rows(2)), rows(1)), (rows(2), change(rows(1)))):
        found = measured(*pair)
        document = window_document(found)
        page = render_window_page({"predictions": "<script>alert(1)</script>", **document})
        assert "<script" not in page
        assert "http" not in page.replace("http-equiv", "")
        assert len(page.encode()) < 200_000


def test_the_page_of_a_very_wide_table_stays_below_200_kb() -> None:
    random = np.random.default_rng(1)
    wide = {f"feature number {at} with a long name": random.normal(size=400) for at in range(300)}
    words = {f"word {at}": [f"{'x' * 100}{row % 9}" for row in range(400)] for at in range(30)}
    frame = pl.DataFrame({**wide, **words, "time": [START + timedelta(hours=at) for at in range(400)]})
    document = window_document(measured(frame, frame))
    page = render_window_page({"predictions": "wide", **document})
    assert len(page.encode()) < 200_000
    assert "300 more features drifted less" in page


def test_an_empty_log_or_window_or_reference_is_one_error() -> None:
    for current, reference in ((rows(2)[:0], rows(1)), (rows(2), rows(1)[:0])):
        with pytest.raises(WindowEmpty):
            measured(current, reference)
    with pytest.raises(WindowEmpty, match="no prediction is in the window"):
        measured(rows(2), until=datetime(2012, 1, 1, tzinfo=UTC))


def test_outcomes_beside_the_log_are_joined_by_id_the_last_wins_and_an_id_used_twice_has_none() -> None:
    current = taken(
        rows(2).drop("label").with_columns(id=pl.when(pl.col("id") == "1:0").then(pl.lit("0:0")).otherwise(pl.col("id")))
    )
    table = pl.LazyFrame({"id": ["2:0", "0:0", "2:0", "orphan"], "late": [0, 1, 1, 1], "time": "2013-02-02"})
    outcomes = pick_outcomes(table, OutcomeColumns(name="late"), where="o")
    joined = with_outcomes(current, outcomes, name=None, where="o").collect()
    assert joined.filter(pl.col("label").is_not_null()).select("id", "label").rows() == [("2:0", 1.0)]
    assert joined.height == 28 * 60
    two = pl.concat([outcomes, outcomes.with_columns(name=pl.lit("spend"))])
    with pytest.raises(ColumnUnknown, match="2 names"):
        with_outcomes(current, two, name=None, where="o")
    assert with_outcomes(current, two, name="spend", where="o").collect()["label"].count() == 1
    with pytest.raises(ColumnUnknown, match="called nil"):
        with_outcomes(current, two, name="nil", where="o")
    with pytest.raises(ColumnUnknown, match="the id of the prediction"):
        with_outcomes(current, outcomes.rename({"id": "entity"}), name=None, where="o")


def test_labels_that_are_kept_from_those_with_a_low_score_are_told_and_page_nobody() -> None:
    current = rows(2).with_columns(label=pl.when(pl.col("probability") > 0.25).then(pl.col("label")))
    found = measured(current)
    assert said(found)["label_bias"] == ("inform", "fail")
    assert "not by chance" in str(window_document(found)["coverage"])
    by_chance = rows(2).with_columns(label=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.col("label")))
    assert said(measured(by_chance))["label_bias"] == ("inform", "inconclusive"), "1,680 rows do not show that there is no bias"


def test_only_outcomes_and_broken_columns_page() -> None:
    loud = {one.check.name for one in measured(rows(2)).findings if one.severity is Severity.PAGE}
    assert loud == {"schema", "calibration", "base_rate"}


def test_the_page_of_a_long_window_and_of_hundreds_of_endless_names_stays_below_200_kb() -> None:
    days = 2 * 365
    times = [START - timedelta(days=at) for at in range(days)]
    frame = rows(2, days=days // 28, each=28)[: len(times)]
    frame = frame.with_columns(time=pl.Series(times[: frame.height]))
    lost = {f"{at} {'<&' * 500}": pl.lit(1.0) for at in range(200)}
    found = measured(frame, rows(1).with_columns(**lost), window=Seconds(50 * 365.0 * DAY))
    assert len(found.days) > 700
    page = render_window_page({"predictions": "p" * 10_000, **window_document(found)})
    assert len(page.encode()) < 200_000
    assert "more checks are in the JSON" in page
