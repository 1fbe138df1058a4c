"""Apply and rollback: the moves of a deployment's ref."""

from __future__ import annotations

from collections.abc import Mapping

from shipway.access import Actor, KeyRing, Signer
from shipway.gate import POLICY_REF, Moved, Policy, load_policy, move_ref, policy_object, release_of
from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.release._deployment import with_release
from shipway.release._intact import check_intact
from shipway.release._plan import Plan, make_plan
from shipway.spec import DeploySpec, Pass, PolicyRule, Spec, evaluation_of
from shipway.store import Store

_PAGE = 100  # records of a history that are read at once


class PolicyUnmeetable(ShipwayError):
    """A rule that asks what nobody can show: it would lock its ref for good."""

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
        if not ref.startswith("deploy/") and (rule.require or rule.approvals):
            raise PolicyUnmeetable(
                f"the policy asks something of {ref}, and only deployments can be checked and approved as yet",
                where=str(spec.path),
                mend="ask it of the deployment that takes it: deploy/APPLICATION@ENVIRONMENT",
            )
        _check_golden(spec, ref, rule, golden)
    contracts = {name: data.contract for name, data in spec.data.items() if data.contract}
    target, present = store.put(policy_object(store, spec.policy, contracts, golden)), store.ref(POLICY_REF)
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
) -> Moved | None:
    """Move `policy/main` to the spec's policy when it differs: its own move, judged by the policy in force until then."""
    change = policy_change(store, spec, golden=golden)
    if change is None:
        return None
    return move_ref(store, keys, actor, ref=POLICY_REF, target=change.digest, why=why or "the policy of shipway.yaml")


def apply_plan(store: Store, keys: KeyRing, actor: Actor, plan: Plan, *, signer: Signer | None = None, why: str = "") -> Moved:
    """Move the ref to what was planned. signer: as in move_ref. Raises MoveRefused, RefMoved, Forbidden, ReleaseDamaged."""
    check_intact(store, plan.release)
    return move_ref(store, keys, actor, ref=plan.ref, target=plan.target, why=why, signer=signer)


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
    signer: Signer | None = None,
    why: str = "",
) -> tuple[Plan, Moved]:
    """Publish a changed policy, plan, move. golden, prices, signer: as in policy_change, make_plan and move_ref.

    Raises MoveRefused, RefMoved, Forbidden, NoCandidate, PolicyUnmeetable.
    """
    publish_policy(store, keys, actor, spec, golden=golden)
    plan = make_plan(store, keys, actor, spec, deploy, release=release, prices=prices, detail=False)
    return plan, apply_plan(store, keys, actor, plan, signer=signer, why=why)


def roll_back(store: Store, keys: KeyRing, actor: Actor, ref: str, *, release: Digest | None = None, why: str = "") -> Moved:
    """Return to the release that was live before this one, or to a named one that was live; everything else stays as it is.

    Raises NothingToReturnTo, RefMissing, Forbidden, RefMoved, ReleaseDamaged.
    """
    present = store.resolve(ref)
    chosen = _chosen(store, ref, release) if release else _previous(store, ref, present)
    check_intact(store, chosen)
    target = store.put(with_release(store, present, chosen))
    return move_ref(store, keys, actor, ref=ref, target=target, why=why or "rollback")


def _chosen(store: Store, ref: str, release: Digest) -> Digest:
    """The release, when it was live here: what never was goes through the gate, by `apply`."""
    if not store.lives(ref, release, limit=1):
        raise NothingToReturnTo(
            f"release {short(release)} was never live at {ref}", where=ref, mend=f"shipway apply --release {short(release)}"
        )
    return release


def _previous(store: Store, ref: str, present: Digest) -> Digest:
    now, page = release_of(store, present), store.lives(ref, limit=_PAGE)
    while page:
        for record in page:
            if record.release not in (None, now):
                return record.release
        page = store.lives(ref, before=page[-1].id, limit=_PAGE)
    raise NothingToReturnTo(f"no other release was live at {ref}", where=ref, mend=f"shipway log {ref}")
