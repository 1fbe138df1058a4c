"""A person on call in a real browser: reads an incident, silences, rolls back, retrains; with its keys, on any screen."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser
from web_client import Client, serving
from web_incident import Alerted
from web_plans import plans_of
from web_project import HOSTILE, REF, day_verdict

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # the small project that the command line is tested with

from cli_project import REF as LINE
from cli_project import Project

from shipway.cli._desk import open_desk
from shipway.cli._retraining import Retraining
from shipway.cli._settings import Settings
from shipway.gate import release_of
from shipway.kernel.digest import short
from shipway.kernel.units import Seconds
from shipway.monitor import fold_alerts, keep_silence, load_incidents, load_silences
from shipway.release import roll_back
from shipway.web import make_app

pytest_plugins = ["cli_fixtures", "web_browser"]
pytestmark = pytest.mark.interop


# what a screen reader and weak eyes need: every field has a label, every button and drawing a name, headings do not jump, and
# text stands out from what is behind it by 4.5 to 1 (WCAG 2.1, 1.4.3; relative luminance as defined there)
AUDIT = """() => {
  const found = [];
  for (const field of document.querySelectorAll('input:not([type=hidden]), textarea, select'))
    if (!field.labels || !field.labels.length || !field.labels[0].innerText.trim()) found.push('no label: ' + field.outerHTML);
  for (const button of document.querySelectorAll('button, a, summary'))
    if (!button.innerText.trim()) found.push('no name: ' + button.outerHTML);
  for (const drawing of document.querySelectorAll('svg[role=img]'))
    if (!drawing.getAttribute('aria-label')) found.push('a drawing without a name');
  const levels = [...document.querySelectorAll('h1, h2, h3')].map(heading => +heading.tagName[1]);
  if (levels[0] !== 1) found.push('the first heading is no h1');
  levels.forEach((level, at) => { if (at && level > levels[at - 1] + 1) found.push('a heading jumps to h' + level); });
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.getClientRects().length) continue;
    const style = getComputedStyle(element), drawn = element.closest('svg') ? style.fill : style.color;
    const [one, other] = [light(parse(drawn)), light(behind(element))].sort((a, b) => b - a);
    seen += 1;
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) found.push(`contrast ${ratio.toFixed(2)}: ` + texts.currentNode.data.trim().slice(0, 40));
  }
  return {found, seen};
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Alerted]]:
    project = Alerted(tmp_path_factory.mktemp("incident"))
    keep_silence(project.store, REF, "base_rate", who="grace@example.org", why=HOSTILE, seconds=Seconds(86_400.0))
    with plans_of(project) as client:
        yield client, project


def address(client: Client, project: Alerted) -> str:
    return f"{client.url}/incidents/{next(one.id for one in load_incidents(project.store, REF) if one.open)}"


ALSO = [pytest.param(*also, marks=pytest.mark.slow) for also in ((1280, "dark"), (400, "light"))]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark"), *ALSO])
def test_the_pages_fit_and_can_be_read_and_named_by_anybody(
    browser: Browser, served: tuple[Client, Alerted], width: int, scheme: str
) -> None:
    client, project = served
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    for path in (address(client, project), f"{client.url}/monitor/delay@prod"):
        page.goto(path, wait_until="networkidle")
        page.get_by_text("The same in words").click()
        assert page.locator(".words dd").first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("script").count() == 0
        audit = page.evaluate(AUDIT)
        assert audit["found"] == []
        assert audit["seen"] > 60
        for label in ("release, code", "data", "provider", "labels", "lost rows"):
            assert page.locator("svg.strips text.marked", has_text=label).first.is_visible(), label
        assert page.locator("svg.strips .cell.fail").count() >= 2
        assert page.locator("svg.strips .span.page").count() >= 1
    page.get_by_role("link", name="Calibration error").first.click()
    page.get_by_role("heading", name="What may be the cause").wait_for()
    assert complaints == []
    context.close()


def test_what_the_audit_is_for_is_found_by_it(browser: Browser, served: tuple[Client, Alerted]) -> None:
    page = browser.new_page()
    page.goto(address(*served))
    page.evaluate("""() => {
      document.querySelector('label').remove();
      document.querySelector('button').innerText = '';
      document.querySelector('h1').remove();
      document.querySelector('svg[role=img]').removeAttribute('aria-label');
      document.querySelector('p.sub').style.color = '#999';
    }""")
    kinds = {line.split(":")[0].split(" ")[0] for line in page.evaluate(AUDIT)["found"]}
    assert kinds == {"no", "a", "the", "contrast"}
    assert [line[:8] for line in page.evaluate(AUDIT)["found"][:2]] == ["no label", "no name:"]
    page.close()


# numbers with their interval that stand on more than one line
BROKEN = """() => {
  const found = [];
  let seen = 0;
  for (const piece of document.querySelectorAll('.whole')) {
    const range = document.createRange();
    range.selectNodeContents(piece);
    const tops = [...range.getClientRects()].filter(box => box.width).map(box => Math.round(box.bottom / 8));
    seen += piece.innerText.includes('[');
    if (Math.max(...tops) - Math.min(...tops) > 1) found.push(piece.innerText);
  }
  return {found, seen};
}"""


def test_a_number_and_its_interval_stand_on_one_line_of_a_telephone(browser: Browser, served: tuple[Client, Alerted]) -> None:
    client, project = served
    page = browser.new_page(viewport={"width": 400, "height": 900})
    for path in (address(client, project), f"{client.url}/monitor/delay@prod"):
        page.goto(path)
        looked = page.evaluate(BROKEN)
        assert looked["found"] == []
        assert looked["seen"] >= 1
        page.evaluate("""() => document.querySelectorAll('.whole').forEach(piece =>
          Object.assign(piece.style, {whiteSpace: 'normal', display: 'inline-block', width: '60px'}))""")
        assert page.evaluate(BROKEN)["found"] != []
    page.close()


