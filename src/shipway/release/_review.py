"""The review of a component before it moves: what waits at its ref, what the gate says of it, and who said what."""

from __future__ import annotations

from dataclasses import dataclass

from shipway.access import Actor, KeyRing
from shipway.gate import Judged, judge_move
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.release._known import Known, known_about
from shipway.store import Store

_SAID = (media.APPROVAL_PREDICATE, media.REJECTION_PREDICATE, media.COMMENT_PREDICATE)


@dataclass(frozen=True, slots=True)
class RefReview:
    """target: what is looked at; waits: whether it wants to stand at `ref` and does not. current: what stands there.

    before: what the target is looked at beside: what stands there; of that itself, what stood there before it.

    judged: what the gate would say now; said: approvals, rejections and comments about the target, oldest first.
    """

    ref: str
    current: Digest | None
    before: Digest | None
    target: Digest
    waits: bool
    judged: Judged
    said: tuple[Known, ...]

    def to_json(self) -> JsonObject:
        judgement = self.judged.judgement
        return {
            "ref": self.ref,
            "current": self.current,
            "before": self.before,
            "target": self.target,
            "waits": self.waits,
            "verdict": judgement.verdict.value,
            "allowed": judgement.allowed,
            "missing": list(judgement.missing),
            "checks": [check.to_json() for check in judgement.checks],
            "policy": self.judged.policy,
            "said": [one.to_json() for one in self.said],
        }


def waiting_at(store: Store, ref: str) -> Digest | None:
    """What the gate of a ref refused last, since its last move."""
    for record in store.history(ref):
        if record.outcome == "refused" and record.target:
            return record.target
        if record.outcome == "moved":
            return None
    return None


def load_review(store: Store, keys: KeyRing, actor: Actor, ref: str, target: Digest | None = None) -> RefReview | None:
    """The review of what waits at a ref, or of another object there, or of what stands there; None where there is nothing.

    Raises TargetWrong, ObjectMissing.
    """
    present, waits = store.ref(ref), waiting_at(store, ref)
    current = present.digest if present else None
    chosen = target or waits or current
    if chosen is None:
        return None
    judged = judge_move(store, keys, actor, ref=ref, target=chosen)
    before = current if chosen != current else _stood_before(store, ref)
    return RefReview(ref, current, before, chosen, chosen != current, judged, known_about(store, keys, ref, chosen, _SAID))


def _stood_before(store: Store, ref: str) -> Digest | None:
    """What stood at a ref before its newest move: a move to what stands there already is none and has no record."""
    lives = store.lives(ref, limit=2)
    return lives[1].target if len(lives) > 1 else None
