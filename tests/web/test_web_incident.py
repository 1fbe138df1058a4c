"""The page of an incident: what lies around it, and the three forms that roll back, retrain and silence."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from web_client import Answer, Client, serving
from web_incident import Alerted
from web_plans import plans_of
from web_project import HOSTILE, REF

from shipway.gate import release_of
from shipway.kernel.digest import Digest, short
from shipway.monitor import CauseKind, load_incidents, load_silences
from shipway.web import make_app
from shipway.web._runbooks import runbook_of

FORM = "application/x-www-form-urlencoded"
ACCEPTS = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Alerted]]:
    """Nobody presses anything here."""
    project = Alerted(tmp_path_factory.mktemp("shown"))
    with plans_of(project) as client:
        yield client, project


@pytest.fixture
def pressed(tmp_path: Path) -> Iterator[tuple[Client, Alerted]]:
    project = Alerted(tmp_path)
    with plans_of(project) as client:
        yield client, project


def place_of(project: Alerted) -> str:
    return f"/incidents/{next(one.id for one in load_incidents(project.store, REF) if one.open)}"


def press(client: Client, place: str, word: str, **fields: str) -> Answer:
    headers = {"Content-Type": FORM, "Origin": client.url, **ACCEPTS}
    return client.ask("POST", f"{place}/{word}", urlencode(fields).encode(), headers)


def live(project: Alerted) -> Digest | None:
    return release_of(project.store, project.store.resolve(REF))


def rollback_fields(project: Alerted) -> dict[str, str]:
    return {"standing": project.store.resolve(REF), "release": project.first}


@pytest.mark.parametrize(
    ("kind", "label", "text"),
    [
        ("deploy", "release", "took over: code, data, model, pipeline, profile changed"),
        ("code", "code", "other code with release"),
        ("data", "data", "data/flights moved to"),
        ("provider", "provider", "the provider answers otherwise than at first"),
        ("labels", "labels", "labels are late: 19% of the window"),
        ("gap", "lost rows", "388 rows of the log predictions were lost"),
    ],
)
def test_what_happened_stands_on_the_timeline_and_in_words_beside_it(
    shown: tuple[Client, Alerted], kind: str, label: str, text: str
) -> None:
    client, project = shown
    for path in ("/monitor/delay@prod", place_of(project)):
        page = client.get(path).text
        lines = re.findall(r'<line class="mark \w+".*?</line>', page)
        assert any(text in line for line in lines), "its mark says it to whoever points there"
        assert re.search(rf'<td class="faint">{kind}</td><td class="why">[^<]*{re.escape(text)}', page), "and so does a row"
        labels = " ".join(re.findall(r'<text class="marked"[^>]*>([^<]*)', page))
        assert label in labels


def test_code_that_changed_is_named_by_its_files(shown: tuple[Client, Alerted]) -> None:
    client, project = shown
    (event,) = [one for one in load_incidents(project.store, REF)[0].events if one.kind == "code"]
    assert event.text == f"other code with release {short(project.second)}: steps.py"
    assert "steps.py" in client.get(place_of(project)).text


def test_the_runbook_of_a_cause_is_read_where_the_cause_is(shown: tuple[Client, Alerted]) -> None:
    client, project = shown
    page = client.get(place_of(project)).text
    assert "Outcomes are late or missing, so what is judged are the rows whose outcome is quick." in page
    assert "<li><code>shipway rollback delay@prod</code> asks nobody" in page, "its commands name this deployment"
    assert "docs/runbooks.md#release" in page
    steps = {kind.value: runbook_of(kind.value, "delay@prod") for kind in CauseKind}
    assert all(found is not None and found.about and len(found.steps) >= 2 for found in steps.values()), "each cause has one"
    texts = [text for found in steps.values() if found for words in (found.about, *found.steps) for text, _ in words]
    assert not any(mark in text for text in texts for mark in ("](", "`", "APP@ENV"))


def test_every_monitor_that_spoke_is_a_strip_and_stands_in_words(shown: tuple[Client, Alerted]) -> None:
    page = shown[0].get("/monitor/delay@prod").text
    words = page[page.index("The same in words") : page.index("</dl>")]
    assert "2013-05-18: pass" in words, "requests are looked at on the wall clock, two days after the newest judged day"
    for title in ("Calibration error", "Base-rate error", "Drift", "Provider drift", "Errors"):
        assert f"<dt>{title}</dt>" in words
        assert f'y="{{}}">{title}</text>'.split("{}")[1] in page
    assert re.search(r"2013-\d\d-\d\d to 2013-\d\d-\d\d: fail", words)
    assert "page: Calibration error from" in words


def test_a_page_without_hands_says_so_and_offers_nothing(shown: tuple[Client, Alerted]) -> None:
    project = shown[1]
    with serving(make_app(project.open, links={}, endpoints=dict, record_outcomes=len)) as client:
        page = client.get(place_of(project)).text
        assert "<form" not in page
        assert "Read-only here" in page
        answer = press(client, place_of(project), "silence", monitor="*", span="1d", why="x")
    assert (answer.status, "web.read-only" in answer.text) == (403, True)


def test_rolling_back_moves_the_ref_for_a_reason_and_the_history_says_who(pressed: tuple[Client, Alerted]) -> None:
    client, project = pressed
    place, fields = place_of(project), rollback_fields(project)
    assert f"Roll back to {short(project.first)} as {project.who}" in client.get(place).text
    answer = press(client, place, "rollback", why="the errors of April", **fields)
    assert (answer.status, answer.headers["location"]) == (303, place)
    record = project.store.history(REF)[0]
    assert (record.outcome, record.actor, record.why, record.release) == (
        "moved", project.who, "the errors of April", project.first,
    )  # fmt: skip
    assert live(project) == project.first
    again = press(client, place, "rollback", why="pressed twice", **fields)
    assert again.status == 409
    assert "moved meanwhile" in again.text
    assert "look again at what a rollback would return to" in again.text
    assert len(project.store.history(REF)) == 3, "what stands there moved since it was shown, so nothing happened"


def test_a_form_that_says_too_little_or_something_else_changes_nothing(pressed: tuple[Client, Alerted]) -> None:
    client, project = pressed
    place, fields, before = place_of(project), rollback_fields(project), len(project.store.history(REF))
    wrong = [
        ("rollback", {**fields, "why": ""}, 400, "no why"),
        ("rollback", {**fields, "why": "x", "release": project.put("model", "none")}, 409, "was never live"),
        ("rollback", {**fields, "why": "x", "release": "e265"}, 400, "e265"),
        ("silence", {"monitor": "*", "span": "1d", "why": ""}, 400, "no why"),
        ("silence", {"monitor": "*", "span": "90d", "why": "x"}, 400, "ends within 30 days"),
        ("silence", {"monitor": "*", "span": "tomorrow", "why": "x"}, 400, "is not a duration"),
        ("silence", {"monitor": "latency", "span": "1d", "why": "x"}, 400, "no monitor"),
        ("retrain", {"why": "x", "promote": "yes"}, 400, "unknown field"),
    ]
    for word, sent, status, text in wrong:
        answer = press(client, place, word, **sent)
        assert (answer.status, text in answer.text) == (status, True), (word, sent, answer.text[:300])
        assert '<h1><span class="word">Not done</span>' in answer.text
    foreign = client.ask("POST", f"{place}/silence", b"monitor=*", {"Content-Type": FORM, "Origin": "http://evil.example"})
    assert foreign.status == 403
    assert press(client, "/incidents/delay@prod/2001-01-01", "silence", monitor="*", span="1d", why="x").status == 404
    assert load_silences(project.store, REF) == ()
    assert len(project.store.history(REF)) == before
    assert client.get("/retrain/delay@prod", **ACCEPTS).status == 404


def test_a_silence_has_its_monitor_its_end_and_who_and_can_be_ended(pressed: tuple[Client, Alerted]) -> None:
    client, project = pressed
    place = place_of(project)
    assert press(client, place, "silence", monitor="calibration", span="2d", why=HOSTILE).status == 303
    (one,) = load_silences(project.store, REF)
    assert (one.monitor, one.who, one.why, (one.until - one.since).days) == ("calibration", project.who, HOSTILE, 2)
    page = client.get(place).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert 'value="0s"' in page
    assert press(client, place, "silence", monitor="calibration", span="0s", why="mended").status == 303
    assert load_silences(project.store, REF) == ()


def test_a_retrain_runs_beside_the_server_one_at_a_time_and_says_how_it_failed(pressed: tuple[Client, Alerted]) -> None:
    """There are no data at `nowhere/`, which the real command finds out."""
    client, project = pressed
    place = place_of(project)
    answer = press(client, place, "retrain", why="newer data")
    assert (answer.status, answer.headers["location"]) == (303, "/retrain/delay@prod")
    second = press(client, place, "retrain", why="impatient")
    running = client.get("/retrain/delay@prod").text
    assert (second.status, f"{REF} is being retrained" in second.text) == (409, True)
    assert 'http-equiv="refresh"' in running
    assert f"by {project.who}: “newer data (incident {place.removeprefix('/incidents/')})”" in running
    assert "is being retrained" in client.get(place).text, "and the page of the incident offers none meanwhile"
    end = time.monotonic() + 60
    while 'http-equiv="refresh"' in (ended := client.get("/retrain/delay@prod").text) and time.monotonic() < end:
        time.sleep(0.1)
    assert '<span class="word">Failed</span>' in ended
    assert "nowhere" in ended
    assert "Retrain as" in client.get(place).text, "and another one may be tried"


def test_what_cannot_be_done_is_said_instead_of_offered(tmp_path: Path) -> None:
    project = Alerted(tmp_path)
    (project.folder / "shipway.yaml").write_text("project: flights\ndeploy: {other@prod: {}}\n")
    project.apply(project.second, "again, so that no other")
    with plans_of(project) as client:
        page = client.get(place_of(project)).text
        assert "No deployment delay@prod." in page
        assert "Retrain as" not in page
        (project.folder / "shipway.yaml").write_text(": [")
        page = client.get(place_of(project)).text
        assert "Roll back to" in page, "the way back hangs on no spec"
