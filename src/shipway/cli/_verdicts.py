"""Verdicts and plans as text and JSON, the same on every command that shows them."""

from __future__ import annotations

from shipway.cli._output import Output
from shipway.gate import Judged, Judgement
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import short
from shipway.release import Plan


def render_check(check: Check) -> str:
    """One line: mark, name, number with interval against the threshold, n."""
    number = "" if check.value is None else f" {check.value:.4g}"
    if check.low is not None and check.high is not None:
        number += f" [{check.low:.4g}, {check.high:.4g}]"
    if check.n is not None:
        number += f" n={check.n:,}"
    needed = f", about {check.still_needed:,} more needed" if check.still_needed else ""
    verdict = "measured" if check.threshold is None and check.low is not None else check.verdict.value
    return f"{verdict:<12} {check.name}{number}{needed}" + (f"  ({check.text})" if check.text else "")


def say_gate(out: Output, judged: Judged) -> None:
    """The gate's verdict with every check behind it."""
    judgement = judged.judgement
    how = " (returning to what was live)" if judged.returning else " (self-approved)" if judgement.self_approved else ""
    out.say(f"gate of {judged.ref}: {judgement.verdict.value}{how}")
    for check in judgement.checks:
        out.say(f"  {render_check(check)}")


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
    }


def next_word(judgement: Judgement) -> str:
    """The command that brings a move nearer: apply, approve when nothing else is missing, otherwise check."""
    lacking = {check.name for check in judgement.checks if check.verdict is not Verdict.PASS}
    return "apply" if judgement.allowed else "approve" if lacking == {"approvals"} else "check"


def say_plan(out: Output, plan: Plan) -> None:
    """Counts first, then each component, then the gate."""
    live = short(plan.live) if plan.live else "nothing"
    out.say(f"{plan.ref}: live {live}, desired {short(plan.release)}, {len(plan.changes)} changes")
    for change in plan.changes:
        out.say(f"  {change.kind:<12} {change.name:<12} {change.text}")
    say_gate(out, plan.judged)


def plan_document(plan: Plan) -> JsonObject:
    return {
        "ref": plan.ref,
        "live": plan.live,
        "release": plan.release,
        "deployment": plan.target,
        "policy_change": plan.policy_change,
        "prices": plan.prices,
        "changes": [change.to_json() for change in plan.changes],
        "gate": gate_document(plan.judged),
    }
