"""The one function that moves a ref."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from shipway.access import Action, Actor, KeyRing, authorize
from shipway.gate._evidence import load_evidence
from shipway.gate._judge import Facts, Judgement, judge
from shipway.gate._policy import Policy, policy_in_force
from shipway.gate._subjects import release_of, subjects_of
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Verdict
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.store import NewAudit, ObjectDamaged, ObjectMissing, Store


class MoveRefused(ShipwayError):
    """The gate did not allow the move; the refusal is in the ref's history."""

    code = "gate.refused"

    def __init__(self, ref: str, judged: Judged) -> None:
        verdict = judged.judgement
        lacking = [
            check.text if check.text in verdict.missing else f"{check.name}: {check.verdict}"
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
    """What the gate of `ref` would say to `target` now, by the policy in force or another one; moves and records nothing."""
    policy, present = policy or policy_in_force(store), store.ref(ref)
    source = present.digest if present else None
    if _was_live(store, ref, target):
        allowed = Judgement((), (), (), Verdict.PASS, allowed=True)
        return Judged(ref, source, target, policy.digest, allowed, returning=True)
    return Judged(ref, source, target, policy.digest, _judge(store, keys, actor, policy, ref, target, source), returning=False)


def move_ref(store: Store, keys: KeyRing, actor: Actor, *, ref: str, target: Digest, why: str = "") -> Moved:
    """Move `ref` to `target` if permission, integrity and the policy in force allow it.

    Returning to a release that was live asks for permission and intact objects only. A refusal is recorded.
    Raises Forbidden, MoveRefused, RefMoved (somebody else moved it meanwhile), ObjectMissing, ObjectDamaged.
    """
    judged = judge_move(store, keys, actor, ref=ref, target=target)
    authorize(actor, Action.RETURN if judged.returning else Action.MOVE, ref)
    verdict = store.put(_verdict_object(judged, actor, store.clock.now()))
    at = store.clock.now()
    if judged.source == target:  # nothing moves, so there is nothing to refuse
        return Moved(ref, judged.source, target, verdict, at, changed=False, judged=judged)
    if not judged.judgement.allowed:
        store.record(_record(judged, actor, at, "refused", verdict, why))
        raise MoveRefused(ref, judged)
    store.move(_record(judged, actor, at, "moved", verdict, why), expected=judged.source)
    return Moved(ref, judged.source, target, verdict, at, changed=True, judged=judged)


def _judge(
    store: Store, keys: KeyRing, actor: Actor, policy: Policy, ref: str, target: Digest, source: Digest | None
) -> Judgement:
    subjects = subjects_of(store, target)
    live = subjects_of(store, source) if source else ()
    statements = {subject.digest: load_evidence(store, keys, subject.digest) for subject in subjects}
    return judge(policy, Facts(ref, subjects, live, statements, actor.name))


def _was_live(store: Store, ref: str, target: Digest) -> bool:
    """Whether this deployment's release stood at this ref before. Component refs have no such way back: nothing is live
    there.
    """
    release = release_of(store, target)
    if release is None:
        return False
    before = dict.fromkeys(record.target for record in store.history(ref, limit=10_000) if record.outcome == "moved")
    return any(digest and release == _release_of(store, digest) for digest in before)


def _release_of(store: Store, deployment: Digest) -> Digest | None:
    """As release_of; None for a deployment of long ago whose object is gone: it must not stand in anybody's way."""
    with suppress(ObjectMissing, ObjectDamaged):
        return release_of(store, deployment)
    return None


def _verdict_object(judged: Judged, actor: Actor, at: datetime) -> JsonObject:
    judgement = judged.judgement
    return {
        "kind": "verdict",
        "version": 1,
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
    }


def _record(judged: Judged, actor: Actor, at: datetime, outcome: str, verdict: Digest, why: str) -> NewAudit:
    action = "return" if judged.returning else "move"
    return NewAudit(at, actor.name, action, judged.ref, outcome, judged.source, judged.target, verdict, why)
