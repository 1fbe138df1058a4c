"""The monitors of a deployment of predictors on the clock: its requests, and its declared segments after each judged day."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))

from monitor_logs import NOW, REF, log_outcomes, log_predictions, make_days, new_store, reference_frame, time_column

from shipway.access import Actor, open_keys
from shipway.data import reference_profile
from shipway.gate import move_ref
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Verdict
from shipway.kernel.units import Seconds
from shipway.monitor import compact_logs, load_alerts, load_readings
from shipway.operate import search_slices, watch_ref, watch_service
from shipway.pipeline import Hands
from shipway.release import Component, deployment_object, put_release
from shipway.spec import DeploySpec, OutcomeSpec

DEPLOY = DeploySpec(name="delay@prod", application="delay", environment="prod", segments=("carrier",))


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    """Thirty days are answered and told; of carrier UA twice as much is late as the model says."""
    signer, keys = open_keys(tmp_path / "keys")
    hands = Hands(
        new_store(tmp_path / "project"), signer, keys, Actor("ada@example.org", frozenset({"admin"})), tmp_path / "cache"
    )
    store = hands.store
    signature: JsonObject = {"inputs": [{"name": "x0", "datatype": "FP64"}], "outputs": []}
    model: JsonObject = {"kind": "model", "version": 1, "target": "late", "time": "scheduled", "signature": signature}
    inputs = reference_frame().drop("flight", "scheduled", "probability", "late")
    profile: Any = reference_profile(inputs).to_json()
    parts = [Component("model", "delay", store.put(model)), Component("profile", "", store.put(profile))]
    parts += [Component(kind, "", store.put({"kind": kind, "version": 1})) for kind in ("environment", "pipeline")]
    release = put_release(store, parts)
    outcomes = {"late": OutcomeSpec(name="late", matures=Seconds(0.0))}
    deployment = store.put(deployment_object(store, release, DEPLOY, outcomes))
    move_ref(store, keys, hands.actor, ref=REF, target=deployment)
    days = make_days(5, days=30, rows=150)
    wrong = [day._replace(label=np.where(day.columns["carrier"] == "UA", 1.0, day.label)) for day in days]
    log_predictions(store, wrong, release=release, deployment=deployment)
    log_outcomes(store, wrong)
    compact_logs(store, now=NOW, time_column=time_column)
    return hands


def test_requests_are_read_and_segments_judged_once_a_day_and_a_wrong_one_is_a_ticket(hands: Hands) -> None:
    assert [reading.monitor for reading in watch_service(hands, REF)] == ["contract", "errors", "latency", "silence"]
    watch_ref(hands.store, hands.signer, REF)
    readings = {reading.monitor: reading for reading in watch_service(hands, REF)}
    segments = readings["segments"].check
    assert segments.verdict is Verdict.FAIL
    assert segments.text.startswith("carrier = UA: worst of 3 segments")
    assert readings["errors"].check.text.startswith("0 of 60 requests failed")
    assert readings["silence"].check.text.endswith("requests in the window")
    assert [alert.monitor for alert in load_alerts(hands.store, REF) if alert.severity.value == "ticket"] == ["segments"]
    watch_service(hands, REF)
    (again,) = [reading for reading in load_readings(hands.store, REF) if reading.monitor == "segments"]
    assert len(again.history) == 1, "the same day is not measured twice"


def test_a_search_finds_the_slice_over_all_features_and_their_pairs(hands: Hands) -> None:
    assert search_slices(hands.store, REF) is None
    watch_ref(hands.store, hands.signer, REF)
    found = search_slices(hands.store, REF)
    assert found is not None
    assert "carrier = UA" in found.found[0].name
    assert found.searched > 20


def test_a_scheduled_run_that_did_not_come_is_a_ticket_until_one_comes_that_may_make_the_same_model(hands: Hands) -> None:
    store = hands.store
    present = store.get(store.resolve(REF), "deployment")
    monitor: JsonObject = {"page": None, "inform": None, "ticket": 0.0, "window_seconds": 7200.0}
    monitors = {**cast("JsonObject", present["monitors"]), "missed_run": monitor}
    changed: Any = {**present, "monitors": monitors, "schedule": {"cron": "0 4 * * *", "timezone": "UTC"}}
    move_ref(store, hands.keys, hands.actor, ref=REF, target=store.put(changed))
    said = []
    for ran in (None, "2026-11-21T04:10:00Z", "2026-11-22T04:10:00Z"):
        if ran:
            store.put_state("ran", "delay", {"version": 1, "at": ran})
        check = {reading.monitor: reading for reading in watch_service(hands, REF)}["missed_run"].check
        said.append((check.verdict, check.value))
    assert said == [(Verdict.INCONCLUSIVE, None), (Verdict.FAIL, 1.0), (Verdict.PASS, 0.0)]
    (alert,) = [one for one in load_alerts(store, REF) if one.monitor == "missed_run"]
    assert (alert.severity.value, alert.open) == ("ticket", False)


def test_revenue_that_halves_pages_and_needs_neither_labels_nor_a_model_that_failed(hands: Hands) -> None:
    store = hands.store
    present = store.get(store.resolve(REF), "deployment")
    told: JsonObject = {"matures_seconds": 0.0, "better": "higher", "unit": "EUR"}
    changed: Any = {**present, "outcomes": {**cast("JsonObject", present["outcomes"]), "revenue": told}}
    move_ref(store, hands.keys, hands.actor, ref=REF, target=store.put(changed))
    days = [
        day._replace(label=np.full(150, 10.0 if at < 23 else 5.0)) for at, day in enumerate(make_days(5, days=30, rows=150))
    ]
    log_outcomes(store, days, writer="shop", name="revenue")
    compact_logs(store, now=NOW, time_column=time_column)
    readings = {reading.monitor: reading for reading in watch_service(hands, REF)}
    check = readings["business"].check
    assert (check.verdict, check.value) == (Verdict.FAIL, 0.5)
    assert check.text == "revenue 5 EUR over 7 days, 10 on the same days of 3 windows before"
    assert [(alert.monitor, alert.severity.value) for alert in load_alerts(store, REF)] == [("business", "page")]
    watch_service(hands, REF)
    (again,) = [reading for reading in load_readings(store, REF) if reading.monitor == "business"]
    assert len(again.history) == 1, "the same day is not measured twice"
