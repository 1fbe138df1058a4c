"""The page of a plan as a value: counts and consequences first, then the way, the gate, the differences. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shipway.gate import TIMING, Judgement
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.release import Known, Plan, Stage
from shipway.web._facts import Move
from shipway.web._release_view import ChangeView, KnownView, change_views, known_view
from shipway.web._rows import CheckRow, MoveRow, check_row, move_row
from shipway.web._status import Level
from shipway.web._whisker import Whisker, make_whisker
from shipway.web._words import ReleaseName, Stamp, count, release_name, span, stamp

_WHEN = TIMING | {"after"}
_GROUPS = ("When", "What", "Who")
_NEEDS = "the gate still needs"  # is said line by line below
_SIGNS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}


@dataclass(frozen=True, slots=True)
class GateCheck:
    """A check of the gate: its sign, its row, and its picture where it has one."""

    sign: str
    row: CheckRow
    bar: Whisker | None


@dataclass(frozen=True, slots=True)
class GateGroup:
    """Checks that ask the same: when, what, who."""

    title: str
    checks: tuple[GateCheck, ...]


@dataclass(frozen=True, slots=True)
class StepView:
    """An environment on the way of a release: `done` (was live), `live`, `next` (this plan), `later`."""

    ref: str
    name: str
    state: str
    since: Stamp | None
    until: Stamp | None
    lasted: str
    signs: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PlanPage:
    """The page of one plan. digest: by which it can be applied; problem: why the last button did not do it."""

    ref: str
    name: str
    digest: ReleaseName
    level: Level
    word: str
    sentence: str
    consequences: tuple[str, ...]
    live: ReleaseName | None
    release: ReleaseName
    policy: ReleaseName
    policy_change: ReleaseName | None
    steps: tuple[StepView, ...]
    changes: tuple[ChangeView, ...]
    groups: tuple[GateGroup, ...]
    missing: tuple[str, ...]
    returning: bool
    self_approved: bool
    approvals: tuple[KnownView, ...]
    last: MoveRow | None
    actor: str
    can_apply: bool
    can_approve: bool
    problem: tuple[str, str] | None


def make_plan_page(
    plan: Plan,
    digest: Digest,
    *,
    approvals: Sequence[Known],
    last: Move | None,
    actor: str,
    now: datetime,
    problem: tuple[str, str] | None = None,
) -> PlanPage:
    judgement, here = plan.judged.judgement, plan.judged.source == plan.target
    level, word, sentence = _standing(plan, here=here)
    return PlanPage(
        ref=plan.ref,
        name=plan.ref.removeprefix("deploy/"),
        digest=release_name(digest),
        level=level,
        word=word,
        sentence=sentence,
        consequences=tuple(text for text in plan.consequences if not text.startswith(_NEEDS)),
        live=release_name(plan.live) if plan.live else None,
        release=release_name(plan.release),
        policy=release_name(plan.judged.policy),
        policy_change=release_name(plan.policy_change) if plan.policy_change else None,
        steps=tuple(_step(stage, plan, now, here=here) for stage in plan.stages),
        changes=change_views(plan.changes),
        groups=gate_groups(judgement),
        missing=judgement.missing,
        returning=plan.judged.returning,
        self_approved=judgement.self_approved,
        approvals=tuple(known_view(known, now) for known in approvals),
        last=move_row(last, now) if last else None,
        actor=actor,
        can_apply=judgement.allowed and not (here and plan.policy_change is None),
        can_approve=not here,
        problem=problem,
    )


def _standing(plan: Plan, *, here: bool) -> tuple[Level, str, str]:
    judgement, changes = plan.judged.judgement, count(len(plan.changes), "change")
    if here and plan.policy_change is None:
        return Level.GOOD, "Nothing to do", "what is desired is live"
    if plan.judged.returning:
        return Level.GOOD, "Ready", f"{changes}; a return to what was live needs permission and nothing else"
    if judgement.allowed:
        return Level.GOOD, "Ready", f"{changes}; the gate would let it pass"
    if judgement.verdict is Verdict.INCONCLUSIVE:
        return Level.WARN, "Undecided", f"{changes}; the gate cannot tell yet"
    return Level.WARN, "Held", f"{changes}; the gate would refuse it: {count(_failing(judgement.checks), 'check')} not met"


def _failing(checks: Sequence[Check]) -> int:
    return sum(check.verdict is not Verdict.PASS for check in checks)


def _step(stage: Stage, plan: Plan, now: datetime, *, here: bool) -> StepView:
    ours = stage.ref == plan.ref
    state = "live" if stage.live and (here or not ours) else "next" if ours else "done" if stage.since else "later"
    checks = plan.judged.judgement.checks if ours else ()
    return StepView(
        ref=stage.ref,
        name=stage.ref.rpartition("@")[2],
        state=state,
        since=stamp(stage.since, now) if stage.since else None,
        until=stamp(stage.until, now) if stage.until else None,
        lasted=span(((stage.until or now) - stage.since).total_seconds()) if stage.since else "",
        signs=tuple((check.verdict.value, _SIGNS[check.verdict], check.name) for check in checks),
    )


def gate_groups(judgement: Judgement) -> tuple[GateGroup, ...]:
    """The checks of a judgement by what they ask; what only observes last."""
    return _groups(judgement.checks) + _observed(judgement.observed)


def _groups(checks: Sequence[Check]) -> tuple[GateGroup, ...]:
    named: dict[str, list[Check]] = {title: [] for title in _GROUPS}
    for check in checks:
        title = "When" if check.name in _WHEN else "Who" if check.name.startswith("approvals") else "What"
        named[title].append(check)
    return tuple(GateGroup(title, tuple(map(_gate_check, named[title]))) for title in _GROUPS if named[title])


def _observed(checks: Sequence[Check]) -> tuple[GateGroup, ...]:
    """What rules ask that are not enforced yet."""
    return (GateGroup("Observed only: stops nothing", tuple(map(_gate_check, checks))),) if checks else ()


def _gate_check(check: Check) -> GateCheck:
    shown = replace(check, value=None, threshold=None) if check.name in _WHEN else check  # its text has both in words
    return GateCheck(_SIGNS[check.verdict], check_row(shown), make_whisker(shown) if check.low is not None else None)
