"""What a judgement looks at, read from the store."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from shipway.access import Actor, KeyRing
from shipway.gate._evidence import load_evidence
from shipway.gate._facts import Before, Facts
from shipway.gate._policy import Policy
from shipway.gate._revocation import revoked
from shipway.gate._subjects import Subject, release_of, subjects_of
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.kernel.split import LIVE
from shipway.store import ObjectDamaged, ObjectMissing, Store

_PAGE = 100  # records of a history that are read at once


def gather_facts(
    store: Store,
    keys: KeyRing,
    actor: Actor,
    policy: Policy,
    *,
    ref: str,
    target: Digest,
    source: Digest | None,
    at: datetime,
    arm: str = LIVE,
    release: Digest | None = None,
) -> Facts:
    """All that the gate of `ref` may look at when `target` wants to stand there. Raises ObjectMissing, ObjectDamaged.

    arm, release: of a deployment, the one of its releases that is looked at.
    """
    subjects = subjects_of(store, target, arm)
    return Facts(
        ref,
        subjects,
        _live_subjects(store, source),
        {subject.digest: load_evidence(store, keys, subject.digest) for subject in subjects},
        actor.name,
        at,
        own_key=keys.own,
        after=_after(store, policy, ref, target, release, at),
        authors=_authors(store, policy, ref, release, actor),
        pickles=_pickles(store, policy, ref, subjects),
    )


def returns(store: Store, keys: KeyRing, *, ref: str, source: Digest | None, target: Digest) -> bool:
    """Whether this very deployment stood at this ref before, or it is the present one with a release that did and no arm
    beside it, and nothing in it was revoked.

    Component refs have no such way back: nothing is live there.
    """
    release = release_of(store, target)
    if release is None or source is None or not _was_live(store, ref, source, target, release):
        return False
    return not any(revoked(store, keys, subject.digest) for subject in subjects_of(store, target))


def _was_live(store: Store, ref: str, source: Digest, target: Digest, release: Digest) -> bool:
    if store.lives(ref, release, target=target, limit=1):
        return True
    with suppress(ObjectMissing, ObjectDamaged):
        wanted = store.get(target)
        same = _settings(store.get(source)) == _settings(wanted) and "split" not in wanted
        return same and bool(store.lives(ref, release, limit=1))
    return False


def _settings(deployment: JsonObject) -> JsonObject:
    """All that is neither the live release nor an arm beside it."""
    return {key: value for key, value in deployment.items() if key not in ("release", "split")}


def _live_subjects(store: Store, source: Digest | None) -> tuple[Subject, ...] | None:
    """What is live now; None when it cannot be read any more: that bars what has to be compared with it, and nothing else."""
    if source is None:
        return ()
    with suppress(ObjectMissing, ObjectDamaged):
        return subjects_of(store, source, LIVE)
    return None


def _after(store: Store, policy: Policy, ref: str, target: Digest, release: Digest | None, at: datetime) -> Before | None:
    """Whether the release was live in the environment that this ref comes after; None when it comes after none.

    The policy says which that is, and only where it has no order at all the deployment does.
    """
    value = store.get(target)
    if value.get("kind") != "deployment":
        return None
    environment = value.get("after") if policy.order is None else policy.order.get(ref)
    if not environment:
        return None
    earlier = f"deploy/{value['application']}@{environment}"
    passed = bool(release and store.lives(earlier, release, limit=1))
    asked = policy.rule(ref, observed=True).soak is not None
    return Before(earlier, passed, _soaked(store, earlier, release, at) if release and passed and asked else 0.0)


def _soaked(store: Store, ref: str, release: Digest, at: datetime) -> float:
    """The longest time in seconds for which a release was live at a ref without a break.

    Reads the moves back to the first that put the release there.
    """
    first = store.lives(ref, release)[-1].id
    longest, end, page = 0.0, at, store.lives(ref, limit=_PAGE)
    while page:
        for record in page:
            if record.release == release:
                longest = max(longest, (end - record.at).total_seconds())
            else:
                end = record.at
            if record.id <= first:
                return longest
        page = store.lives(ref, before=page[-1].id, limit=_PAGE)
    return longest


def _pickles(store: Store, policy: Policy, ref: str, subjects: tuple[Subject, ...]) -> tuple[str, ...]:
    """The models that may run code when they are loaded, by name; none where no rule asks."""
    if not policy.rule(ref, observed=True).judges_pickles:
        return ()
    models = [subject for subject in subjects if subject.kind == "model"]
    found = [one.name or ref.partition("/")[2] for one in models if store.get(one.digest).get("allow_pickle") is True]
    return tuple(dict.fromkeys(found))


def _authors(store: Store, policy: Policy, ref: str, release: Digest | None, actor: Actor) -> frozenset[str]:
    """Who made what would move: of a release those who locked it here, of anything else whoever moves it.

    Nobody where no rule asks: the whole history of releases is looked through.
    """
    if policy.rule(ref, observed=True).author_approves:
        return frozenset()
    if release is None:
        return frozenset({actor.name})
    application = ref.removeprefix("deploy/").partition("@")[0]
    return frozenset(record.actor for record in store.lives(f"release/{application}", target=release))
