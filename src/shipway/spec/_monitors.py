"""The monitors of a deployment: those of a predictor look at windows of predictions, those of a gateway at its surroundings."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shipway.kernel.units import Seconds, parse_duration
from shipway.spec._fields import duration, fields, number
from shipway.spec._node import Node

WINDOW = parse_duration("28d")  # whole weeks, so that a weekday's pattern is no drift


class MonitorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Thresholds above which it pages, opens a ticket or informs (None: never does), over a window of this many seconds.

    A monitor without a threshold is off. reference: how many seconds before lies the window that drift is held against, instead
    of the release's reference. What each one measures, and in which unit, is said in docs/monitoring.md.
    """

    name: str
    page: float | None = None
    inform: float | None = None
    window: Seconds = WINDOW
    ticket: float | None = None
    reference: Seconds | None = None

    @property
    def off(self) -> bool:
        return self.page is None and self.ticket is None and self.inform is None


_DAY, _HOUR = parse_duration("1d"), parse_duration("1h")
DEFAULT_MONITORS: Mapping[str, MonitorSpec] = {
    "calibration": MonitorSpec(name="calibration", page=0.05),
    "base_rate": MonitorSpec(name="base_rate", page=0.05),
    "drift": MonitorSpec(name="drift", inform=0.2),
}
ADDED_MONITORS: Mapping[str, MonitorSpec] = {
    "performance": MonitorSpec(name="performance", page=0.1),
    "prediction_error": MonitorSpec(name="prediction_error", page=0.25),
    "business": MonitorSpec(name="business", page=0.1, window=parse_duration("7d")),
    "prediction_drift": MonitorSpec(name="prediction_drift", inform=0.1),
    "schema": MonitorSpec(name="schema", page=0.0, window=_DAY),
    "dead_columns": MonitorSpec(name="dead_columns", page=0.0, window=_DAY),
    "contract": MonitorSpec(name="contract", page=0.05, window=_HOUR),
    "errors": MonitorSpec(name="errors", page=0.05, window=_HOUR),
    "latency": MonitorSpec(name="latency", ticket=2.0, window=_HOUR),
    "segments": MonitorSpec(name="segments", ticket=0.1),
    "staleness": MonitorSpec(name="staleness", ticket=0.02),
    "silence": MonitorSpec(name="silence", page=0.0, window=_HOUR),
}
"""On at a `local` target, and left out of a deployment's object where nothing is said of them, so that one made before they
came keeps its digest."""
REQUEST_MONITORS: Mapping[str, MonitorSpec] = {
    name: ADDED_MONITORS[name] for name in ("contract", "errors", "latency", "silence")
}
"""Of a gateway too, and left out of its object likewise."""
GATEWAY_MONITORS: Mapping[str, MonitorSpec] = {
    "freshness": MonitorSpec(name="freshness", page=0.0, window=parse_duration("15m")),
    "cost": MonitorSpec(name="cost", window=_DAY),  # off unless stated: no sum is right for everybody
    "sentinel": MonitorSpec(name="sentinel", page=0.1, window=_HOUR),
}
SCHEDULED = MonitorSpec(name="missed_run", ticket=0.0, window=parse_duration("2h"))
"""On where the spec has a schedule; window: how long after its time a run may come."""
STATED_MONITORS: Mapping[str, MonitorSpec] = {
    "cost": GATEWAY_MONITORS["cost"],
    "missed_run": MonitorSpec(name="missed_run", window=parse_duration("7d")),
}
"""Of a `local` target, off unless the spec states them."""

CLOCK_MONITORS: frozenset[str] = frozenset(
    {"contract", "errors", "latency", "silence", "missed_run", "cost", "freshness", "sentinel"}
)
"""Those that `up` looks at again and again by the wall clock, whatever comes in: one without a new reading has stopped."""

MONITORS: frozenset[str] = frozenset({*DEFAULT_MONITORS, *ADDED_MONITORS, *GATEWAY_MONITORS, *STATED_MONITORS})
"""The names of all monitors; a policy may ask each to pass."""

