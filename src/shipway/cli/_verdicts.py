"""Verdicts and plans as text and JSON, the same on every command that shows them."""

from __future__ import annotations

from collections.abc import Sequence

from shipway.cli._output import Output
from shipway.gate import Judged, Judgement
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import short
from shipway.release import Change, Plan, Stage


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
    if judgement.observed:
        out.say(f"observed only, and stops nothing (enforced it would be: {judgement.would_be.value})")
    for check in judgement.observed:
        out.say(f"  {render_check(check)}")


def next_word(judgement: Judgement) -> str:
    """The command that brings a move nearer: apply, approve when nothing else is missing, otherwise check."""
    lacking = {check.name for check in judgement.checks if check.verdict is not Verdict.PASS}
    return "apply" if judgement.allowed else "approve" if all(name.startswith("approvals") for name in lacking) else "check"


def say_plan(out: Output, plan: Plan) -> None:
    """Counts and consequences first, then the way so far, each component, and the gate."""
    live = short(plan.live) if plan.live else "nothing"
    count = len(plan.changes)
    out.say(f"{plan.ref}: live {live}, desired {short(plan.release)}, {count} change{'' if count == 1 else 's'}")
    for text in plan.consequences:
        out.say(f"  {text}")
    if len(plan.stages) > 1:
        out.say("  on its way: " + "; ".join(render_stage(stage) for stage in plan.stages))
    say_changes(out, plan.changes)
    say_gate(out, plan.judged)


def say_changes(out: Output, changes: Sequence[Change]) -> None:
    """A line for each component, and its detail below it."""
    for change in changes:
        out.say(f"  {change.kind:<12} {change.name:<12} {change.text}")
        for line in change.lines:
            out.say(f"      {line}")


def render_stage(stage: Stage) -> str:
    """`deploy/delay@staging live since 2026-11-28 20:10`."""
    if stage.since is None:
        return f"{stage.ref} never"
    since = f"{stage.since:%Y-%m-%d %H:%M}"
    return f"{stage.ref} live since {since}" if stage.until is None else f"{stage.ref} {since} to {stage.until:%Y-%m-%d %H:%M}"
