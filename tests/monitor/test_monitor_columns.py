"""A new, lost or retyped column, an all-null one, a constant, one row: each through real logs, and each alert says so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from monitor_logs import NOW, REF, Day, log_outcomes, log_predictions, make_days, new_store, reference_frame, time_column
from numpy.typing import NDArray

from shipway.data import Profile, measure_drift, measure_profile, reference_profile
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Verdict
from shipway.kernel.units import Seconds
from shipway.monitor import Alert, Severity, WatchResult, compact_logs, watch
from shipway.monitor._dead import check_dead_columns
from shipway.monitor._drifted import check_drift, check_effects
from shipway.spec import ADDED_MONITORS, MonitorSpec
from shipway.store import Store

DAYS, CHANGED = 12, 9  # days that are logged, and the first of the changed ones
MONITORS = {name: ADDED_MONITORS[name] for name in ("schema", "dead_columns")}
Columns = dict[str, NDArray[Any]]


def reference() -> Profile:
    inputs = reference_frame().drop("flight", "scheduled", "probability", "late")
    return reference_profile(inputs)


REFERENCE = reference()


def changed(day: Day, columns: Mapping[str, NDArray[Any]]) -> Day:
    return day._replace(columns=columns)


def watched(folder: Path, change: Any, *, rows: int = 50) -> WatchResult:
    days = make_days(7, days=DAYS, rows=rows)
    days = [changed(day, change(dict(day.columns))) if number >= CHANGED else day for number, day in enumerate(days)]
    return judged(folder, days)


def judged(folder: Path, days: list[Day]) -> WatchResult:
    store: Store = new_store(folder)
    log_predictions(store, days)
    log_outcomes(store, days)
    compact_logs(store, now=NOW, time_column=time_column)
    return watch(
        store, REF, MONITORS, matures=Seconds(86_400.0), outcome="late", until=datetime(2014, 1, 1, tzinfo=UTC),
        attest_checks=lambda *_: None, reference=lambda _: REFERENCE,
    )  # fmt: skip


def alerts_of(result: WatchResult) -> list[tuple[str, Severity, str, int]]:
    return [(alert.monitor, alert.severity, alert.text, alert.first_day.day) for alert in result.alerts]


def lose(columns: Columns) -> Columns:
    del columns["x1"]
    return columns


def retype(columns: Columns) -> Columns:
    return columns | {"x1": np.array([f"{value:.2f}" for value in columns["x1"]], dtype=object)}


def add(columns: Columns) -> Columns:
    return columns | {"extra": np.arange(len(columns["x1"]))}


def empty(columns: Columns) -> Columns:
    return columns | {"x1": np.full(len(columns["x1"]), np.nan)}


def freeze(columns: Columns) -> Columns:
    return columns | {"x1": np.full(len(columns["x1"]), 3.5)}


def rename(columns: Columns) -> Columns:
    return columns | {"carrier": np.array([f"new {name}" for name in columns["carrier"]], dtype=object)}


@pytest.mark.parametrize(
    ("change", "monitor", "severity", "text"),
    [
        (lose, "schema.x1", Severity.PAGE, "column x1 is lost; it had numbers"),
        (retype, "schema.x1", Severity.PAGE, "column x1 has another type: words where numbers were"),
        (add, "schema.extra", Severity.TICKET, "column extra is new: numbers"),
        (empty, "dead_columns.x1", Severity.PAGE, "column x1 is null in all 50 rows"),
        (freeze, "dead_columns.x1", Severity.PAGE, "column x1 has one value in all 50 rows"),
        (rename, "dead_columns.carrier", Severity.PAGE, "column carrier has values unknown to the reference in all 50 rows"),
    ],
)
def test_what_happened_to_a_column_is_one_alert_that_says_so(
    tmp_path: Path, change: Any, monitor: str, severity: Severity, text: str
) -> None:
    [(told, loud, words, day)] = alerts_of(watched(tmp_path, change))
    assert (told, loud, words[: len(text)], day) == (monitor, severity, text, CHANGED + 1)
    new = words[len(text) :]
    assert new.startswith("; new values in 100.0% of the rows: ") if change is rename else not new
    assert all(f"'new {name}' " in new for name in ("AA", "B6", "UA")) == (change is rename)


def test_a_day_of_one_row_is_not_enough_to_call_its_columns_constant(tmp_path: Path) -> None:
    days = make_days(7, days=DAYS, rows=50)
    one = days[-1]
    days[-1] = Day(one.day, {name: array[:1] for name, array in one.columns.items()}, one.score[:1], one.label[:1])
    result = judged(tmp_path, days)
    assert result.alerts == ()
    checks = {finding.check.name: finding.check for finding in result.days[-1].findings}
    x1 = checks["dead_columns.x1"]
    assert x1.verdict is Verdict.INCONCLUSIVE
    assert x1.text == f"column x1 has one value in all 1 rows; not enough yet, about {x1.still_needed} more rows"


def test_a_column_that_is_constant_every_day_by_nature_wakes_nobody(tmp_path: Path) -> None:
    days = [
        changed(day, dict(day.columns) | {"carrier": np.array([["AA", "B6", "UA"][number % 3]] * 50, dtype=object)})
        for number, day in enumerate(make_days(7, days=DAYS, rows=50))
    ]
    assert judged(tmp_path, days).alerts == ()


def test_a_day_of_nothing_but_the_commonest_value_is_no_fault() -> None:
    """Rain falls in few rows of a reference and in none of a dry day, however many rows that has."""
    random = np.random.default_rng(3)
    rain = reference_profile(pl.DataFrame({"rain": np.where(random.random(2000) < 0.2, random.random(2000), 0.0)}))
    wet = measure_profile(rain, {"rain": np.array([0.0, 0.3, 0.0, 0.1])})
    dry = measure_profile(rain, {"rain": np.zeros(900)})
    (found,) = check_dead_columns(MONITORS["dead_columns"], rain, dry, [wet] * 20)
    assert found.check.verdict is Verdict.PASS


def test_an_alert_keeps_its_text_and_one_of_before_has_none() -> None:
    record: JsonObject = {
        "version": 1, "ref": REF, "severity": "page", "monitor": "schema.x1", "value": 1.0, "low": None, "high": None,
        "threshold": 0.0, "first_day": "2026-01-01", "last_day": "2026-01-02", "release": "sha256:" + "0" * 64,
        "status": "open", "resolved_day": None,
    }  # fmt: skip
    assert Alert.from_json(record).to_json() == record
    told: JsonObject = dict(record) | {"text": "column x1 is lost"}
    assert Alert.from_json(told).to_json() == told


def test_a_category_that_drifts_says_which_values_are_new() -> None:
    spec = MonitorSpec(name="drift", inform=0.2, window=Seconds(28 * 86_400.0))
    reference = reference_profile({"c": np.array(["AA", "UA"] * 1_000, dtype=object)})
    words = ["AA", "UA"] * 60 + ["\x1b[2J"] * 50 + ["ZZ" * 40] * 30
    days = [measure_profile(reference, {"c": np.array(words, dtype=object)}) for _ in range(6)]
    [finding] = check_drift(spec, reference, days)
    assert finding.check.verdict is Verdict.FAIL
    assert finding.check.text == "new values in 40.0% of the rows: '\\x1b[2J' 300, '" + "ZZ" * 20 + "…' 180"
    [effect] = check_effects(spec, measure_drift(reference, days[0]), 200, days[0])
    assert effect.check.text.startswith("new values in 40.0% of the rows")


def noted(number: int, columns: Mapping[str, NDArray[Any]], *, change: str) -> Columns:
    """The columns with one of texts, which is changed from CHANGED on."""
    rows = len(columns["carrier"])
    random = np.random.default_rng(number)
    notes = [f"flight {random.integers(900)} was {['early', 'late', 'fine'][row % 3]} at gate {row}." for row in range(rows)]
    if number < CHANGED or change == "nothing":
        return dict(columns) | {"note": np.array(notes, dtype=object)}
    if change == "lost":
        return dict(columns)
    gone = [None] * rows if change == "null" else ["same old text again."] * rows
    return dict(columns) | {"note": np.array(gone, dtype=object)}


@pytest.mark.parametrize(
    ("change", "alerts"),
    [
        ("nothing", []),
        ("lost", [("schema.note", "column note is lost; it had words")]),
        ("null", [("dead_columns.note", "column note is null in all 50 rows")]),
        ("same", [("dead_columns.note", "column note has one value in all 50 rows")]),
    ],
)
def test_a_column_of_texts_is_one_column_to_whoever_watches_it(
    tmp_path: Path, change: str, alerts: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    days = make_days(7, days=DAYS, rows=50)
    known = [noted(number, day.columns, change="nothing") for number, day in enumerate(make_days(8, days=20, rows=50))]
    frame = pl.concat([pl.DataFrame({name: pl.Series(array.tolist()) for name, array in one.items()}) for one in known])
    reference = reference_profile(frame.drop("flight", "scheduled"), texts=["note"])
    monkeypatch.setitem(globals(), "REFERENCE", reference)
    result = judged(tmp_path, [changed(day, noted(at, day.columns, change=change)) for at, day in enumerate(days)])
    assert [(alert.monitor, alert.text) for alert in result.alerts] == alerts
