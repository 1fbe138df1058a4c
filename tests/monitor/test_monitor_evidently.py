"""Evidently's own numbers: against what the real tool said (vectors), against the real tool (slow), and its JSON."""

from __future__ import annotations

import json
import math
from typing import Any, cast

import polars as pl
import pytest
from evidently_cases import Case, cases
from evidently_help import VECTORS, ask, digest_of

from shipway.monitor.evidently import DriftUnfit, EvidentlyDrift, Kind, evidently_drift

SAID: dict[str, Any] = json.loads(VECTORS.read_text())
CASES = list(cases())
TOLERANCE = 1e-9


def ours(case: Case, column: str, asked: str | None) -> EvidentlyDrift:
    return evidently_drift(
        case.reference.select(column),
        case.current.select(column),
        methods={column: asked} if asked else None,
        kinds=cast("dict[str, Kind]", {column: case.declared[column]} if case.declared else {}),
    )


def differs(case: Case, said: dict[str, Any]) -> str | None:
    column, asked = said["column"], said["asked"]
    if said["error"]:
        try:
            found = ours(case, column, asked)
        except DriftUnfit:
            return None
        return f"{case.name} {column} {asked}: {said['error']}, ours {found.columns}" if found.columns else None
    [drift] = ours(case, column, asked).columns
    value = math.nan if said["value"] is None else said["value"]
    near = abs(drift.value - value) <= TOLERANCE or (math.isnan(value) and math.isnan(drift.value))
    shown = asked or drift.method.shown
    same = (shown, drift.threshold, drift.drifted) == (said["shown"], said["threshold"], said["drifted"])
    return None if near and same else f"{case.name} {column}: {said}, ours {drift}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_method_value_and_verdict_are_those_that_evidently_gave(case: Case) -> None:
    vector = SAID["cases"][case.name]
    assert vector["digest"] == digest_of(case), "other tables than those measured: make the vectors anew"
    rows = [dict(zip(SAID["fields"], row, strict=True)) for row in vector["rows"]]
    assert [found for row in rows if (found := differs(case, row))] == []
    assert len(rows) >= 6


@pytest.mark.slow
def test_the_real_evidently_says_the_same_today() -> None:
    said = ask(CASES)
    assert said["versions"]["evidently"] == SAID["versions"]["evidently"]
    for case in CASES:
        rows = [{"error": None} | row for row in said["cases"][case.name] if "preset" not in row]
        assert [found for row in rows if (found := differs(case, row))] == []


def test_the_json_is_that_of_its_drift_preset() -> None:
    case = next(case for case in CASES if case.name == "inferred 1000 870")
    theirs, found = SAID["cases"][case.name]["preset"], cast("Any", evidently_drift(case.reference, case.current).to_json())
    assert [_without_value(one) for one in found["metrics"]] == [_without_value(one) for one in theirs["metrics"]]
    for one, other in zip(found["metrics"][1:], theirs["metrics"][1:], strict=True):
        assert one["value"] == pytest.approx(other["value"], abs=TOLERANCE)
    assert found["metrics"][0]["value"] == pytest.approx(theirs["metrics"][0]["value"])
    assert found["tests"] == theirs["tests"] == []


def _without_value(metric: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metric.items() if key != "value"}


def test_a_method_and_a_threshold_may_be_asked_for() -> None:
    one, other = (
        pl.DataFrame({"x": [float(n) for n in range(2000)]}),
        pl.DataFrame({"x": [float(n + 500) for n in range(2000)]}),
    )
    assert evidently_drift(one, other, thresholds={"x": 2.0}).drifted == 0
    found = evidently_drift(one, other, methods={"x": "ks"})
    assert found.columns[0].drifted
    assert found.dataset_drifted
    with pytest.raises(DriftUnfit, match="no drift method 'kstest'"):
        evidently_drift(one, other, methods={"x": "kstest"})
    with pytest.raises(DriftUnfit, match="no column 'y'"):
        evidently_drift(one, other, thresholds={"y": 0.3})
    with pytest.raises(DriftUnfit, match="not for categories"):
        evidently_drift(one, other, methods={"x": "ks"}, kinds={"x": "category"})


def test_what_has_no_drift_is_named() -> None:
    one = pl.DataFrame({"gone": [1.0], "text": ["a"], "empty": [None], "at": [1], "mixed": ["a"]}).with_columns(
        pl.col("at").cast(pl.Date), pl.col("empty").cast(pl.Float64)
    )
    other = pl.DataFrame({"new": [1.0], "text": ["b"], "empty": [1.0], "at": [1], "mixed": [1.0]}).with_columns(
        pl.col("at").cast(pl.Date)
    )
    found = evidently_drift(one, other)
    assert found.columns == ()
    assert found.share == 0
    assert {name: reason.split(",")[0] for name, reason in found.left_out.items()} == {
        "new": "not in the reference",
        "text": "text",
        "empty": "no finite number in one of the tables",
        "at": "of type Date",
        "mixed": "numbers in one table",
        "gone": "not in the current data",
    }
