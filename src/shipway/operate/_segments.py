"""Segments of a deployment, looked at each time that a day was judged, and the search for its worst slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.kernel.canonical import JsonObject
from shipway.models import Signature
from shipway.monitor import (
    LOSS,
    DayVerdict,
    Slices,
    check_segments,
    event_clock,
    input_column,
    keep_reading,
    load_readings,
    load_verdicts,
    logged_outputs,
    measure_excess,
    measure_slices,
    release_reference,
    truth_of_rows,
    window_rows,
)
from shipway.operate._control import attester, outcome_of
from shipway.operate._paired import SCORE, Answers, answers_of
from shipway.pipeline import Hands, HeldOut, class_scores, held_out_rows
from shipway.release import find_component, load_components, monitors_of, outcomes_of
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
        found = [one.to_json() for one in slices.found[:20]]
        detail: JsonObject = {"day": day, "searched": slices.searched, "measured": slices.measured.value, "found": [*found]}
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
    return _measured(store, ref, deployment, verdicts[-1], monitor, list(reference.plain), pairs=True)


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
    mine, named = rows.filter(rows["release"] == newest.release), {name: input_column(name) for name in columns}
    model = find_component(load_components(store, newest.release), "model").digest
    signature = Signature.from_json(store.get(model, "model")["signature"])
    answers = answers_of(signature)
    if answers is None or answers.outputs == (SCORE,):
        return measure_slices(mine, [*named.values()], pairs=pairs)
    logged = logged_outputs(mine, [column.name for column in signature.inputs], answers.outputs)
    if logged is None:
        return None
    losses = mine.with_columns(_losses(logged, truth_of_rows(mine, answers.classes), answers))
    held = held_out_rows(store, model)
    before = _held_out(held, answers, named) if held else None
    return measure_excess(losses, [*named.values()], share=not answers.classes, held_out=before, pairs=pairs)


def _held_out(held: HeldOut, answers: Answers, named: Mapping[str, str]) -> pl.DataFrame:
    """The features as the log calls them, and the losses; one that the table lacks is left out."""
    chances, truth = class_scores(held.scored), held.scored["label"].cast(pl.Float64).to_numpy()
    given = held.scored["score"].cast(pl.Float64).to_numpy() if chances is None else chances
    kept = held.table.select(pl.col(name).alias(column) for name, column in named.items() if name in held.table.columns)
    return kept.with_columns(_losses(given, truth, answers))


def _losses(given: NDArray[np.float64], truth: NDArray[np.float64], answers: Answers) -> pl.Series:
    """Of each row the absolute error, or 1 where the likeliest class was another one; NaN where either is not known."""
    if not answers.classes:
        return pl.Series(LOSS, np.abs(given - truth))
    known = np.isfinite(given).all(axis=1) & np.isfinite(truth)
    wrong = np.where(known, np.nan_to_num(given, nan=-1.0).argmax(axis=1) != truth, np.nan)
    return pl.Series(LOSS, wrong, dtype=pl.Float64)
