"""Segments of models that answer a number or classes: from the logs and the step's own table of held-out rows."""

from __future__ import annotations

import io
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))

from monitor_logs import FIRST_DAY, NOW, REF, microseconds, new_store, time_column

from shipway.access import Actor, open_keys
from shipway.data import reference_profile
from shipway.gate import move_ref
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Verdict
from shipway.kernel.digest import Digest
from shipway.kernel.media import PARQUET
from shipway.kernel.units import Seconds
from shipway.models import encode_columns
from shipway.monitor import compact_logs, load_alerts
from shipway.operate import search_slices, watch_ref, watch_service
from shipway.pipeline import MADE, Hands
from shipway.pipeline._scored import put_scores
from shipway.release import Component, deployment_object, put_release
from shipway.spec import DeploySpec, OutcomeSpec
from shipway.store import Edge, OutcomeRecord, PredictionRecord, SegmentWriter, Store, encode_record

DEPLOY = DeploySpec(name="delay@prod", application="delay", environment="prod", segments=("carrier",))
NAMES, HARD, VALUES = np.array(["AA", "B6", "UA"], dtype=object), np.array([1.0, 0.5, 2.0]), np.array([1.0, 2.0, 5.0])
OUTPUTS = {"number": ("prediction",), "classes": ("probability_1", "probability_2", "probability_5")}
Floats = NDArray[np.float64]


def answered(kind: str, random: np.random.Generator, carrier: NDArray[np.int64], worse: float) -> tuple[Floats, Floats]:
    """What a model answers and what is true; UA is hard, and AA becomes worse by a share."""
    size = HARD[carrier] * (1 + worse * (carrier == 0))
    if kind == "number":
        truth = random.normal(20.0, 5.0, carrier.size)
        return truth + size * random.choice([-1.0, 1.0], carrier.size) * random.exponential(1.0, carrier.size), truth
    place = random.integers(0, 3, carrier.size)
    said = np.where(random.random(carrier.size) < 0.2 * size, (place + 1) % 3, place)
    return np.where(np.arange(3) == said[:, None], 0.8, 0.1), VALUES[place]


def held_out(store: Store, kind: str, model: Digest, *, rows: int = 3000) -> Digest:
    """The profile of a model with the table that it was measured on, as a run keeps them."""
    random = np.random.default_rng(9)
    carrier = random.integers(0, 3, rows)
    given, truth = answered(kind, random, carrier, 0.0)
    table = pl.DataFrame({"carrier": NAMES[carrier].tolist(), "late": truth})
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    reference = store.put_bytes(buffer.getvalue(), PARQUET).digest
    profile: Any = reference_profile(table.select("carrier")).to_json()
    found = store.put(profile)
    columns = {"score": given} if kind == "number" else {f"score_{at}": given[:, at] for at in range(3)}
    label = truth if kind == "number" else np.searchsorted(VALUES, truth)
    scores = put_scores(store, pl.DataFrame({**columns, "label": label}))
    store.add_edges([Edge(reference, found, "input"), Edge(model, found, "input")])
    store.put_state(MADE, model, {"scores": scores.to_json(), "profile": found})
    return found


def logged(store: Store, kind: str, release: Digest, deployment: Digest, *, days: int = 20, rows: int = 300) -> None:
    random = np.random.default_rng(3)
    log = SegmentWriter(store.log_folder("predictions"), "predictor")
    known = SegmentWriter(store.log_folder("outcomes"), "outcomes")
    for number in range(days):
        day, carrier = FIRST_DAY + timedelta(days=number), random.integers(0, 3, rows)
        given, truth = answered(kind, random, carrier, 1.5)
        outputs = {"prediction": given} if kind == "number" else dict(zip(OUTPUTS[kind], given.T.copy(), strict=True))
        inputs = {"scheduled": np.array([f"{day}T12:00:00"] * rows, dtype=object), "carrier": NAMES[carrier]}
        record = PredictionRecord(
            request=f"{day}", release=release, deployment=deployment, arm="live", recorded=microseconds(NOW), rows=rows,
            columns=encode_columns(inputs), outputs=encode_columns(outputs), latency_us=1,
        )  # fmt: skip
        assert log.append(encode_record(record), rows)
        ids, times = [f"{day}:{row}" for row in range(rows)], [f"{day + timedelta(days=1)}T12:00:00"]
        told = OutcomeRecord(
            recorded=microseconds(NOW), rows=rows, ids=ids, names=["late"] * rows, values=truth.tolist(), times=[*times] * rows
        )
        known.append_durable(encode_record(told), rows)
    log.close()
    known.close()
    compact_logs(store, now=NOW, time_column=time_column)


def watched(folder: Path, kind: str, *, with_rows: bool = True) -> Hands:
    signer, keys = open_keys(folder / "keys")
    hands = Hands(new_store(folder / "project"), signer, keys, Actor("ada@example.org", frozenset({"admin"})), folder / "cache")
    store = hands.store
    columns: list[Any] = [{"name": name, "datatype": "FP64"} for name in OUTPUTS[kind]]
    signature: JsonObject = {"inputs": [{"name": "carrier", "datatype": "BYTES"}], "outputs": columns}
    model = store.put({"kind": "model", "version": 1, "target": "late", "time": "scheduled", "signature": signature})
    profile = held_out(store, kind, model)
    if not with_rows:
        store.delete_state(MADE, model)
    parts = [Component("model", "delay", model), Component("profile", "", profile)]
    parts += [Component(name, "", store.put({"kind": name, "version": 1})) for name in ("environment", "pipeline")]
    release = put_release(store, parts)
    deployment = store.put(deployment_object(store, release, DEPLOY, {"late": OutcomeSpec(name="late", matures=Seconds(0.0))}))
    move_ref(store, keys, hands.actor, ref=REF, target=deployment)
    logged(store, kind, release, deployment)
    watch_ref(store, signer, REF)
    return hands


@pytest.mark.parametrize("kind", ["number", "classes"])
def test_the_segment_that_became_worse_is_a_ticket_and_the_one_that_was_always_hard_is_none(tmp_path: Path, kind: str) -> None:
    hands = watched(tmp_path, kind)
    reading = {one.monitor: one for one in watch_service(hands, REF)}["segments"]
    assert reading.check.verdict is Verdict.FAIL
    assert reading.check.text.startswith("carrier = AA: worst of 3 segments")
    assert reading.detail["measured"] == ("share_of_error" if kind == "number" else "accuracy_lost")
    # AA errs 2.5 of 5 parts now, and 1 of 3.5 before; of the rows that are wrong 0.5 instead of 0.2.
    expected = 2.5 / (5 / 3) - 1 / (3.5 / 3) if kind == "number" else (0.5 - 1 / 3) - (0.2 - 0.7 / 3)
    assert reading.check.value == pytest.approx(expected, abs=0.08)
    tickets = [alert.monitor for alert in load_alerts(hands.store, REF) if alert.severity.value == "ticket"]
    assert tickets == ["segments"]
    found = search_slices(hands.store, REF)
    assert found is not None
    assert (found.found[0].name, found.held_out) == ("carrier = AA", True)


def test_where_the_held_out_rows_are_elsewhere_the_search_compares_with_the_whole_and_nothing_is_judged(tmp_path: Path) -> None:
    hands = watched(tmp_path, "number", with_rows=False)
    reading = {one.monitor: one for one in watch_service(hands, REF)}["segments"]
    assert reading.check.verdict is Verdict.INCONCLUSIVE
    found = search_slices(hands.store, REF)
    assert found is not None
    assert (found.found[0].name, found.held_out) == ("carrier = AA", False)
