"""Revocation: an admin's signed word that something must not be live, and the later word that lifts it."""

from __future__ import annotations

from collections.abc import Iterable

from shipway.access import Action, Actor, Forbidden, KeyRing, Signer, authorize, permits
from shipway.gate._evidence import Statement, attest, load_evidence, shown
from shipway.kernel import media
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.store import NewAudit, Store


class ReasonMissing(ShipwayError):
    """What stays in the history for ever needs a reason."""

    code = "gate.reason-missing"


def revoked(store: Store, keys: KeyRing, digest: Digest) -> Statement | None:
    """The statement by which a digest is revoked now; None when it is not, or not any more."""
    return standing(load_evidence(store, keys, digest, predicate=media.REVOCATION_PREDICATE))


def standing(statements: Iterable[Statement]) -> Statement | None:
    """The newest revocation among statements about one digest, unless it is lifted; of two at one instant the revoking one.

    A revocation counts on when its signer's key is revoked later, a lift does not (see load_evidence).
    """
    words = [one for one in statements if one.predicate_type == media.REVOCATION_PREDICATE]
    newest = max(words, key=lambda one: (one.at, one.predicate.get("lifted") is not True), default=None)
    return newest if newest and newest.predicate.get("lifted") is not True else None


def said_of(kind: str, statement: Statement) -> str:
    """Who revoked it, when and why; and that the key which says so was itself revoked since."""
    who, why = (shown(statement.predicate.get(name)) for name in ("by", "why"))
    since = f"; the key of {statement.key.name} was revoked since, and an admin may --lift it" if statement.key.revoked else ""
    return f"{kind} {short(statement.subject)} by {who} at {instant(statement.at)[:16]}Z ({why}{since})"


def revoke(
    store: Store,
    keys: KeyRing,
    signer: Signer,
    actor: Actor,
    *,
    digest: Digest,
    name: str,
    why: str,
    resource: str,
    lift: bool = False,
) -> Digest:
    """Sign that what the digest names must not go live, nor be returned to, from now on; lift: that it may again.

    name: what people call it; resource: in whose history it is recorded. The digest of the envelope. Actor and key have to be
    an admin's. Raises ReasonMissing, Forbidden.
    """
    outcome = "lifted" if lift else "revoked"
    if not why.strip():
        what = f"the revocation of {name} was lifted" if lift else f"{name} was revoked"
        raise ReasonMissing(f"nobody will know why {what}", where=digest, mend='add --why "REASON"')
    authorize(actor, Action.REVOKE, resource)
    key = keys.find(signer.key_id)
    if key is None or key.revoked or not permits(key.roles, Action.REVOKE):
        what = f"the key {signer.key_id[:12]} is not trusted as an admin's, so its word would not count"
        raise Forbidden(what, where=digest, mend="sign where the key of an admin is")
    now = store.clock.now()
    envelope = attest(
        store,
        signer,
        subject=digest,
        name=name,
        predicate_type=media.REVOCATION_PREDICATE,
        predicate={"by": actor.name, "why": why, "lifted": lift, "at": instant(now)},
        label="revocation",
    )
    store.record(NewAudit(now, actor.name, "revoke", resource, outcome, target=digest, why=why))
    return envelope