# the colour of a severity, wherever it stands: a word of a table, an alert's word, a cell and an edge of a strip, a key
COLOURS = """tones => {
  const drawn = document.createElementNS('http://www.w3.org/2000/svg', 'svg'), words = document.createElement('p');
  document.body.append(drawn, words);
  return tones.map(([tone, severity]) => {
    const rect = kind => {
      const made = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
      made.setAttribute('class', kind);
      drawn.append(made);
      return getComputedStyle(made).fill;
    };
    const word = kind => {
      const made = document.createElement('span');
      made.className = kind;
      words.append(made);
      return made;
    };
    return [getComputedStyle(word('v ' + tone)).color, getComputedStyle(word('v ' + severity)).color,
      rect('cell ' + tone), rect('edge ' + severity), getComputedStyle(word('key ' + tone), '::before').backgroundColor];
  });
}"""


def test_a_severity_has_one_colour_of_its_own_everywhere(browser: Browser, served: tuple[Client, Alerted]) -> None:
    client, _ = served
    page = browser.new_page()
    page.goto(f"{client.url}/monitor/delay@prod")
    found = page.evaluate(COLOURS, [["fail", "page"], ["ticket", "ticket"], ["informs", "inform"]])
    assert [len(set(colours)) for colours in found] == [1, 1, 1]
    assert len({colours[0] for colours in found}) == 3
    row = page.get_by_role("row").filter(has_text="Drift of temp")
    assert row.locator("td").first.inner_text() == "informs"
    page.close()


def test_a_person_silences_and_rolls_back_with_the_keyboard_alone(browser: Browser, served: tuple[Client, Alerted]) -> None:
    client, project = served
    page = browser.new_page()
    page.goto(address(client, project))
    page.get_by_label("Why nobody needs to be called").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # without a reason the browser does not send it
    assert len(load_silences(project.store, REF)) == 1
    page.get_by_label("What", exact=True).select_option("calibration")
    page.get_by_label("For how long").select_option("4h")
    page.get_by_label("Why nobody needs to be called").focus()
    page.keyboard.type("ticket 12: the feed is being mended")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    row = page.get_by_role("row", name="Calibration error").filter(has_text="ticket 12: the feed is being mended")
    row.wait_for()
    assert project.who in row.inner_text()
    page.get_by_label("Why it goes back").focus()
    page.keyboard.type("April")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("“April”").wait_for()
    assert release_of(project.store, project.store.resolve(REF)) == project.first
    record = project.store.history(REF)[0]
    assert (record.actor, record.why, record.action) == (project.who, "April", "return")
    page.close()


def test_who_presses_after_somebody_else_did_is_told_so_and_sees_what_is_so_now(
    browser: Browser, served: tuple[Client, Alerted]
) -> None:
    client, project = served
    page = browser.new_page()
    page.goto(address(client, project))
    roll_back(project.store, project.keys, project.actor, REF, why="somebody was quicker")
    page.get_by_label("Why it goes back").fill("too late")
    page.get_by_role("button", name="Roll back to").click()
    page.get_by_role("alert").get_by_text("moved meanwhile").wait_for()
    assert page.get_by_text("look again at what a rollback would return to").is_visible()
    assert page.get_by_text("“somebody was quicker”").is_visible()
    assert "too late" not in [record.why for record in project.store.history(REF)]
    page.goto(f"{client.url}/incidents/delay@prod/2001-01-01")
    assert page.get_by_text("no incident of delay@prod began on 2001-01-01").is_visible()
    assert page.get_by_text("shipway incident delay@prod").is_visible()
    page.close()


@pytest.mark.slow
def test_a_retrain_leads_to_the_plan_of_its_challenger(browser: Browser, released: Project, tmp_path: Path) -> None:
    """The small project with a real pipeline, and errors that page."""
    project = released.copy(tmp_path / "project")
    for words in (("approve", "--why", "looks right"), ("apply", "--why", "first")):
        assert project.cli(*words).code == 0
    live = release_of(project.store, project.store.resolve(LINE))
    assert live is not None
    days = [day_verdict(date(2020, 2, 1) + timedelta(days=n), live, calibration=0.2 if n > 20 else 0.01) for n in range(30)]
    days = [replace(day, ref=LINE) for day in days]
    project.store.put_states("window", {f"{LINE}/{day.day}": day.to_json() for day in days})
    project.store.put_states("alert", {alert.key: alert.to_json() for alert in fold_alerts(days)})
    table = project.root / "points" / "1.parquet"
    pl.read_parquet(table).head(297).write_parquet(table)
    settings = Settings(project.root, debug=False, environ=project.environ)
    with Retraining(settings) as retraining:
        desk = open_desk(settings, project.store, retraining)
        app = make_app(project.store.again, links={}, endpoints=dict, record_outcomes=len, desk=desk)
        with serving(app) as client:
            page = browser.new_page()
            page.goto(f"{client.url}/incidents/line@prod/2020-02-22")
            page.get_by_label("A line for the history").fill("three rows less")
            page.get_by_role("button", name="Retrain as").click()
            page.get_by_text("Retraining").first.wait_for()
            page.get_by_role("link", name="Look at the plan").click(timeout=300_000)
            page.get_by_text("What changes").wait_for()
            waiting = project.store.resolve("release/line")
            assert waiting != live
            assert page.get_by_text(short(waiting)).first.is_visible()
            assert release_of(project.store, project.store.resolve(LINE)) == live, "nothing moved by itself"
            assert project.store.history("release/line")[0].why == "three rows less (incident line@prod/2020-02-22)"
            page.close()
