"""Sending a release to a registry: blobs that it has not, then manifests, then attachments, and the tag last.

Broken off anywhere, a tag names what it named before; the next push sends what is missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shipway.kernel.digest import Descriptor, Digest, short
from shipway.release._bundle import Carried, Freight
from shipway.release._layout_source import Place, chunks_of
from shipway.release._registry_blobs import has_blob, has_manifest, put_manifest, send_blob
from shipway.release._registry_http import Registry, RegistryRefused
from shipway.release._registry_referrers import add_referrers
from shipway.store import Store

THREADS = 4  # of blobs at once: enough to hide the way there and back
MAX_MANIFEST = 4 << 20  # bytes: what every registry takes (distribution spec 1.1)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did: blobs and bytes that the registry did not have; referrers: whether it knows attachments by itself."""

    release: Digest
    tag: str
    blobs: int
    new_blobs: int
    new_bytes: int
    attachments: int
    referrers: bool


def push_freight(store: Store, freight: Freight, registry: Registry, *, report: Callable[[int], None] | None = None) -> Pushed:
    """Send a release under the tag of the target, else under the first digits of its digest.

    Raises RegistryDown, RegistryRefused, ObjectDamaged, ObjectMissing.
    """
    registry.will_push()
    tag = registry.target.reference or short(freight.release.digest)
    if tag.startswith("sha256:"):
        raise RegistryRefused("a push names a tag, not a digest", where=registry.where, mend="write REGISTRY/NAME:TAG")
    manifests = {freight.release.digest, *(part.manifest.digest for part in freight.parts)}
    manifests |= {carried.manifest.digest for carried in freight.carried}
    blobs = {blob.digest: blob for blob, _ in freight.blobs() if blob.digest not in manifests}
    sent = _send_all(store, list(blobs.values()), registry, report)
    for part in freight.parts:
        sent += _put(store, registry, part.manifest, report)
    sent += _put(store, registry, freight.release, report)
    known, attached = _attach(store, freight, registry, report)
    sent += attached
    _put(store, registry, freight.release, report, tag=tag)
    return Pushed(freight.release.digest, tag, len(blobs) + len(manifests), len(sent), sum(sent), len(freight.carried), known)


def _send_all(store: Store, blobs: list[Descriptor], registry: Registry, report: Callable[[int], None] | None) -> list[int]:
    """The sizes of those that had to be sent."""

    def send(blob: Descriptor) -> int | None:
        new = not has_blob(registry, blob)
        if new:
            path = store.objects.path(blob.digest)
            path.stat()
            send_blob(registry, blob, lambda at: chunks_of(Place(path, at, blob.size - at)))
        if report:
            report(blob.size)
        return blob.size if new else None

    with ThreadPoolExecutor(THREADS) as pool:
        work = [pool.submit(send, blob) for blob in blobs]
        try:
            sizes = [_result(store, future.result, blob) for future, blob in zip(work, blobs, strict=True)]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [size for size in sizes if size is not None]


def _result(store: Store, result: Callable[[], int | None], blob: Descriptor) -> int | None:
    """A registry that refuses a blob may be right: then the bytes in the store are not what they should be."""
    try:
        return result()
    except (RegistryRefused, FileNotFoundError):
        store.objects.verify(blob.digest)
        raise


def _put(
    store: Store, registry: Registry, manifest: Descriptor, report: Callable[[int], None] | None, *, tag: str = ""
) -> list[int]:
    if has_manifest(registry, tag or manifest.digest, manifest.digest):
        return []
    if manifest.size > MAX_MANIFEST:
        what = f"the manifest {short(manifest.digest)} has {manifest.size:,} bytes, more than registries take"
        raise RegistryRefused(what, where=registry.where, mend="put many small files into fewer big ones, or use a folder")
    put_manifest(registry, tag or manifest.digest, store.objects.get(manifest.digest), manifest.media_type)
    if report and not tag:
        report(manifest.size)
    return [] if tag else [manifest.size]


def _attach(store: Store, freight: Freight, registry: Registry, report: Callable[[int], None] | None) -> tuple[bool, list[int]]:
    """The manifests of attachments, and their lists where the registry keeps none."""
    known = True
    sent: list[int] = []
    grouped: dict[Digest, list[Carried]] = defaultdict(list)
    for carried in freight.carried:
        grouped[freight.subject(carried.attachment.subject).digest].append(carried)
    for subject, group in grouped.items():
        answers = [_put_attachment(store, registry, carried, sent, report) for carried in group]
        if not all(answers):
            known = False
            add_referrers(registry, subject, group)
    return known, sent


def _put_attachment(
    store: Store, registry: Registry, carried: Carried, sent: list[int], report: Callable[[int], None] | None
) -> bool:
    """Whether the registry says that it has noted the subject; it says so when it takes the manifest."""
    manifest = carried.manifest
    new = not has_manifest(registry, manifest.digest, manifest.digest)
    reply = put_manifest(registry, manifest.digest, store.objects.get(manifest.digest), manifest.media_type)
    if new:
        sent.append(manifest.size)
    if report:
        report(manifest.size)
    return bool(reply.header("oci-subject"))
