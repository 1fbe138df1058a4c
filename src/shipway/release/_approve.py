"""Approvals: a person's signature under one release, or under any other object that a gate asks one for."""

from __future__ import annotations

from shipway.access import Action, Actor, Signer, authorize
from shipway.gate import ReasonMissing, attest, check_target
from shipway.kernel import media
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.release._manifest import load_components
from shipway.store import NewAudit, Store


def approve_release(store: Store, signer: Signer, actor: Actor, application: str, release: Digest, *, why: str = "") -> Digest:
    """Sign that `release` may go live; the digest of the envelope. Raises Forbidden, ReleaseMalformed."""
    resource = f"release/{application}"
    authorize(actor, Action.APPROVE, resource)
    load_components(store, release)  # an approval of what is no release would count for nothing, silently
    return _approve(store, signer, actor, release, name=application, resource=resource, why=why)


def approve_object(store: Store, signer: Signer, actor: Actor, *, ref: str, target: Digest, why: str = "") -> Digest:
    """Sign that `target` may stand at `ref`; the digest of the envelope. Raises Forbidden, TargetWrong, ObjectMissing."""
    authorize(actor, Action.APPROVE, ref)
    check_target(store, ref, target)
    return _approve(store, signer, actor, target, name=ref, resource=ref, why=why)


def reject_object(store: Store, signer: Signer, actor: Actor, *, ref: str, target: Digest, why: str) -> Digest:
    """Sign that `target` must not move, neither to `ref` nor inside a release, until the same person approves it.

    The digest of the envelope. Raises ReasonMissing, Forbidden, TargetWrong, ObjectMissing.
    """
    if not why.strip():
        what = f"nobody will know why {ref} was rejected"
        raise ReasonMissing(what, where=target, mend='add --why "REASON"')
    authorize(actor, Action.APPROVE, ref)
    check_target(store, ref, target)
    return _say(store, signer, actor, target, ref, why, media.REJECTION_PREDICATE, "rejection", "rejected")


def comment_on(store: Store, signer: Signer, actor: Actor, *, ref: str, target: Digest, text: str) -> Digest:
    """Sign a remark about what stands or wants to stand at `ref`; it counts for nothing and stays. The digest of the envelope.

    Raises ReasonMissing, Forbidden, TargetWrong, ObjectMissing.
    """
    if not text.strip():
        raise ReasonMissing("a comment says something", where=target, mend='shipway comment WHAT "TEXT"')
    authorize(actor, Action.APPROVE, ref)
    check_target(store, ref, target)
    return _say(store, signer, actor, target, ref, text, media.COMMENT_PREDICATE, "comment", "commented")


def _say(
    store: Store,
    signer: Signer,
    actor: Actor,
    subject: Digest,
    ref: str,
    why: str,
    predicate_type: str,
    label: str,
    outcome: str,
) -> Digest:
    now = store.clock.now()
    envelope = attest(
        store,
        signer,
        subject=subject,
        name=ref,
        predicate_type=predicate_type,
        predicate={"by": actor.name, "why": why, "at": instant(now)},
        label=label,
    )
    store.record(NewAudit(now, actor.name, "review", ref, outcome, target=subject, why=why))
    return envelope


def _approve(store: Store, signer: Signer, actor: Actor, subject: Digest, *, name: str, resource: str, why: str) -> Digest:
    now = store.clock.now()
    envelope = attest(
        store,
        signer,
        subject=subject,
        name=name,
        predicate_type=media.APPROVAL_PREDICATE,
        predicate={"approver": actor.name, "why": why, "at": instant(now)},
        label="approval",
    )
    store.record(NewAudit(now, actor.name, "approve", resource, "approved", target=subject, why=why))
    return envelope
