"""The hours of a day's leaf, and any window of hours as a sum of leaves: of days that are whole in it, else of their hours.

The hours of a day are one object, a pack of profiles over one reference; the day's own profile is their sum. A day of few
rows is not cut: its hours would say nothing. Nothing here reads a row.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import msgspec
import numpy as np

from shipway.data import Profile, ProfileMismatch, merge_profiles
from shipway.kernel.digest import Digest
from shipway.monitor._leaf import Leaf, Young, load_leaves, load_profile, load_young
from shipway.store import Store

HOURS_BYTES = "application/vnd.shipway.profiles.v1+msgpack+gzip"
CUT_ROWS = 10_000  # of a day, from which its hours are kept: some 400 an hour; below, a day is measured at once
_BINS = {"at": "<u2", "count": "<i8", "sum": "<f8"}  # of a histogram: places, rows and sums of the bins that hold rows
_HOUR = timedelta(hours=1)


class HoursWindow(NamedTuple):
    """The features and scores of one release from start to end (excluded); both moved outwards to what the leaves can tell."""

    release: Digest
    start: datetime
    end: datetime
    profile: Profile


def put_hours(store: Store, hours: Mapping[int, Profile]) -> Digest:
    """Keeps the profiles of a day's hours (0..23, UTC) as one object."""
    document = {
        "kind": "profiles",
        "version": 1,
        "hours": list(hours),
        "profiles": [_packed(profile.to_json()) for profile in hours.values()],
    }
    return store.put_bytes(gzip.compress(msgspec.msgpack.encode(document), compresslevel=1, mtime=0), HOURS_BYTES).digest


def load_hours(store: Store, digest: Digest) -> dict[int, Profile]:
    """The profiles of a day's hours. Raises ObjectMissing, ObjectDamaged, ProfileMismatch for what is no pack of version 1."""
    record: Any = msgspec.msgpack.decode(gzip.decompress(store.objects.get(digest)))
    if not isinstance(record, dict) or (record.get("kind"), record.get("version")) != ("profiles", 1):
        raise ProfileMismatch("this object is no pack of profiles of version 1")
    try:
        profiles = [Profile.from_json(_unpacked(profile)) for profile in record["profiles"]]
        return dict(zip(map(int, record["hours"]), profiles, strict=True))
    except (KeyError, TypeError, ValueError) as problem:
        raise ProfileMismatch(f"this object is no pack of profiles: {problem!r}") from problem


def measure_hours(store: Store, ref: str, start: datetime, end: datetime) -> tuple[HoursWindow, ...]:
    """What each release answered from start to end behind a ref, from leaves alone; the release of most rows first.

    Full hours in UTC are told apart on days of 10,000 rows and more and on those that are not settled yet, as far as they were
    measured; on others days are. A release without a row there is
    left out. Raises ObjectMissing, ObjectDamaged.
    """
    leaves = [leaf for leaf in load_leaves(store, ref) if _day_start(leaf.day) < end and start < _day_start(leaf.day, 1)]
    settled = {(leaf.release, leaf.day) for leaf in leaves}
    parts: dict[Digest, list[HoursWindow]] = {}
    for leaf in leaves:
        parts.setdefault(leaf.release, []).extend(_inside(store, leaf, start, end))
    for young in load_young(store, ref):
        if (young.release, young.day) not in settled:
            parts.setdefault(young.release, []).extend(_hours_inside(store, young, young.pack, start, end))
    windows = []
    for release, spans in sorted(parts.items()):
        if spans:
            first, last = min(span.start for span in spans), max(span.end for span in spans)
            windows.append(HoursWindow(release, first, last, merge_profiles(*(span.profile for span in spans))))
    return tuple(sorted(windows, key=lambda window: -window.profile.rows))


def _inside(store: Store, leaf: Leaf, start: datetime, end: datetime) -> Iterator[HoursWindow]:
    """The parts of a day's leaf that the window holds."""
    first, last = _day_start(leaf.day), _day_start(leaf.day, 1)
    if leaf.hours is None or (start <= first and last <= end):
        if leaf.features is not None:
            yield HoursWindow(leaf.release, first, last, load_profile(store, leaf.features))
        return
    yield from _hours_inside(store, leaf, leaf.hours, start, end)


def _hours_inside(store: Store, day: Leaf | Young, pack: Digest, start: datetime, end: datetime) -> Iterator[HoursWindow]:
    first = _day_start(day.day)
    if end <= first or _day_start(day.day, 1) <= start:
        return
    for hour, profile in load_hours(store, pack).items():
        begins = first + hour * _HOUR
        if begins < end and start < begins + _HOUR:
            yield HoursWindow(day.release, begins, begins + _HOUR, profile)


def _day_start(day: date, later: int = 0) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(days=later)


def _packed(value: Any) -> Any:
    """The record with the arrays of its histograms as bytes."""
    if not isinstance(value, dict):
        return value
    if value.keys() == _BINS.keys():
        return {name: np.asarray(value[name], dtype=kind).tobytes() for name, kind in _BINS.items()}
    return {name: _packed(one) for name, one in value.items()}


def _unpacked(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value.keys() == _BINS.keys() and all(isinstance(one, bytes) for one in value.values()):
        return {name: np.frombuffer(value[name], dtype=kind) for name, kind in _BINS.items()}
    return {name: _unpacked(one) for name, one in value.items()}


def spans_of_hours(hours: Iterable[int]) -> list[tuple[int, slice]]:
    """Where each hour is in hours that ascend.

    >>> spans_of_hours([3, 3, 7])
    [(3, slice(0, 2, None)), (7, slice(2, 3, None))]
    """
    found = np.asarray(list(hours) if not isinstance(hours, np.ndarray) else hours)
    starts = np.flatnonzero(np.diff(found, prepend=-1))
    ends = np.append(starts[1:], found.size)
    return [(int(found[start]), slice(int(start), int(end))) for start, end in zip(starts, ends, strict=True)]
