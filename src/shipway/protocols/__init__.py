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

_HOME = {
    "_app": ["PredictorApp"],
    "_mounted": ["MountedRelease"],
    "_object_events": ["EventUnknown", "Letter", "ObjectEvent", "ObjectNotice", "failed_letters", "parse_object_event"],
}

__all__ = [
    "EventUnknown",
    "Letter",
    "MountedRelease",
    "ObjectEvent",
    "ObjectNotice",
    "PredictorApp",
    "failed_letters",
    "parse_object_event",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
