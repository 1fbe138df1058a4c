"""A bundle as files on this machine: a folder in the OCI image layout, or the same in a tar. Read with suspicion.

A folder holds `oci-layout`, `index.json`, `blobs/sha256/<64 hex>` and nothing else. Links are not followed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from shipway.kernel.digest import Descriptor, Digest, is_digest
from shipway.release._bundle import MAX_BLOBS, BundleDamaged, BundleMalformed, missing_blob

CHUNK = 1 << 20  # bytes of one read: hashing then dominates the system calls
THREADS = 2  # that hash: hashlib lets others run while it works; more than two gain nothing on the disks that were measured
MAX_INDEX = 16 << 20  # bytes of index.json
EXPORTING = ".shipway-export"  # there while an export writes; left behind by one that was killed
LAYOUT, INDEX = "oci-layout", "index.json"


class Place(NamedTuple):
    """Where some bytes are: a range of a file."""

    path: Path
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a bundle, found and not yet read."""

    where: str
    blobs: Mapping[Digest, Place]
    documents: Mapping[str, Place]
    unfinished: bool = False

    def read(self, wanted: Descriptor) -> bytes:
        place = self.blobs.get(wanted.digest)
        if place is None:
            raise missing_blob(self.where, wanted.digest)
        return read_place(place, limit=wanted.size + 1)

    def document(self, name: str) -> bytes:
        """`oci-layout` or `index.json`."""
        place = self.documents.get(name)
        if place is None:
            raise BundleMalformed(f"there is no {name} in it, so it is no OCI image layout", where=self.where)
        if place.size > MAX_INDEX:
            raise BundleMalformed(f"{name} has {place.size:,} bytes, too many to be one", where=self.where)
        return read_place(place, limit=MAX_INDEX)


def open_folder(folder: Path) -> Files:
    """The files of a bundle in a folder. Raises BundleMalformed for a file that is no part of a bundle."""
    where = str(folder)
    top = _listed(folder)
    unfinished = top.pop(EXPORTING, None) is not None
    if not unfinished and not {LAYOUT, INDEX, "blobs"} & set(top):  # a project's folder: its files are not to be removed
        raise BundleMalformed(f"{folder.name} holds no bundle", where=where, mend="name what shipway release export wrote")
    strange = sorted(set(top) - {LAYOUT, INDEX, "blobs"})
    if strange:
        raise BundleMalformed(f"{strange[0]} is no part of a bundle", where=str(folder / strange[0]), mend="remove it")
    blobs: dict[Digest, Place] = {}
    if "blobs" in top:
        _only(folder / "blobs", {"sha256"})
        for name, status in _listed(folder / "blobs" / "sha256").items():
            if unfinished and name.startswith("tmp-"):
                continue
            path = folder / "blobs" / "sha256" / name
            if not is_digest(f"sha256:{name}"):
                raise BundleMalformed(f"blobs/sha256/{name} is no blob", where=str(path), mend="remove it")
            blobs[Digest(f"sha256:{name}")] = _place(path, status)
    documents = {name: _place(folder / name, top[name]) for name in (LAYOUT, INDEX) if name in top}
    return Files(where, blobs, documents, unfinished)


def _listed(folder: Path) -> dict[str, os.stat_result]:
    try:
        with os.scandir(folder) as entries:
            found = {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
    except OSError as problem:
        raise BundleMalformed(f"cannot look into {folder.name}: {problem.strerror}", where=str(folder)) from problem
    if len(found) > MAX_BLOBS:
        raise BundleMalformed(f"{folder.name} holds {len(found):,} files, too many for a bundle", where=str(folder))
    return found


def _only(folder: Path, names: set[str]) -> None:
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise BundleMalformed(f"{folder.name} is no folder", where=str(folder))
    found = _listed(folder)
    for name in sorted(set(found) - names):
        raise BundleMalformed(f"{folder.name}/{name} is no part of a bundle", where=str(folder / name), mend="remove it")
    for name in names & set(found):
        if not stat.S_ISDIR(found[name].st_mode):
            raise BundleMalformed(f"{folder.name}/{name} is no folder", where=str(folder / name))


def _place(path: Path, status: os.stat_result) -> Place:
    if not stat.S_ISREG(status.st_mode):
        raise BundleMalformed(f"{path.name} is no plain file", where=str(path), mend="a bundle holds no links and no devices")
    return Place(path, 0, status.st_size)


def read_place(place: Place, *, limit: int) -> bytes:
    """The bytes of a place, `limit` at most."""
    return b"".join(bytes(chunk) for chunk in chunks_of(place, limit=limit))


def chunks_of(place: Place, *, limit: int | None = None) -> Iterator[memoryview]:
    """The bytes of a place in pieces, each good until the next is asked for; links are not followed."""
    left = place.size if limit is None else min(limit, place.size)
    buffer = memoryview(bytearray(min(CHUNK, max(left, 1))))
    handle = _open(place)
    try:
        os.lseek(handle, place.offset, os.SEEK_SET)
        while left and (got := os.readv(handle, [buffer[: min(CHUNK, left)]])):
            left -= got
            yield buffer[:got]
    finally:
        os.close(handle)


def hash_place(place: Place, report: Callable[[int], None] | None = None) -> tuple[Digest, int]:
    """Digest and number of the bytes of a place."""
    if place.size <= CHUNK:
        return _hash_small(place, report)
    hasher, size = hashlib.sha256(), 0
    for chunk in chunks_of(place):
        hasher.update(chunk)
        size += len(chunk)
        if report:
            report(len(chunk))
    return Digest("sha256:" + hasher.hexdigest()), size


def _hash_small(place: Place, report: Callable[[int], None] | None) -> tuple[Digest, int]:
    """As hash_place, with as few steps as there can be: a release may have many thousands of small files."""
    handle = _open(place)
    try:
        data = os.pread(handle, place.size, place.offset)
    finally:
        os.close(handle)
    if report:
        report(len(data))
    return Digest("sha256:" + hashlib.sha256(data).hexdigest()), len(data)


def _open(place: Place) -> int:
    try:
        return os.open(place.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as problem:
        raise BundleDamaged(f"cannot read {place.path.name}: {problem.strerror}", where=str(place.path)) from problem
