"""Plans and judgements as JSON, the same from commands and over HTTP."""

from __future__ import annotations

from shipway.gate import Judged
from shipway.kernel.canonical import JsonObject
from shipway.release._changes import Change
from shipway.release._plan import Plan


def gate_document(judged: Judged) -> JsonObject:
    judgement = judged.judgement
    return {
        "ref": judged.ref,
        "verdict": judgement.verdict.value,
        "allowed": judgement.allowed,
        "returning": judged.returning,
        "self_approved": judgement.self_approved,
        "policy": judged.policy,
        "missing": list(judgement.missing),
        "evidence": list(judgement.evidence),
        "checks": [check.to_json() for check in judgement.checks],
        "observed": [check.to_json() for check in judgement.observed],
    }


def change_document(change: Change) -> JsonObject:
    return {**change.to_json(), "lines": list(change.lines), "facts": change.facts}


def plan_document(plan: Plan) -> JsonObject:
    return {
        "ref": plan.ref,
        "live": plan.live,
        "release": plan.release,
        "deployment": plan.target,
        "policy_change": plan.policy_change,
        "prices": plan.prices,
        "arms": [arm.to_json() for arm in plan.arms],
        "consequences": list(plan.consequences),
        "stages": [stage.to_json() for stage in plan.stages],
        "changes": [change_document(change) for change in plan.changes],
        "gate": gate_document(plan.judged),
    }
