"""Segments of a deployment, looked at each time that a day was judged, and the search for its worst slice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

from shipway.kernel.canonical import JsonObject
from shipway.monitor import (
    DayVerdict,
    Slices,
    check_segments,
    event_clock,
    input_column,
    keep_reading,
    load_readings,
    load_verdicts,
    measure_slices,
    release_reference,
    window_rows,
)
from shipway.operate._control import attester, outcome_of
from shipway.pipeline import Hands
from shipway.release import monitors_of, outcomes_of
from shipway.spec import MonitorSpec
from shipway.store import Store


def watch_segments(hands: Hands, ref: str) -> None:
    """Judges the declared segments over the window of the newest judged day, once a day; nothing where none is declared."""
    store = hands.store
    deployment = store.get(store.resolve(ref), "deployment")
    columns, monitor = cast("Sequence[str]", deployment.get("segments") or ()), monitors_of(deployment).get("segments")
    if not columns or monitor is None or not (verdicts := load_verdicts(store, ref)):
        return
    newest, day = verdicts[-1], verdicts[-1].day.isoformat()
    held = next((reading for reading in load_readings(store, ref) if reading.monitor == "segments"), None)
    if held is not None and (held.detail.get("day"), held.release) == (day, newest.release):
        return
    slices = _measured(store, ref, deployment, newest, monitor, columns)
    if slices is not None:
        finding = check_segments(monitor, slices)
        detail: JsonObject = {"day": day, "searched": slices.searched, "found": [one.to_json() for one in slices.found[:20]]}
        keep_reading(
            store, ref, "segments", finding.check, severity=finding.severity, release=newest.release, detail=detail,
            now=store.clock.now(), window=monitor.window, attest_checks=attester(store, hands.signer),
        )  # fmt: skip


def search_slices(store: Store, ref: str) -> Slices | None:
    """The worst slices over all features of the live window, pairs among them; None where nothing has been judged."""
    deployment, verdicts = store.get(store.resolve(ref), "deployment"), load_verdicts(store, ref)
    reference = release_reference(store, verdicts[-1].release) if verdicts else None
    if reference is None:
        return None
    monitor = MonitorSpec(name="segments")
    return _measured(store, ref, deployment, verdicts[-1], monitor, list(reference.columns), pairs=True)


def _measured(
    store: Store,
    ref: str,
    deployment: JsonObject,
    newest: DayVerdict,
    monitor: MonitorSpec,
    columns: Sequence[str],
    *,
    pairs: bool = False,
) -> Slices | None:
    outcome = outcome_of(store, deployment)
    if outcome is None:
        return None
    first = newest.day - timedelta(days=max(1, round(monitor.window / 86_400)) - 1)
    matures, clock = outcomes_of(deployment)[outcome], event_clock(store, ref)
    rows = window_rows(store, ref, start=first, end=newest.day, outcome=outcome, matures=matures, as_of=clock)
    mine = rows.filter(rows["release"] == newest.release)
    return measure_slices(mine, [input_column(name) for name in columns], pairs=pairs)
