"""A plan as an object: written when it was shown, applied later exactly as it was, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from shipway import __version__
from shipway.access import Actor, KeyRing, Signer
from shipway.gate import POLICY_REF, Moved, PlannedMove, arms_in, load_policy, move_ref, policy_digest
from shipway.kernel.canonical import Json, JsonObject, NotCanonical, canonical_json, parse_object
from shipway.kernel.clock import instant, parse_instant
from shipway.kernel.digest import Descriptor, Digest, digest_bytes, parse_digest, short
from shipway.kernel.errors import ShipwayError
from shipway.release._intact import check_intact
from shipway.release._plan import Plan
from shipway.store import RefMoved, Store

VERSION = 1
_AGAIN = "look again: shipway plan -o FILE, then shipway apply FILE"
_T = TypeVar("_T")


class PlanMalformed(ShipwayError):
    """A file that should be a plan is none."""

    code = "release.plan-malformed"


class PlanVersion(ShipwayError):
    """A plan in the format of another Shipway."""

    code = "release.plan-version"


class PlanForeign(ShipwayError):
    """A plan of another project."""

    code = "release.plan-foreign"


class PlanAltered(ShipwayError):
    """A plan that was changed after it was made, or that was never made here."""

    code = "release.plan-altered"


class PlanStale(ShipwayError):
    """The ref or the policy moved since the plan was made."""

    code = "release.plan-stale"


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A plan as it is kept. source and target are deployments; policy: in force when it was made; policy_change: what `apply`
    publishes first, if anything, and what then judges.
    """

    digest: Digest
    ref: str
    source: Digest | None
    target: Digest
    release: Digest
    policy: Digest
    policy_change: Digest | None
    prices: Digest | None
    at: datetime
    actor: str


def keep_plan(store: Store, actor: Actor, plan: Plan) -> tuple[Digest, bytes]:
    """Keep a plan as an object; its digest, and the bytes of its file."""
    record = draft_plan(store, actor, plan)
    digest = store.put(record)
    store.objects.sync()
    return digest, canonical_json(record) + b"\n"


def draft_plan(store: Store, actor: Actor, plan: Plan) -> JsonObject:
    """A plan as it would be kept, and its digest is that of its canonical JSON; nothing is written."""
    return plan_object(store.project, plan, at=store.clock.now(), actor=actor.name, shipway=__version__)


def plan_object(project: str, plan: Plan, *, at: datetime, actor: str, shipway: str) -> JsonObject:
    """What is kept of a plan; shipway: the version that made it."""
    return {
        "kind": "plan",
        "version": VERSION,
        "project": project,
        "ref": plan.ref,
        "from": plan.judged.source,
        "to": plan.target,
        "release": plan.release,
        "policy": plan.policy,
        "policy_change": plan.policy_change,
        "prices": plan.prices,
        "changes": [change.to_json() for change in plan.changes],
        "made": {"at": instant(at), "actor": actor, "shipway": shipway},
    }


def load_plan(store: Store, data: bytes, *, where: str) -> KeptPlan:
    """The plan in a file's bytes; where: the file's name. How the JSON is laid out does not count, each value does.

    Raises PlanMalformed, PlanVersion, PlanForeign, PlanAltered.
    """
    try:
        record = parse_object(data)
    except NotCanonical as problem:
        raise PlanMalformed(f"{where} is no plan: {problem.what}", where=where, mend=_AGAIN) from problem
    if record.get("kind") != "plan":
        kind = record.get("kind", "thing without kind")
        raise PlanMalformed(f"{where} is no plan, but a {kind}", where=where, mend="shipway plan -o FILE writes one")
    if record.get("version") != VERSION:
        maker = _maker(record)
        what = f"{where} is a plan of format version {record.get('version')}{maker}, and this Shipway reads version {VERSION}"
        raise PlanVersion(what, where=where, mend="plan again with this Shipway, or apply with the one that planned")
    if record.get("project") != store.project:
        what = f"{where} is a plan of project {record.get('project')}, and this is {store.project}"
        raise PlanForeign(what, where=where, mend="apply it there, or plan here")
    digest = digest_bytes(canonical_json(record))
    if not store.objects.has(digest):
        what = f"{where} was changed since it was made, or made with another store: no plan {short(digest)} is here"
        raise PlanAltered(what, where=where, mend=_AGAIN)
    return _read(record, digest, where)


def _maker(record: JsonObject) -> str:
    made = record.get("made")
    name = made.get("shipway") if isinstance(made, dict) else None
    return f", made by Shipway {name}" if isinstance(name, str) else ""


