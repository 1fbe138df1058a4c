from __future__ import annotations

from itertools import product
from pathlib import Path

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import digest_bytes
from shipway.kernel.units import Seconds
from shipway.release import deployment_object, monitors_of, schedule_of
from shipway.spec import (
    ADDED_MONITORS,
    REQUEST_MONITORS,
    DeploySpec,
    MonitorSpec,
    ScheduleSpec,
    default_monitors,
    parse_spec,
)
from shipway.store import Store, open_store


def of(store: Store, monitors: dict[str, MonitorSpec]) -> JsonObject:
    deploy = DeploySpec(name="delay@prod", application="delay", environment="prod", monitors=monitors)
    release = store.put_bytes(b"{}", "application/json").digest
    return deployment_object(store, release, deploy, {})


def test_a_deployment_that_says_nothing_of_monitors_is_the_object_that_it_was_before_there_were_more(tmp_path: Path) -> None:
    store = open_store(tmp_path, "test", create=True)
    written = of(store, default_monitors("local"))
    assert written["monitors"] == {
        "calibration": {"page": 0.05, "inform": None, "window_seconds": 2_419_200.0},
        "base_rate": {"page": 0.05, "inform": None, "window_seconds": 2_419_200.0},
        "drift": {"page": None, "inform": 0.2, "window_seconds": 2_419_200.0},
    }
    assert monitors_of(written) == default_monitors("local")


def test_a_monitor_that_came_later_can_be_changed_and_switched_off_in_the_object(tmp_path: Path) -> None:
    store = open_store(tmp_path, "test", create=True)
    chosen = default_monitors("local") | {
        "latency": MonitorSpec(name="latency", page=5.0, ticket=3.0, window=Seconds(3600.0)),
        "missed_run": MonitorSpec(name="missed_run", ticket=0.0, window=Seconds(86_400.0)),
    }
    del chosen["silence"]
    written = of(store, chosen)
    assert isinstance(written["monitors"], dict)
    assert written["monitors"]["latency"] == {"page": 5.0, "inform": None, "window_seconds": 3600.0, "ticket": 3.0}
    assert written["monitors"]["silence"] == {"page": None, "inform": None, "window_seconds": 3600.0}
    assert monitors_of(written) == chosen
    assert digest_bytes(b"{}") in str(written)


def test_of_the_monitors_of_predictors_a_gateway_has_those_of_requests(tmp_path: Path) -> None:
    store = open_store(tmp_path, "test", create=True)
    written = {**of(store, default_monitors("local")), "target": "gateway", "monitors": {}}
    assert monitors_of(written) == REQUEST_MONITORS, "one made before they came has them too"
    assert ADDED_MONITORS.keys() & default_monitors("gateway").keys() == REQUEST_MONITORS.keys()


def test_a_schedule_is_in_the_object_where_a_monitor_goes_by_it(tmp_path: Path) -> None:
    store = open_store(tmp_path, "test", create=True)
    release, found = store.put_bytes(b"{}", "application/json").digest, {}
    for cron, monitors in product((None, "0 4 * * 1"), ("", "monitors: {missed_run: off}")):
        given = f"schedule: {{cron: '{cron}', timezone: Europe/Berlin}}" if cron else ""
        spec = parse_spec(f"project: p\n{given}\ndeploy: {{a@b: {{{monitors}}}}}", path="shipway.yaml")
        written = deployment_object(store, release, spec.deploy["a@b"], {}, schedule=spec.schedule)
        found[bool(cron), bool(monitors)] = schedule_of(written), monitors_of(written).get("missed_run")
    scheduled = ScheduleSpec(cron="0 4 * * 1", timezone="Europe/Berlin")
    on = MonitorSpec(name="missed_run", ticket=0.0, window=Seconds(7200.0))
    assert found.pop((True, False)) == (scheduled, on)
    assert set(found.values()) == {(None, None)}
