"""Writing a bundle into a folder: blobs first, linked or copied once, then index.json, which makes them count.

Killed at any moment, the folder holds the bundle that it held before; the marker `.shipway-export` says that something more
may lie there, and the next export finishes. Two exports into one folder wait for one another.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from shipway.kernel.digest import Descriptor, Digest
from shipway.kernel.errors import ShipwayError
from shipway.release._bundle import BundleDamaged, BundleMalformed, Freight
from shipway.release._layout import LAYOUT_BYTES, Bundle, index_bytes, open_bundle
from shipway.release._layout_source import EXPORTING, INDEX, LAYOUT, THREADS, Place, chunks_of, hash_place
from shipway.store import ObjectMissing, Store, StoreFull, damaged

_CLONE = 0x40049409  # FICLONE of linux/fs.h: the copy shares its blocks with the original until one of them changes
_MANY = 64  # above this many new files one sync of all is cheaper than one each
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EACCES})


class ExportRefused(ShipwayError):
    """The place for a bundle holds something else, or cannot be written."""

    code = "release.export-refused"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did: blobs and bytes of the bundle, and those of them that were not there before."""

    release: Digest
    blobs: int
    bytes: int
    new_blobs: int
    new_bytes: int
    attachments: int


def write_folder(
    store: Store, freight: Freight, folder: Path, *, copy: bool = False, report: Callable[[int], None] | None = None
) -> Exported:
    """Add a release to the bundle in a folder, which is made when missing. copy: link nothing to the store.

    What is there already is read and hashed, and written anew where it is not what its name says.
    report: called with the number of bytes done, by two threads.
    Raises ExportRefused, BundleMalformed and BundleDamaged (of what is there), ObjectMissing, ObjectDamaged, StoreFull.
    """
    try:
        with _held(folder):
            present = _present(folder)
            others = [other for other in present.freights if other.release != freight.release] if present else []
            known = dict(present.files.blobs) if present else _left_behind(folder)
            wanted = {blob.digest: (blob, label) for blob, label in freight.blobs()}
            read = present.reader.documents.keys() if present else frozenset[Digest]()
            whole = _whole([blob for blob, _ in wanted.values() if blob.digest not in read], known, report)
            new = [item for digest, item in wanted.items() if digest not in whole and digest not in read]
            for blob, label in new:
                _bring(store, blob, label, folder / "blobs" / "sha256", copy=copy, report=report)
            _sync(folder, [blob.digest for blob, _ in new])
            _replace(folder / LAYOUT, LAYOUT_BYTES)
            _replace(folder / INDEX, index_bytes([*others, freight]))
            _sweep(folder, {*wanted, *(blob.digest for other in others for blob, _ in other.blobs())})
    except OSError as problem:
        raise failed_write(problem, folder) from problem
    sizes = {digest: blob.size for digest, (blob, _) in wanted.items()}
    added = sum(blob.size for blob, _ in new)
    return Exported(freight.release.digest, len(sizes), sum(sizes.values()), len(new), added, len(freight.carried))


