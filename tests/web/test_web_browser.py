"""A real browser draws the page: without a complaint, in light and dark, on a telephone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright
from web_assistant import CANDIDATE, assistant, pair, queue, review
from web_assistant import REF as ASSISTANT
from web_client import CHROMIUM, FLAGS, Client, serving
from web_project import HOSTILE, REF, Project, lived, split_three

from shipway.evals import load_reviews, rate
from shipway.gate import release_of
from shipway.kernel.digest import short
from shipway.web import make_app

pytest_plugins = ["web_browser"]
pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, str]]:
    project = lived(tmp_path_factory.mktemp("browser"))
    project.apply(project.release("august", why=HOSTILE), HOSTILE)
    release = short(release_of(project.store, project.store.resolve(REF)) or "")
    app = make_app(project.open, links={"MLflow": "http://127.0.0.1:5000"}, endpoints=dict, record_outcomes=len)
    with serving(app) as client:
        yield client, release


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Project]]:
    project, *_ = assistant(tmp_path_factory.mktemp("gateway"), swapped=True, documents=[HOSTILE, "a" * 90 + ".txt"])
    queue(project, {"a1": pair(HOSTILE, "Use conda."), "b2": review()})

    def keep(key: str, value: int | str) -> None:
        store = project.open()
        try:
            rate(store, key, by="ada@example.org", value=value, now=store.clock.now())
        finally:
            store.close()

    endpoints = {ASSISTANT: "http://127.0.0.1:4791/v1"}
    app = make_app(project.open, links={}, endpoints=lambda: endpoints, record_outcomes=len, rate_review=keep)
    with serving(app) as client:
        yield client, project


@pytest.mark.parametrize(("width", "scheme"), [(1180, "light"), (1180, "dark"), (400, "light")])
def test_the_page_loads_without_a_complaint(browser: Browser, served: tuple[Client, str], width: int, scheme: str) -> None:
    client, release = served
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.goto(f"{client.url}/?refresh=off", wait_until="networkidle")
    assert page.locator(".facts").get_by_role("link", name=release).is_visible()
    assert page.locator(".status.bad").get_by_text("Calibration error").first.is_visible()
    assert page.locator("tr.open").count() == 2
    assert page.locator(".timeline .line").first.bounding_box()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("getComputedStyle(document.body).fontFamily").startswith("system-ui")  # the sheet was let in
    assert complaints == []
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1180, "dark"), (400, "light")])
def test_the_arms_of_a_deployment_fit_and_are_all_there(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    project, releases = split_three(tmp_path)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    with serving(make_app(project.open, links={}, endpoints=dict, record_outcomes=len)) as client:
        page.goto(f"{client.url}/?refresh=off", wait_until="networkidle")
        rows = page.locator(".arms tbody tr")
        assert [rows.nth(number).locator("td").first.inner_text() for number in range(3)] == ["live", "candidate", "shadow"]
        assert rows.get_by_text(short(releases[1])).count() == 1
        assert rows.nth(1).get_by_text("live answers instead").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        inside = "[...document.querySelectorAll('.arms')].every(t => t.scrollWidth <= t.parentElement.clientWidth)"
        assert page.evaluate(inside), "no column runs out of its card"
    assert complaints == []
    context.close()


def test_a_hostile_reason_is_text_in_a_real_browser(browser: Browser, served: tuple[Client, str]) -> None:
    page = browser.new_page()
    page.goto(f"{served[0].url}/?refresh=off")
    assert page.locator(".history").get_by_text("<script>alert(1)</script>").first.is_visible()
    assert page.locator("script").count() == 0
    page.close()


def test_a_page_under_a_name_that_was_pointed_here_gets_nothing(playwright: Playwright, served: tuple[Client, str]) -> None:
    flags = [*FLAGS, "--host-resolver-rules=MAP evil.example 127.0.0.1"]
    launched = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
    answer = launched.new_page().goto(f"http://evil.example:{served[0].port}/")
    launched.close()
    assert answer is not None
    assert answer.status == 421


@pytest.mark.parametrize(("width", "scheme"), [(1180, "light"), (1180, "dark"), (400, "light")])
@pytest.mark.parametrize("path", ["/?refresh=off", "/review"])
def test_the_page_of_a_gateway_fits_and_loads_without_a_complaint(
    browser: Browser, gateway: tuple[Client, Project], width: int, scheme: str, path: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.goto(f"{gateway[0].url}{path}", wait_until="networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("script").count() == 0
    assert page.get_by_text("<script>alert(1)</script>").first.is_visible()
    if path != "/review":
        assert page.locator(".reading").count() == 3
        assert page.locator(".chart .line").first.bounding_box()
        assert page.locator(".bar circle").count() >= 12
        inside = "[...document.querySelectorAll('.reading table')].every(t => t.scrollWidth <= t.parentElement.clientWidth)"
        assert page.evaluate(inside)  # no table of costs runs out of its card
    assert complaints == []
    context.close()


def test_a_person_rates_with_the_keyboard_alone(browser: Browser, gateway: tuple[Client, Project]) -> None:
    """A real browser's form passes the guard; nothing on the page says which release gave an answer."""
    client, project = gateway
    page = browser.new_page()
    page.goto(f"{client.url}/review")
    assert CANDIDATE[7:19] not in page.content()
    page.keyboard.press("Enter")  # a key pressed once too often rates nothing: the form has the focus, no button has
    for key in ("Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    page.get_by_text("Is this answer right?").wait_for()
    page.locator("form.choices:focus").wait_for()  # text is there a moment before, and a key then goes to the page's first link
    for key in ("Tab", "Enter"):
        page.keyboard.press(key)
    page.get_by_text("Nothing to review").wait_for()
    assert [(one.id, one.verdict) for one in load_reviews(project.store)] == [("a1", 1), ("b2", 1)]
    page.close()
