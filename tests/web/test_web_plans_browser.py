"""A real browser draws releases and plans, and a person approves and applies there with its keys alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from web_client import Client
from web_plans import PROD, Planned, plans_of
from web_project import HOSTILE

from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.spec import DeploySpec

pytest_plugins = ["web_browser"]
pytestmark = pytest.mark.interop

STAGING = DeploySpec(name="delay@staging", application="delay", environment="staging")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Planned, Digest]]:
    project = Planned(tmp_path_factory.mktemp("plans"))
    project.apply(project.measured("january"), "first", deploy=STAGING)
    release = project.measured("august", why=HOSTILE, data="august")
    project.measure(release, Check("contract of " + "a" * 60, Verdict.FAIL, 3.0, threshold=0.0, n=336_776, text=HOSTILE))
    project.apply(release, HOSTILE, deploy=STAGING)
    with plans_of(project) as client:
        yield client, project, release


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")])
def test_the_pages_fit_and_load_without_a_complaint(
    browser: Browser, served: tuple[Client, Planned, Digest], width: int, scheme: str
) -> None:
    client, _, release = served
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    for path in ("/releases", f"/releases/{release}", "/plans/delay@prod"):
        page.goto(f"{client.url}{path}", wait_until="networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("script").count() == 0
        assert page.get_by_text("<script>alert(1)</script>").first.is_visible() or path.startswith("/plans")
    page.goto(f"{client.url}/releases/{release}")
    assert page.locator(".whisker .limit").count() >= 1
    assert complaints == []
    context.close()


def test_a_person_approves_and_applies_with_the_keyboard_alone(
    browser: Browser, served: tuple[Client, Planned, Digest]
) -> None:
    """A real browser's form passes the guard and the content policy; a reason is asked for before it approves."""
    client, project, release = served
    page = browser.new_page()
    page.goto(f"{client.url}/plans/delay@prod")
    assert page.get_by_role("button", name="Apply plan").count() == 0
    page.get_by_label("What you looked at").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # without a reason the browser does not send it
    assert [one.outcome for one in project.store.history("release/delay") if one.outcome == "approved"] == []
    page.get_by_label("What you looked at").focus()
    page.keyboard.type("the plot of august")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("“the plot of august”").first.wait_for()
    page.get_by_label("A line for the history").focus()
    page.keyboard.type("august it is")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Nothing to do").wait_for()
    record = project.store.history(PROD)[0]
    assert (record.outcome, record.why, record.release) == ("moved", "august it is", release)
    page.close()
