"""A remote: objects at an address that is not the store's own, and under a name for each data set the snapshot that was pushed.

The layout is that of a store: `objects/<2 hex>/<62 hex>`. What is sent or fetched is hashed on the way; what refers comes after
what it refers to, and the name last, so that a killed push or pull leaves no half of a snapshot under a name.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from shipway.kernel.canonical import JsonObject, canonical_json, parse_object
from shipway.kernel.digest import Descriptor, Digest, digest_bytes
from shipway.store._faults import disk_fault
from shipway.store._objects import FileObjects, Objects
from shipway.store._place import OBJECTS, open_bucket
from shipway.store._types import ObjectDamaged, ObjectMissing, ObjectsAddress

if TYPE_CHECKING:
    from shipway.store._bucket import Version

_AT_ONCE = 8  # what waits for an object store waits for several answers
_BATCH = 32  # objects between two syncs of a folder
_LISTED = 500  # from so many on one listing is cheaper than a question each


class Brought(NamedTuple):
    """How many objects there were, those that were not there yet, and their bytes."""

    objects: int
    copied: int
    bytes: int


class Seen(NamedTuple):
    """What stood under a name when it was looked at: a version of a bucket, a digest in a folder; neither: nothing."""

    version: Version | None
    digest: Digest | None


class Remote:
    """What stands at `s3://`, `gs://`, `az://`, `file://` or what fsspec opens. For several threads. Raises ObjectsAddress.

    cache: a folder of this machine. Asks nobody when it is opened; what it is asked raises ObjectsDown and ObjectsRefused.
    """

    def __init__(self, url: str, cache: Path) -> None:
        self.folder = _folder(url)
        self.objects: Objects = (
            FileObjects(self.folder / OBJECTS, at_once=True) if self.folder else _open(url, cache / "remote")
        )
        self.where = str(self.folder or self.objects.where)

    def named(self, name: str) -> tuple[JsonObject | None, Seen]:
        """The document under a name, None when there is none, and what to tell put_name. Raises NotCanonical for no JSON."""
        data, seen = self._read(name)
        return (None if data is None else parse_object(data)), seen

    def put_name(self, name: str, value: JsonObject, *, seen: Seen | None) -> bool:
        """Write a document under a name, and whether it was written: not where somebody else wrote there since it was seen.

        seen: None to write whatever is there.
        """
        data = canonical_json(value)
        if self.folder:
            with _alone((self.folder / name).parent):
                if seen is not None and self._read(name)[1] != seen:
                    return self._read(name)[0] == data
                _replace(self.folder / name, data, self.folder)
            return True
        assert self.objects.bucket is not None, "what is no folder is a bucket"
        if seen is None:
            self.objects.bucket.put(name, data, replace=True)
            return True
        # where the answer to a first try was lost, a second one finds our own bytes
        return self.objects.bucket.put_if(name, data, seen.version) or self._read(name)[0] == data

    def _read(self, name: str) -> tuple[bytes | None, Seen]:
        if self.folder:
            path = self.folder / name
            data = path.read_bytes() if path.is_file() else None
            return data, Seen(None, None if data is None else digest_bytes(data))
        assert self.objects.bucket is not None, "what is no folder is a bucket"
        found = self.objects.bucket.read_version(name)
        return (found[0], Seen(found[1], None)) if found else (None, Seen(None, None))


def bring(
    source: Objects,
    target: Objects,
    wanted: Sequence[Descriptor],
    *,
    verify: bool = False,
    start: Callable[[int], Callable[[int], None]] | None = None,
) -> Brought:
    """Copy those of `wanted` that the target has not; each is hashed, and appears whole or not at all.

    verify: hash what the target has, and bring anew what is damaged. start: is told how many bytes there are to bring and gives
    whom to tell of each object. What came before an error stays. Raises ObjectMissing, ObjectDamaged (with where the bytes came
    from), StoreFull, ObjectsDown, ObjectsRefused.
    """
    todo = _missing(target, wanted, verify=verify)
    size = sum(one.size for one in todo)
    tell = start(size) if start else None
    _each(todo, lambda batch: _bring_batch(source.again(), target.again(), batch, tell))
    return Brought(len(wanted), len(todo), size)


def _missing(target: Objects, wanted: Sequence[Descriptor], *, verify: bool) -> list[Descriptor]:
    distinct = list({one.digest: one for one in wanted}.values())
    if target.bucket is not None and len(distinct) >= _LISTED and not verify:
        there = {kept.digest: kept.size for kept in target.listing()}
        return [one for one in distinct if there.get(one.digest) != one.size]
    found: dict[Digest, bool] = {}

    def look(batch: Sequence[Descriptor]) -> None:
        objects = target.again()
        there = (objects.keeps(one.digest, one.size) and (not verify or _is_whole(objects, one.digest)) for one in batch)
        found.update((one.digest, is_there) for one, is_there in zip(batch, there, strict=True))
        objects.sync()  # of a folder, what is there but not on the disk yet

    _each(distinct, look)
    return [one for one in distinct if not found[one.digest]]


def _is_whole(objects: Objects, digest: Digest) -> bool:
    try:
        objects.confirm(digest)
    except (ObjectDamaged, ObjectMissing):  # by now it is marked, and what comes takes its place
        return False
    return True


def _bring_batch(source: Objects, target: Objects, batch: Sequence[Descriptor], tell: Callable[[int], None] | None) -> None:
    for one in batch:
        told = _Told(tell or (lambda _: None))
        _bring_one(source, target, one, told)
        told.at(one.size)
    target.sync()


class _Told:
    """How much of one object has come, told as it grows; what is asked for anew is told once."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell, self._come = tell, 0

    def at(self, place: int) -> None:
        if place > self._come:
            self._tell(place - self._come)
            self._come = place

    def more(self, size: int) -> None:
        self.at(self._come + size)


