"""Shipway takes machine-learning systems from experiment to production with the rigour of an application deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.cli.python import asgi, load, outcomes, record_outcomes

__version__ = "0.1.0"

__all__ = ["__version__", "asgi", "load", "outcomes", "record_outcomes"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, {"cli.python": ["asgi", "load", "outcomes", "record_outcomes"]})
