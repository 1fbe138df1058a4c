"""Files of a log that several machines write, each its own: what one has made comes to all, through the team's bucket.

A file never changes and its name is nobody else's, so that to share is to unite two sets. Its SHA-256 stands in its key. Keys
begin with the day on which they were put (UTC), so that what is new is found without a look at everything.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from shipway.store._bucket import Found, Keyed
from shipway.store._hashed import hash_file
from shipway.store._types import ObjectDamaged

_KEY = re.compile(r"(\d{4}-\d{2}-\d{2})/([A-Za-z0-9_][A-Za-z0-9_.-]*)\.([0-9a-f]{64})\.([a-z]+)")
_MANY_DAYS = 60  # then one look at everything is cheaper than one at each day
_DAY = timedelta(days=1)


class Shared(NamedTuple):
    """How many files were put into the bucket, and how many came from it."""

    sent: int
    fetched: int


class _Theirs(NamedTuple):
    day: str
    name: str
    digits: str
    found: Found


class Ledger:
    """Which files are known to be in the bucket, and on which day they came there: lines in a file beside them.

    It may go at any time: then everything is looked at once more.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_text(errors="replace").splitlines() if file.is_file() else []
        self._days = {name: day for day, _, name in (line.partition(" ") for line in lines) if name and _is_day(day)}

    def __contains__(self, name: str) -> bool:
        return name in self._days

    @property
    def last(self) -> date | None:
        """All that came before this day is known."""
        return max(map(date.fromisoformat, self._days.values())) - _DAY if self._days else None

    def add(self, name: str, day: str) -> None:
        with self._file.open("a") as out:
            out.write(f"{day} {name}\n")
        self._days[name] = day


def share_files(bucket: Keyed, folder: Path, prefix: str, *, suffix: str, today: date) -> Shared:
    """Bring every file of the folder that ends so (`.parquet`) below the prefix in the bucket, and here what others put there.

    A file appears here whole or not at all. Raises ObjectsDown, ObjectsRefused, and ObjectDamaged for one that is not what its
    key says; what came before it stays, and the next call goes on.
    """
    ledger, fetched = Ledger(folder.parent / f"{folder.name}.shared"), 0
    since = min(ledger.last, today - _DAY) if ledger.last else None  # also where our own clock was ahead
    for theirs in _listing(bucket, prefix, since, today):
        if theirs.name in ledger or not theirs.name.endswith(suffix):
            continue
        if not (folder / theirs.name).exists():
            _fetch(bucket, theirs, folder)
            fetched += 1
        ledger.add(theirs.name, min(theirs.day, str(today)))  # a clock that is ahead does not hide what comes until then
    mine = [path for path in sorted(folder.glob(f"*{suffix}")) if path.name not in ledger]
    for path in mine:
        key = f"{prefix}/{today}/{path.stem}.{hash_file(path).removeprefix('sha256:')}{suffix}"
        if _KEY.fullmatch(key.removeprefix(f"{prefix}/")):
            bucket.put(key, path, replace=True)
            ledger.add(path.name, str(today))
    return Shared(len(mine), fetched)


def _listing(bucket: Keyed, prefix: str, since: date | None, today: date) -> Iterator[_Theirs]:
    """What came since a day, oldest first; the clocks of others may be ahead."""
    until = today + _DAY
    if since is None or (until - since).days > _MANY_DAYS:
        below = [prefix]
    else:
        below = [f"{prefix}/{since + number * _DAY}" for number in range((until - since).days + 1)]
    for each in below:
        for found in sorted(bucket.list(each)):
            match = _KEY.fullmatch(found.key.removeprefix(f"{prefix}/"))
            if match and _is_day(match[1]):
                yield _Theirs(match[1], f"{match[2]}.{match[4]}", match[3], found)


def _is_day(text: str) -> bool:
    with suppress(ValueError):
        return date.fromisoformat(text).isoformat() == text
    return False


def _fetch(bucket: Keyed, theirs: _Theirs, folder: Path) -> None:
    content = bucket.read(theirs.found.key)
    if content is None:  # removed meanwhile
        return
    draft, hasher = folder / f".{theirs.name}.draft", hashlib.sha256()  # of a killed one: written anew
    try:
        with draft.open("wb") as out:
            for chunk in content.chunks:
                hasher.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        if hasher.hexdigest() != theirs.digits:
            what = f"{theirs.name} is damaged: its content is not what its key says"
            raise ObjectDamaged(what, where=f"{bucket.where}/{theirs.found.key}", mend="remove it there, and share it again")
        draft.rename(folder / theirs.name)
    finally:
        draft.unlink(missing_ok=True)
