"""What a move would put live: the object itself and, for a deployment, its release and every component in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from shipway.kernel.canonical import Json
from shipway.kernel.digest import Descriptor, Digest, parse_digest
from shipway.kernel.errors import ShipwayError
from shipway.kernel.split import LIVE
from shipway.store import Store

ANNOTATION = "dev.shipway."


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing that evidence can be about, by kind and name."""

    kind: str
    name: str
    digest: Digest


_KINDS = {
    "deploy": "deployment",
    "policy": "policy",
    "data": "snapshot",
    "model": "model",
    "prompt": "prompt",
    "index": "index",
    "release": "release",
}


class TargetWrong(ShipwayError):
    """An object that cannot stand at this ref: of another kind, or another application's deployment."""

    code = "gate.target-wrong"


def check_target(store: Store, ref: str, target: Digest) -> None:
    """Raises TargetWrong unless an object of this kind belongs at this ref."""
    value = store.get(target)
    kind, wanted = _kind(value), _KINDS.get(ref.partition("/")[0])
    if wanted is None or kind != wanted:
        raise TargetWrong(f"{ref} holds a {wanted or 'thing that is not known here'}, not a {kind}", where=target)
    if kind == "deployment" and ref != f"deploy/{value['application']}@{value['environment']}":
        raise TargetWrong(f"this deployment is of {value['application']}@{value['environment']}, not of {ref}", where=target)


def subjects_of(store: Store, target: Digest, arm: str | None = None) -> tuple[Subject, ...]:
    """The object behind a digest and all it locks; arm: of a deployment, only with the release of this arm.

    Raises ObjectMissing, ObjectDamaged.
    """
    value = store.get(target)
    kind = _kind(value)
    if kind == "release":
        return (Subject("release", "", target), *_components(value))
    if kind != "deployment":
        return (Subject(kind, "", target),)
    releases = [release for name, release in arms_in(value) if arm in (None, name)]
    found = [subject for release in dict.fromkeys(releases) for subject in subjects_of(store, release)]
    return (Subject("deployment", str(value["application"]), target), *dict.fromkeys(found))


def arms_in(deployment: Mapping[str, Json]) -> tuple[tuple[str, Digest], ...]:
    """The releases that a deployment object names, by arm: `live` first, then those beside it."""
    found = [(LIVE, Descriptor.from_json(deployment["release"]).digest)]
    split = cast("Mapping[str, Json]", deployment.get("split") or {"arms": []})
    for arm in cast("list[Mapping[str, Json]]", split["arms"]):
        found.append((str(arm["name"]), Descriptor.from_json(arm["release"]).digest))
    return tuple(found)


def arms_of(store: Store, target: Digest) -> tuple[tuple[str, Digest | None], ...]:
    """As arms_in, of what a digest names; of anything but a deployment `live` alone, without a release."""
    value = store.get(target)
    return arms_in(value) if value.get("kind") == "deployment" else ((LIVE, None),)


def release_of(store: Store, target: Digest) -> Digest | None:
    """The release that a deployment puts live; None for any other object."""
    value = store.get(target)
    return Descriptor.from_json(value["release"]).digest if value.get("kind") == "deployment" else None


def _kind(value: Mapping[str, Json]) -> str:
    """The kind of an object; a release is an OCI index, which has none of ours inside."""
    return str(value.get("kind") or ("release" if "manifests" in value else "thing without kind"))


def _components(index: Mapping[str, Json]) -> list[Subject]:
    found = []
    for entry in cast("list[Mapping[str, Json]]", index["manifests"]):
        notes = cast("Mapping[str, str]", entry["annotations"])
        found.append(
            Subject(notes[ANNOTATION + "kind"], notes[ANNOTATION + "name"], parse_digest(notes[ANNOTATION + "object"]))
        )
    return found
