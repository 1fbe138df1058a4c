"""Wire façades that only translate: bodies in, requests of a room below, answers out. No decision is taken here.

`python -m shipway.protocols.predictor` is a predictor process; `PredictorApp` the same as an ASGI application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shipway.protocols._app import PredictorApp

__all__ = ["PredictorApp"]


def __getattr__(name: str) -> object:
    """Lazy, because the predictor process sets the threads of numeric libraries before the first of them is imported."""
    if name != "PredictorApp":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from shipway.protocols._app import PredictorApp

    return PredictorApp
