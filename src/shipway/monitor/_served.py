"""What serving took, as leaves: of each hour, arm and release requests, failures, latency and cost, in numbers that add up.

By the wall clock, on which requests are slow and money is spent; the leaves of features go by the events. A leaf is a row of
state (kind `served`) for a day; the newest two days are counted again at each call, so that the hours of today are known and
what a writer hands in late is in. Of a log that keeps a share a request counts as many as it stands for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest, parse_digest, short
from shipway.monitor._lock import exclusive
from shipway.monitor._served_rows import served_rows
from shipway.stats import LOG_BINS, log_places, log_quantile
from shipway.store import Store

SERVED = "served"
LATE = timedelta(days=2)  # what is handed in later than this after the newest leaf is in no leaf
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_HOUR = timedelta(hours=1)
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """answered: requests; refused: for what they asked (400 to 499); failed: for a fault of ours; latency: (LOG_BINS,) answered
    requests by microseconds; rows: answered, as the processes counted them, whether logged or not (of a gateway: answers);
    cpu_us: of those processes; nano_usd: what it cost; unpriced: records of work without a price, in nano_usd as nothing.
    """

    latency: Ints
    answered: int = 0
    refused: int = 0
    failed: int = 0
    rows: int = 0
    cpu_us: int = 0
    nano_usd: int = 0
    unpriced: int = 0

    def __add__(self, other: Served) -> Served:
        """Of both together, exactly."""
        return Served(**{name: getattr(self, name) + getattr(other, name) for name in _NAMES})

    def to_json(self) -> JsonObject:
        """Bins without a request are left out."""
        at = np.flatnonzero(self.latency)
        counts: JsonObject = {name: getattr(self, name) for name in _NAMES if name != "latency"}
        return {**counts, "latency": {"at": at.tolist(), "count": self.latency[at].tolist()}}

    @classmethod
    def from_json(cls, record: JsonObject) -> Served:
        """The inverse of to_json."""
        bins = cast("Mapping[str, list[int]]", record["latency"])
        latency = np.zeros(LOG_BINS, dtype=np.int64)
        latency[np.asarray(bins["at"], dtype=np.int64)] = bins["count"]
        return cls(latency, **{name: int(cast("int", record[name])) for name in _NAMES if name != "latency"})


_NAMES = tuple(field.name for field in fields(Served))


class ServedDay(NamedTuple):
    """A leaf: the hours (0..23, UTC) with anything in them of one arm and release."""

    arm: str
    release: Digest
    day: date
    hours: Mapping[int, Served]

    def key(self, ref: str) -> str:
        """The key of its row of state: days of a ref are next to each other."""
        return f"{ref.removeprefix('deploy/')}/{self.day}/{self.arm}/{short(self.release)}"

    def to_json(self) -> JsonObject:
        """The value of its row of state."""
        hours: JsonObject = {str(hour): served.to_json() for hour, served in self.hours.items()}
        return {"version": 1, "arm": self.arm, "release": self.release, "day": self.day.isoformat(), "hours": hours}

    @classmethod
    def from_json(cls, record: JsonObject) -> ServedDay:
        """The inverse of to_json."""
        hours = cast("Mapping[str, JsonObject]", record["hours"])
        found = {int(hour): Served.from_json(served) for hour, served in hours.items()}
        day, release = date.fromisoformat(str(record["day"])), parse_digest(str(record["release"]))
        return cls(str(record["arm"]), release, day, found)


def refresh_served(store: Store, ref: str) -> None:
    """Brings the leaves of a ref up to what is in the tables. Killed half-way, the next call ends where this would have."""
    with exclusive(store.log_folder("predictions").parent / "served.lock", wait=True):
        held = {row.key: row.value for row in store.states(SERVED, f"{ref.removeprefix('deploy/')}/")}
        newest = max((date.fromisoformat(str(record["day"])) for record in held.values()), default=None)
        since = None if newest is None else datetime.combine(newest - LATE, time(), UTC)
        made = {leaf.key(ref): leaf.to_json() for leaf in measure_served(store, ref, since=since)}
        changed = {key: record for key, record in made.items() if held.get(key) != record}
        if changed:
            store.put_states(SERVED, changed)


def measure_served(store: Store, ref: str, *, since: datetime | None) -> list[ServedDay]:
    """The leaves from the tables of the log; since: midnight of the first day, None for all."""
    rows = served_rows(store, ref, since)
    hours: dict[tuple[str, str, datetime], Served] = {}
    empty = Served(np.zeros(LOG_BINS, dtype=np.int64))
    for arm, release, hour, latencies, counts in rows.answered:
        latency = np.bincount(log_places(latencies), weights=counts, minlength=LOG_BINS).astype(np.int64)
        hours[arm, release, hour] = replace(empty, latency=latency, answered=int(np.sum(counts)))
    for arm, release, hour, counted in rows.counted:
        hours[arm, release, hour] = hours.get((arm, release, hour), empty) + replace(empty, **counted)
    days: dict[tuple[str, str, date], dict[int, Served]] = {}
    for (arm, release, hour), served in sorted(hours.items()):
        days.setdefault((arm, release, hour.date()), {})[hour.hour] = served
    return [ServedDay(arm, parse_digest(release), day, found) for (arm, release, day), found in days.items()]


def report_served(store: Store, ref: str, start: datetime, end: datetime) -> list[JsonObject]:
    """A record for each arm and release that was asked from start to end, widened to full hours (UTC), from leaves alone.

    latency_ms: quantiles of answered requests, off by 1 % of themselves at most, null without any; usd: null where work has no
    price.
    """
    first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    found: dict[tuple[str, Digest], dict[datetime, Served]] = {}
    for row in store.states(SERVED, f"{ref.removeprefix('deploy/')}/"):
        leaf = ServedDay.from_json(row.value)
        for hour, served in leaf.hours.items():
            begins = datetime.combine(leaf.day, time(hour), UTC)
            if first <= begins < end:
                found.setdefault((leaf.arm, leaf.release), {})[begins] = served
    return [_record(arm, release, hours) for (arm, release), hours in sorted(found.items())]


def _record(arm: str, release: Digest, hours: Mapping[datetime, Served]) -> JsonObject:
    total = add_served(hours.values())
    slow = {name: log_quantile(total.latency, q) for name, q in _QUANTILES.items()}
    return {
        "arm": arm,
        "release": release,
        "from": instant(min(hours)),
        "to": instant(max(hours) + _HOUR),
        "requests": total.answered + total.refused + total.failed,
        "answered": total.answered,
        "refused": total.refused,
        "failed": total.failed,
        "latency_ms": {name: None if value is None else value / 1000 for name, value in slow.items()},
        "rows": total.rows,
        "cpu_seconds": total.cpu_us / 1e6,
        "usd": None if total.unpriced else total.nano_usd / 1e9,
    }


def add_served(parts: Iterable[Served]) -> Served:
    """The sum of leaves; nothing of nothing."""
    return reduce(lambda one, other: one + other, parts, Served(np.zeros(LOG_BINS, dtype=np.int64)))