def _bring_one(source: Objects, target: Objects, one: Descriptor, told: _Told) -> None:
    from shipway.store._bucket_objects import BucketObjects

    def read(start: int) -> Iterator[bytes]:
        for chunk in source.read(one.digest, start):
            start += len(chunk)
            told.at(start)
            yield chunk

    if isinstance(target, BucketObjects):
        target.send(one.digest, source.verify(one.digest), report=told.more)
        return
    try:
        target.fetch(one, read)
    except ObjectDamaged as problem:
        what = f"what came is damaged: it is not {one.digest}"
        raise ObjectDamaged(
            what, where=source.where, mend="push it there again with --verify from a machine that has it"
        ) from problem


def _each(items: Sequence[Descriptor], work: Callable[[Sequence[Descriptor]], None]) -> None:
    if not items:
        return
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        for _ in pool.map(work, _batches(items)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def _batches(items: Iterable[Descriptor]) -> Iterator[list[Descriptor]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _open(url: str, cache: Path) -> Objects:
    """Raises ObjectsAddress."""
    from shipway.store._bucket import is_bucket

    if is_bucket(url):
        return open_bucket(url, cache)
    from shipway.store._bucket_fsspec import FsspecBucket
    from shipway.store._bucket_objects import BucketObjects

    bucket = FsspecBucket(url)
    return BucketObjects(bucket, cache / digest_bytes(bucket.where.encode())[7:19])


def _folder(url: str) -> Path | None:
    """The folder of a `file://` address. Raises ObjectsAddress for one on another machine or without a whole path."""
    if not url.startswith("file:"):
        return None
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or not path.is_absolute() or path == Path("/") or parts.query or parts.fragment:
        raise ObjectsAddress("the address of the remote is no folder of this machine", mend="write it as file:///PATH")
    return path


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Between the look at a name in a folder and the writing of it nobody else does the same."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system without locks: then the moment between the two is short
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, data: bytes, folder: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix="tmp-", dir=path.parent)
        try:
            with open(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise disk_fault(problem, folder) or problem from problem
