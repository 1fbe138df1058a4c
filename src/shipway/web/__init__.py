"""The pages and the versioned JSON API (`/api/v1`): a query, a view model, a template.

Reads the catalogue and translates; moves nothing and writes nothing but outcomes, ratings, approvals, silences, planned
moves and returns, through functions that it is given.
"""

from shipway.web._app import make_app
from shipway.web._desk import Approved, Desk, Draft, Reviewed
from shipway.web._errors import EventRefused, RetrainRunning
from shipway.web._metrics import METRICS, Counters
from shipway.web._oncall import OnCall, Retrained, Ways
from shipway.web._outcomes import parse_rows as parse_outcomes
from shipway.web._pages import render_diff_page, render_window_page
from shipway.web._probes import make_metrics_app
from shipway.web._receive import Answer, Receive, Receivers, telemetry_type
from shipway.web._reviews import RateReview
from shipway.web._window_view import make_window_view

__all__ = [
    "METRICS",
    "Answer",
    "Approved",
    "Counters",
    "Desk",
    "Draft",
    "EventRefused",
    "OnCall",
    "RateReview",
    "Receive",
    "Receivers",
    "RetrainRunning",
    "Retrained",
    "Reviewed",
    "Ways",
    "make_app",
    "make_metrics_app",
    "make_window_view",
    "parse_outcomes",
    "render_diff_page",
    "render_window_page",
    "telemetry_type",
]
