"""A release: an OCI image index of its components. Same components, same digest.

A component stands in it as a thin OCI manifest that is a pure function of its object: config = the object, layers = every
blob that the object reaches (a folder's nodes and files too), so that a registry keeps all of it and a second push sends
only what changed. Evidence binds to the object, whose digest stands in the annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from shipway.gate import ANNOTATION
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, parse_object
from shipway.kernel.digest import Descriptor, Digest, DigestMalformed, parse_digest
from shipway.kernel.errors import ShipwayError
from shipway.store import TREE, Node, Store, read_node

Fetch = Callable[[Descriptor], bytes]
"""Gives the bytes of a descriptor, verified."""

RELEASE_TYPE = "application/vnd.shipway.release.v1+json"
_WITHOUT_LAYERS = frozenset({"pipeline"})  # what its steps made can be made again, and is no part of an answer


class ReleaseMalformed(ShipwayError):
    """A digest that should be a release is none."""

    code = "release.malformed"


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """One thing that determines an answer: its kind (data, code, model ...), its name, its object."""

    kind: str
    name: str
    digest: Digest


def put_release(store: Store, components: list[Component]) -> Digest:
    """Keep the index of these components; the order in which they are given does not count."""
    entries = [_entry(store, component) for component in sorted(components)]
    return store.put({"schemaVersion": 2, "mediaType": media.OCI_INDEX, "artifactType": RELEASE_TYPE, "manifests": entries})


def load_components(store: Store, release: Digest) -> tuple[Component, ...]:
    """The components of a release, by kind and name. Raises ReleaseMalformed, ObjectMissing, ObjectDamaged."""
    index = store.get(release)
    if index.get("artifactType") != RELEASE_TYPE:
        raise ReleaseMalformed(f"{release} is not a release", where=release, mend="list releases with: shipway log")
    try:
        return tuple(_component(entry) for entry in cast("list[Mapping[str, Json]]", index["manifests"]))
    except (KeyError, TypeError, AttributeError, DigestMalformed) as problem:
        raise ReleaseMalformed(f"{release} is not a release that can be read: {problem!r}", where=release) from problem


def _component(entry: Mapping[str, Json]) -> Component:
    notes = cast("Mapping[str, str]", entry["annotations"])
    return Component(notes[ANNOTATION + "kind"], notes[ANNOTATION + "name"], parse_digest(notes[ANNOTATION + "object"]))


def find_component(components: tuple[Component, ...], kind: str, name: str | None = None) -> Component:
    """The one component of a kind (and name). Raises ReleaseMalformed."""
    for component in components:
        if component.kind == kind and name in (None, component.name):
            return component
    raise ReleaseMalformed(f"the release holds no {kind} {name or ''}".rstrip())


def component_manifest(store: Store, component: Component) -> JsonObject:
    """The thin OCI manifest of an object (OCI image spec 1.1)."""
    data = store.objects.get(component.digest)
    config = Descriptor(config_type(component.kind), component.digest, len(data))
    return manifest_of(_fetch_from(store), component.kind, config)


def manifest_of(fetch: Fetch, kind: str, config: Descriptor) -> JsonObject:
    """As component_manifest, of an object that may be anywhere."""
    layers = {} if kind in _WITHOUT_LAYERS else {leaf.digest: leaf for leaf in reach_from(fetch, config)}
    return {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "artifactType": config.media_type,
        "config": config.to_json(),
        "layers": [layers[digest].to_json() for digest in sorted(layers)],
    }


def is_plain(name: str) -> bool:
    """Whether a component may be called so: a rebuild makes a file or folder of that name, which may lie nowhere else."""
    return name.isprintable() and not name.startswith(".") and not {"/", "\\"} & set(name)


def config_type(kind: str) -> str:
    """The media type of the object that a component of this kind is."""
    return media.media_type(object_kind(kind))


def reach(store: Store, digest: Digest) -> Iterator[Descriptor]:
    """Every blob that an object names, folders' nodes and files included."""
    return reach_from(_fetch_from(store), Descriptor(media.BYTES, digest, 0))


def reach_from(fetch: Fetch, top: Descriptor) -> Iterator[Descriptor]:
    """As reach, of an object that may be anywhere. A folder that stands in many places is looked at once."""
    for leaf in _descriptors(parse_object(fetch(top))):
        if leaf.media_type != TREE:
            yield leaf
            continue
        nodes = walk_nodes(fetch, leaf)
        yield from (descriptor for descriptor, _ in nodes)
        for _, node in nodes:
            yield from (Descriptor(media.BYTES, file.digest, file.size) for file in node.files)


def walk_nodes(fetch: Fetch, root: Descriptor) -> list[tuple[Descriptor, Node]]:
    """Every folder of a tree once, the root first."""
    found: dict[Digest, tuple[Descriptor, Node]] = {}
    waiting = [root]
    while waiting:
        descriptor = waiting.pop()
        if descriptor.digest not in found:
            data = fetch(descriptor)
            node = read_node(data)
            found[descriptor.digest] = (Descriptor(TREE, descriptor.digest, len(data)), node)
            waiting += reversed(list(node.folders.values()))
    return list(found.values())


def _fetch_from(store: Store) -> Fetch:
    return lambda wanted: store.objects.get(wanted.digest)


def _entry(store: Store, component: Component) -> JsonObject:
    manifest = component_manifest(store, component)
    digest = store.put(manifest)
    return {
        **store.descriptor(digest, media.OCI_MANIFEST).to_json(),
        "artifactType": manifest["artifactType"],
        "annotations": {
            ANNOTATION + "kind": component.kind,
            ANNOTATION + "name": component.name,
            ANNOTATION + "object": component.digest,
        },
    }


def object_kind(kind: str) -> str:
    """The kind of the object behind a component of this kind."""
    return "snapshot" if kind == "data" else kind


def _descriptors(value: Json) -> Iterator[Descriptor]:
    """Every descriptor inside a JSON value."""
    if isinstance(value, Mapping):
        if {"mediaType", "digest", "size"} <= value.keys():
            yield Descriptor.from_json(value)
            return
        for item in value.values():
            yield from _descriptors(item)
    elif isinstance(value, list):
        for item in value:
            yield from _descriptors(item)
