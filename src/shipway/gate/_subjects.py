"""What a move would put live: the object itself and, for a deployment, its release and every component in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from shipway.kernel.canonical import Json
from shipway.kernel.digest import Descriptor, Digest, parse_digest
from shipway.store import Store

ANNOTATION = "dev.shipway."


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing that evidence can be about, by kind and name."""

    kind: str
    name: str
    digest: Digest


def subjects_of(store: Store, target: Digest) -> tuple[Subject, ...]:
    """The object behind a digest and all it locks. Raises ObjectMissing, ObjectDamaged."""
    value = store.get(target)
    kind = str(value.get("kind") or "release")
    if kind == "release":
        return (Subject("release", "", target), *_components(value))
    if kind != "deployment":
        return (Subject(kind, "", target),)
    release = Descriptor.from_json(value["release"]).digest
    return (Subject("deployment", str(value["application"]), target), *subjects_of(store, release))


def release_of(store: Store, target: Digest) -> Digest | None:
    """The release that a deployment puts live; None for any other object."""
    value = store.get(target)
    return Descriptor.from_json(value["release"]).digest if value.get("kind") == "deployment" else None


def _components(index: Mapping[str, Json]) -> list[Subject]:
    found = []
    for entry in cast("list[Mapping[str, Json]]", index["manifests"]):
        notes = cast("Mapping[str, str]", entry["annotations"])
        found.append(
            Subject(notes[ANNOTATION + "kind"], notes[ANNOTATION + "name"], parse_digest(notes[ANNOTATION + "object"]))
        )
    return found