def _read(record: JsonObject, digest: Digest, where: str) -> KeptPlan:
    def optional(key: str) -> Digest | None:
        return None if record[key] is None else parse_digest(str(record[key]))

    try:
        made = _object(record["made"])
        return KeptPlan(
            digest=digest,
            ref=str(record["ref"]),
            source=optional("from"),
            target=parse_digest(str(record["to"])),
            release=parse_digest(str(record["release"])),
            policy=parse_digest(str(record["policy"])),
            policy_change=optional("policy_change"),
            prices=optional("prices"),
            at=parse_instant(str(made["at"])),
            actor=str(made["actor"]),
        )
    except (KeyError, ValueError, ShipwayError) as problem:
        raise PlanMalformed(f"{where} is no plan that can be read: {problem}", where=where, mend=_AGAIN) from problem


def _object(value: Json) -> JsonObject:
    if not isinstance(value, dict):
        raise ValueError("made is no object")
    return value


def apply_planned(
    store: Store,
    keys: KeyRing,
    actor: Actor,
    plan: KeptPlan,
    *,
    signer: Signer | None = None,
    why: str = "",
    force: bool = False,
) -> Moved:
    """Do exactly what was planned: publish its policy, move its ref from where it stood to where it said. Judged again by what
    is known now. A ref that is there already stays, unchanged. signer, force: as in move_ref.

    Raises PlanStale, PlanAltered, MoveRefused, Forbidden, ReleaseDamaged, ObjectMissing, ObjectDamaged.
    """
    _check_whole(store, plan)
    said = why if force else why or f"plan {short(plan.digest)} of {plan.actor}"
    if plan.source == plan.target or not _is_there(store, plan):  # one that moves nothing may still publish a policy
        _check_fresh(store, plan)
        _or_stale(store, plan, lambda: _publish(store, keys, actor, plan, said, force=force))
    judge = plan.policy_change or plan.policy
    planned = PlannedMove(plan.digest, plan.source, judge)
    return _or_stale(
        store,
        plan,
        lambda: move_ref(
            store, keys, actor, ref=plan.ref, target=plan.target, why=said, planned=planned, signer=signer, force=force
        ),
    )


def _check_whole(store: Store, plan: KeptPlan) -> None:
    """All that the plan names is in the store, whole, and fits together."""
    deployment = store.get(plan.target, "deployment")
    place = f"deploy/{deployment['application']}@{deployment['environment']}"
    gateway = deployment.get("gateway")
    prices = gateway.get("prices") if isinstance(gateway, dict) else None
    facts = {
        "ref": (plan.ref, place),
        "release": (plan.release, Descriptor.from_json(deployment["release"]).digest),
        "prices": (plan.prices, prices),
    }
    for name, (said, found) in facts.items():
        if said != found:
            what = f"the plan contradicts itself: its {name} is {said}, and its deployment says {found}"
            raise PlanAltered(what, where=plan.digest, mend=_AGAIN)
    if plan.prices:
        store.get(plan.prices)
    if plan.policy_change:
        load_policy(store, plan.policy_change)
    for _, release in arms_in(deployment):
        check_intact(store, release)


def _is_there(store: Store, plan: KeptPlan) -> bool:
    present = store.ref(plan.ref)
    return present is not None and present.digest == plan.target


def _check_fresh(store: Store, plan: KeptPlan) -> None:
    """Raises PlanStale unless ref and policy stand where the plan found them (or the policy where it puts it)."""
    present = store.ref(plan.ref)
    found = present.digest if present else None
    if found != plan.source:
        raise PlanStale(_moved(store, plan.ref, plan.source, found), where=plan.ref, mend=_AGAIN)
    policy = policy_digest(store)
    if policy not in (plan.policy, plan.policy_change):
        raise PlanStale(_moved(store, POLICY_REF, plan.policy, policy), where=POLICY_REF, mend=_AGAIN)


def _moved(store: Store, ref: str, planned: Digest | None, found: Digest | None) -> str:
    """Who moved it and when, from the history."""
    was, now = (short(digest) if digest else "nothing" for digest in (planned, found))
    last = next(iter(store.lives(ref, limit=1)), None)
    who = f": {last.actor} moved it at {last.at:%Y-%m-%d %H:%M:%S}" if last else ""
    because = f" ({last.why})" if last and last.why else ""
    return f"the plan is stale: {ref} was at {was} when it was made, and is at {now}{who}{because}"


def _publish(store: Store, keys: KeyRing, actor: Actor, plan: KeptPlan, why: str, *, force: bool) -> None:
    present = store.ref(POLICY_REF)
    source = present.digest if present else None
    if plan.policy_change and plan.policy_change != source:
        planned = PlannedMove(plan.digest, source, plan.policy)
        move_ref(store, keys, actor, ref=POLICY_REF, target=plan.policy_change, why=why, planned=planned, force=force)


def _or_stale(store: Store, plan: KeptPlan, move: Callable[[], _T]) -> _T:
    """What the move gives; when somebody was quicker, what they did in words, or once more where they did the same."""
    try:
        return move()
    except RefMoved:
        if not _is_there(store, plan):
            _check_fresh(store, plan)
        return move()
