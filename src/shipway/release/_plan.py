"""The plan: live against desired, component by component, and what the gate would say. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shipway.access import Actor, KeyRing
from shipway.gate import Judged, Policy, judge_move, policy_digest
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.release._answering import gateway_settings
from shipway.release._arms import Arm, AskedArm, live_for_arms, plan_split, split_of
from shipway.release._changes import Change, change_of, deployment_changes, release_behind
from shipway.release._consequence import consequences
from shipway.release._deployment import deploy_ref, deployment_object
from shipway.release._describe import describe_change
from shipway.release._described import Look
from shipway.release._manifest import find_component, load_components
from shipway.release._stages import Stage, stages_of
from shipway.spec import DeploySpec, Spec
from shipway.store import Store


class NoCandidate(ShipwayError):
    """No release was made for this application."""

    code = "release.no-candidate"


@dataclass(frozen=True, slots=True)
class Plan:
    """What `apply` would do to one ref. live and release are release digests; target is the deployment's.

    policy: in force now; policy_change: what `apply` publishes first, and what then judges; prices: a gateway's table;
    consequences: sentences, the weightiest first; stages: the environments of the application, and where the release is;
    arms: what answers or is asked beside the release.
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
    consequences: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    arms: tuple[Arm, ...] = ()


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
    arms: Sequence[AskedArm] = (),
    detail: bool = True,
) -> Plan:
    """Compare what is live with a release (the newest candidate when none is named); judged by the policy in force, or by
    the one that `apply` would publish first. prices: the price table of a gateway; detail: changes in words, which may
    read data; arms: what shall answer beside the release, which is then what is live when none is named. Raises NoCandidate,
    ArmsRefused.
    """
    ref, present = deploy_ref(deploy), store.ref(deploy_ref(deploy))
    chosen = release or (live_for_arms(store, ref) if arms else candidate_of(store, deploy))
    split = plan_split(store, deploy, arms, live=chosen, source=present.digest if present else None)
    gateway = gateway_settings(spec, prices) if deploy.target == "gateway" else None
    if gateway is not None:
        find_component(load_components(store, chosen), "prompt")  # a release of a model has nothing for a gateway to answer
    target = store.put(deployment_object(store, chosen, deploy, spec.outcomes, gateway, split, spec.schedule))
    judged = judge_move(store, keys, actor, ref=ref, target=target, policy=policy)
    live = release_behind(store, judged.source)
    plan = Plan(
        ref=ref,
        live=live,
        release=chosen,
        target=target,
        changes=(),
        judged=judged,
        policy=policy_digest(store),
        policy_change=policy.digest if policy else None,
        prices=prices if gateway is not None else None,
        arms=found.arms if (found := split_of({"split": split})) else (),
    )
    return _described(Look(store, keys, spec.root), spec, deploy, plan) if detail else plan


def _described(look: Look, spec: Spec, deploy: DeploySpec, plan: Plan) -> Plan:
    """The plan with its changes and what follows from them in words."""
    source = plan.judged.source
    changes = deployment_changes(look, source, plan.target)
    said = consequences(
        look,
        changes,
        live=plan.live,
        release=plan.release,
        source=source,
        target=plan.target,
        policy_change=plan.policy_change,
        missing=plan.judged.judgement.missing,
    )
    if plan.policy_change:
        told = describe_change(look, "policy", plan.policy, plan.policy_change)
        changes = (*changes, change_of("policy", "main", plan.policy, plan.policy_change, told))
    deploys = [other for other in spec.deploy.values() if other.application == deploy.application]
    return replace(plan, changes=changes, consequences=said, stages=stages_of(look.store, deploys, plan.release))


def candidate_of(store: Store, deploy: DeploySpec) -> Digest:
    """The newest release of an application. Raises NoCandidate."""
    ref = store.ref(f"release/{deploy.application}")
    if ref is None:
        raise NoCandidate(
            f"no release of {deploy.application} yet", where=f"release/{deploy.application}", mend="shipway release"
        )
    return ref.digest
