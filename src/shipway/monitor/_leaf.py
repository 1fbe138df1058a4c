"""What a leaf is, how it is kept, and the question that a set of leaves answers. Nothing here reads a log."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, cast

import msgspec

from shipway.data import Profile
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest, parse_digest, short
from shipway.kernel.units import Seconds
from shipway.store import Store

LEAF, YOUNG = "leaf", "young"
PROFILE_BYTES = "application/vnd.shipway.profile.v1+json+gzip"


class Question(NamedTuple):
    """What is asked of the logs: which ref, which outcome, at what age labels count; on which event clock and wall clock."""

    ref: str
    outcome: str
    matures: Seconds
    clock: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Leaf:
    """rows and labels of one day of one release; features and outcomes: digests of their profiles, hours: of its hours.

    rows_at, labels_at: when the last of them was recorded, microseconds of the epoch; label_sum: the sum of the labels.
    A change of any of these means that the profiles are of old.
    """

    release: Digest
    day: date
    rows: int
    rows_at: int
    labels: int
    labels_at: int
    label_sum: float
    features: Digest | None = None
    outcomes: Digest | None = None
    hours: Digest | None = None

    def key(self, ref: str) -> str:
        """The key of its row of state."""
        return f"{ref.removeprefix('deploy/')}/{short(self.release)}/{self.day}"

    def to_json(self) -> JsonObject:
        """The value of its row of state."""
        hours: JsonObject = {"hours": self.hours} if self.hours else {}
        return {
            "version": 1,
            "release": self.release,
            "day": self.day.isoformat(),
            "rows": self.rows,
            "rows_at": self.rows_at,
            "labels": self.labels,
            "labels_at": self.labels_at,
            "label_sum": self.label_sum,
            "features": self.features,
            "outcomes": self.outcomes,
            **hours,
        }

    @classmethod
    def from_json(cls, record: JsonObject) -> Leaf:
        """The inverse of to_json."""
        counts = {name: int(cast("int", record[name])) for name in ("rows", "rows_at", "labels", "labels_at")}
        names = ("features", "outcomes", "hours")
        profiles = [parse_digest(str(record[name])) if record.get(name) else None for name in names]
        day, total = date.fromisoformat(str(record["day"])), float(cast("float", record["label_sum"]))
        release = parse_digest(str(record["release"]))
        return cls(release, day, **counts, label_sum=total, features=profiles[0], outcomes=profiles[1], hours=profiles[2])


@dataclass(frozen=True, slots=True)
class Young:
    """The hours of a day of one release that is not settled yet. hours: of each its rows, and when the last of them was
    recorded, as in a leaf; pack: the digest of their profiles.
    """

    release: Digest
    day: date
    hours: Mapping[int, tuple[int, int]]
    pack: Digest

    @property
    def rows(self) -> int:
        return sum(rows for rows, _ in self.hours.values())

    @property
    def rows_at(self) -> int:
        return max(at for _, at in self.hours.values())

    def key(self, ref: str) -> str:
        """The key of its row of state."""
        return f"{ref.removeprefix('deploy/')}/{short(self.release)}/{self.day}"

    def to_json(self) -> JsonObject:
        """The value of its row of state."""
        hours: JsonObject = {str(hour): [*facts] for hour, facts in self.hours.items()}
        return {"version": 1, "release": self.release, "day": self.day.isoformat(), "hours": hours, "pack": self.pack}

    @classmethod
    def from_json(cls, record: JsonObject) -> Young:
        """The inverse of to_json."""
        hours = {int(hour): (int(rows), int(at)) for hour, (rows, at) in cast("dict[str, list[int]]", record["hours"]).items()}
        release, day = parse_digest(str(record["release"])), date.fromisoformat(str(record["day"]))
        return cls(release, day, hours, parse_digest(str(record["pack"])))


def load_young(store: Store, ref: str) -> list[Young]:
    """What was measured of the days of a ref that had no leaf then, by day."""
    rows = store.states(YOUNG, f"{ref.removeprefix('deploy/')}/")
    return sorted((Young.from_json(row.value) for row in rows), key=lambda young: (young.day, young.release))


def load_leaves(store: Store, ref: str) -> list[Leaf]:
    """Every leaf of a ref, by day."""
    rows = store.states(LEAF, f"{ref.removeprefix('deploy/')}/")
    return sorted((Leaf.from_json(row.value) for row in rows), key=lambda leaf: (leaf.day, leaf.release))


def load_profile(store: Store, digest: Digest) -> Profile:
    """The profile that a leaf names; raises ObjectMissing, ObjectDamaged, ProfileMismatch."""
    return Profile.from_json(msgspec.json.decode(gzip.decompress(store.objects.get(digest))))


def put_profile(store: Store, profile: Profile) -> Digest:
    """Keeps a profile of a leaf as gzipped JSON."""
    # Not canonical JSON, which takes 30 ms a leaf; a double has one shortest form, so these bytes are as stable.
    data = msgspec.json.encode(profile.to_json())
    return store.put_bytes(gzip.compress(data, compresslevel=1, mtime=0), PROFILE_BYTES).digest
