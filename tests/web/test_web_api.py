"""The versioned JSON API says what the store holds, in documents with a kind, a version and the command that says the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, time
from pathlib import Path

import pytest
from web_client import Client, serving
from web_project import REF, Project, lived

from shipway.kernel.check import Verdict
from shipway.kernel.digest import Digest
from shipway.monitor import Alert, DayVerdict, load_alerts, load_verdicts
from shipway.web import METRICS, make_app

PREDICTOR = "http://127.0.0.1:4781"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = lived(tmp_path_factory.mktemp("api"), days=242, end="returned")
    project.roll_back("back while we look")
    return project


@pytest.fixture(scope="module")
def client(project: Project) -> Iterator[Client]:
    app = make_app(project.open, links={}, endpoints=lambda: {REF: PREDICTOR}, record_outcomes=len)
    with serving(app) as found:
        yield found


@pytest.mark.parametrize("kind", ["deployments", "refs", "log", "windows", "alerts", "gaps"])
def test_every_document_has_a_kind_a_version_and_its_command(client: Client, kind: str) -> None:
    answer = client.get(f"/api/v1/{kind}")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert (answer.json["kind"], answer.json["version"]) == (kind, 1)
    assert answer.json["command"].startswith("shipway ")


def test_a_deployment_says_what_is_live_since_when_by_whom_and_why(client: Client, project: Project) -> None:
    (live,) = client.get("/api/v1/deployments").json["deployments"]
    moved = client.get(f"/api/v1/log?ref={REF}").json["history"][0]
    assert (live["ref"], live["endpoint"], live["action"]) == (REF, PREDICTOR, "return")
    assert live["release"] == moved["to"]
    assert (live["since"], live["who"], live["why"]) == (moved["when"], "grace@example.org", "back while we look")
    assert live["deployment"] == project.open().resolve(REF)
    assert {component["kind"] for component in live["components"]} >= {"model", "data", "code", "environment"}
    assert [approval["who"] for approval in live["approvals"]] == ["ada@example.org"]
    assert live["made"]["why"] == "January, first model"
    assert live["verdict"]["returning"] is True


def test_the_log_has_the_fields_of_the_command(client: Client) -> None:
    fields = {"ref", "from", "to", "who", "when", "why", "outcome", "action", "forced", "verdict", "evidence", "missing"}
    history = client.get(f"/api/v1/log?ref={REF}").json["history"]
    assert all(set(record) == fields for record in history)
    assert [record["outcome"] for record in history] == ["moved", "moved", "moved", "refused"]
    assert history[-1]["missing"] == ["evaluation auc at least 0.55 at 95%: no evidence", "approval: 0 of 1"]
    assert len(history[1]["evidence"]) == 2
    assert client.get(f"/api/v1/log?ref={REF}&limit=1").json["history"] == history[:1]


def test_a_release_says_what_is_in_it_and_where_it_is_live(client: Client) -> None:
    moves = client.get(f"/api/v1/log?ref={REF}").json["history"]
    january, august = (client.get(f"/api/v1/releases/{moves[0][end]}").json for end in ("to", "from"))
    assert (january["live"], august["live"]) == ([REF], [])
    assert len(january["components"]) == 7
    assert august["made"]["why"] == "challenger, trained on August"
    assert [approval["fault"] for approval in august["approvals"]] == ["key-unknown"]  # this server was given no keys


def test_windows_are_the_verdicts_of_the_days(client: Client) -> None:
    windows = client.get(f"/api/v1/windows?ref={REF}").json["windows"]
    assert len(windows) == 242
    assert DayVerdict.from_json(windows[0]).day.isoformat() == "2013-02-01"
    assert client.get(f"/api/v1/windows?ref={REF.removesuffix('d')}").status == 404


def test_alerts_can_be_asked_for_by_their_status(client: Client) -> None:
    every = client.get(f"/api/v1/alerts?ref={REF}").json["alerts"]
    resolved, still = (client.get(f"/api/v1/alerts?ref={REF}&status={text}").json["alerts"] for text in ("resolved", "open"))
    assert len(resolved) + len(still) == len(every)
    assert {Alert.from_json(row).severity for row in still} == {"inform"}
    assert "page" in {row["severity"] for row in resolved}


def test_gaps_have_a_size(client: Client) -> None:
    (gap,) = client.get("/api/v1/gaps").json["gaps"]
    assert (gap["stream"], gap["rows"]) == ("predictions", 388)


def test_refs_are_those_of_the_store(client: Client, project: Project) -> None:
    store = project.open()
    assert client.get("/api/v1/refs").json["refs"] == [{"ref": ref.name, "digest": ref.digest} for ref in store.refs()]
    store.close()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("log?ref=deploy/nobody@prod", 404, "store.ref-missing"),
        ("windows?ref=deploy/nobody@prod", 404, "store.ref-missing"),
        ("alerts?status=loud", 400, "web.parameter-wrong"),
        ("log?limit=0", 400, "web.parameter-wrong"),
        ("log?limit=1e9", 400, "web.parameter-wrong"),
        ("log?limit=9999", 400, "web.parameter-wrong"),
        ("log?reff=x", 400, "web.parameter-wrong"),
        ("releases/sha256:12", 400, "kernel.digest-malformed"),
        ("releases/sha256:" + "0" * 64, 404, "store.object-missing"),
        ("nothing", 404, "web.not-here"),
    ],
)
def test_an_error_says_what_where_and_how_to_mend(client: Client, path: str, status: int, code: str) -> None:
    answer = client.get(f"/api/v1/{path}")
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert set(answer.json["error"]) == {"code", "what", "where", "mend"}


def test_a_misspelt_parameter_is_told_what_it_should_be(client: Client) -> None:
    assert client.get("/api/v1/log?limt=3").json["error"]["mend"] == "did you mean limit?"


def test_an_object_that_is_no_release_is_not_found(client: Client, project: Project) -> None:
    store = project.open()
    others: list[Digest] = [store.resolve(REF), store.put_bytes(b"no JSON").digest]
    store.close()
    assert [client.get(f"/api/v1/releases/{digest}").status for digest in others] == [404, 404]


def test_health_readiness_and_metrics(client: Client) -> None:
    assert client.get("/healthz").json == {"live": True}
    assert client.get("/readyz").json == {"live": True, "ready": True}
    text = client.get("/metrics").text
    assert 'shipway_log_gap_rows{stream="predictions"} 388' in text
    assert f'shipway_alerts_open{{ref="{REF}",severity="inform"}}' in text
    assert f'shipway_live_info{{ref="{REF}",release="sha256:' in text
    assert all(f"# TYPE {name} {kind}" in text for name, (kind, _) in METRICS.items())


def test_the_metrics_say_what_monitors_said_last_and_which_alert_is_open(client: Client, project: Project) -> None:
    text = client.get("/metrics").text
    store = project.open()
    days, alerts = load_verdicts(store, REF), load_alerts(store, REF)
    store.close()
    calibration = next(found.check for found in days[-1].findings if found.check.name == "calibration")
    labels = f'ref="{REF}",monitor="calibration"'
    for name in ("value", "low", "high", "threshold"):
        assert f"shipway_monitor_{name}{{{labels}}} {getattr(calibration, name)}" in text
    assert f"shipway_monitor_failing{{{labels}}} {int(calibration.verdict is Verdict.FAIL)}" in text
    shown = {line for line in text.splitlines() if line.startswith("shipway_alert_open{")}
    assert shown == {
        f'shipway_alert_open{{ref="{REF}",monitor="{alert.monitor}",severity="{alert.severity}"}} 1'
        for alert in alerts
        if alert.open
    }
    assert shown
    midnight = datetime.combine(days[-1].day, time(), UTC).timestamp()
    assert f'shipway_judged_day_timestamp_seconds{{ref="{REF}"}} {midnight}' in text
    assert f'shipway_judged_timestamp_seconds{{ref="{REF}"}} 13' in text


def test_no_series_stands_twice_on_the_metrics_page(client: Client) -> None:
    names = [line.rsplit(" ", 1)[0] for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    assert len(names) == len(set(names)) > 20


def test_a_store_that_cannot_be_opened_is_not_ready(tmp_path: Path) -> None:
    project = Project(tmp_path / "new")
    app = make_app(project.open, links={}, endpoints=dict, record_outcomes=len)
    with serving(app) as client:
        assert client.get("/readyz").status == 200
        (tmp_path / "new" / ".shipway" / "catalogue.sqlite").write_bytes(b"not a database at all" * 100)
        answer = client.get("/readyz")
        assert (answer.status, answer.json["ready"]) == (503, False)
        assert client.get("/healthz").status == 200


def test_reading_writes_nothing(client: Client, project: Project) -> None:
    def state() -> dict[str, int]:
        return {str(path): path.stat().st_size for path in (project.folder / ".shipway").rglob("*") if path.is_file()}

    before = state()
    for path in ("/", "/api/v1/deployments", f"/api/v1/log?ref={REF}", "/metrics"):
        assert client.get(path).status == 200
    assert {path: size for path, size in state().items() if "sqlite-" not in path} == {
        path: size for path, size in before.items() if "sqlite-" not in path
    }


def test_documents_are_json_without_surprises(client: Client) -> None:
    for kind in ("deployments", "windows", "alerts"):
        json.loads(client.get(f"/api/v1/{kind}").body, parse_constant=lambda name: pytest.fail(name))
