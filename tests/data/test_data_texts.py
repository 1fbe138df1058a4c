"""A column of texts is profiled by its descriptors, which add up and drift as numbers do."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import cast
from zlib import crc32

import numpy as np
import polars as pl
import pytest
from data_help import same_profile
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.data import (
    NumericProfile,
    Profile,
    ProfileMismatch,
    measure_drift,
    measure_profile,
    merge_profiles,
    reference_profile,
)
from shipway.data._text import TEXT_NAMES, TextRule, reference_texts
from shipway.kernel.canonical import canonical_json, parse_object

VOCABULARY = [f"w{number}x" for number in range(3_000)]


def texts(seed: int, rows: int, *, known: int = 3_000) -> list[str]:
    """Sentences over a vocabulary whose words are as unequal as those of a language."""
    random = np.random.default_rng(seed)
    places = np.minimum(random.zipf(1.3, (rows, 14)), known) - 1
    lengths = random.integers(3, 15, rows)
    return [" ".join(VOCABULARY[place] for place in row[:length]) + "." for row, length in zip(places, lengths, strict=True)]


REFERENCE = reference_profile({"review": np.array(texts(1, 3_000), dtype=object), "x": np.arange(3_000.0)})

RULE = cast("TextRule", REFERENCE.described["review"])


def measured(rows: list[str | None]) -> Profile:
    return measure_profile(REFERENCE, pl.DataFrame({"review": pl.Series(rows, dtype=pl.String)}))


def part(profile: Profile, name: str) -> NumericProfile:
    found = profile.columns[f"review.{name}"]
    assert isinstance(found, NumericProfile)
    return found


def words_by_hand(text: str) -> list[str]:
    """Runs of letters and digits, as Unicode's categories have them."""
    runs = "".join(char if unicodedata.category(char)[0] in "LN" else " " for char in text.lower())
    return runs.split()


def by_hand(text: str, known: set[int]) -> dict[str, float]:
    words = words_by_hand(text)
    letters = sum(unicodedata.category(char)[0] == "L" for char in text)
    blank = sum(char.isspace() for char in text)
    return {
        "length": len(text),
        "words": len(text.split()),
        "sentences": len(re.findall(r"[.!?]+(?:\s|$)", text)),
        "non_letters": (len(text) - letters - blank) / len(text) if text else float("nan"),
        "unknown_words": float(np.mean([crc32(word.encode()) & 0xFFFF not in known for word in words]))
        if words
        else float("nan"),
        "link": float("http://a" in text.lower()),
    }


ALPHABET = st.text(alphabet="abZ é9.!? ,\n-", max_size=60)
ROWS = st.lists(
    st.one_of(st.none(), ALPHABET, st.sampled_from(["see HTTP://a.b/c now.", "w1x w2x. Unseen1 Unseen2!", ""])), max_size=25
)


@settings(max_examples=30, deadline=None)
@given(ROWS)
def test_descriptors_are_those_of_a_loop_over_the_texts(rows: list[str | None]) -> None:
    compare_with_a_loop(rows)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(ROWS)
def test_descriptors_are_those_of_a_loop_over_the_texts_in_five_hundred_rounds(rows: list[str | None]) -> None:
    compare_with_a_loop(rows)


def compare_with_a_loop(rows: list[str | None]) -> None:
    known = {place for place, bit in enumerate(np.unpackbits(np.frombuffer(RULE.known, np.uint8))) if bit}
    profile, wanted = measured(rows), [by_hand(row, known) for row in rows if row is not None]
    for name in TEXT_NAMES:
        values = np.array([row[name] for row in wanted])
        finite = values[~np.isnan(values)]
        found = part(profile, name)
        assert (found.n, found.nulls, found.nans) == (len(rows), rows.count(None), values.size - finite.size)
        assert found.bins.total == pytest.approx(finite.sum(), abs=1e-9)
        assert (found.minimum, found.maximum) == ((finite.min(), finite.max()) if finite.size else (None, None))


@settings(max_examples=20, deadline=None)
@given(ROWS, st.lists(st.integers(0, 2), min_size=25, max_size=25))
def test_any_partition_of_the_texts_gives_the_same_profile(rows: list[str | None], part_of: list[int]) -> None:
    parts = [[row for row, at in zip(rows, part_of, strict=False) if at == number] for number in range(3)]
    whole, merged = measured(rows), merge_profiles(*map(measured, parts))
    assert same_profile(whole, merged)
    for name in TEXT_NAMES:
        assert np.array_equal(part(whole, name).bins.counts, part(merged, name).bins.counts)


