"""New values are named in a summary that adds up: exact while they are few, bounded when they are many."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.data import CategoryProfile, Profile, measure_profile, merge_profiles, reference_profile
from shipway.kernel.canonical import canonical_json, parse_object

REFERENCE = reference_profile({"c": np.array(["UA", "AA", "B6"], dtype=object)})


def column(profile: Profile) -> CategoryProfile:
    found = profile.columns["c"]
    assert isinstance(found, CategoryProfile)
    return found


def measured(words: list[str]) -> Profile:
    return measure_profile(REFERENCE, {"c": np.array(words, dtype=object)})


WORDS = st.lists(st.sampled_from(["UA", "ZZ", "QQ", "", "é"]), max_size=30)


@settings(max_examples=60, deadline=None)
@given(WORDS, st.lists(st.integers(0, 3), min_size=30, max_size=30))
def test_few_new_values_are_counted_exactly_however_the_rows_are_parted(words: list[str], part_of: list[int]) -> None:
    parts = [[word for word, part in zip(words, part_of, strict=False) if part == number] for number in range(4)]
    whole = column(measured(words))
    assert column(merge_profiles(*map(measured, parts))) == whole
    assert whole.new == (Counter(word for word in words if word != "UA"), 0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_of_many_new_values_each_count_is_too_low_by_no_more_than_is_said(seed: int, hours: int) -> None:
    random = np.random.default_rng(seed)
    words = [f"new{number}" for number in np.minimum(random.geometric(0.01, 6_000), 900)]
    words += [f"rare{number}" for number in range(300)]
    random.shuffle(words)
    truth, each = Counter(words), -(-len(words) // hours)
    merged = column(merge_profiles(*(measured(words[at : at + each]) for at in range(0, len(words), each))))
    assert merged.other == merged.unseen == len(words)
    assert 0 < merged.new.short <= len(words) / 257
    assert len(merged.new.counts) <= 256
    for word, rows in truth.items():
        assert rows - merged.new.short <= merged.new.counts.get(word, 0) <= rows
    back = Profile.from_json(parse_object(canonical_json(Profile(merged.n, {"c": merged}).to_json())))
    assert column(back) == merged


def test_a_profile_made_before_names_were_kept_says_that_it_does_not_know_them() -> None:
    record = measured(["ZZ", "ZZ", "UA"]).to_json()
    del record["columns"]["c"]["new"]  # type: ignore[union-attr, call-overload, index]
    old = column(Profile.from_json(record))
    assert (old.unseen, old.new) == (2, ({}, 2))
    assert column(merge_profiles(Profile.from_json(record), measured(["QQ"]))).new == ({"QQ": 1}, 2)


def test_a_reference_that_does_not_count_each_of_its_values_names_none_as_new() -> None:
    wide = reference_profile({"c": np.array([f"N{number}" for number in range(1_500)], dtype=object)})
    found = column(measure_profile(wide, {"c": np.array(["N0", "N1499", "ZZ"], dtype=object)}))
    assert (found.unseen, found.new.counts) == (None, {})
    assert "new" not in found.to_json()
