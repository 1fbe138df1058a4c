"""The `deploy:` section: an application in an environment, and the monitors that watch it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shipway.kernel.units import Seconds, parse_duration
from shipway.spec._fields import choice, count, duration, fields, meant, number, texts
from shipway.spec._names import component_ref, legal_form, name_of
from shipway.spec._node import Node, shown

TARGETS = ("local",)
WINDOW = parse_duration("28d")  # whole weeks, so that a weekday's pattern is no drift


class MonitorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Thresholds above which it pages or informs (None: never does), over a window of this many seconds.

    calibration and base_rate: absolute difference of rates; drift: population stability index, which never pages.
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


class DeploySpec(msgspec.Struct, frozen=True, kw_only=True):
    """`application@environment`; after: an environment; follow: refs whose moves it takes; uses: components."""

    name: str
    application: str
    environment: str
    target: str = "local"
    workers: int = 1
    monitors: Mapping[str, MonitorSpec] = msgspec.field(default_factory=lambda: dict(DEFAULT_MONITORS))
    after: str | None = None
    follow: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()


def read_deploy(key: Node, node: Node) -> DeploySpec:
    application, environment = _read_key(key)
    what = f"deploy {key.raw}"
    entries = fields(node, ("target", "workers", "monitors", "after", "follow", "uses"), what)
    return DeploySpec(
        name=key.raw,
        application=application,
        environment=environment,
        target=choice(entries["target"], "target", TARGETS) if "target" in entries else "local",
        workers=count(entries["workers"], "workers", least=1) if "workers" in entries else 1,
        monitors=_read_monitors(entries["monitors"]) if "monitors" in entries else dict(DEFAULT_MONITORS),
        after=name_of(entries["after"], "an environment") if "after" in entries else None,
        follow=_read_follow(entries["follow"]) if "follow" in entries else (),
        uses=texts(entries["uses"], f"uses of {what}") if "uses" in entries else (),
    )


def _read_key(key: Node) -> tuple[str, str]:
    application, at, environment = key.raw.partition("@")
    if not at:
        near = legal_form(key.raw) or "APPLICATION"
        raise key.fail(f"{shown(key.raw)} names no environment", mend=f"APPLICATION@ENVIRONMENT, as in {near}@prod")
    for name, what in ((application, "an application"), (environment, "an environment")):
        name_of(Node(name, key.where, raw=name), what)
    return application, environment


def _read_follow(node: Node) -> tuple[str, ...]:
    refs = texts(node, "follow")
    for item in node.value if isinstance(node.value, list) else [node]:
        component_ref(item, "follow")
    return refs


def _read_monitors(node: Node) -> dict[str, MonitorSpec]:
    """The default monitors with what the spec changes; `off` leaves one out."""
    entries = fields(node, tuple(DEFAULT_MONITORS), "monitors")
    monitors: dict[str, MonitorSpec] = {}
    for name, default in DEFAULT_MONITORS.items():
        if name not in entries:
            monitors[name] = default
        elif entries[name].raw != "off":
            monitors[name] = _read_monitor(entries[name], default)
    return monitors


def _read_monitor(node: Node, default: MonitorSpec) -> MonitorSpec:
    what = f"monitor {default.name}"
    if not isinstance(node.value, dict):
        raise node.fail(f"{what} is not {node.shown()}", mend="a threshold, as in {inform: 0.2, window: 28d}, or off")
    entries = fields(node, ("page", "inform", "window"), what)
    if default.name == "drift" and "page" in entries:
        raise node.keys["page"].fail("drift never pages: it is red in months when nothing is wrong", mend="inform: 0.2")
    window = duration(entries["window"], "window") if "window" in entries else default.window
    if not window:
        raise entries["window"].fail("a window of no time", mend="as in 28d")
    limits = {name: _read_limit(entries[name], f"{name} of {what}") for name in ("page", "inform") if name in entries}
    if not limits:
        return msgspec.structs.replace(default, window=window)
    return MonitorSpec(name=default.name, page=limits.get("page"), inform=limits.get("inform"), window=window)


def _read_limit(node: Node, what: str) -> float:
    limit = number(node, what)
    if limit <= 0:
        raise node.fail(f"{what} is above 0, not {node.shown()}", mend="as in 0.05")
    return float(limit)


def check_order(deploys: Mapping[str, DeploySpec], node: Node) -> None:
    """Raises SpecMalformed when `after` names an environment that is not there, or comes round to where it began."""
    for name, deploy in deploys.items():
        if deploy.after is None:
            continue
        place = _after_node(node, name)
        known = [other.environment for other in deploys.values() if other.application == deploy.application]
        if deploy.after not in known:
            raise place.fail(f"there is no {deploy.application}@{deploy.after}", mend=meant(deploy.after, known))
        if _comes_round(deploy, deploys):
            raise place.fail(f"{name} comes after itself", mend="environments follow one another in one direction")


def _after_node(node: Node, name: str) -> Node:
    entry = node.value[name] if isinstance(node.value, dict) else node
    return entry.value["after"] if isinstance(entry.value, dict) else entry


def _comes_round(start: DeploySpec, deploys: Mapping[str, DeploySpec]) -> bool:
    seen: set[str] = set()
    deploy: DeploySpec | None = start
    while deploy and deploy.after and deploy.name not in seen:
        seen.add(deploy.name)
        deploy = deploys.get(f"{deploy.application}@{deploy.after}")
    return deploy is not None and deploy.name == start.name
