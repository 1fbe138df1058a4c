"""The one function that moves a ref."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from shipway.access import Action, Actor, Forbidden, KeyRing, Signer, authorize
from shipway.gate._arms import united
from shipway.gate._facts import Judgement
from shipway.gate._gather import gather_facts, returns
from shipway.gate._judge import judge
from shipway.gate._lockout import locks_out
from shipway.gate._policy import POLICY_REF, Policy, load_policy, policy_digest, policy_in_force
from shipway.gate._revocation import ReasonMissing
from shipway.gate._subjects import arms_of, check_target, release_of, subjects_of
from shipway.gate._summary import attest_verdict
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.spec import SpecMalformed
from shipway.store import (
    NewAudit,
    ObjectDamaged,
    ObjectMissing,
    ObjectUnexpected,
    RefMoved,
    RevocationArrived,
    Store,
    while_working,
)

_LOOKS = 3  # at a move while revocations arrive: the second look mostly refuses it, and nobody may keep it waiting for ever
FORCED = "forced"
LOCK_OUT = "lock-out"
POLICY_READ = "policy"
_UNREADABLE = (ObjectMissing, ObjectDamaged, ObjectUnexpected, SpecMalformed)
_PERMISSION = {"move": Action.MOVE, "return": Action.RETURN, FORCED: Action.FORCE}


class MoveRefused(ShipwayError):
    """The gate did not allow the move; the refusal is in the ref's history."""

    code = "gate.refused"
    way_on = "shipway check, then shipway approve, then apply again"

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
            mend=_review_way(ref) or self.way_on,
        )
        self.judged = judged
        self.inconclusive = verdict.verdict is Verdict.INCONCLUSIVE


def _review_way(ref: str) -> str:
    """Data is looked at before it is approved."""
    name = ref.removeprefix("data/")
    return f"shipway data review {name}, then shipway approve {ref} and the same again" if name != ref else ""


class PolicyLocksOut(MoveRefused):
    """The gate did not let a policy in that nobody could live with."""

    code = "gate.policy-locks-out"
    way_on = "mend the policy, or trust the keys that it needs; an admin may --force it"


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
    """What a move did. source is None when the ref is new; unchanged when it already pointed there; forced against the gate."""

    ref: str
    source: Digest | None
    target: Digest
    verdict: Digest
    at: datetime
    changed: bool
    judged: Judged
    forced: bool = False


def judge_move(store: Store, keys: KeyRing, actor: Actor, *, ref: str, target: Digest, policy: Policy | None = None) -> Judged:
    """What the gate of `ref` would say to `target` now, by the policy in force or another one; moves and records nothing.

    Raises TargetWrong when an object of that kind cannot stand at that ref.
    """
    check_target(store, ref, target)
    present = store.ref(ref)
    source = present.digest if present else None
    if returns(store, keys, ref=ref, source=source, target=target):  # not even an unreadable policy stands in the way back
        allowed = Judgement((), (), (), Verdict.PASS, allowed=True)
        return Judged(ref, source, target, policy.digest if policy else policy_digest(store), allowed, returning=True)
    at = store.clock.now()
    if policy is None:
        try:
            policy = policy_in_force(store)
        except _UNREADABLE as problem:  # a store that is only away is asked again by whoever moves
            return Judged(ref, source, target, policy_digest(store), _without_policy(problem), returning=False)
    judgement = _judge_arms(store, keys, actor, policy, ref=ref, target=target, source=source, at=at)
    if ref == POLICY_REF:
        judgement = _with_lock_out(store, keys, target, judgement, at)
    return Judged(ref, source, target, policy.digest, judgement, returning=False)


def _judge_arms(
    store: Store, keys: KeyRing, actor: Actor, policy: Policy, *, ref: str, target: Digest, source: Digest | None, at: datetime
) -> Judgement:
    """What the policy says of each release that would answer there: one move, and all of them have to be allowed."""
    found = {
        arm: judge(
            policy,
            gather_facts(store, keys, actor, policy, ref=ref, target=target, source=source, at=at, arm=arm, release=release),
        )
        for arm, release in arms_of(store, target)
    }
    return united(found)


def _without_policy(problem: ShipwayError) -> Judgement:
    """Where the policy in force cannot be read nothing is allowed; a mended one is forced in, by who may force."""
    text = f"the policy in force cannot be read: {problem.what}"
    return Judgement((Check(POLICY_READ, Verdict.FAIL, text=text),), (text,), (), Verdict.FAIL, allowed=False)


