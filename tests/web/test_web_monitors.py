"""The Monitor page and the Incident page over HTTP, as a server shows them that has no hands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from web_client import Client, serving
from web_project import HOSTILE, REF, Project, lived, season

from shipway.kernel.canonical import Json
from shipway.kernel.check import Check, Verdict
from shipway.kernel.units import Seconds
from shipway.monitor import Severity, keep_reading, keep_silence, unfit_monitors
from shipway.release import Component, load_components, monitors_of, put_release
from shipway.web import make_app
from shipway.web._pages import unbroken
from shipway.web._query import DAYS


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


def answering(project: Project, *outputs: str) -> None:
    """A deployment whose model answers these columns is live."""
    columns: list[Json] = [{"name": name, "datatype": "FP64"} for name in outputs]
    signature: Json = {"inputs": [{"name": "temp", "datatype": "FP64"}], "outputs": columns}
    model = project.store.put({"kind": "model", "version": 1, "target": "late", "time": None, "signature": signature})
    parts = [part for part in load_components(project.store, project.release("january")) if part.kind != "model"]
    release = put_release(project.store, [*parts, Component("model", "delay", model)])
    assert project.apply(release, "first")


@pytest.mark.parametrize(
    ("outputs", "unfit"),
    [
        (["probability"], {"prediction_error"}),
        (["probability_1", "probability_2", "probability_5"], {"calibration", "base_rate", "prediction_error"}),
        (["prediction"], {"calibration", "base_rate", "performance"}),
        (["prediction", "probability"], {"prediction_error"}),  # a function of the user's added one
        (["embedding"], set()),
    ],
)
def test_what_a_model_answers_says_which_monitors_have_nothing_to_look_at(
    tmp_path: Path, outputs: list[str], unfit: set[str]
) -> None:
    project = Project(tmp_path)
    answering(project, *outputs)
    deployment = project.store.get(project.store.resolve(REF), "deployment")
    assert set(unfit_monitors(project.store, deployment)) == unfit | {"business", "segments"}
    assert unfit < set(monitors_of(deployment))
    outcomes: Json = {"revenue": {"matures_seconds": 60.0, "better": "higher"}}
    found = unfit_monitors(project.store, {**deployment, "outcomes": outcomes, "segments": ["carrier"]})
    assert set(found) == unfit


def test_monitors_with_nothing_to_look_at_have_a_reason_instead_of_a_row_until_they_speak(tmp_path: Path) -> None:
    project = Project(tmp_path)
    answering(project, "probability")
    with serving(make_app(project.open, links={}, endpoints=dict, record_outcomes=len)) as client:
        page = client.get("/monitor/delay@prod").text
        why = "Rise of the error (the model answers a probability)"
        metric = "Fall of the metric (no outcome says which way is better)"
        for words in (why, metric, "Segments (none are declared)"):
            assert words in page
        assert page.count("Rise of the error") == page.count("Fall of the metric") == 1
        assert "<td>Calibration error</td>" in page
        check = Check("business", Verdict.PASS, 0.01, threshold=0.1)
        release, now = project.store.resolve("release/delay"), project.clock.now()
        keep_reading(project.store, REF, "business", check, severity=Severity.PAGE, release=release, detail={}, now=now)
        page = client.get("/monitor/delay@prod").text
        assert (metric in page, why in page, "<td>Fall of the metric</td>" in page) == (False, True, True)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("live 20.1: -9.9 [-12.4, -7.4]; AUC 0.63 [0.61, 0.66]", ["-9.9 [-12.4, -7.4]", "0.63 [0.61, 0.66]"]),
        ("9.9 EUR [8, 12] and +1.2e+04 [+1e+04, +1.4e+04]", ["9.9 EUR [8, 12]", "+1.2e+04 [+1e+04, +1.4e+04]"]),
        ("KS in [0.1, 0.2], 18.9% [12%, 27.4 %]", ["[0.1, 0.2]", "18.9% [12%, 27.4 %]"]),
        ("column [a, b] of list[int] in [1, 2", []),
    ],
)  # fmt: skip
def test_a_number_and_its_interval_are_one_piece_of_a_text(text: str, pieces: list[str]) -> None:
    found = unbroken(text)
    assert found.striptags() == text
    assert [part.partition("</span>")[0] for part in found.split('<span class="whole">')[1:]] == pieces


def test_markup_around_an_interval_stays_text() -> None:
    assert str(unbroken(f"1 [0, 2]{HOSTILE}")).count("<") == 2
    assert len(unbroken("9" * 20_000)) == 20_000  # and takes no time that grows with its square


def test_a_release_that_took_over_before_the_days_that_are_drawn_does_not_on_the_first_of_them(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path)
    release = project.release("january")
    assert project.apply(release, "first")
    project.judge(season(release, days=DAYS + 5))
    with serving(make_app(project.open, links={}, endpoints=dict, record_outcomes=len)) as client:
        page = client.get("/monitor/delay@prod").text
    assert "took over" not in page
    assert "Calibration error" in page
