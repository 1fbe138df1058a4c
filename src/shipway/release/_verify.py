"""Whether the bytes of a release are those that its digest says: each read and hashed once, the first fault named.

The same for a release in the store and for a bundle; a bundle needs no project, no store and no network.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shipway.kernel.digest import Descriptor, Digest
from shipway.release._bundle import Part, Reader, damaged_blob
from shipway.release._bundle_make import StoreSource, load_freight
from shipway.release._layout import Bundle
from shipway.release._layout_source import THREADS, Files, Place, hash_place
from shipway.release._manifest import walk_nodes
from shipway.store import TREE, Node, ObjectMissing, Store

_BATCH = 32 << 20  # bytes
_OPENING = 64 << 10  # what opening a file costs, in bytes hashed
_Leaf = tuple[Descriptor, str]


@dataclass(frozen=True, slots=True)
class Hashed:
    """How much was read and hashed, and in which time; `rate` in bytes a second."""

    blobs: int
    bytes: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.bytes / self.seconds if self.seconds else 0.0


def open_stored(store: Store, release: Digest) -> Bundle:
    """A release of the store as if it were a bundle. Raises as load_freight, and ObjectMissing."""
    reader = Reader(StoreSource(store))
    freight = load_freight(store, release, reader=reader)
    for carried in freight.carried:
        reader.attachment(carried.manifest)
    places = {}
    for blob, label in freight.blobs():
        try:
            path = store.objects.file(blob.digest)
        except ObjectMissing:
            raise ObjectMissing(f"{label} is not whole: no object {blob.digest}", where=store.objects.where) from None
        places[blob.digest] = Place(path, 0, path.stat().st_size)
    return Bundle(Files(str(store.root), places, {}), reader, (freight,))


def hash_bundle(bundle: Bundle, *, report: Callable[[int], None] | None = None) -> Hashed:
    """Read and hash what has not been read yet. Raises BundleDamaged naming the user's file and the component."""
    began = time.perf_counter()
    leaves = bundle.leaves()
    places = bundle.files.blobs
    with ThreadPoolExecutor(THREADS) as pool:
        work = [pool.submit(_first_damaged, batch, places, report) for batch in _batches(leaves)]
        for future in work:
            damage = future.result()
            if damage:
                pool.shutdown(cancel_futures=True)
                (blob, label), found, size = damage
                where = str(places[blob.digest].path)
                raise damaged_blob(where, blob, name_of(bundle, blob, label), found=found, size=size)
    documents = bundle.reader.documents.values()
    total = sum(blob.size for blob, _ in leaves) + sum(len(data) for data in documents)
    return Hashed(len(leaves) + len(documents), total, time.perf_counter() - began)


def _batches(leaves: list[_Leaf]) -> Iterator[list[_Leaf]]:
    """Leaves in their order, so many bytes at a time that handing them to a thread costs nothing beside."""
    batch: list[_Leaf] = []
    size = 0
    for leaf in leaves:
        batch.append(leaf)
        size += leaf[0].size + _OPENING
        if size > _BATCH:
            yield batch
            batch, size = [], 0
    yield batch


def _first_damaged(
    batch: list[_Leaf], places: Mapping[Digest, Place], report: Callable[[int], None] | None
) -> tuple[_Leaf, Digest, int] | None:
    for leaf in batch:
        found, size = hash_place(places[leaf[0].digest], report)
        if (found, size) != (leaf[0].digest, leaf[0].size):
            return leaf, found, size
    return None


def name_of(bundle: Bundle, blob: Descriptor, label: str) -> str:
    """What a person calls a blob: the file's path in the component's folder, where it is a file of one."""
    for freight in bundle.freights:
        for part in freight.parts:
            if blob in part.layers:
                path = _path_in(bundle.reader, part, blob)
                return f"{path} of {part.label}" if path else part.label
    return label


def _path_in(reader: Reader, part: Part, blob: Descriptor) -> str | None:
    nodes: dict[Digest, Node] = {}
    for root in (layer for layer in part.layers if layer.media_type == TREE):
        nodes |= {descriptor.digest: node for descriptor, node in walk_nodes(reader.fetch, root)}
    path: list[str] = []
    wanted = blob.digest
    for _ in range(len(nodes) + 1):
        holder = next(
            (
                (digest, name)
                for digest, node in nodes.items()
                for name, held in [(f.path, f.digest) for f in node.files] + [(n, d.digest) for n, d in node.folders.items()]
                if held == wanted
            ),
            None,
        )
        if holder is None:
            break
        wanted, name = holder
        path.insert(0, name)
    return "/".join(path) or None