_MAY_BE_NOTHING = {"schema", "dead_columns", "silence", "missed_run", *GATEWAY_MONITORS}  # a threshold of 0 has a meaning
_SEASONAL = {"drift", "prediction_drift"}
_NEVER_PAGES = {
    "drift": "drift never pages: it is red in months when nothing is wrong",
    "staleness": "a better challenger wakes nobody: what is live is as good as it was",
    "prediction_drift": "drift of predictions never pages: the world may have moved, and the model be right about it",
}


def default_monitors(target: str, *, indexed: bool = True, scheduled: bool = False) -> dict[str, MonitorSpec]:
    """What watches a deployment that says nothing of monitors; indexed, scheduled: the project has an index, a schedule."""
    if target != "gateway":
        return {**DEFAULT_MONITORS, **ADDED_MONITORS, **({SCHEDULED.name: SCHEDULED} if scheduled else {})}
    absent = {"cost"} if indexed else {"cost", "freshness"}
    return {name: monitor for name, monitor in {**GATEWAY_MONITORS, **REQUEST_MONITORS}.items() if name not in absent}


def read_monitors(node: Node, target: str, *, indexed: bool, scheduled: bool) -> dict[str, MonitorSpec]:
    """The default monitors with what the spec changes; `off` leaves one out."""
    gateway = target == "gateway"
    known = {**GATEWAY_MONITORS, **REQUEST_MONITORS} if gateway else {**DEFAULT_MONITORS, **ADDED_MONITORS, **STATED_MONITORS}
    defaults = default_monitors(target, indexed=indexed, scheduled=scheduled)
    known |= {name: monitor for name, monitor in defaults.items() if name == SCHEDULED.name}
    entries = fields(node, tuple(known), "monitors")
    if gateway and "freshness" in entries and entries["freshness"].raw != "off" and not indexed:
        raise node.keys["freshness"].fail("freshness watches an index, and the spec has none", mend="remove it")
    monitors: dict[str, MonitorSpec] = {}
    for name, default in known.items():
        if name not in entries:
            monitors |= {name: defaults[name]} if name in defaults else {}
        elif entries[name].raw != "off":
            monitors[name] = _read_monitor(entries[name], default)
    return monitors


def _read_monitor(node: Node, default: MonitorSpec) -> MonitorSpec:
    what, nothing = f"monitor {default.name}", default.name in _MAY_BE_NOTHING
    if not isinstance(node.value, dict):
        raise node.fail(f"{what} is not {node.shown()}", mend="a threshold, as in {inform: 0.2, window: 28d}, or off")
    seasonal = ("reference",) if default.name in _SEASONAL else ()
    entries = fields(node, ("page", "ticket", "inform", "window", *seasonal), what)
    if default.name in _NEVER_PAGES and "page" in entries:
        raise node.keys["page"].fail(
            _NEVER_PAGES[default.name], mend=f"inform: {default.inform}" if default.inform else f"ticket: {default.ticket}"
        )
    window = duration(entries["window"], "window") if "window" in entries else default.window
    if not window:
        raise entries["window"].fail("a window of no time", mend=f"as in {'28d' if default.window == WINDOW else '1h'}")
    reference = duration(entries["reference"], "reference") if "reference" in entries else None
    if reference is not None and reference < window:
        raise entries["reference"].fail(f"{what} would be held against itself", mend="as in reference: 364d, whole weeks")
    limits = {
        name: _read_limit(entries[name], f"{name} of {what}", nothing=nothing)
        for name in ("page", "ticket", "inform")
        if name in entries
    }
    if limits:
        return MonitorSpec(name=default.name, window=window, reference=reference, **limits)
    if default.off:
        raise node.fail(f"{what} has no threshold", mend="page: 5")
    return msgspec.structs.replace(default, window=window, reference=reference)


def _read_limit(node: Node, what: str, *, nothing: bool) -> float:
    limit = number(node, what)
    if limit < 0 or (limit == 0 and not nothing):
        raise node.fail(f"{what} is {'0 or more' if nothing else 'above 0'}, not {node.shown()}", mend="as in 0.05")
    return float(limit)
