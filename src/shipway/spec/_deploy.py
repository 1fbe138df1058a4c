"""The `deploy:` section: an application in an environment."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec

from shipway.spec._fields import choice, count, fields, meant, text, texts
from shipway.spec._monitors import MonitorSpec, default_monitors, read_monitors
from shipway.spec._names import component_ref, declared, legal_form, name_of
from shipway.spec._node import Node, shown
from shipway.spec._predictors import PredictorSpec, read_predictors

TARGETS = ("local", "gateway")
_UNIT = re.compile(r"request|header:[A-Za-z0-9][A-Za-z0-9-]*|column:\S.*")


class DeploySpec(msgspec.Struct, frozen=True, kw_only=True):
    """`application@environment`; after: an environment; follow: refs whose moves it takes; uses: components.

    target: `local` serves a model by predictors, `gateway` answers a prompt; grpc: whether predictors have a port for it;
    unit: what one arm answers every time where several do, `request`, `header:NAME` or `column:NAME`; segments: features
    by whose values outcomes are looked at apart.
    """

    name: str
    application: str
    environment: str
    target: str = "local"
    workers: int = 1
    grpc: bool = False
    predictors: PredictorSpec = msgspec.field(default_factory=PredictorSpec)
    monitors: Mapping[str, MonitorSpec] = msgspec.field(default_factory=lambda: default_monitors("local"))
    after: str | None = None
    follow: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    unit: str = "request"
    segments: tuple[str, ...] = ()


def read_deploy(key: Node, node: Node, *, known: Mapping[str, Collection[str]], scheduled: bool = False) -> DeploySpec:
    """known: kind -> the names that the spec declares, `prompt` and `index` among them; scheduled: there is a schedule."""
    application, environment = _read_key(key)
    what = f"deploy {key.raw}"
    entries = fields(
        node,
        ("target", "workers", "grpc", "log", "limits", "cpu_price", "monitors", "after", "follow", "uses", "unit", "segments"),
        what,
    )
    target = choice(entries["target"], "target", TARGETS) if "target" in entries else "local"
    if target == "gateway" and not known["prompt"]:
        raise entries["target"].fail("a gateway answers a prompt, and the spec has none", mend="add it under prompts:")
    indexed = bool(known["index"])
    return DeploySpec(
        name=key.raw,
        application=application,
        environment=environment,
        target=target,
        workers=count(entries["workers"], "workers", least=1) if "workers" in entries else 1,
        grpc=_read_grpc(entries["grpc"], target) if "grpc" in entries else False,
        predictors=read_predictors(entries, target),
        monitors=read_monitors(entries["monitors"], target, indexed=indexed, scheduled=scheduled)
        if "monitors" in entries
        else default_monitors(target, indexed=indexed, scheduled=scheduled),
        after=name_of(entries["after"], "an environment") if "after" in entries else None,
        follow=_read_follow(entries["follow"], known) if "follow" in entries else (),
        uses=_read_uses(entries["uses"], what, target, known) if "uses" in entries else (),
        unit=_read_unit(entries["unit"], target) if "unit" in entries else "request",
        segments=_read_segments(entries["segments"], target) if "segments" in entries else (),
    )


def _read_segments(node: Node, target: str) -> tuple[str, ...]:
    if target == "gateway":
        raise node.fail("segments are features of a model, and a gateway answers a prompt", mend="remove the line")
    return texts(node, "segments")


def _read_unit(node: Node, target: str) -> str:
    unit = text(node, "unit")
    if target == "gateway":
        raise node.fail("arms are releases of a model, and a gateway answers a prompt", mend="remove the line")
    if not _UNIT.fullmatch(unit):
        raise node.fail(f"{node.shown()} is no unit", mend="header:NAME, column:NAME or request")
    kind, colon, name = unit.partition(":")
    return f"{kind}{colon}{name.lower() if kind == 'header' else name}"


def _read_key(key: Node) -> tuple[str, str]:
    application, at, environment = key.raw.partition("@")
    if not at:
        near = legal_form(key.raw) or "APPLICATION"
        raise key.fail(f"{shown(key.raw)} names no environment", mend=f"APPLICATION@ENVIRONMENT, as in {near}@prod")
    for name, what in ((application, "an application"), (environment, "an environment")):
        name_of(Node(name, key.where, raw=name), what)
    return application, environment


def _read_grpc(node: Node, target: str) -> bool:
    if not isinstance(node.value, bool):
        raise node.fail(f"grpc is true or false, not {node.shown()}", mend="grpc: true")
    if node.value and target == "gateway":
        raise node.fail("a gateway speaks no gRPC", mend="leave grpc out; predictors of a model have it")
    return node.value


def _read_follow(node: Node, known: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    refs = texts(node, "follow")
    for item in node.value if isinstance(node.value, list) else [node]:
        kind, _, name = component_ref(item, "follow").partition("@")[0].partition("/")
        if kind not in ("prompt", "index"):  # a model comes with its code, data and profile: `shipway release` takes them all
            raise item.fail(f"a deployment follows prompts and indexes, not {item.shown()}", mend="as in [index/docs]")
        declared(Node(name, item.where, raw=name), kind, known[kind])
    return refs


def _read_uses(node: Node, what: str, target: str, known: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Of a gateway: prompts, by name or ref, and the refs of other components."""
    uses = texts(node, f"uses of {what}")
    for item in node.value if isinstance(node.value, list) else [node]:
        if target == "gateway":
            kind, slash, name = item.raw.partition("/")
            kind, name = (kind, name) if slash else ("prompt", item.raw)
            if kind not in known:
                raise item.fail(f"{item.shown()} is no component", mend="prompt/NAME, index/NAME or model/NAME")
            declared(Node(name, item.where, raw=name), kind, known[kind])
    return uses


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
