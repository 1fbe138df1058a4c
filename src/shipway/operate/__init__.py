"""The reconcile loop: what runs is made what the refs say. Level-triggered, killable, safe to run twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports
from shipway.operate._process import (
    CONTROL,
    ControlRunning,
    control_process,
    forget_control,
    hold_control,
    note_control,
    tracking_url,
)

if TYPE_CHECKING:
    from shipway.operate._checks import ComparisonImpossible, Measured, check_candidate
    from shipway.operate._control import Control, compact, make_supervisor, watch_all, watch_ref
    from shipway.operate._group import PredictorFailed, bind_loopback
    from shipway.operate._reconcile import Action, Start, Stop, reconcile
    from shipway.operate._serving import NotServable
    from shipway.operate._supervisor import ENDPOINT, Supervisor

_HOME = {
    "_checks": ["ComparisonImpossible", "Measured", "check_candidate"],
    "_control": ["Control", "compact", "make_supervisor", "watch_all", "watch_ref"],
    "_group": ["PredictorFailed", "bind_loopback"],
    "_reconcile": ["Action", "Start", "Stop", "reconcile"],
    "_serving": ["NotServable"],
    "_supervisor": ["ENDPOINT", "Supervisor"],
}

__all__ = [
    "CONTROL",
    "ENDPOINT",
    "Action",
    "ComparisonImpossible",
    "Control",
    "ControlRunning",
    "Measured",
    "NotServable",
    "PredictorFailed",
    "Start",
    "Stop",
    "Supervisor",
    "bind_loopback",
    "check_candidate",
    "compact",
    "control_process",
    "forget_control",
    "hold_control",
    "make_supervisor",
    "note_control",
    "reconcile",
    "tracking_url",
    "watch_all",
    "watch_ref",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
