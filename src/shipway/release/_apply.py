"""Apply and rollback: the moves of a deployment's ref."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from shipway.access import Actor, KeyRing, Signer
from shipway.gate import (
    POLICY_REF,
    Moved,
    Policy,
    arms_of,
    load_policy,
    move_ref,
    policy_object,
    release_of,
    revoked,
    subjects_of,
)
from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.release._arms import AskedArm
from shipway.release._deployment import deploy_ref, with_release
from shipway.release._intact import check_intact
from shipway.release._plan import Plan, make_plan
from shipway.spec import DeploySpec, Pass, PolicyRule, Spec, evaluation_of
from shipway.store import ObjectDamaged, ObjectMissing, RefMoved, Store

_PAGE = 100  # records of a history that are read at once


class PolicyUnmeetable(ShipwayError):
    """A rule that asks for a metric whose golden set is not at hand: any set of questions would do."""

    code = "release.policy-unmeetable"


class NothingToReturnTo(ShipwayError):
    """Nothing else was live here before."""

    code = "release.nothing-before"


def policy_change(store: Store, spec: Spec, *, golden: Mapping[str, Digest] | None = None) -> Policy | None:
    """The spec's policy when it is not the one in force: what `apply` will publish first.

    golden: evaluation -> digest of its golden set, for all that the policy asks something of. Raises PolicyUnmeetable.
    """
    golden = golden or {}
    for ref, rule in spec.policy.items():
        _check_golden(spec, ref, rule, golden)
    contracts = {name: data.contract for name, data in spec.data.items() if data.contract}
    order = {deploy_ref(deploy): deploy.after for deploy in spec.deploy.values() if deploy.after}
    target, present = store.put(policy_object(store, spec.policy, contracts, golden, order)), store.ref(POLICY_REF)
    return None if present and present.digest == target else load_policy(store, target)


def _check_golden(spec: Spec, ref: str, rule: PolicyRule, golden: Mapping[str, Digest]) -> None:
    """A metric of an evaluation means nothing without its golden set: any set of questions would do."""
    for requirement in rule.require:
        name = evaluation_of(requirement.name)
        if name is not None and not isinstance(requirement, Pass) and name not in golden:
            what = f"the policy asks {requirement.name} of {ref}, and no golden set {name} is at hand"
            mend = f"see that the file of evals.{name} is there, then try again"
            raise PolicyUnmeetable(what, where=str(spec.path), mend=mend)


def publish_policy(
    store: Store,
    keys: KeyRing,
    actor: Actor,
    spec: Spec,
    *,
    golden: Mapping[str, Digest] | None = None,
    why: str = "",
    force: bool = False,
) -> Moved | None:
    """Move `policy/main` to the spec's policy when it differs: its own move, judged by the policy in force until then.

    force: as in move_ref, and then `why` has to say something. Raises MoveRefused, PolicyLocksOut, Forbidden, PolicyUnmeetable.
    """
    change = policy_change(store, spec, golden=golden)
    if change is None:
        return None
    said = why if force else why or "the policy of shipway.yaml"
    return move_ref(store, keys, actor, ref=POLICY_REF, target=change.digest, why=said, force=force)


def apply_plan(
    store: Store, keys: KeyRing, actor: Actor, plan: Plan, *, signer: Signer | None = None, why: str = "", force: bool = False
) -> Moved:
    """Move the ref to what was planned. signer, force: as in move_ref, which says what is raised; so is ReleaseDamaged."""
    for release in (plan.release, *(arm.release for arm in plan.arms)):
        check_intact(store, release)
    return move_ref(store, keys, actor, ref=plan.ref, target=plan.target, why=why, signer=signer, force=force)


def apply_release(
    store: Store,
    keys: KeyRing,
    actor: Actor,
    spec: Spec,
    deploy: DeploySpec,
    *,
    release: Digest | None = None,
    golden: Mapping[str, Digest] | None = None,
    prices: Digest | None = None,
    arms: Sequence[AskedArm] = (),
    signer: Signer | None = None,
    why: str = "",
    force: bool = False,
) -> tuple[Plan, Moved]:
    """Publish a changed policy, plan, move. golden, prices, arms, signer: as in policy_change, make_plan and move_ref; force:
    of both moves, as in move_ref.

    Raises MoveRefused, PolicyLocksOut, ReasonMissing, RefMoved, Forbidden, NoCandidate, ArmsRefused, PolicyUnmeetable.
    """
    publish_policy(store, keys, actor, spec, golden=golden, why=why if force else "", force=force)
    plan = make_plan(store, keys, actor, spec, deploy, release=release, prices=prices, arms=arms, detail=False)
    return plan, apply_plan(store, keys, actor, plan, signer=signer, why=why, force=force)


def way_back(store: Store, keys: KeyRing, ref: str) -> Digest:
    """The release to which roll_back would return now; reads only. Raises NothingToReturnTo, RefMissing."""
    return _previous(store, keys, ref, store.resolve(ref))


def roll_back(
    store: Store,
    keys: KeyRing,
    actor: Actor,
    ref: str,
    *,
    release: Digest | None = None,
    standing: Digest | None = None,
    why: str = "",
) -> Moved:
    """Return to the release that was live before this one, or to a named one that was live; everything else stays as it is.

    Where arms answer beside what is live, they go, and nothing else does. A release that is revoked, or has a revoked part, is
    passed over. standing: the deployment that whoever asks has seen at the ref; another one there is RefMoved.
    Raises NothingToReturnTo, RefMissing, Forbidden, RefMoved, ReleaseDamaged.
    """
    present = store.resolve(ref)
    if standing is not None and standing != present:
        what = f"{ref} moved meanwhile: it is at {short(present)} and no longer at {short(standing)}"
        raise RefMoved(what, where=ref, mend="look again at what a rollback would return to")
    chosen = _chosen(store, keys, ref, release) if release else _previous(store, keys, ref, present)
    check_intact(store, chosen)
    target = store.put(with_release(store, present, chosen))
    return move_ref(store, keys, actor, ref=ref, target=target, why=why or "rollback")


def _chosen(store: Store, keys: KeyRing, ref: str, release: Digest) -> Digest:
    """The release, when it was live here and is not revoked: what never was goes through the gate, by `apply`."""
    if not store.lives(ref, release, limit=1):
        raise NothingToReturnTo(
            f"release {short(release)} was never live at {ref}", where=ref, mend=f"shipway apply --release {short(release)}"
        )
    word = revoked(store, keys, release)
    if word:
        why = f"release {short(release)} was revoked: {word.predicate.get('why')}"
        raise NothingToReturnTo(why, where=ref, mend=f"shipway rollback {ref}, to what is not")
    return release


def _is_revoked(store: Store, keys: KeyRing, release: Digest) -> bool:
    """Whether the release or a part of it is: the gate would bar the way back to it. One that is damaged is named later."""
    digests = [release]
    with suppress(ObjectMissing, ObjectDamaged):
        digests = [subject.digest for subject in subjects_of(store, release)]
    return any(revoked(store, keys, digest) for digest in digests)


def _previous(store: Store, keys: KeyRing, ref: str, present: Digest) -> Digest:
    now, page = release_of(store, present), store.lives(ref, limit=_PAGE)
    if now and len(arms_of(store, present)) > 1 and not _is_revoked(store, keys, now):
        return now
    passed_over = {now}
    while page:
        for record in page:
            if record.release is None or record.release in passed_over:
                continue
            if not _is_revoked(store, keys, record.release):
                return record.release
            passed_over.add(record.release)
        page = store.lives(ref, before=page[-1].id, limit=_PAGE)
    raise NothingToReturnTo(f"no other release was live at {ref}", where=ref, mend=f"shipway log {ref}")