def _with_lock_out(store: Store, keys: KeyRing, target: Digest, judgement: Judgement, at: datetime) -> Judgement:
    """A policy that would lock somebody's ref for good is not let in, whatever the policy in force asks of it."""
    lines = locks_out(load_policy(store, target), keys, [ref.name for ref in store.refs()], at)
    if not lines:
        return judgement
    texts = tuple(f"it would lock everybody out: {line}" for line in lines)
    checks = tuple(Check(LOCK_OUT, Verdict.FAIL, text=text) for text in texts)
    return replace(
        judgement,
        checks=(*judgement.checks, *checks),
        missing=(*judgement.missing, *texts),
        verdict=Verdict.FAIL,
        allowed=False,
    )


@while_working
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
    force: bool = False,
) -> Moved:
    """Move `ref` to `target` if permission and the policy in force allow it.

    Returning to what was live asks for permission only. A refusal is recorded, and so is what was forbidden.
    planned: moves only from where, and judged by what, the plan says; the verdict names it. force: where the gate refuses, move
    all the same, for a reason and with the permission to; the record says so for ever, and the verdict what failed.
    signer: signs a summary of what the policy said, before the ref moves.
    Judged again when something in it was revoked, or a revocation lifted, between the judgement and the move.
    Raises Forbidden, MoveRefused, PolicyLocksOut, ReasonMissing, TargetWrong, RefMoved (the ref or the policy moved meanwhile),
    RevocationArrived (again and again), ObjectMissing, ObjectDamaged.
    """
    once = partial(_judge_and_move, store, keys, actor, ref, target, why, planned, signer, force=force)
    for _ in range(_LOOKS - 1):
        with suppress(RevocationArrived):
            return once()
    return once()


def _judge_and_move(
    store: Store,
    keys: KeyRing,
    actor: Actor,
    ref: str,
    target: Digest,
    why: str,
    planned: PlannedMove | None,
    signer: Signer | None,
    *,
    force: bool,
) -> Moved:
    check_target(store, ref, target)
    seen = store.evidence_seen(subject.digest for subject in subjects_of(store, target))  # before any of it is read
    judged = judge_move(store, keys, actor, ref=ref, target=target)
    if planned:
        _check_planned(planned, judged)
    at, stays, action = store.clock.now(), judged.source == target, "return" if judged.returning else "move"
    forced = force and not stays and not judged.judgement.allowed
    if forced:
        action = FORCED
        _check_reason(ref, why)
    try:
        authorize(actor, _PERMISSION[action], ref)
    except Forbidden:
        store.record(_record(store, judged, actor, at, action, "forbidden", None, why))
        raise
    verdict = store.put(_verdict_object(store.project, judged, actor, at, planned, forced=forced))
    if stays:  # nothing moves, so there is nothing to refuse
        return Moved(ref, judged.source, target, verdict, at, changed=False, judged=judged)
    if signer and not judged.returning:  # a key that is not at hand must not stand in the way back
        attest_verdict(store, signer, verdict)
    if not judged.judgement.allowed and not forced:
        store.record(_record(store, judged, actor, at, action, "refused", verdict, why))
        raise _refusal(ref, judged)
    store.move(_record(store, judged, actor, at, action, "moved", verdict, why), expected=judged.source, seen=seen)
    return Moved(ref, judged.source, target, verdict, at, changed=True, judged=judged, forced=forced)


def _check_reason(ref: str, why: str) -> None:
    if not why.strip():
        what = f"a forced move of {ref} stays in its history for ever, and has no reason"
        raise ReasonMissing(what, where=ref, mend='add --why "REASON"')


def _refusal(ref: str, judged: Judged) -> MoveRefused:
    locked = any(check.name == LOCK_OUT for check in judged.judgement.checks)
    return PolicyLocksOut(ref, judged) if locked else MoveRefused(ref, judged)


def _check_planned(planned: PlannedMove, judged: Judged) -> None:
    """Raises RefMoved unless the ref stands where the plan found it, or at its end, and is judged by what it counted on."""
    if judged.source == judged.target:
        return
    if judged.source != planned.source or (judged.policy != planned.policy and not judged.returning):
        raise RefMoved(f"{judged.ref} or its policy moved since it was planned", where=judged.ref, mend="shipway plan")


def _verdict_object(
    project: str, judged: Judged, actor: Actor, at: datetime, planned: PlannedMove | None, *, forced: bool
) -> JsonObject:
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
        **({"forced": True} if forced else {}),
        **({"observed": [check.to_json() for check in judgement.observed]} if judgement.observed else {}),
    }


def _record(
    store: Store, judged: Judged, actor: Actor, at: datetime, action: str, outcome: str, verdict: Digest | None, why: str
) -> NewAudit:
    release = release_of(store, judged.target)
    return NewAudit(at, actor.name, action, judged.ref, outcome, judged.source, judged.target, verdict, why, release)
