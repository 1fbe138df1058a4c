"""A bundle as one tar, written as a stream: the same content gives the same bytes, names in order, no times, no owners."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from shipway.kernel.digest import Descriptor, Digest
from shipway.release._bundle import Freight
from shipway.release._layout import LAYOUT_BYTES, index_bytes
from shipway.release._layout_source import INDEX, LAYOUT, Place, chunks_of
from shipway.release._layout_write import Exported, ExportRefused, failed_write, lock_file
from shipway.store import ObjectMissing, Store, damaged

_BLOCK = 512
_BLOBS = "blobs/sha256/"


def write_tar(store: Store, freight: Freight, path: Path, *, report: Callable[[int], None] | None = None) -> Exported:
    """Write a release as a tar that takes the place of what was at `path` when it is whole.

    Raises ExportRefused, ObjectMissing, ObjectDamaged, StoreFull.
    """
    if path.exists() and not path.is_file():
        raise ExportRefused(f"{path.name} is no file", where=str(path), mend="name a new file that ends in .tar")
    part = path.with_name(f".{path.name}.part")
    wanted = {blob.digest: (blob, label) for blob, label in freight.blobs()}
    try:
        handle = lock_file(part)
        try:
            os.ftruncate(handle, 0)
            with os.fdopen(os.dup(handle), "wb") as out:
                for piece in _pieces(store, freight, wanted, report):
                    out.write(piece)
            os.fsync(handle)
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)
    except OSError as problem:
        raise failed_write(problem, path) from problem
    total = sum(blob.size for blob, _ in wanted.values())
    return Exported(freight.release.digest, len(wanted), total, len(wanted), total, len(freight.carried))


def _pieces(
    store: Store, freight: Freight, wanted: dict[Digest, tuple[Descriptor, str]], report: Callable[[int], None] | None
) -> Iterator[bytes | memoryview]:
    """The tar from its first byte to its last: names in order, no times, no owners."""
    for digest in sorted(wanted):
        blob, label = wanted[digest]
        yield _header(_BLOBS + digest.removeprefix("sha256:"), blob.size)
        yield from _checked(store, blob, label, report)
        yield bytes(-blob.size % _BLOCK)
    for name, data in ((INDEX, index_bytes([freight])), (LAYOUT, LAYOUT_BYTES)):
        yield _header(name, len(data)) + data + bytes(-len(data) % _BLOCK)
    yield bytes(2 * _BLOCK)


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o444
    return entry.tobuf(tarfile.GNU_FORMAT)


def _checked(store: Store, blob: Descriptor, label: str, report: Callable[[int], None] | None) -> Iterator[memoryview]:
    source, hasher, size = store.objects.path(blob.digest), hashlib.sha256(), 0
    if not source.is_file():
        raise ObjectMissing(f"{label} is not whole: no object {blob.digest}", where=str(store.root))
    for chunk in chunks_of(Place(source, 0, blob.size)):
        hasher.update(chunk)
        size += len(chunk)
        if report:
            report(len(chunk))
        yield chunk
    found = Digest("sha256:" + hasher.hexdigest())
    if (found, size) != (blob.digest, blob.size):
        raise damaged(source, blob.digest, found, name=f"a blob of {label}")
