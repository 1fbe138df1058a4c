"""Every object of one place brought to another, and hashed there; what was hashed there before is not looked at again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from shipway.kernel import media
from shipway.kernel.digest import Descriptor, Digest
from shipway.store._bucket_objects import BucketObjects
from shipway.store._objects import Kept, Objects
from shipway.store._types import ObjectDamaged

_AT_ONCE = 8  # what waits for an object store waits for several answers
_BATCH = 32  # objects between two syncs of a folder

Report = Callable[[int], Callable[[int], None]]  # is told how many bytes there are to bring; gives whom to tell of each piece


class Copied(NamedTuple):
    """objects, size: how many there are, their bytes; copied: those that were not there; confirmed: hashed there just now."""

    objects: int
    size: int
    copied: int
    confirmed: int


class Journal:
    """What was hashed in a place, and under which tag: lines that are appended; a killed process has lost at most a batch."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, threading.Lock()
        self._known: set[tuple[str, str]] = set()
        if file.is_file():
            lines = file.read_text(errors="replace").splitlines()
            self._known = {(digest, tag) for digest, _, tag in (line.partition(" ") for line in lines)}

    def knows(self, kept: Kept) -> bool:
        return (kept.digest, kept.tag) in self._known

    def add(self, confirmed: Sequence[Kept]) -> None:
        lines = [f"{kept.digest} {kept.tag}\n" for kept in confirmed if kept.tag]
        with self._lock:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a") as out:
                out.write("".join(lines))
            self._known.update((kept.digest, str(kept.tag)) for kept in confirmed if kept.tag)


def copy_objects(source: Objects, target: Objects, *, journal: Journal, report: Report) -> Copied:
    """Bring what is missing and hash what was not hashed there yet. Raises ObjectDamaged for what the source has not whole."""
    there = {kept.digest: kept for kept in target.listing()}
    found = list(source.listing())
    todo = [kept for kept in found if not _is_there(there.get(kept.digest), kept, journal)]
    missing = {kept.digest for kept in todo if not _has(there.get(kept.digest), kept)}
    tell = report(sum(max(kept.size, 0) for kept in todo))
    bring = _Bringer(source, target, missing, journal, tell)
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        for _ in pool.map(bring, _batches(iter(todo))):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    return Copied(len(found), sum(max(kept.size, 0) for kept in found), bring.copied, len(todo))


class _Bringer:
    """Brings a batch of objects; called by several threads."""

    def __init__(
        self, source: Objects, target: Objects, missing: set[Digest], journal: Journal, tell: Callable[[int], None]
    ) -> None:
        self._source, self._target, self._missing, self._journal, self._tell = source, target, missing, journal, tell
        self.copied = 0

    def __call__(self, batch: Sequence[Kept]) -> None:
        target = self._target.again()
        confirmed = []
        for kept in batch:
            confirmed.append(self._bring(target, kept))
            self._tell(max(kept.size, 0))
        target.sync()
        self._journal.add(confirmed)

    def _bring(self, target: Objects, kept: Kept) -> Kept:
        if kept.digest not in self._missing:
            try:
                return target.confirm(kept.digest)
            except ObjectDamaged:  # by now it is marked, and what comes takes its place
                pass
        self._send(target, kept)
        self.copied += 1
        return target.confirm(kept.digest)

    def _send(self, target: Objects, kept: Kept) -> None:
        if isinstance(target, BucketObjects):
            target.send(kept.digest, self._source.verify(kept.digest))
            return
        try:
            target.fetch(Descriptor(media.BYTES, kept.digest, kept.size), partial(self._source.read, kept.digest))
        except ObjectDamaged as problem:
            what = f"an object is damaged: its content is not {kept.digest}"
            mend = "restore it there, or take the snapshot again; then run this again"
            raise ObjectDamaged(what, where=self._source.where, mend=mend) from problem


def _has(there: Kept | None, kept: Kept) -> bool:
    return there is not None and there.size == kept.size


def _is_there(there: Kept | None, kept: Kept, journal: Journal) -> bool:
    return there is not None and there.size == kept.size and journal.knows(there)


def _batches(todo: Iterator[Kept]) -> Iterator[list[Kept]]:
    while batch := list(islice(todo, _BATCH)):
        yield batch
