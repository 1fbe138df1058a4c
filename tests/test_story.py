"""The whole loop on real flights, as `make demo DEMO=once` runs it: what it reports must come out of the run and be true."""

from __future__ import annotations

import calendar
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

STORY = Path(__file__).parents[1] / "examples" / "flights" / "story.py"
MONTHS = [f"2013-{month:02d}" for month in range(2, 10)]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    base = tmp_path_factory.mktemp("story")
    options = ["--demo", "once", "--report", str(base / "report.json"), "--folder", str(base / "demo"), "--port", "0"]
    environ = {**os.environ, "SHIPWAY_KEYS": str(base / "keys")}
    command = [sys.executable, str(STORY), *options]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads((base / "report.json").read_text())
    return found


def test_the_gate_refuses_until_everything_was_shown(report: dict[str, Any]) -> None:
    assert [gate["verdict"] for gate in report["gate"]] == ["fail", "pass", "fail", "pass"]
    assert [line.split(":")[0] for line in report["gate"][0]["missing"]] == [
        "evaluation auc at least 0.55 at 95%",
        "contract of data/flights",
        "approval",
    ]


def test_every_flight_of_eight_months_is_asked_for_answered_and_judged(report: dict[str, Any]) -> None:
    assert [month["month"] for month in report["months"]] == MONTHS
    assert report["days"] == 242
    assert sum(month["n"] for month in report["months"]) == sum(month["labels"] for month in report["months"]) == 218_339


def test_pages_come_from_calibration_and_base_rate_and_never_from_drift(report: dict[str, Any]) -> None:
    pages = {month["month"]: {a["monitor"] for a in month["alerts"] if a["severity"] == "page"} for month in report["months"]}
    assert set().union(*pages.values()) == {"calibration", "base_rate"}
    assert {month for month, monitors in pages.items() if monitors} == {"2013-04", "2013-05", "2013-07", "2013-08"}
    assert all(month["drifted_features"] for month in report["months"]), "drift is red in every month and says nothing"
    late = [month for month in report["months"] if month["month"] in ("2013-04", "2013-05", "2013-06", "2013-07", "2013-08")]
    assert all(month["predicted_rate"] < month["base_rate"] for month in late), "far too few delays predicted"


def test_the_monitors_are_those_that_every_deployment_has_and_each_judges_every_day(report: dict[str, Any]) -> None:
    assert "monitors:" not in (STORY.parent / "shipway.yaml").read_text()
    of_days = {"calibration", "base_rate", "performance", "schema", "dead_columns", "drift", "prediction_drift"}
    for month, said in report["verdicts"].items():
        days = calendar.monthrange(2013, int(month[5:]))[1]
        assert {name: sum(verdicts.values()) for name, verdicts in said.items()} == dict.fromkeys(of_days, days)


def test_what_did_not_break_never_failed_and_september_is_undecided_to_the_end(report: dict[str, Any]) -> None:
    said = report["verdicts"]
    assert [said[month][name]["fail"] for month in MONTHS for name in ("performance", "schema", "dead_columns")] == [0] * 24
    september, month = said["2013-09"], report["months"][-1]
    assert month["predicted_rate"] - month["base_rate"] > 0.05
    assert september["base_rate"] == {"pass": 0, "fail": 0, "inconclusive": 30}
    assert september["calibration"]["fail"] == 0


def test_drift_alone_would_have_called_on_every_day(report: dict[str, Any]) -> None:
    assert all(said["drift"]["fail"] == sum(said["drift"].values()) for said in report["verdicts"].values())


def test_pages_that_overlap_are_one_incident_whose_cause_is_the_world(report: dict[str, Any]) -> None:
    paging = [one for one in reversed(report["incidents"]) if one["severity"] == "page"]
    assert [one["first_day"][:7] for one in paging] == ["2013-04", "2013-07"]
    assert [{alert["monitor"] for alert in one["alerts"]} for one in paging] == [{"base_rate", "calibration"}] * 2
    assert {one["causes"][0]["kind"] for one in paging} == {"world"}, "nobody released anything before"


def test_an_estimate_without_labels_does_not_see_what_came_true(report: dict[str, Any]) -> None:
    errors = {month["month"]: month["estimated"]["base_rate"] - month["base_rate"] for month in report["months"]}
    assert errors["2013-09"] > 0.1, "it expects the delays of January"
    assert all(month["estimated"]["supported"] > 0.99 for month in report["months"]), "and has seen all these scores before"


def test_the_challenger_is_held_against_live_only_on_days_it_was_not_trained_on(report: dict[str, Any]) -> None:
    stale = report["staleness"]
    assert (stale["verdict"], stale["n"]) == ("inconclusive", 9_040), "22 to 31 August"
    assert stale["value"] > 0


def test_the_alert_of_july_fires_in_prometheus_and_arrives_at_a_pager(report: dict[str, Any]) -> None:
    paged = report["paged"]
    assert paged, "prometheus and prometheus-alertmanager are not on the path: apt-get install them"
    july = {alert["monitor"] for month in report["months"] for alert in month["alerts"] if month["month"] == "2013-07"}
    assert {alert["monitor"] for alert in paged["firing"]} <= july
    assert {(alert["alertname"], alert["severity"]) for alert in paged["firing"]} == {("ShipwayMonitorPages", "page")}
    assert paged["receiver"] == "page"
    assert {alert["monitor"] for alert in paged["received"]} == {"calibration", "base_rate"}
    assert {alert["ref"] for alert in paged["received"]} == {"deploy/delay@prod"}
    assert {alert["next"] for alert in paged["received"]} == {"shipway watch delay@prod"}
    assert all("limit 0.05" in alert["description"] for alert in paged["received"])


def test_the_challenger_ranks_better_on_the_same_flights(report: dict[str, Any]) -> None:
    challenger = report["challenger"]
    assert 0 < challenger["low"] < challenger["auc_gain"] < challenger["high"]
    assert challenger["digest"] == report["releases"][1]["digest"]


def test_the_history_says_where_the_deployment_was_and_why(report: dict[str, Any]) -> None:
    january, august = (release["digest"] for release in report["releases"])
    moves = [(move["outcome"], move["from"], move["to"]) for move in report["history"]]
    assert moves == [
        ("refused", None, january),
        ("moved", None, january),
        ("moved", january, august),
        ("moved", august, january),
    ]
    assert report["live"] == january


def test_the_first_release_is_made_again_byte_by_byte_and_a_flipped_byte_is_named(report: dict[str, Any]) -> None:
    assert report["rebuild"] == {"equality": "EQUAL (bytes)"}
    assert report["tamper"] == {"refused": True, "file": "flights/2013-01.parquet"}
