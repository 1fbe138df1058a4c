"""A check that was measured and kept as evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shipway import __version__
from shipway.gate import attest
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.pipeline import Hands
from shipway.release import Component


@dataclass(frozen=True, slots=True)
class Measured:
    """One check as evidence: what it is about, the check, the envelope, and lines for a person (violated rows)."""

    subject: Component
    check: Check
    envelope: Digest
    against: Digest | None = None
    detail: str = ""


def attest_check(
    hands: Hands,
    subject: Component,
    check: Check,
    more: Mapping[str, Json],
    *,
    against: Digest | None = None,
    detail: str = "",
) -> Measured:
    """Sign what was measured of a component and keep it; what it means is the gate's to say."""
    predicate: JsonObject = {
        "check": check.to_json(),
        "at": instant(hands.store.clock.now()),
        "by": hands.actor.name,
        "tool": {"name": "shipway", "version": __version__},
        **more,
    }
    envelope = attest(
        hands.store,
        hands.signer,
        subject=subject.digest,
        name=f"{subject.kind}/{subject.name}",
        predicate_type=media.CHECK_PREDICATE,
        predicate=predicate,
        label=check.name,
    )
    return Measured(subject, check, envelope, against, detail)
