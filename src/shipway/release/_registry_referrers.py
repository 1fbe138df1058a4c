"""Attachments in a registry: asked of its referrers API, or kept in an index under the tag `sha256-<digest>` where the registry
is too old for one (OCI distribution spec 1.1, "Referrers Tag Schema").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, NotCanonical, canonical_json, parse_object
from shipway.kernel.digest import Descriptor, Digest, DigestMalformed
from shipway.release._bundle import BundleMalformed, Carried
from shipway.release._registry_blobs import find_manifest, put_manifest
from shipway.release._registry_http import Registry, RegistryDown

_MOST_PAGES = 100
_MOST = 100_000
_TRIES = 5


def list_referrers(registry: Registry, subject: Digest) -> list[tuple[Descriptor, str]]:
    """What is attached to a manifest, with its artifact type. Raises BundleMalformed, RegistryDown, RegistryRefused."""
    url = registry.url(f"referrers/{subject}")
    found: list[tuple[Descriptor, str]] = []
    for _ in range(_MOST_PAGES):
        reply = registry.ask_again("GET", url, headers={"Accept": media.OCI_INDEX}, expect=(200, 400, 404))
        data = reply.read()
        if reply.status != 200:  # no such API: a registry that has it answers with an empty index instead
            return [(Descriptor.from_json(entry), _kind(entry)) for entry in _tagged(registry, subject)]
        found += _listed(registry, data)
        link = reply.header("link")
        if not link or len(found) > _MOST:
            return found
        url = registry.join(link.partition("<")[2].partition(">")[0], reply.url)
    raise BundleMalformed(f"the list of what is attached to {subject} has no end", where=registry.where)


def add_referrers(registry: Registry, subject: Digest, carried: Sequence[Carried]) -> None:
    """Note attachments under the tag of their subject, for a registry without the API; others' entries stay.

    Two that do so at once may overwrite each other's list, so it is looked at again. Raises RegistryDown.
    """
    wanted = {one.manifest.digest: {**one.manifest.to_json(), "artifactType": one.attachment.media_type} for one in carried}
    for _ in range(_TRIES):
        present = {str(cast("JsonObject", entry)["digest"]): entry for entry in _tagged(registry, subject)}
        if wanted.keys() <= present.keys():
            return
        entries: list[Json] = [present[digest] for digest in present]
        entries += [wanted[digest] for digest in sorted(wanted.keys() - present.keys())]
        index = canonical_json({"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": entries})
        put_manifest(registry, _tag(subject), index, media.OCI_INDEX)
    raise RegistryDown(f"somebody else keeps changing what is attached to {subject}", where=registry.where, mend="push again")


def _tag(subject: Digest) -> str:
    return subject.replace(":", "-")


def _tagged(registry: Registry, subject: Digest) -> list[Json]:
    reply = find_manifest(registry, _tag(subject))
    return _entries(registry, reply.read()) if reply else []


def _listed(registry: Registry, data: bytes) -> list[tuple[Descriptor, str]]:
    return [(Descriptor.from_json(entry), _kind(entry)) for entry in _entries(registry, data)]


def _entries(registry: Registry, data: bytes) -> list[Json]:
    try:
        entries = parse_object(data).get("manifests")
        if not isinstance(entries, list):
            raise DigestMalformed("manifests is no list")
        for entry in entries:
            Descriptor.from_json(entry)
    except (NotCanonical, DigestMalformed) as problem:
        raise BundleMalformed(f"the list of attachments is no OCI index: {problem.what}", where=registry.where) from problem
    return entries


def _kind(entry: Json) -> str:
    return str(cast("Mapping[str, Json]", entry).get("artifactType") or "")
