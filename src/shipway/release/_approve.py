"""Approvals: a person's signature under one release."""

from __future__ import annotations

from shipway.access import Action, Actor, Signer, authorize
from shipway.gate import attest
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.release._manifest import load_components
from shipway.store import NewAudit, Store


def approve_release(store: Store, signer: Signer, actor: Actor, application: str, release: Digest, *, why: str = "") -> Digest:
    """Sign that `release` may go live; the digest of the envelope. Raises Forbidden, ReleaseMalformed."""
    resource = f"release/{application}"
    authorize(actor, Action.APPROVE, resource)
    load_components(store, release)  # an approval of what is no release would count for nothing, silently
    now = store.clock.now()
    predicate: JsonObject = {"approver": actor.name, "why": why, "at": instant(now)}
    envelope = attest(
        store,
        signer,
        subject=release,
        name=application,
        predicate_type=media.APPROVAL_PREDICATE,
        predicate=predicate,
        label="approval",
    )
    store.record(NewAudit(now, actor.name, "approve", resource, "approved", target=release, why=why))
    return envelope
