"""Drift held against the same weeks of the season before: what comes again informs nobody, what is new does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monitor_logs import (
    FIRST_DAY,
    NOW,
    REF,
    Day,
    log_outcomes,
    log_predictions,
    make_days,
    new_store,
    reference_frame,
    time_column,
)

from shipway.data import reference_profile
from shipway.kernel.units import parse_duration
from shipway.monitor import DayVerdict, compact_logs, load_verdicts, watch
from shipway.spec import MonitorSpec, SpecMalformed, parse_spec

SEASON, WARM, NEW = 28, range(14, 28), 77  # days of a season, its warm ones, and the day from which another feature moves
DAYS = 91
PLAIN = {"drift": MonitorSpec(name="drift", inform=0.2, window=parse_duration("7d"))}
SEASONAL = {"drift": MonitorSpec(name="drift", inform=0.2, window=parse_duration("7d"), reference=parse_duration("28d"))}


def seasons() -> list[Day]:
    """x0 is higher in the warm weeks of each season, and from NEW on x1 is as it never was."""
    days = []
    for number, day in enumerate(make_days(4, days=DAYS, rows=60)):
        columns: dict[str, Any] = dict(day.columns)
        columns["x0"] = np.asarray(columns["x0"]) + (2.0 if number % SEASON in WARM else 0.0)
        columns["x1"] = np.asarray(columns["x1"]) + (2.0 if number >= NEW else 0.0)
        days.append(day._replace(columns=columns))
    return days


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seasons")
    store, days = new_store(folder), seasons()
    log_predictions(store, days)
    log_outcomes(store, days)
    compact_logs(store, now=NOW, time_column=time_column)
    store.close()
    return folder


def judged(folder: Path, monitors: Mapping[str, MonitorSpec]) -> dict[int, DayVerdict]:
    """The verdicts by number of the day."""
    reference = reference_profile(reference_frame().drop("flight", "scheduled", "probability", "late"))
    store = new_store(folder)
    for row in store.states("window"):  # as if nobody had judged
        store.delete_state("window", row.key)
    watch(
        store, REF, monitors, matures=parse_duration("1d"), outcome="late", until=datetime(2014, 1, 1, tzinfo=UTC),
        attest_checks=lambda *_: None, reference=lambda _: reference,
    )  # fmt: skip
    found = {(verdict.day - FIRST_DAY).days: verdict for verdict in load_verdicts(store, REF)}
    store.close()
    return found


def drifted(verdict: DayVerdict) -> set[str]:
    return {finding.check.name for finding in verdict.findings if finding.check.verdict == "fail"}


def test_what_every_season_brings_informs_nobody_and_what_is_new_does(logged: Path) -> None:
    plain, seasonal = judged(logged, PLAIN), judged(logged, SEASONAL)
    warm = [number for number in range(2 * SEASON) if number % SEASON in range(20, 28)]
    assert all("drift.x0" in drifted(plain[number]) for number in warm)
    again = range(SEASON + 6, DAYS)
    assert [number for number in again if "drift.x0" in drifted(seasonal[number])] == []
    assert all("drift.x1" in drifted(seasonal[number]) for number in range(NEW + 6, DAYS))
    assert drifted(seasonal[20]) == drifted(plain[20]), "nothing is known of the season before: the reference counts"
    texts = [finding.check.text for finding in seasonal[NEW + 6].findings if finding.check.name == "drift.x1"]
    assert texts == ["against the window to 2013-03-28"]


def test_a_season_is_a_length_of_at_least_a_window_and_drift_alone_has_one() -> None:
    def read(monitors: str) -> Mapping[str, MonitorSpec]:
        return parse_spec(f"project: p\ndeploy: {{a@b: {{monitors: {monitors}}}}}", path="s").deploy["a@b"].monitors

    assert read("{drift: {reference: 364d}}")["drift"].reference == 364 * 86_400.0
    assert read("{prediction_drift: {inform: 0.3, reference: 28d}}")["prediction_drift"].reference == 28 * 86_400.0
    for wrong in ("{drift: {reference: 7d}}", "{drift: {reference: soon}}", "{calibration: {reference: 364d}}"):
        with pytest.raises(SpecMalformed):
            read(wrong)
