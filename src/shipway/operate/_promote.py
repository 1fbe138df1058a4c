"""Whether `retrain` applies its own plan: only where the policy in force says so, and only what retraining changes."""

from __future__ import annotations

from typing import NamedTuple

from shipway.gate import Moved, MoveRefused, Policy, policy_in_force
from shipway.kernel.canonical import Json
from shipway.kernel.check import Verdict
from shipway.kernel.digest import Digest
from shipway.pipeline import Hands
from shipway.release import Plan, PlanStale, apply_planned, load_plan
from shipway.store import Store

_FITTED = frozenset({"data", "model", "profile", "pipeline"})  # kinds that differ when the same code ran on other data


class Promotion(NamedTuple):
    """What became of a challenger: the move, or why a person has to apply its plan."""

    moved: Moved | None
    why_not: str


def promote_challenger(hands: Hands, plan: Plan, kept: bytes, *, why: str) -> Promotion:
    """Apply the plan of a challenger where the published policy has `retrain: promotes` and every check of its gate passes.

    kept: the bytes of the plan as it was kept, which is applied exactly and judged again. Raises what apply_planned raises, but
    MoveRefused and PlanStale, which are answers.
    """
    store = hands.store
    lacking = why_not(store, policy_in_force(store), plan)
    if lacking:
        return Promotion(None, lacking)
    record = load_plan(store, kept, where="the plan of the challenger")
    try:
        moved = apply_planned(store, hands.keys, hands.actor, record, signer=hands.signer, why=why)
    except (MoveRefused, PlanStale) as problem:
        return Promotion(None, problem.what)
    return Promotion(moved, "")


def why_not(store: Store, policy: Policy, plan: Plan) -> str:
    """Why `retrain` leaves a plan to a person; empty when it may apply it. policy: the one in force."""
    rule, judgement = policy.rule(plan.ref), plan.judged.judgement
    if rule.retrain != "promotes":
        return "the policy in force lets retrain propose only"
    if plan.policy_change:
        return "the policy of shipway.yaml is not the one in force: shipway apply policy/main publishes it"
    if plan.live is None or plan.judged.source is None:
        return "nothing is live there: the first release is a person's"
    if store.get(plan.judged.source, "deployment").get("split"):
        return "arms answer beside what is live, and would go"
    if plan.judged.returning:
        return "it was live before, and a return is judged by nobody: shipway rollback"
    if other := _others(store, plan):
        return f"more than the data differs ({', '.join(other)}), and that is for a person to look at"
    if not rule.require:
        return "the policy asks nothing of it, so that passing its gate says nothing"
    if judgement.verdict is not Verdict.PASS or not judgement.allowed:
        return f"its gate says {judgement.verdict}"
    return ""


def _others(store: Store, plan: Plan) -> list[str]:
    """What differs besides data and what is fitted on them, each once."""
    found = [change.kind for change in plan.changes if change.kind not in _FITTED]
    if any(change.kind == "pipeline" and _parameters(store, change.source) != _parameters(store, change.target)
           for change in plan.changes):  # fmt: skip
        found.append("parameters")
    return sorted({*found})


def _parameters(store: Store, pipeline: Digest | None) -> Json:
    return store.get(pipeline, "pipeline").get("parameters") if pipeline else None
