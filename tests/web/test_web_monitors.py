"""The Monitor page and the Incident page over HTTP, as a server shows them that has no hands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from web_client import Client, serving
from web_project import HOSTILE, REF, Project, lived

from shipway.kernel.units import Seconds
from shipway.monitor import keep_silence
from shipway.web import make_app


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Project]]:
    project = lived(tmp_path_factory.mktemp("monitors"))
    keep_silence(project.store, REF, "calibration", who="ada@example.org", why=HOSTILE, seconds=Seconds(86_400.0))
    with serving(make_app(project.open, links={}, endpoints=dict, record_outcomes=len)) as client:
        yield client, project


def test_incidents_are_a_document_with_events_and_causes(served: tuple[Client, Project]) -> None:
    client, _ = served
    found = client.get(f"/api/v1/incidents?ref={REF}").json
    assert (found["kind"], found["version"], found["command"]) == ("incidents", 1, "shipway incident delay@prod --json")
    newest = found["incidents"][0]
    assert (newest["status"], newest["severity"], newest["ref"]) == ("open", "page", REF)
    assert {alert["monitor"] for alert in newest["alerts"]} <= {"calibration", "base_rate"}
    assert [cause["kind"] for cause in newest["causes"]] == ["world"]
    assert "drift.temp" in newest["informing"]
    over = client.get("/api/v1/incidents?status=resolved").json["incidents"]
    assert all(one["status"] == "resolved" for one in over)
    assert len(over) + 1 == len(found["incidents"])


def test_what_is_not_there_is_said(served: tuple[Client, Project]) -> None:
    client, _ = served
    assert client.get("/monitor/nobody@prod").status == 404
    assert client.get("/incidents/delay@prod/2001-01-01").status == 404
    assert client.get("/api/v1/incidents?ref=deploy/nobody@prod").status == 404
    assert client.get("/api/v1/incidents?status=loud").status == 400


def test_the_pages_say_what_is_wrong_since_when_why_perhaps_and_what_to_do(served: tuple[Client, Project]) -> None:
    client, _ = served
    monitors = client.get("/monitor/delay@prod").text
    for words in ("Base-rate error", "Calibration error", "Latency", "nothing yet", "Incidents", "Silenced", "perhaps"):
        assert words.lower() in monitors.lower(), words
    assert "<script>" not in monitors
    (newest, *_) = client.get(f"/api/v1/incidents?ref={REF}").json["incidents"]
    page = client.get(f"/incidents/{newest['id']}").text
    for words in ("docs/runbooks.md#world", "shipway retrain", "--silence 1d", "the release did not change before it"):
        assert words in page.replace("The release", "the release"), words
    assert 'href="/monitor/delay@prod"' in client.get("/?refresh=off").text.replace("%40", "@")
