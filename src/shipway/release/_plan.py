"""The plan: live against desired, component by component, and what the gate would say. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from shipway.access import Actor, KeyRing
from shipway.gate import Judged, Policy, judge_move, policy_digest, release_of
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.release._answering import gateway_settings
from shipway.release._deployment import deploy_ref, deployment_object
from shipway.release._describe import describe_change
from shipway.release._manifest import Component, find_component, load_components
from shipway.spec import DeploySpec, Spec
from shipway.store import Store


class NoCandidate(ShipwayError):
    """No release was made for this application."""

    code = "release.no-candidate"


@dataclass(frozen=True, slots=True)
class Change:
    """One component, live and desired; `text` says the difference in words. source or target None: added or removed."""

    kind: str
    name: str
    source: Digest | None
    target: Digest | None
    text: str

    def to_json(self) -> JsonObject:
        return {"kind": self.kind, "name": self.name, "from": self.source, "to": self.target, "text": self.text}


@dataclass(frozen=True, slots=True)
class Plan:
    """What `apply` would do to one ref. live and release are release digests; target is the deployment's.

    policy: in force now; policy_change: what `apply` publishes first, and what then judges; prices: a gateway's table.
    """

    ref: str
    live: Digest | None
    release: Digest
    target: Digest
    changes: tuple[Change, ...]
    judged: Judged
    policy: Digest
    policy_change: Digest | None = None
    prices: Digest | None = None


def make_plan(
    store: Store,
    keys: KeyRing,
    actor: Actor,
    spec: Spec,
    deploy: DeploySpec,
    *,
    release: Digest | None = None,
    policy: Policy | None = None,
    prices: Digest | None = None,
) -> Plan:
    """Compare what is live with a release (the newest candidate when none is named); judged by the policy in force, or by
    the one that `apply` would publish first. prices: the price table of a gateway. Raises NoCandidate.
    """
    ref = deploy_ref(deploy)
    chosen = release or candidate_of(store, deploy)
    gateway = gateway_settings(spec, prices) if deploy.target == "gateway" else None
    if gateway is not None:
        find_component(load_components(store, chosen), "prompt")  # a release of a model has nothing for a gateway to answer
    target = store.put(deployment_object(store, chosen, deploy, spec.outcomes, gateway))
    judged = judge_move(store, keys, actor, ref=ref, target=target, policy=policy)
    live = release_of(store, judged.source) if judged.source else None
    changes = _changes(store, live, chosen, judged)
    kept = prices if gateway is not None else None
    return Plan(ref, live, chosen, target, changes, judged, policy_digest(store), policy.digest if policy else None, kept)


def candidate_of(store: Store, deploy: DeploySpec) -> Digest:
    """The newest release of an application. Raises NoCandidate."""
    ref = store.ref(f"release/{deploy.application}")
    if ref is None:
        raise NoCandidate(
            f"no release of {deploy.application} yet", where=f"release/{deploy.application}", mend="shipway release"
        )
    return ref.digest


def _changes(store: Store, live: Digest | None, desired: Digest, judged: Judged) -> tuple[Change, ...]:
    before = {(c.kind, c.name): c for c in load_components(store, live)} if live else {}
    after = {(c.kind, c.name): c for c in load_components(store, desired)}
    found = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old != new:
            found.append(_change(store, key, old, new))
    if judged.source and not found and judged.source != judged.target:
        text = f"settings {short(judged.source)} -> {short(judged.target)}"
        found.append(Change("deployment", "", judged.source, judged.target, text))
    return tuple(found)


def _change(store: Store, key: tuple[str, str], old: Component | None, new: Component | None) -> Change:
    kind, name = key
    source, target = old.digest if old else None, new.digest if new else None
    return Change(kind, name, source, target, describe_change(store, kind, source, target))
