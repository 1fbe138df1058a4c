"""The monitors of a deployment: those of a predictor look at windows of predictions, those of a gateway at its surroundings."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shipway.kernel.units import Seconds, parse_duration
from shipway.spec._fields import duration, fields, number
from shipway.spec._node import Node

WINDOW = parse_duration("28d")  # whole weeks, so that a weekday's pattern is no drift


class MonitorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Thresholds above which it pages or informs (None: never does), over a window of this many seconds.

    calibration and base_rate: absolute difference of rates; drift: population stability index, which never pages.
    freshness: documents that the index does not have as they are, window: how long it may lag; cost: US dollars in the
    window; sentinel: share of golden prompts that are answered otherwise than before, window: how often it asks.
    """

    name: str
    page: float | None = None
    inform: float | None = None
    window: Seconds = WINDOW


DEFAULT_MONITORS: Mapping[str, MonitorSpec] = {
    "calibration": MonitorSpec(name="calibration", page=0.05),
    "base_rate": MonitorSpec(name="base_rate", page=0.05),
    "drift": MonitorSpec(name="drift", inform=0.2),
}
GATEWAY_MONITORS: Mapping[str, MonitorSpec] = {
    "freshness": MonitorSpec(name="freshness", page=0.0, window=parse_duration("15m")),
    "cost": MonitorSpec(name="cost", window=parse_duration("1d")),  # off unless stated: no sum is right for everybody
    "sentinel": MonitorSpec(name="sentinel", page=0.1, window=parse_duration("1h")),
}

MONITORS: frozenset[str] = frozenset({*DEFAULT_MONITORS, *GATEWAY_MONITORS})
"""The names of all monitors; a policy may ask each to pass."""


def default_monitors(target: str, *, indexed: bool = True) -> dict[str, MonitorSpec]:
    """What watches a deployment that says nothing of monitors; indexed: whether the project has an index at all."""
    if target != "gateway":
        return dict(DEFAULT_MONITORS)
    absent = {"cost"} if indexed else {"cost", "freshness"}
    return {name: monitor for name, monitor in GATEWAY_MONITORS.items() if name not in absent}


def read_monitors(node: Node, target: str, *, indexed: bool) -> dict[str, MonitorSpec]:
    """The default monitors with what the spec changes; `off` leaves one out."""
    gateway = target == "gateway"
    entries = fields(node, ("freshness", "cost", "sentinel") if gateway else tuple(DEFAULT_MONITORS), "monitors")
    known, defaults = GATEWAY_MONITORS if gateway else DEFAULT_MONITORS, default_monitors(target, indexed=indexed)
    if gateway and "freshness" in entries and entries["freshness"].raw != "off" and not indexed:
        raise node.keys["freshness"].fail("freshness watches an index, and the spec has none", mend="remove it")
    monitors: dict[str, MonitorSpec] = {}
    for name, default in known.items():
        if name not in entries:
            monitors |= {name: defaults[name]} if name in defaults else {}
        elif entries[name].raw != "off":
            monitors[name] = _read_monitor(entries[name], default, nothing=gateway)
    return monitors


def _read_monitor(node: Node, default: MonitorSpec, *, nothing: bool) -> MonitorSpec:
    """nothing: a threshold may be 0, as that of stale documents."""
    what, window_as = f"monitor {default.name}", "1h" if nothing else "28d"
    if not isinstance(node.value, dict):
        raise node.fail(f"{what} is not {node.shown()}", mend="a threshold, as in {inform: 0.2, window: 28d}, or off")
    entries = fields(node, ("page", "inform", "window"), what)
    if default.name == "drift" and "page" in entries:
        raise node.keys["page"].fail("drift never pages: it is red in months when nothing is wrong", mend="inform: 0.2")
    window = duration(entries["window"], "window") if "window" in entries else default.window
    if not window:
        raise entries["window"].fail("a window of no time", mend=f"as in {window_as}")
    limits = {
        name: _read_limit(entries[name], f"{name} of {what}", nothing=nothing) for name in ("page", "inform") if name in entries
    }
    if limits:
        return MonitorSpec(name=default.name, page=limits.get("page"), inform=limits.get("inform"), window=window)
    if default.page is None and default.inform is None:
        raise node.fail(f"{what} has no threshold", mend="page: 5")
    return msgspec.structs.replace(default, window=window)


def _read_limit(node: Node, what: str, *, nothing: bool) -> float:
    limit = number(node, what)
    if limit < 0 or (limit == 0 and not nothing):
        raise node.fail(f"{what} is {'0 or more' if nothing else 'above 0'}, not {node.shown()}", mend="as in 0.05")
    return float(limit)