def test_texts_are_told_from_categories_by_their_values_or_by_a_person() -> None:
    many = [f"gate {number} of hall {number % 7}" for number in range(400)]
    table = {
        "text": np.array(many, dtype=object),
        "city": np.array([f"New York City {number % 40}" for number in range(400)], dtype=object),
        "key": np.array([f"key-{number}" for number in range(400)], dtype=object),
        "said": np.array(["yes", "no"] * 200, dtype=object),
    }
    assert list(reference_profile(table).described) == ["text"]
    profile = reference_profile(
        pl.DataFrame({name: pl.Series(array.tolist()) for name, array in table.items()}), texts=["said"]
    )
    assert set(profile.described) == {"text", "said"}
    assert set(profile.sources) == set(table)
    assert set(profile.plain) == {"city", "key"}
    taken = reference_profile(table | {"text.length": np.zeros(400)})
    assert (taken.described, list(taken.plain)) == ({}, [*table, "text.length"])
    with pytest.raises(ProfileMismatch, match="there is no column sayd") as unknown:
        reference_profile(table, texts=["sayd"])
    assert unknown.value.mend == "did you mean said?"
    with pytest.raises(ProfileMismatch, match="column x holds no texts"):
        reference_profile(table | {"x": np.arange(400.0)}, texts=["x"])
    with pytest.raises(ProfileMismatch, match="holds no texts"):
        measure_profile(profile, {"text": np.arange(3.0)})
    assert measure_profile(profile, {"text": np.full(3, np.nan)}).columns["text.length"].missing == 3


def test_nothing_drifts_where_nothing_has_changed_and_unknown_words_do_where_they_come() -> None:
    """Each text of the reference is asked of the others: else every window would have more unknown words than it."""
    same = measure_drift(REFERENCE, measured(list(texts(2, 3_000))))
    assert max(drift.psi or 0.0 for drift in same.values()) < 0.02
    assert part(measured(list(texts(2, 3_000))), "unknown_words").mean == pytest.approx(
        part(REFERENCE, "unknown_words").mean, abs=0.004
    )
    other = [text.replace("w1x", "zzz") for text in texts(3, 3_000)]
    moved = {name: drift.psi or 0.0 for name, drift in measure_drift(REFERENCE, measured(list(other))).items()}
    assert moved["review.unknown_words"] > 0.5
    assert moved["review.words"] < 0.02
    links = [f"{text} see https://a.b" for text in texts(4, 500)]
    assert (measure_drift(REFERENCE, measured(list(links)))["review.link"].psi or 0.0) > 1


def test_known_words_are_those_of_most_texts_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipway.data._text._MOST_KNOWN", 100)
    rows = texts(5, 800)
    rule, own = reference_texts(pl.Series(rows))
    held = Counter(crc32(word.encode()) & 0xFFFF for row in rows for word in set(words_by_hand(row)))
    known = np.flatnonzero(np.unpackbits(np.frombuffer(rule.known, np.uint8)))
    least = min(held[place] for place in known.tolist())
    assert known.size <= 100
    assert set(known.tolist()) == {place for place, count in held.items() if count >= least}
    alone = [np.mean([held[crc32(w.encode()) & 0xFFFF] - 1 < least for w in words_by_hand(row)]) for row in rows]
    assert own["unknown_words"].values == pytest.approx(alone)


def test_a_reference_of_texts_comes_back_and_holds_no_word_that_was_written() -> None:
    data = canonical_json(REFERENCE.to_json())
    again = Profile.from_json(parse_object(data))
    assert again.described == REFERENCE.described
    assert b"w17x" not in data
    assert same_profile(measure_profile(again, {"review": np.array(["w1x new"], dtype=object)}), measured(["w1x new"]))
    assert "described" not in measured(["w1x"]).to_json()
    for wrong in ("", "AAAA", "no base64!"):
        record = dict(REFERENCE.to_json()) | {"described": {"review": {"type": "text", "known": wrong}}}
        with pytest.raises(ProfileMismatch):
            Profile.from_json(record)
