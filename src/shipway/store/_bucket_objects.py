"""The objects of a team in an object store, and a folder of this machine with verified copies of those that were read as files.

The layout is that of the folder: `objects/<2 hex>/<62 hex>`. Whether an object is there, and whether it is whole, is always
asked of the bucket; a copy counts only while the bucket's tag is the one under which its bytes were verified.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from shipway.kernel import media
from shipway.kernel.digest import Descriptor, Digest, digest_bytes, is_digest, parse_digest
from shipway.store._bucket import Content, Found, Keyed
from shipway.store._copies import Room
from shipway.store._hashed import damaged
from shipway.store._objects import FileObjects, Group, Kept, Wanted, put_with_md5
from shipway.store._types import ObjectDamaged, ObjectMissing, ObjectsDown

_PREFIX = "objects"
_COMPARED = 1 << 20  # bytes up to which a put looks at all that is there already


class BucketObjects:
    """Objects below an address. For use by several threads.

    cache: the folder of copies, which may go at any time; bound: of the bytes of all copies beside it.
    """

    def __init__(self, bucket: Keyed, cache: Path, *, bound: int | None = None) -> None:
        self.root, self.where, self.variables = cache, bucket.where, bucket.variables
        self.bucket: Keyed | None = bucket
        self._bucket = bucket
        self._copies, self._room = FileObjects(cache, at_once=True), Room(cache.parent, bound)

    def path(self, digest: Digest) -> Path:
        """A copy, fetched and verified when there is none yet; a name without a file when the bucket has no such object.

        Raises ObjectDamaged.
        """
        path = self._copies.path(digest)
        if path.is_file():
            self._room.used(path)
        else:
            with suppress(ObjectMissing):
                self._fetch(digest)
        return path

    def file(self, digest: Digest) -> Path:
        """A copy of the bytes that the bucket has now, for who hashes them. Raises ObjectMissing, ObjectDamaged."""
        found = self._bucket.look(_key(digest))
        if found is None:
            raise self._missing(digest)
        path = self._copies.path(digest)
        current = found.tag and found.tag == self._tag(digest) and path.is_file()
        if not current:
            return self._fetch(digest)
        self._room.used(path)
        return path

    def has(self, digest: Digest) -> bool:
        return self._bucket.look(_key(digest)) is not None

    def size(self, digest: Digest) -> int | None:
        """In bytes, None when the object is not there."""
        found = self._bucket.look(_key(digest))
        return found.size if found else None

    def find(self, prefix: str) -> list[Digest]:
        """The digests of objects whose hexadecimal digits begin so, in order; none for fewer than four digits."""
        if len(prefix) < 4 or not set(prefix) <= set("0123456789abcdef"):
            return []
        wanted = f"sha256:{prefix}"
        return sorted(kept.digest for kept in self._below(f"{_PREFIX}/{prefix[:2]}") if kept.digest.startswith(wanted))

    def all(self) -> Iterator[Digest]:
        """Every object, in order."""
        return (kept.digest for kept in self._below(_PREFIX))

    def listing(self) -> Iterator[Kept]:
        """Every object with its size and tag, in order."""
        return self._below(_PREFIX)

    def keeps(self, digest: Digest, size: int) -> bool:
        """Whether the object is there with this size in bytes, and nobody here has found it damaged."""
        found = self._bucket.look(_key(digest))
        return found is not None and found.size == size and not self._mark(digest).exists()

    def keeps_each(self, wanted: Sequence[Wanted]) -> list[bool]:
        """As keeps of each, for many."""
        return [self.keeps(*one) for one in wanted]

    def keeps_all(self, groups: Sequence[Group], count: int) -> list[bool]:  # noqa: ARG002 - each is asked for in turn
        """Of each group whether all of it is kept, as keeps says."""
        return [all(self.keeps(*one) for one in group()) for group in groups]

    def put(self, data: bytes) -> Digest:
        """Keep these bytes; putting twice is no error, and mends a small object that is not as it was."""
        digest = digest_bytes(data)
        if len(data) > _COMPARED:
            if not self.keeps(digest, len(data)):
                self._upload(digest, data, len(data))
        elif self._bucket.put(_key(digest), data, replace=False) is None and not self._is(digest, data):
            self._upload(digest, data, len(data))
        return digest

    def put_file(
        self,
        source: Path | str,
        *,
        report: Callable[[int], None] | None = None,
        also: Callable[[memoryview], None] | None = None,
    ) -> tuple[Digest, int]:
        """Keep a copy of a file, read once: digest and size in bytes. Raises FileUnreadable, StoreFull (of the copy)."""
        digest, size = self._copies.put_file(source, report=report, also=also)
        self._room.received(size)
        if not self.keeps(digest, size):
            self._upload(digest, self._copies.path(digest), size)
        return digest, size

    def adopt(self, source: Path, *, also: Callable[[memoryview], None] | None = None) -> tuple[Digest, int]:
        """As put_file: the bucket has its own copy of everything."""
        return self.put_file(source, also=also)

    def put_small(
        self,
        sources: Sequence[bytes],
        *,
        tell: Callable[[int], None],
        md5s: dict[Digest, str] | None = None,
    ) -> list[tuple[Digest, int]]:
        """As put_file of each."""
        found = []
        for number, source in enumerate(sources):
            found.append(put_with_md5(self, os.fsdecode(source), md5s))
            tell(number)
        return found

    def put_stream(self, wanted: Descriptor, chunks: Iterable[bytes | memoryview]) -> bool:
        """As of FileObjects: nothing is put in the bucket before all of it is here and is what it should be."""
        if self.keeps(wanted.digest, wanted.size):
            return False
        self._copies.receive(wanted, chunks)
        self._room.received(wanted.size)
        self._upload(wanted.digest, self._copies.path(wanted.digest), wanted.size)
        return True

    def fetch(self, wanted: Descriptor, read: Callable[[int], Iterable[bytes | memoryview]]) -> bool:
        """As put_stream, of bytes that can be had from any place on; what came of them is beside the copies."""
        if self.keeps(wanted.digest, wanted.size):
            return False
        self._copies.fetch(wanted, read)
        self._room.received(wanted.size)
        self._upload(wanted.digest, self._copies.path(wanted.digest), wanted.size)
        return True

    def get(self, digest: Digest) -> bytes:
        """The bytes, from the bucket and verified. Raises ObjectMissing, ObjectDamaged."""
        data = b"".join(self._open(digest).chunks)
        found = digest_bytes(data)
        if found != digest:
            raise self._damaged(digest, found)
        return data

    def read(self, digest: Digest, start: int = 0) -> Iterator[bytes]:
        """The bytes from a place on, in chunks, unverified: for who hashes them. Raises ObjectMissing."""
        yield from self._open(digest, start).chunks

    def verify(self, digest: Digest, *, name: str | None = None) -> Path:
        """A copy of the object as the bucket has it now, after hashing all of it; `name` is the user's name for it.

        Fetches it unless a copy is here that was verified under the tag that the bucket tells. Raises ObjectMissing,
        ObjectDamaged.
        """
        found = self._bucket.look(_key(digest))
        if found is None:
            raise self._missing(digest)
        if found.tag and found.tag == self._tag(digest):
            with suppress(ObjectMissing, ObjectDamaged):  # a copy that went or rotted is fetched again
                path = self._copies.verify(digest)
                self._room.used(path)
                return path
        return self._fetch(digest, name=name)

    def confirm(self, digest: Digest) -> Kept:
        """What the bucket has now, after hashing all of it; no copy is kept. Raises ObjectMissing, ObjectDamaged."""
        kept, chunks = self._open(digest)
        hasher = hashlib.sha256()
        for chunk in chunks:
            hasher.update(chunk)
        found = Digest("sha256:" + hasher.hexdigest())
        if found != digest:
            raise self._damaged(digest, found)
        return Kept(digest, kept.size, kept.tag)

    def send(self, digest: Digest, file: Path, *, report: Callable[[int], None] | None = None) -> None:
        """Put a file that was verified under this digest, whatever is there; no copy is kept. Raises ObjectsDown.

        report: told the bytes of each part that is there, where a file goes in parts that are ours.
        """
        self._upload(digest, file, file.stat().st_size, report=report)

    def sync(self) -> None:
        """Nothing: a put has ended when the object store keeps it."""

    def close(self) -> None:
        """Nothing: connections are those of the process."""

    def again(self) -> BucketObjects:
        """The same, which is for several threads."""
        return self

    def _below(self, prefix: str) -> Iterator[Kept]:
        for found in self._bucket.list(prefix):
            digits = found.key.removeprefix(f"{_PREFIX}/").replace("/", "", 1)
            if is_digest(f"sha256:{digits}") and found.key == _key(Digest(f"sha256:{digits}")):
                yield Kept(Digest(f"sha256:{digits}"), found.size, found.tag)

    def _open(self, digest: Digest, start: int = 0) -> Content:
        content = self._bucket.read(_key(digest), start)
        if content is None:
            raise self._missing(digest)
        return content

    def _fetch(self, digest: Digest, *, name: str | None = None) -> Path:
        """Read the object into a copy; the copy appears under its name only when it is what it should be."""
        found, chunks = self._open(digest)
        path = self._copies.path(digest)
        if path.is_dir():  # whoever made it: it is no copy, and it is not the bucket's fault
            shutil.rmtree(path)
        try:
            self._copies.receive(Descriptor(media.BYTES, digest, found.size), chunks)
        except ObjectDamaged as problem:
            raise self._damaged(digest, None, name=name) from problem
        self._remember(digest, found)
        self._room.received(found.size)
        return path

    def _upload(self, digest: Digest, data: bytes | Path, size: int, *, report: Callable[[int], None] | None = None) -> None:
        """Put the object whatever is there, and look whether it came as a whole."""
        key = _key(digest)
        done, found = self._bucket.put(key, data, replace=True, report=report), self._bucket.look(key)
        if found is None or found.size != size:
            raise ObjectsDown("what was put is not there as a whole", where=f"{self.where}/{key}", mend="run this again")
        self._mark(digest).unlink(missing_ok=True)
        if data == self._copies.path(digest) and done and done.tag == found.tag:  # else somebody was there in between
            self._remember(digest, found)

    def _is(self, digest: Digest, data: bytes) -> bool:
        content = self._bucket.read(_key(digest))
        return content is not None and content.found.size == len(data) and b"".join(content.chunks) == data

    def _remember(self, digest: Digest, found: Found) -> None:
        """That the copy's bytes are those which the bucket has under this tag."""
        if found.tag:
            note = self._note(digest, "tag")
            with suppress(OSError):  # without it the object is fetched once more
                note.write_text(found.tag)

    def _tag(self, digest: Digest) -> str | None:
        try:
            return self._note(digest, "tag").read_text()
        except OSError:
            return None

    def _mark(self, digest: Digest) -> Path:
        return self._note(digest, "damaged")

    def _note(self, digest: Digest, what: str) -> Path:
        path = self._copies.path(digest)
        return path.with_name(f"{path.name}.{what}")

    def _missing(self, digest: Digest) -> ObjectMissing:
        return ObjectMissing(
            f"no object {digest}", where=self.where, mend="restore it from a backup or a version of the bucket"
        )

    def _damaged(self, digest: Digest, found: Digest | None, *, name: str | None = None) -> ObjectDamaged:
        """Marks it on this machine, so that the next put writes it anew."""
        mark = self._mark(digest)
        with suppress(OSError):
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
        where = f"{self.where}/{_key(digest)}"
        if found:
            return damaged(where, digest, found, name=name)
        what = f"{name} is damaged" if name else "an object is damaged"
        mend = "restore this object from a version of the bucket, or take the snapshot again"
        return ObjectDamaged(f"{what}: its content is not {digest}", where=where, mend=mend)


def _key(digest: Digest) -> str:
    digits = parse_digest(digest).removeprefix("sha256:")
    return f"{_PREFIX}/{digits[:2]}/{digits[2:]}"
