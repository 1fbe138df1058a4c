"""Copies of a bucket's objects are kept within a bound: those that were used longest ago go, and what is in use stays."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_help import Place, new_place

from shipway.kernel.digest import Digest
from shipway.store import Store, open_store

KIB = 1 << 10
DAY = 86_400.0


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with new_place("sqlite-s3", tmp_path / "project") as found:
        yield found


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def bounded(place: Place, cache: Path, size: int | None) -> Store:
    place.opened.append(open_store(place.root, "flights", objects=place.objects, cache=cache, cache_bytes=size, create=True))
    return place.opened[-1]


def put(place: Place, count: int) -> list[Digest]:
    """Objects of 10 KiB each, of which no machine has a copy."""
    store = place.open()
    return [store.put_bytes(os.urandom(10 * KIB)).digest for _ in range(count)]


def age(store: Store, digest: Digest, days: float) -> None:
    path = store.objects.root / digest[7:9] / digest[9:]
    os.utime(path, (time.time() - days * DAY,) * 2)


def here(store: Store, digests: list[Digest]) -> list[bool]:
    return [(store.objects.root / digest[7:9] / digest[9:]).is_file() for digest in digests]


def test_what_was_used_longest_ago_goes_first_and_comes_again_when_it_is_asked_for(place: Place, cache: Path) -> None:
    digests = put(place, 6)
    store = bounded(place, cache, 40 * KIB)
    for days, digest in zip((2, 6, 3, 5, 4), digests[:5], strict=True):
        store.objects.verify(digest)
        age(store, digest, days)
    store.objects.verify(digests[5])  # with the fifth there were 50 KiB, and 36 were to be left; this is the fourth of 40
    assert here(store, digests) == [True, False, True, False, True, True]
    assert store.objects.path(digests[1]).read_bytes() == place.bytes(digests[1])
    assert not list(cache.rglob(digests[3][9:] + "*"))


def test_what_was_used_within_a_day_stays_whatever_the_bound(place: Place, cache: Path) -> None:
    digests = put(place, 5)
    store = bounded(place, cache, KIB)
    for digest in digests:
        store.objects.verify(digest)
    assert here(store, digests) == [True] * 5


@pytest.mark.parametrize("use", ["path", "file", "verify"])
def test_each_use_counts(place: Place, cache: Path, use: str) -> None:
    digests = put(place, 4)
    store = bounded(place, cache, 20 * KIB)
    for digest in digests[:3]:
        store.objects.verify(digest)
        age(store, digest, 9)
    getattr(store.objects, use)(digests[0])
    store.objects.verify(digests[3])
    assert here(store, digests) == [True, False, False, True]


def test_the_bound_is_of_all_buckets_and_what_is_put_counts_too(place: Place, cache: Path, tmp_path: Path) -> None:
    digests = put(place, 2)
    first = bounded(place, cache, None)
    for digest in digests:
        first.objects.verify(digest)
        age(first, digest, 9)
    other = open_store(
        tmp_path / "other", "flights", objects=f"{place.objects}-other", cache=cache, cache_bytes=25 * KIB, create=True
    )
    file = tmp_path / "file"
    file.write_bytes(os.urandom(10 * KIB))
    kept = other.put_file(file).digest
    assert here(first, digests).count(True) == 1
    assert here(other, [kept]) == [True]
    other.close()


def test_without_a_bound_everything_stays_and_what_is_not_ours_always(place: Place, cache: Path) -> None:
    digests = put(place, 2)
    store = bounded(place, cache, None)
    store.objects.verify(digests[0])
    age(store, digests[0], 99)
    mine = store.objects.root / digests[0][7:9] / "notes"
    mine.write_bytes(bytes(99 * KIB))
    os.utime(mine, (1, 1))
    link = store.objects.root / digests[0][7:9] / ("0" * 62)
    link.symlink_to(mine)
    store.objects.verify(digests[1])
    assert here(store, digests) == [True, True]
    again = bounded(place, cache, KIB)
    again.objects.path(put(place, 1)[0])
    assert here(store, digests) == [False, True]
    assert mine.exists()
    assert link.is_symlink()
