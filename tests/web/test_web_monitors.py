"""The Monitor page and the Incident page, over HTTP and in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from web_client import Client, serving
from web_project import HOSTILE, REF, Project, lived

from shipway.kernel.units import Seconds
from shipway.monitor import keep_silence
from shipway.web import make_app

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--no-first-run"]  # fmt: skip


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not os.path.exists(CHROMIUM):
        pytest.skip(f"needs {CHROMIUM}")
    with sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.mark.interop
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_a_browser_draws_them_without_a_complaint(
    browser: Browser, served: tuple[Client, Project], width: int, scheme: str
) -> None:
    client, _ = served
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.goto(f"{client.url}/monitor/delay@prod", wait_until="networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("svg.strips .cell.fail").count() >= 2
    assert page.locator("svg.strips line.mark").count() >= 1
    page.get_by_role("link", name="Base-rate error").first.click()
    page.get_by_role("heading", name="What may be the cause").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("svg.strips .span.page").count() >= 1
    assert page.get_by_text("shipway retrain").first.is_visible()
    assert page.locator("script").count() == 0
    if folder := os.environ.get("SHIPWAY_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/incident-{width}.png", full_page=True)
        page.goto(f"{client.url}/monitor/delay@prod", wait_until="networkidle")
        page.screenshot(path=f"{folder}/monitor-{width}.png", full_page=True)
    assert complaints == []
    context.close()
