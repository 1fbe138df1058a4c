"""The one function that moves a ref."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from shipway.access import Action, Actor, Forbidden, KeyRing, Signer, authorize
from shipway.gate._evidence import load_evidence
from shipway.gate._judge import Before, Facts, Judgement, judge
from shipway.gate._policy import Policy, policy_digest, policy_in_force
from shipway.gate._subjects import Subject, check_target, release_of, subjects_of
from shipway.gate._summary import attest_verdict
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.store import NewAudit, ObjectDamaged, ObjectMissing, RefMoved, Store


class MoveRefused(ShipwayError):
    """The gate did not allow the move; the refusal is in the ref's history."""

    code = "gate.refused"

    def __init__(self, ref: str, judged: Judged) -> None:
        verdict = judged.judgement
        lacking = [
            check.text if check.text in verdict.missing else _said(check)
            for check in verdict.checks
            if check.verdict is not Verdict.PASS
        ]
        super().__init__(
            f"the gate of {ref} says {verdict.verdict}: " + "; ".join(lacking),
            where=f"policy {judged.policy}",
            mend="shipway check, then shipway approve, then apply again",
        )
        self.judged = judged
        self.inconclusive = verdict.verdict is Verdict.INCONCLUSIVE


def _said(check: Check) -> str:
    """A check that did not pass, with the numbers when it is a measured interval.

    >>> _said(Check("auc against live", Verdict.FAIL, -0.21, -0.33, -0.09, -0.1))
    'auc against live: -0.21 [-0.33, -0.09], threshold -0.1'
    """
    if check.value is None or check.low is None or check.high is None or check.threshold is None:
        return f"{check.name}: {check.verdict}"
    undecided = f"{check.verdict}, " if check.verdict is Verdict.INCONCLUSIVE else ""
    numbers = f"{check.value:.3g} [{check.low:.3g}, {check.high:.3g}], threshold {check.threshold:.6g}"
    return f"{check.name}: {undecided}{numbers}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement of one exact move, with the policy that judged it; `returning` when the release was live before."""

    ref: str
    source: Digest | None
    target: Digest
    policy: Digest
    judgement: Judgement
    returning: bool


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """The plan that a move carries out: its digest, where the ref stood when it was made, and the policy that it counts on."""

    plan: Digest
    source: Digest | None
    policy: Digest


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move did. source is None when the ref is new; unchanged when it already pointed there."""

    ref: str
    source: Digest | None
    target: Digest
    verdict: Digest
    at: datetime
    changed: bool
    judged: Judged


def judge_move(store: Store, keys: KeyRing, actor: Actor, *, ref: str, target: Digest, policy: Policy | None = None) -> Judged:
    """What the gate of `ref` would say to `target` now, by the policy in force or another one; moves and records nothing.

    Raises TargetWrong when an object of that kind cannot stand at that ref.
    """
    check_target(store, ref, target)
    present = store.ref(ref)
    source = present.digest if present else None
    if _returns(store, ref, source, target):  # not even an unreadable policy stands in the way back
        allowed = Judgement((), (), (), Verdict.PASS, allowed=True)
        return Judged(ref, source, target, policy.digest if policy else policy_digest(store), allowed, returning=True)
    policy = policy or policy_in_force(store)
    return Judged(ref, source, target, policy.digest, _judge(store, keys, actor, policy, ref, target, source), returning=False)


def move_ref(
    store: Store,
    keys: KeyRing,
    actor: Actor,
    *,
    ref: str,
    target: Digest,
    why: str = "",
    planned: PlannedMove | None = None,
    signer: Signer | None = None,
) -> Moved:
    """Move `ref` to `target` if permission and the policy in force allow it.

    Returning to what was live asks for permission only. A refusal is recorded, and so is what was forbidden.
    planned: moves only from where, and judged by what, the plan says; the verdict names it.
    signer: signs a summary of what the policy said, before the ref moves.
    Raises Forbidden, MoveRefused, TargetWrong, RefMoved (the ref or the policy moved meanwhile), ObjectMissing, ObjectDamaged.
    """
    judged = judge_move(store, keys, actor, ref=ref, target=target)
    if planned:
        _check_planned(planned, judged)
    at = store.clock.now()
    try:
        authorize(actor, Action.RETURN if judged.returning else Action.MOVE, ref)
    except Forbidden:
        store.record(_record(store, judged, actor, at, "forbidden", None, why))
        raise
    verdict = store.put(_verdict_object(store.project, judged, actor, at, planned))
    if judged.source == target:  # nothing moves, so there is nothing to refuse
        return Moved(ref, judged.source, target, verdict, at, changed=False, judged=judged)
    if signer and not judged.returning:  # a key that is not at hand must not stand in the way back
        attest_verdict(store, signer, verdict)
    if not judged.judgement.allowed:
        store.record(_record(store, judged, actor, at, "refused", verdict, why))
        raise MoveRefused(ref, judged)
    store.move(_record(store, judged, actor, at, "moved", verdict, why), expected=judged.source)
    return Moved(ref, judged.source, target, verdict, at, changed=True, judged=judged)


def _check_planned(planned: PlannedMove, judged: Judged) -> None:
    """Raises RefMoved unless the ref stands where the plan found it, or at its end, and is judged by what it counted on."""
    if judged.source == judged.target:
        return
    if judged.source != planned.source or (judged.policy != planned.policy and not judged.returning):
        raise RefMoved(f"{judged.ref} or its policy moved since it was planned", where=judged.ref, mend="shipway plan")


def _judge(
    store: Store, keys: KeyRing, actor: Actor, policy: Policy, ref: str, target: Digest, source: Digest | None
) -> Judgement:
    subjects = subjects_of(store, target)
    live = _live_subjects(store, source)
    statements = {subject.digest: load_evidence(store, keys, subject.digest) for subject in subjects}
    facts = Facts(ref, subjects, live, statements, actor.name, own_key=keys.own, after=_after(store, target))
    return judge(policy, facts)


def _live_subjects(store: Store, source: Digest | None) -> tuple[Subject, ...]:
    """What is live now; nothing when it cannot be read any more: that must not bar the way to what can."""
    if source is None:
        return ()
    with suppress(ObjectMissing, ObjectDamaged):
        return subjects_of(store, source)
    return ()


def _after(store: Store, target: Digest) -> Before | None:
    """Whether the release was live in the environment that this deployment comes after; None when it comes after none."""
    value = store.get(target)
    if value.get("kind") != "deployment" or not value.get("after"):
        return None
    earlier = f"deploy/{value['application']}@{value['after']}"
    return Before(earlier, bool(store.lives(earlier, release_of(store, target), limit=1)))


def _returns(store: Store, ref: str, source: Digest | None, target: Digest) -> bool:
    """Whether this very deployment stood at this ref before, or it is the present one with a release that did.

    Component refs have no such way back: nothing is live there.
    """
    release = release_of(store, target)
    if release is None or source is None:
        return False
    if store.lives(ref, release, target=target, limit=1):
        return True
    with suppress(ObjectMissing, ObjectDamaged):
        same = {**store.get(source), "release": None} == {**store.get(target), "release": None}
        return same and bool(store.lives(ref, release, limit=1))
    return False


def _verdict_object(project: str, judged: Judged, actor: Actor, at: datetime, planned: PlannedMove | None = None) -> JsonObject:
    judgement = judged.judgement
    return {
        "kind": "verdict",
        "version": 1,
        "project": project,
        "ref": judged.ref,
        "from": judged.source,
        "to": judged.target,
        "policy": judged.policy,
        "actor": actor.name,
        "at": instant(at),
        "verdict": judgement.verdict.value,
        "allowed": judgement.allowed,
        "returning": judged.returning,
        "self_approved": judgement.self_approved,
        "checks": [check.to_json() for check in judgement.checks],
        "missing": list(judgement.missing),
        "evidence": list(judgement.evidence),
        **({"plan": planned.plan} if planned else {}),
    }


def _record(
    store: Store, judged: Judged, actor: Actor, at: datetime, outcome: str, verdict: Digest | None, why: str
) -> NewAudit:
    action, release = "return" if judged.returning else "move", release_of(store, judged.target)
    return NewAudit(at, actor.name, action, judged.ref, outcome, judged.source, judged.target, verdict, why, release)
