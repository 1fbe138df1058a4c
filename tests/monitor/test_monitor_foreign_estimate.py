"""A window's performance without its labels: near what the labels say, with its assumption, and judging nothing."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from shipway.kernel.units import Seconds
from shipway.monitor import (
    ForeignColumns,
    ForeignWindow,
    OutcomeColumns,
    choose_columns,
    measure_foreign,
    pick_outcomes,
    take_columns,
    window_document,
    with_outcomes,
)
from shipway.stats import ASSUMPTION, LOSS_ASSUMPTION
from shipway.web import make_window_view, render_window_page

NOW, ROWS = datetime(2013, 3, 2, tzinfo=UTC), 1400
CLASSES = ["amber", "blue", "cyan"]


def times(rows: int) -> list[datetime]:
    return [datetime(2013, 2, 1) + timedelta(minutes=20 * at) for at in range(rows)]


def numbers(seed: int, *, high: float = 0.3) -> pl.DataFrame:
    """A third of the rows, or `high` of them, are of the kind whose error is five times as large."""
    random = np.random.default_rng(seed)
    size, kind = random.normal(size=ROWS), random.random(ROWS) < high
    said = 10 + size
    truth = said + random.normal(size=ROWS) * np.where(kind, 5.0, 1.0)
    columns = {"time": times(ROWS), "size": size, "kind": np.where(kind, "wild", "tame"), "prediction": said}
    return pl.DataFrame({**columns, "label": truth})


def classes(seed: int, *, apart: float = 1.5) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    logits = random.normal(0, apart, (ROWS, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    label = (chances.cumsum(axis=1) < random.random((ROWS, 1))).sum(axis=1)
    columns = {f"probability_{name}": chances[:, at] for at, name in enumerate(CLASSES)}
    ids = [f"{at}:0" for at in range(ROWS)]
    return pl.DataFrame({"id": ids, "time": times(ROWS), **columns, "label": np.array(CLASSES)[label]})


def few(column: str, value: float) -> pl.Expr:
    return pl.when(pl.int_range(pl.len()) < 9).then(value).otherwise(pl.col(column))


def taken(frame: pl.DataFrame) -> pl.LazyFrame:
    return take_columns(frame.lazy(), choose_columns(frame.lazy(), ForeignColumns(), ignore=(), where="here"))


def measured(current: pl.DataFrame | pl.LazyFrame, reference: pl.DataFrame) -> ForeignWindow:
    rows = current if isinstance(current, pl.LazyFrame) else taken(current)
    return measure_foreign(rows, taken(reference), window=Seconds(365 * 86_400.0), now=NOW)


def test_the_error_of_a_number_is_expected_to_move_with_its_rows_and_is_what_the_labels_then_say() -> None:
    found = measured(numbers(2, high=0.7), numbers(1)).estimate
    metrics = dict(found.metrics)
    assert list(metrics) == ["mae", "mape", "mse", "rmse"], "some truths are below 0, so logarithms have no meaning"
    assert metrics["mae"].realised is not None
    assert metrics["mae"].estimated == pytest.approx(metrics["mae"].realised, rel=0.12)
    assert metrics["mae"].estimated > 1.4 * metrics["mae"].reference
    assert (found.of, found.rows, found.assumes) == ("number", ROWS, LOSS_ASSUMPTION)
    assert str(found.learner).startswith("lightgbm")
    assert found.supported is not None
    assert found.supported > 0.99


def test_performance_of_classes_is_expected_to_fall_where_scores_are_less_sure() -> None:
    found = measured(classes(2, apart=0.7), classes(1)).estimate
    metrics = dict(found.metrics)
    assert (found.of, found.assumes) == ("classes", ASSUMPTION)
    for name in ("accuracy", "roc_auc", "f1"):
        assert metrics[name].estimated == pytest.approx(metrics[name].realised, abs=0.03)
        assert metrics[name].estimated < metrics[name].reference - 0.1


def test_a_change_of_what_a_score_means_is_not_seen_fails_nothing_and_that_stands_beside_it() -> None:
    changed = classes(2).with_columns(label=pl.col("label").shuffle(seed=1))
    found = measured(changed, classes(1))
    accuracy = dict(found.estimate.metrics)["accuracy"]
    assert accuracy.realised is not None
    assert accuracy.estimated > accuracy.realised + 0.2
    names = {one.check.name for one in found.findings}
    assert not names & {"estimated", "accuracy", "roc_auc"}
    view = make_window_view({"predictions": "p", **window_document(found)})
    assert view.assumed.startswith(ASSUMPTION)
    assert ASSUMPTION in render_window_page({"predictions": "p", **window_document(found)})


def test_yes_and_no_are_estimated_from_the_profiles() -> None:
    random = np.random.default_rng(1)
    score = random.random((2, ROWS))
    label = (random.random((2, ROWS)) < score).astype(float)
    frames = [pl.DataFrame({"time": times(ROWS), "probability": score[at], "label": label[at]}) for at in (0, 1)]
    found = measured(frames[0].with_columns(label=pl.lit(None, pl.Float64)), frames[1]).estimate
    assert [(name, one.realised) for name, one in found.metrics] == [("base_rate", None), ("roc_auc", None), ("brier", None)]
    assert dict(found.metrics)["base_rate"].estimated == pytest.approx(label[0].mean(), abs=0.03)


def test_labels_of_classes_are_their_words_or_their_places_in_the_log_or_beside_it() -> None:
    frame, reference = classes(2), classes(1)
    whole = dict(measured(frame, reference).estimate.metrics)["accuracy"]
    places = frame.with_columns(label=pl.col("label").replace_strict({name: at for at, name in enumerate(CLASSES)}))
    assert dict(measured(places, reference).estimate.metrics)["accuracy"] == whole
    table = frame.select("id", late="label").lazy()
    beside = with_outcomes(
        taken(frame.drop("label")), pick_outcomes(table, OutcomeColumns(name="late"), where="o"), name=None, where="o"
    )
    assert dict(measured(beside, reference).estimate.metrics)["accuracy"] == whole
    words = dict(zip(CLASSES, (9, 10, 11), strict=True))
    names = {f"probability_{name}": f"probability_{at}" for name, at in words.items()}
    renamed = [one.rename(names).with_columns(label=pl.col("label").replace_strict(words)) for one in (frame, reference)]
    assert dict(measured(*renamed).estimate.metrics)["accuracy"] == whole, "9 comes before 10"
    said = frame.with_columns(y_pred=pl.lit("amber"))
    assert dict(measured(said, reference).estimate.metrics)["recall"].realised == pytest.approx(1 / 3), "what was answered"


def test_a_weight_is_as_many_rows_and_a_row_that_the_reference_has_not_is_not_supported() -> None:
    frame, reference = numbers(2), numbers(1)
    heavy = frame.with_columns(sample_weight=pl.when(pl.col("kind") == "wild").then(2.0).otherwise(1.0))
    repeated = pl.concat([frame, frame.filter(pl.col("kind") == "wild")])
    one, other = (dict(measured(rows, reference).estimate.metrics)["mae"] for rows in (heavy, repeated))
    assert one == pytest.approx(other)
    odd = frame.with_columns(
        size=pl.when(pl.int_range(pl.len()) < ROWS // 4).then(99.0).otherwise(pl.col("size")),
        kind=pl.when(pl.int_range(pl.len()) >= ROWS // 2).then(pl.lit("new")).otherwise(pl.col("kind")),
    )
    assert measured(odd, reference).estimate.supported == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("frame", "reference", "text"),
    [
        (numbers(2), numbers(1).drop("label"), "no label"),
        (numbers(2), numbers(1)[:90], "fewer than 100"),
        (numbers(2).with_columns(prediction=pl.lit(0.5)), numbers(1).with_columns(prediction=pl.lit(0.5)), "between 0 and 1"),
        (numbers(2).with_columns(prediction=pl.lit(None, pl.Float64)), numbers(1), "no row of the window"),
        (classes(2), classes(1).filter(pl.col("label") != "blue"), "labels of a class"),
        (classes(2).drop("probability_cyan"), classes(1), "reference's classes"),
        (classes(2).with_columns(probability_blue=pl.lit(float("nan"))), classes(1), "no row of the window"),
    ],
)
def test_what_cannot_be_estimated_is_said(frame: pl.DataFrame, reference: pl.DataFrame, text: str) -> None:
    document = window_document(measured(frame, reference))
    estimated: Any = document["estimated"]
    assert text in estimated["text"]
    assert estimated["metrics"] == {}
    assert text in make_window_view({"predictions": "p", **document}).assumed


def test_without_a_library_that_regresses_a_window_says_what_to_install_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightgbm", "sklearn"):
        monkeypatch.setitem(sys.modules, name, None)
    found = measured(numbers(2), numbers(1))
    assert "pip install lightgbm" in found.estimate.text
    assert found.findings


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.with_columns(size=few("size", float("inf")), kind=pl.lit("<script>")),
        lambda frame: frame.with_columns(prediction=few("prediction", 1e308), label=few("label", float("nan"))),
        lambda frame: frame.with_columns(label=pl.lit(7.5), size=pl.lit(None, pl.Float64)),
        lambda frame: frame.with_columns(label=pl.lit(0.0)),
        lambda frame: frame.with_columns(**{f"probability_<script>{at}": pl.lit(0.3) for at in range(3)}),
    ],
)
def test_whatever_numbers_the_log_holds_the_document_is_json_and_the_page_has_no_script(change: Any) -> None:
    good = [numbers(seed).gather_every(4) for seed in (1, 2)]
    for pair in ((change(good[1]), good[0]), (good[1], change(good[0]))):
        document = window_document(measured(*pair))
        json.dumps(document, allow_nan=False)
        assert "<script" not in render_window_page({"predictions": "p", **document})
