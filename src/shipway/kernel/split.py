"""How units are divided among arms: each unit has one bucket, each arm owns buckets. Pure.

A unit is what has to be answered by one arm every time: a user, a device, a request. Its bucket is fixed by its key and a
salt. An arm that grows takes buckets that no arm has, and one that shrinks gives the last of its own back; so who is in at
1 % is in at 10 %, and nobody moves between two arms because a third changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b

BUCKETS = 10_000  # the finest share is 0.01 %
LIVE, SHADOW = "live", "shadow"

Ranges = tuple[tuple[int, int], ...]
"""Buckets from the first of each pair up to, without, the second; in order and apart."""


def bucket_of(salt: str, unit: bytes) -> int:
    """The bucket of a unit, 0 to BUCKETS - 1, equally likely each over units.

    >>> bucket_of("a", b"user-7"), bucket_of("b", b"user-7")
    (1530, 5147)
    """
    number = int.from_bytes(blake2b(unit, digest_size=8, key=blake2b(salt.encode(), digest_size=32).digest()).digest(), "big")
    return number * BUCKETS >> 64


def share_of(ranges: Ranges) -> float:
    """The part of all units that has these buckets, in 0..1.

    >>> share_of(((0, 100), (500, 900)))
    0.05
    """
    return sum(end - start for start, end in ranges) / BUCKETS


def grant(held: Mapping[str, Ranges], wanted: Mapping[str, int]) -> dict[str, Ranges]:
    """Ranges for arms that want so many buckets: as many as possible of those that each holds, then the first free ones.

    Raises ValueError when they want more than there are.

    >>> grant({"a": ((0, 100),), "b": ((100, 200),)}, {"a": 150, "b": 50})
    {'a': ((0, 100), (150, 200)), 'b': ((100, 150),)}
    """
    if sum(wanted.values()) > BUCKETS or any(number < 0 for number in wanted.values()):
        raise ValueError(f"{sum(wanted.values())} buckets of {BUCKETS}")
    kept = {name: [*_each(held.get(name, ()))][:number] for name, number in wanted.items()}
    taken = {bucket for buckets in kept.values() for bucket in buckets}
    free = iter([bucket for bucket in range(BUCKETS) if bucket not in taken])
    more = {name: [next(free) for _ in range(number - len(kept[name]))] for name, number in wanted.items()}
    return {name: _ranges(sorted((*kept[name], *more[name]))) for name in wanted}


def _each(ranges: Ranges) -> Iterator[int]:
    for start, end in ranges:
        yield from range(start, end)


def _ranges(buckets: list[int]) -> Ranges:
    found: list[tuple[int, int]] = []
    for bucket in buckets:
        if found and found[-1][1] == bucket:
            found[-1] = (found[-1][0], bucket + 1)
        else:
            found.append((bucket, bucket + 1))
    return tuple(found)
