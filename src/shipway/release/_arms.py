"""Arms: other releases that answer beside the live one, or are only asked beside it, as a part of the deployment object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from shipway.gate import release_of
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Descriptor, Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.kernel.split import BUCKETS, LIVE, SHADOW, Ranges, grant, share_of
from shipway.release._manifest import load_components
from shipway.spec import DeploySpec
from shipway.store import Store


class ArmsRefused(ShipwayError):
    """Arms that cannot answer beside what is live: nothing is, they want more than all, or clients would notice."""

    code = "release.arms-refused"


@dataclass(frozen=True, slots=True)
class AskedArm:
    """A release that shall answer beside the live one: its name and share of units in 0..1; `shadow` is asked and not heard."""

    name: str
    release: Digest
    share: float


@dataclass(frozen=True, slots=True)
class Arm:
    """A release beside the live one. ranges: its buckets; a shadow's are counted apart."""

    name: str
    release: Digest
    ranges: Ranges

    @property
    def share(self) -> float:
        return share_of(self.ranges)

    def to_json(self) -> JsonObject:
        """As commands and the API show it."""
        return {"name": self.name, "release": self.release, "share": self.share}


@dataclass(frozen=True, slots=True)
class Split:
    """How units are divided. salt: what goes into their hash; unit: `request`, `header:NAME` or `column:NAME`."""

    salt: str
    unit: str
    arms: tuple[Arm, ...]


def split_of(deployment: JsonObject) -> Split | None:
    """The split of a deployment object, None where its live release answers alone."""
    value = cast("Mapping[str, Json] | None", deployment.get("split"))
    if value is None:
        return None
    arms = [
        Arm(
            str(arm["name"]),
            Descriptor.from_json(arm["release"]).digest,
            tuple((start, end) for start, end in cast("list[list[int]]", arm["buckets"])),
        )
        for arm in cast("list[Mapping[str, Json]]", value["arms"])
    ]
    return Split(str(value["salt"]), str(value["unit"]), tuple(arms))


def arms_at(store: Store, deployment: Digest) -> tuple[Arm, ...]:
    """The arms of a deployment; none where it has none, or cannot be read."""
    try:
        found = split_of(store.get(deployment, "deployment"))
    except ShipwayError:
        return ()
    return found.arms if found else ()


def plan_split(
    store: Store, deploy: DeploySpec, asked: Sequence[AskedArm], *, live: Digest, source: Digest | None
) -> JsonObject | None:
    """The split of a deployment that shall have these arms, None for none.

    live: the release beside which they answer; source: the present deployment. The salt stays as long as one of its arms does,
    and so do the buckets of each: nobody changes arms because another one grows. Raises ArmsRefused.
    """
    if not asked:
        return None
    _check(store, deploy, asked, live)
    present = split_of(store.get(source, "deployment")) if source else None
    ours = {(arm.name, arm.release) for arm in asked}
    stays = [arm for arm in present.arms if (arm.name, arm.release) in ours] if present else []
    goes_on = bool(stays) and present is not None and present.unit == deploy.unit
    held = {arm.name: arm.ranges for arm in present.arms} if present and goes_on else {}
    counts = {arm.name: round(arm.share * BUCKETS) for arm in asked}
    shadow = {name: count for name, count in counts.items() if name == SHADOW}
    granted = grant(held, {name: count for name, count in counts.items() if name != SHADOW}) | grant(held, shadow)
    return {
        "salt": present.salt if present and goes_on else short(source or live),
        "unit": deploy.unit,
        "arms": [
            {
                "name": arm.name,
                "release": store.descriptor(arm.release, media.OCI_INDEX).to_json(),
                "buckets": [list(pair) for pair in granted[arm.name]],
            }
            for arm in sorted(asked, key=lambda arm: arm.name)
        ],
    }


def live_for_arms(store: Store, ref: str) -> Digest:
    """The release beside which arms shall answer: what is live now. Raises ArmsRefused."""
    present = store.ref(ref)
    release = release_of(store, present.digest) if present else None
    if release is None:
        what = f"nothing is live at {ref} that arms could stand beside"
        raise ArmsRefused(what, where=ref, mend="shipway apply, without --arm")
    return release


def _check(store: Store, deploy: DeploySpec, asked: Sequence[AskedArm], live: Digest) -> None:
    if deploy.target == "gateway":
        raise ArmsRefused(f"{deploy.name} is a gateway, and arms are releases of a model", where=deploy.name)
    names = [arm.name for arm in asked]
    if LIVE in names or len({*names}) < len(names):
        what = f"arm {LIVE!r} is what answers already" if LIVE in names else "an arm is named twice"
        raise ArmsRefused(what, where=deploy.name, mend="give each another name, such as candidate")
    if sum(arm.share for arm in asked if arm.name != SHADOW) > 1:
        raise ArmsRefused("the arms want more than 100 %", where=deploy.name, mend="what is left of it, live answers")
    for arm in asked:
        _check_signature(store, arm, live)


def _check_signature(store: Store, arm: AskedArm, live: Digest) -> None:
    """Clients ask as the live model wants it and read what it gives; an arm has to do with that."""
    if arm.release == live:
        raise ArmsRefused(f"arm {arm.name} is release {short(live)}, which is live itself", mend="name another release")
    theirs, ours = (_signature(store, release) for release in (arm.release, live))
    taken = _columns(theirs, "inputs") - _columns(ours, "inputs")
    given = _columns(ours, "outputs") - _columns(theirs, "outputs")
    if taken or given:
        name, datatype = sorted(taken or given)[0]
        does = "takes column" if taken else "does not give output"
        what = f"arm {arm.name} {does} {name} ({datatype}), and clients go by what is live"
        raise ArmsRefused(what, where=arm.release, mend="apply it as the live release, once clients are ready for it")


def _columns(signature: JsonObject, way: str) -> set[tuple[str, str]]:
    return {(column["name"], column["datatype"]) for column in cast("list[dict[str, str]]", signature[way])}


def _signature(store: Store, release: Digest) -> JsonObject:
    models = [part for part in load_components(store, release) if part.kind == "model"]
    if len(models) != 1:
        raise ArmsRefused(f"release {short(release)} has {len(models)} models, and an arm has one", where=release)
    return cast("JsonObject", store.get(models[0].digest, "model")["signature"])