def failed_write(problem: OSError, place: Path) -> ShipwayError:
    """What the system says of a place, as an error of ours."""
    if problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFull("no room left for the bundle", where=str(place), mend="free some space, export again")
    return ExportRefused(f"cannot write the bundle: {problem.strerror}", where=str(place), mend="name another place")


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The folder, for this export alone, marked as being written."""
    folder.mkdir(parents=True, exist_ok=True)
    found = set(os.listdir(folder))  # at once: at any moment a bundle has its index, or the marker of whoever makes it
    if found and not found & {INDEX, EXPORTING}:
        raise ExportRefused(f"{folder.name} holds something that is no bundle", where=str(folder), mend="name a new folder")
    marker = folder / EXPORTING
    left = EXPORTING in found
    handle = lock_file(marker)
    try:
        (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        yield
    except (BundleMalformed, BundleDamaged):
        if not left:
            marker.unlink()  # what is there is not ours to finish, and nothing was written
        raise
    else:
        marker.unlink()
    finally:
        os.close(handle)


def lock_file(marker: Path) -> int:
    """The file, made when missing and held; one that its holder has removed or renamed meanwhile is another."""
    while True:
        handle = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.stat(marker)):
                return handle
        os.close(handle)


def _present(folder: Path) -> Bundle | None:
    return open_bundle(folder) if (folder / INDEX).exists() else None


def _left_behind(folder: Path) -> dict[Digest, Place]:
    """Blobs of an export that was killed before there was an index."""
    found = {}
    for path in (folder / "blobs" / "sha256").iterdir():
        found[Digest(f"sha256:{path.name}")] = Place(path, 0, path.stat().st_size)
    return found


def _whole(wanted: list[Descriptor], known: Mapping[Digest, Place], report: Callable[[int], None] | None) -> set[Digest]:
    """Those of the blobs that are there with all their bytes, each read and hashed: a size is no proof."""

    def is_whole(blob: Descriptor) -> bool:
        return hash_place(known[blob.digest], report) == (blob.digest, blob.size)

    there = [blob for blob in wanted if blob.digest in known and known[blob.digest].size == blob.size]
    with ThreadPoolExecutor(THREADS) as pool:
        return {blob.digest for blob, whole in zip(there, pool.map(is_whole, there), strict=True) if whole}


def _bring(
    store: Store, blob: Descriptor, label: str, folder: Path, *, copy: bool, report: Callable[[int], None] | None
) -> None:
    """One blob from the store, read and hashed once on its way. Raises ObjectDamaged, ObjectMissing."""
    source, final = store.objects.path(blob.digest), folder / blob.digest.removeprefix("sha256:")
    temporary = folder / f"tmp-{os.getpid()}-{final.name}"
    try:
        hasher = hashlib.sha256()
        size = 0
        for chunk in _brought(Place(source, 0, blob.size), temporary, copy=copy):
            hasher.update(chunk)
            size += len(chunk)
            if report:
                report(len(chunk))
        found = Digest("sha256:" + hasher.hexdigest())
        if (found, size) != (blob.digest, blob.size):
            raise damaged(source, blob.digest, found, name=f"a blob of {label}")
        os.replace(temporary, final)
    finally:
        temporary.unlink(missing_ok=True)


def _brought(source: Place, target: Path, *, copy: bool) -> Iterator[bytes | memoryview]:
    """The bytes of a file, which is at another place too when they have all been asked for."""
    if not copy and _linked(source.path, target):
        yield from chunks_of(source)
        return
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o444)
    try:
        cloned = _cloned(source.path, handle)
        for chunk in chunks_of(source):
            if not cloned:
                _write_all(handle, chunk)
            yield chunk
    finally:
        os.close(handle)


def _linked(source: Path, target: Path) -> bool:
    return _shared(source, lambda: os.link(source, target))


def _cloned(source: Path, target: int) -> bool:
    """A copy that shares its blocks."""

    def clone() -> None:
        with open(source, "rb") as origin:
            fcntl.ioctl(target, _CLONE, origin.fileno())

    return _shared(source, clone)


def _shared(source: Path, share: Callable[[], None]) -> bool:
    """Whether a file was given to another place without its bytes; False where the file system has no such way."""
    try:
        share()
    except FileNotFoundError:
        raise ObjectMissing(f"no object {source.parent.name}{source.name}", where=str(source)) from None
    except OSError as problem:
        if problem.errno not in _NO_LINK:
            raise
        return False
    return True


def _write_all(out: int, data: memoryview) -> None:
    while data:
        data = data[os.write(out, data) :]


def _sync(folder: Path, new: list[Digest]) -> None:
    """The blobs on the disk before an index names them."""
    blobs = folder / "blobs" / "sha256"
    if len(new) > _MANY:
        os.sync()
    for digest in new if len(new) <= _MANY else []:
        _fsync(blobs / digest.removeprefix("sha256:"))
    _fsync(blobs)


def _replace(path: Path, data: bytes) -> None:
    """A small file, old or new whatever is killed when; untouched when it is the same."""
    if path.exists() and path.read_bytes() == data:
        return
    temporary = path.parent / "blobs" / "sha256" / f"tmp-{os.getpid()}-{path.name}"
    try:
        with open(temporary, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _fsync(path.parent)


def _sweep(folder: Path, named: set[Digest]) -> None:
    """Remove what no entry of the index names: left by a killed export, or statements of an older one."""
    for path in (folder / "blobs" / "sha256").iterdir():
        if f"sha256:{path.name}" not in named:
            path.unlink()


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
