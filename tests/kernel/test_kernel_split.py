"""Units are divided evenly, stay where they are while an arm grows, and no bucket ever has two arms."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.kernel.split import BUCKETS, Ranges, bucket_of, grant, share_of


def buckets(ranges: Ranges) -> set[int]:
    return {bucket for start, end in ranges for bucket in range(start, end)}


@pytest.mark.parametrize("salt", ["0743f2c1aaaa", "another", ""])
def test_buckets_are_equally_likely_over_many_units(salt: str) -> None:
    """Chi-square of 100 bins over 100,000 users; the threshold is the 99.999 % point of 99 degrees of freedom."""
    counts = [0] * 100
    for user in range(100_000):
        counts[bucket_of(salt, b"user-%d" % user) * 100 // BUCKETS] += 1
    assert sum((count - 1000) ** 2 / 1000 for count in counts) < 170


def test_two_salts_divide_independently() -> None:
    """Of those in the first tenth by one salt a tenth is in the first tenth by another."""
    users = [b"%d" % user for user in range(50_000)]
    first = [user for user in users if bucket_of("one", user) < BUCKETS // 10]
    both = [user for user in first if bucket_of("two", user) < BUCKETS // 10]
    assert 4_700 < len(first) < 5_300
    assert 400 < len(both) < 600


@settings(max_examples=40)
@given(st.binary(max_size=64), st.text(max_size=20), st.lists(st.integers(0, BUCKETS), min_size=2, max_size=4))
def test_a_unit_that_is_in_stays_in_while_the_share_grows(unit: bytes, salt: str, shares: list[int]) -> None:
    bucket, held, was_in = bucket_of(salt, unit), {"a": ()}, False
    for share in sorted(shares):
        held = grant(held, {"a": share})  # type: ignore[assignment]
        is_in = bucket in buckets(held["a"])
        assert is_in or not was_in
        was_in = is_in


moves = st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(0, BUCKETS // 4), max_size=4), min_size=1, max_size=6)


@settings(max_examples=40)
@given(moves)
def test_whatever_grows_and_shrinks_nobody_moves_between_two_arms(steps: list[dict[str, int]]) -> None:
    held: dict[str, Ranges] = {}
    for wanted in steps:
        before, held = held, grant(held, wanted)
        assert {name: round(share_of(ranges) * BUCKETS) for name, ranges in held.items()} == wanted
        owned = [buckets(ranges) for ranges in held.values()]
        assert sum(map(len, owned)) == len(set().union(*owned)), "no bucket has two arms"
        for name, ranges in held.items():
            old = buckets(before.get(name, ()))
            assert old <= buckets(ranges) or buckets(ranges) <= old
            assert all(one[1] < other[0] for one, other in pairwise(ranges)), "in order and apart"
        for name, ranges in before.items():
            if name in held and len(buckets(held[name])) >= len(buckets(ranges)):
                assert buckets(ranges) <= buckets(held[name])


def test_more_than_there_is_cannot_be_granted() -> None:
    with pytest.raises(ValueError, match="10001 buckets"):
        grant({}, {"a": BUCKETS, "b": 1})
