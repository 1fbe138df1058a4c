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
    from shipway.protocols._otlp import PROTOBUF, Signal, answer_export, outcome_row, parse_telemetry
    from shipway.protocols._payload_log import PayloadLog, logged_prediction

_HOME = {
    "_app": ["PredictorApp"],
    "_mounted": ["MountedRelease"],
    "_object_events": ["EventUnknown", "Letter", "ObjectEvent", "ObjectNotice", "failed_letters", "parse_object_event"],
    "_otlp": ["PROTOBUF", "Signal", "answer_export", "outcome_row", "parse_telemetry"],
    "_payload_log": ["PayloadLog", "logged_prediction"],
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
    "answer_export",
    "failed_letters",
    "logged_prediction",
    "outcome_row",
    "parse_object_event",
    "parse_telemetry",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
