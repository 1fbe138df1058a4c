"""A real browser draws the review of a data set, and a person rejects there with its keys alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from web_client import Client
from web_data import Reviewed
from web_plans import plans_of

pytest_plugins = ["web_browser"]
pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Reviewed]]:
    project = Reviewed(tmp_path_factory.mktemp("data"))
    project.wait()
    with plans_of(project) as client:
        yield client, project


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_the_page_fits_and_a_person_rejects_with_the_keyboard(
    browser: Browser,
    served: tuple[Client, Reviewed],
    width: int,
    scheme: str,
) -> None:
    client, _ = served
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.goto(f"{client.url}/data/trips", wait_until="networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("script").count() == 0
    assert page.locator(".picture svg rect.now").count() > 20
    assert page.get_by_text("<script>alert(1)</script>").first.is_visible()
    page.get_by_label("What you looked at").focus()
    page.keyboard.type(f"looked at {width}")
    for _ in range(2):  # past Approve
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text(f"“looked at {width}”").first.wait_for()
    assert page.get_by_text("Rejected").first.is_visible()
    assert complaints == []
    context.close()
