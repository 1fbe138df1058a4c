"""Taking a release from a registry into a store: documents first, each checked, then what the store has not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shipway.kernel import media
from shipway.kernel.digest import Descriptor, Digest, digest_bytes, is_digest
from shipway.release._bundle import MAX_DOCUMENT, OWN, BundleDamaged, Carried, Freight, Reader
from shipway.release._bundle_import import check_room
from shipway.release._registry_blobs import RegistrySource, fetch_blob, find_manifest, not_the_bytes
from shipway.release._registry_http import Registry, RegistryRefused
from shipway.release._registry_push import THREADS
from shipway.release._registry_referrers import list_referrers
from shipway.store import ObjectDamaged, Store


@dataclass(frozen=True, slots=True)
class Pulled:
    """A release whose bytes are in the store, unnamed as yet; foreign: attachments of other tools, which were left there."""

    freight: Freight
    new_blobs: int
    new_bytes: int
    foreign: int


def pull_freight(store: Store, registry: Registry, *, report: Callable[[int], None] | None = None) -> Pulled:
    """Bring the release that the target names, and what is attached to it, into the store. Names nothing there.

    Raises RegistryDown, RegistryRefused, BundleMalformed, BundleDamaged, StoreFull.
    """
    reader = Reader(RegistrySource(registry))
    entry = _resolve(registry, reader)
    bare = reader.release(entry)
    carried, foreign = _carried(registry, reader, bare)
    freight = Freight(bare.release, bare.parts, carried)
    wanted = {blob.digest: blob for blob, _ in freight.blobs()}
    check_room(store, wanted.values())
    taken = [blob.size for blob in wanted.values() if blob.digest in reader.documents and _keep(store, reader, blob)]
    leaves = [blob for blob in wanted.values() if blob.digest not in reader.documents]
    with ThreadPoolExecutor(THREADS) as pool:
        work = [pool.submit(_fetch, store, registry, blob, report) for blob in leaves]
        try:
            taken += [blob.size for blob, future in zip(leaves, work, strict=True) if future.result()]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Pulled(freight, len(taken), sum(taken), foreign)


def _resolve(registry: Registry, reader: Reader) -> Descriptor:
    """The descriptor of what a tag or a digest names; the reader has its bytes."""
    reference = registry.target.reference
    if not reference:
        raise RegistryRefused("a pull names a tag or a digest", where=registry.where, mend="write REGISTRY/NAME:TAG")
    reply = find_manifest(registry, reference)
    if reply is None:
        raise RegistryRefused(
            f"the registry has no {reference}", where=registry.where, mend="shipway release push puts it there"
        )
    data = reply.read(MAX_DOCUMENT + 1)
    found = digest_bytes(data)
    if is_digest(reference) and found != reference:
        raise BundleDamaged(f"the registry serves {found} as {reference}", where=registry.where)
    reader.documents[found] = data
    return Descriptor(media.OCI_INDEX, found, len(data))


def _carried(registry: Registry, reader: Reader, freight: Freight) -> tuple[tuple[Carried, ...], int]:
    found: dict[Digest, Carried] = {}
    foreign = 0
    for subject in (freight.release, *(part.manifest for part in freight.parts)):
        for entry, kind in list_referrers(registry, subject.digest):
            if not kind.startswith(OWN) and kind != media.DSSE and not _is_ours(reader, entry):
                foreign += 1
                continue
            carried, to = reader.attachment(entry)
            if to != subject:
                raise reader.malformed(f"the attachment {entry.digest} is listed under {subject.digest}, and is of {to.digest}")
            found[entry.digest] = carried
    return tuple(sorted(found.values(), key=lambda carried: carried.manifest.digest)), foreign


def _is_ours(reader: Reader, entry: Descriptor) -> bool:
    """Whether an attachment of a type that others use too, such as a bill of materials, was made by Shipway."""
    return entry.size < 1 << 20 and b'"dev.shipway.subject"' in reader.fetch(entry)


def _keep(store: Store, reader: Reader, blob: Descriptor) -> bool:
    return store.objects.put_stream(blob, iter([reader.documents[blob.digest]]))


def _fetch(store: Store, registry: Registry, blob: Descriptor, report: Callable[[int], None] | None) -> bool:
    try:
        return store.objects.put_stream(blob, _reported(fetch_blob(registry, blob), report))
    except ObjectDamaged as problem:
        raise not_the_bytes(registry, blob, problem.what) from problem


def _reported(chunks: Iterator[bytes], report: Callable[[int], None] | None) -> Iterator[bytes]:
    for chunk in chunks:
        if report:
            report(len(chunk))
        yield chunk
