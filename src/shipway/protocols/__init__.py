"""Wire façades that only translate: bodies in, requests of a room below, answers out. No decision is taken here.

`python -m shipway.protocols.predictor` is a predictor process; `PredictorApp` the same as an ASGI application. Nothing is
imported before it is asked for: the predictor process sets the threads of numeric libraries first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.protocols._app import PredictorApp
    from shipway.protocols._mounted import MountedRelease
    from shipway.protocols._object_events import (
        EventUnknown,
        Letter,
        ObjectEvent,
        ObjectNotice,
        failed_letters,
        parse_object_event,
    )
    from shipway.protocols._otlp import PROTOBUF, Signal, Span, answer_export, outcome_row, parse_spans, parse_telemetry
    from shipway.protocols._payload_log import PayloadLog, logged_prediction
    from shipway.protocols._spans import is_prediction, span_deployment, span_pair

_HOME = {
    "_app": ["PredictorApp"],
    "_mounted": ["MountedRelease"],
    "_object_events": ["EventUnknown", "Letter", "ObjectEvent", "ObjectNotice", "failed_letters", "parse_object_event"],
    "_otlp": ["PROTOBUF", "Signal", "Span", "answer_export", "outcome_row", "parse_spans", "parse_telemetry"],
    "_payload_log": ["PayloadLog", "logged_prediction"],
    "_spans": ["is_prediction", "span_deployment", "span_pair"],
}

__all__ = [
    "PROTOBUF",
    "EventUnknown",
    "Letter",
    "MountedRelease",
    "ObjectEvent",
    "ObjectNotice",
    "PayloadLog",
    "PredictorApp",
    "Signal",
    "Span",
    "answer_export",
    "failed_letters",
    "is_prediction",
    "logged_prediction",
    "outcome_row",
    "parse_object_event",
    "parse_spans",
    "parse_telemetry",
    "span_deployment",
    "span_pair",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
