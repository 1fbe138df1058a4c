"""The pages, drawn from their view models by templates; markup in any text stays text."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from shipway.kernel.canonical import JsonObject
from shipway.kernel.errors import ShipwayError
from shipway.web._charts import CHART
from shipway.web._data_view import DataPage, DataSetRow, make_diff_view
from shipway.web._incident_view import IncidentPage, RetrainPage
from shipway.web._labels_view import LabelsView
from shipway.web._lanes import BOX_WIDTH, LANE
from shipway.web._monitor_view import MonitorPage
from shipway.web._plan_view import PlanPage
from shipway.web._release_view import ReleasePage, ReleasesPage
from shipway.web._reviews import ReviewPage
from shipway.web._view import PageView
from shipway.web._window_view import HEIGHT, WIDTH, make_window_view

STATIC = Path(__file__).parent / "static"
_NUMBER = r"[-+±]?\d[\d.,e+-]{0,20} ?%?"
_MEASURED = re.compile(rf"(?:{_NUMBER} (?:[A-Z]{{3}} )?)?\[{_NUMBER}, {_NUMBER}\]")  # as in -9.9 EUR [-12.4, -7.4]


def unbroken(text: str) -> Markup:
    """A text in which a number and its interval are never on two lines.

    >>> print(unbroken("AUC 0.6 [0.5, 0.7] <now>"))
    AUC <span class="whole">0.6 [0.5, 0.7]</span> &lt;now&gt;
    """
    found, at = Markup(), 0
    for piece in _MEASURED.finditer(text):
        found += escape(text[at : piece.start()]) + Markup('<span class="whole">{}</span>').format(piece.group())
        at = piece.end()
    return found + escape(text[at:])


@cache
def _environment() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["unbroken"] = unbroken
    made.globals.update(lane_height=LANE, box_width=BOX_WIDTH, chart_height=CHART, width=WIDTH, height=HEIGHT)
    return made


def render_page(page: PageView, *, plans: bool) -> str:
    """plans: whether this server has any to lead to."""
    return _environment().get_template("page.html").render(page=page, plans=plans)


def render_review(review: ReviewPage, project: str) -> str:
    return _environment().get_template("review.html").render(review=review, project=project)


def render_releases(page: ReleasesPage, project: str, *, plans: bool) -> str:
    return _environment().get_template("releases.html").render(page=page, project=project, plans=plans)


def render_release(page: ReleasePage, project: str, *, plans: bool) -> str:
    return _environment().get_template("release.html").render(page=page, project=project, plans=plans)


def render_plan(page: PlanPage, project: str) -> str:
    return _environment().get_template("plan.html").render(page=page, project=project)


def render_monitor(page: MonitorPage, labels: LabelsView, project: str) -> str:
    return _environment().get_template("monitor.html").render(page=page, labels=labels, project=project)


def render_incident(page: IncidentPage, project: str) -> str:
    return _environment().get_template("incident.html").render(page=page, project=project)


def render_retrain(page: RetrainPage, project: str) -> str:
    return _environment().get_template("retrain.html").render(page=page, project=project)


def render_data(page: DataPage, project: str) -> str:
    return _environment().get_template("data.html").render(page=page, project=project)


def render_data_sets(rows: tuple[DataSetRow, ...], project: str) -> str:
    return _environment().get_template("data_sets.html").render(rows=rows, project=project)


def render_diff_page(document: JsonObject, title: str) -> str:
    """A comparison of data as a page in one file, without scripts and addresses: for whoever was sent it."""
    style = Markup((STATIC / "page.css").read_text())  # noqa: S704 - our own file
    return _environment().get_template("diff.html").render(diff=make_diff_view(document), title=title, style=style)


def render_window_page(document: JsonObject) -> str:
    """A window of predictions as a page in one file, without scripts and addresses; below 200 KB whatever the table."""
    style = Markup((STATIC / "page.css").read_text())  # noqa: S704 - our own file
    page = _environment().get_template("window.html")
    return page.render(window=make_window_view(document), style=style)


def render_error(problem: ShipwayError) -> str:
    return _environment().get_template("error.html").render(problem=problem)
