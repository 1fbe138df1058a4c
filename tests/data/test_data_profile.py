from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections import Counter
from importlib import import_module

import numpy as np
import polars as pl
import pytest
from data_help import same_profile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shipway.data import (
    CategoryProfile,
    NumericProfile,
    Profile,
    ProfileMismatch,
    measure_outcomes,
    measure_profile,
    merge_profiles,
    reference_profile,
)
from shipway.data._category import NewValues
from shipway.kernel.canonical import canonical_json, parse_object
from shipway.stats import calibration_table, roc_auc

RNG = np.random.default_rng(7)
REFERENCE_ROWS = 2_000
VALUES = RNG.normal(10, 3, REFERENCE_ROWS)
WORDS = np.array(["UA", "AA", "B6"], dtype=object)[RNG.integers(0, 3, REFERENCE_ROWS)]
SCORES = RNG.uniform(0, 1, REFERENCE_ROWS)
LABELS = (RNG.uniform(0, 1, REFERENCE_ROWS) < SCORES).astype(float)
REFERENCE = reference_profile(
    {"x": VALUES, "k": np.arange(REFERENCE_ROWS) % 7 + 1, "c": WORDS, "b": VALUES > 10}, score=SCORES, label=LABELS
)


def numeric(profile: Profile, name: str = "x") -> NumericProfile:
    column = profile.columns[name]
    assert isinstance(column, NumericProfile)
    return column


def category(profile: Profile, name: str = "c") -> CategoryProfile:
    column = profile.columns[name]
    assert isinstance(column, CategoryProfile)
    return column


NUMBERS = st.one_of(
    st.floats(-20, 40), st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e-300, 0.0]), st.integers(-5, 30).map(float)
)
ROWS = st.lists(
    st.tuples(
        NUMBERS,
        st.sampled_from(["UA", "AA", "ZZ", "", None]),
        st.booleans(),
        st.one_of(st.floats(0, 1), st.just(math.nan)),
        st.sampled_from([0.0, 1.0, math.nan]),
    ),
    max_size=40,
)


def measure(rows: list[tuple[float, str | None, bool, float, float]]) -> Profile:
    x, c, b, score, label = zip(*rows, strict=True) if rows else ([], [], [], [], [])
    table: dict[str, NDArray[np.generic]] = {
        "x": np.array(x, dtype=np.float64),
        "c": np.array(c, dtype=object),
        "b": np.array(b, dtype=np.bool_),
    }
    return measure_profile(REFERENCE, table, score=np.array(score, dtype=float), label=np.array(label, dtype=float))


@settings(max_examples=150, deadline=None)
@given(ROWS, st.lists(st.integers(0, 3), min_size=40, max_size=40))
def test_any_partition_of_the_rows_gives_the_same_profile(
    rows: list[tuple[float, str | None, bool, float, float]], part_of: list[int]
) -> None:
    parts = [[row for row, part in zip(rows, part_of, strict=False) if part == number] for number in range(4)]
    whole, merged = measure(rows), merge_profiles(*map(measure, parts))
    assert same_profile(whole, merged)
    assert np.array_equal(numeric(whole).bins.counts, numeric(merged).bins.counts)
    assert category(whole) == category(merged)


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_a_profile_comes_back_from_its_canonical_json(rows: list[tuple[float, str | None, bool, float, float]]) -> None:
    profile = measure(rows)
    data = canonical_json(profile.to_json())
    again = Profile.from_json(parse_object(data))
    assert canonical_json(again.to_json()) == data
    assert same_profile(merge_profiles(again, profile), merge_profiles(profile, profile))


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_counts_are_those_of_a_loop_over_the_rows(rows: list[tuple[float, str | None, bool, float, float]]) -> None:
    profile = measure(rows)
    x = [row[0] for row in rows]
    finite = [value for value in x if abs(value) <= 1e100]
    column = numeric(profile)
    assert (column.n, column.nans) == (len(rows), sum(map(math.isnan, x)))
    assert column.bins.rows == len(finite) == column.n - column.missing
    assert (column.minimum, column.maximum) == (min(finite, default=None), max(finite, default=None))
    assert column.mean == (pytest.approx(np.mean(finite), abs=1e-9) if finite else None)
    assert column.std == (pytest.approx(np.std(finite), abs=1e-6) if finite else None)
    words = category(profile)
    assert words.nulls == sum(row[1] is None for row in rows)
    assert words.unseen == sum(row[1] in ("ZZ", "") for row in rows)
    assert words.counts == Counter(row[1] for row in rows if row[1] in ("UA", "AA"))


def test_every_value_is_in_the_bin_whose_edges_hold_it() -> None:
    column = numeric(REFERENCE)
    edges = np.linspace(column.low, column.high, 1_001)
    found, _ = np.histogram(VALUES, edges)
    assert np.abs(np.cumsum(found) - np.cumsum(column.bins.counts[1:-1])).max() <= 1  # a value on an edge, to the last digit
    assert column.bins.counts[0] == (column.low > VALUES).sum() == 4
    assert column.bins.counts[-1] == (column.high <= VALUES).sum() == 4
    assert column.bins.total == pytest.approx(VALUES.sum())


def test_the_greatest_of_few_values_has_a_bin_of_its_own_and_not_the_tail() -> None:
    counts = numeric(REFERENCE, "k").bins.counts
    assert counts[-1] == counts[0] == 0
    assert (counts > 0).sum() == 7
    later = measure_profile(REFERENCE, {"k": np.array([8, 0, 7])})
    assert numeric(later, "k").bins.counts[[0, -1]].tolist() == [1, 1]


@pytest.mark.parametrize("constant", [0.0, 3.0, -1e-30, 1e90])
def test_a_constant_reference_tells_other_values_apart(constant: float) -> None:
    reference = reference_profile({"x": np.full(10, constant)})
    assert numeric(reference).bins.counts[1] == 10
    other = measure_profile(reference, {"x": np.array([constant, constant * 1.001 + 1e-9, constant - abs(constant) - 1])})
    assert numeric(other).bins.counts[[0, 1, -1]].tolist() == [1, 1, 1]


def test_a_column_without_a_number_has_a_profile() -> None:
    reference = reference_profile({"x": np.full(3, np.nan)})
    assert (numeric(reference).n, numeric(reference).nans, numeric(reference).mean) == (3, 3, None)
    assert numeric(measure_profile(reference, {"x": np.array([0.5, 2.0])})).bins.rows == 2


def test_a_frame_and_its_arrays_have_the_same_profile() -> None:
    frame = pl.DataFrame({"x": VALUES, "k": np.arange(REFERENCE_ROWS) % 7 + 1, "c": WORDS.tolist(), "b": VALUES > 10})
    assert same_profile(reference_profile(frame, score=SCORES, label=LABELS), REFERENCE)
    assert same_profile(measure_profile(REFERENCE, frame), measure_profile(REFERENCE, {n: frame[n].to_numpy() for n in "xkcb"}))


def test_nulls_of_a_frame_are_counted_apart_from_nan() -> None:
    frame = pl.DataFrame({"x": [1.0, None, math.nan], "c": ["UA", None, "ZZ"], "b": [True, None, False], "k": [1, None, 2]})
    profile = measure_profile(REFERENCE, frame.with_columns(pl.col("c").cast(pl.Categorical)))
    assert (numeric(profile).nulls, numeric(profile).nans, numeric(profile, "k").nulls) == (1, 1, 1)
    assert category(profile) == CategoryProfile(3, 1, {"UA": 1}, other=1, complete=True, new=NewValues({"ZZ": 1}, 0))
    assert category(profile, "b") == CategoryProfile(3, 1, {"true": 1, "false": 1}, other=0, complete=True)


def test_words_come_as_text_bytes_or_objects() -> None:
    arrays = [np.array(["UA", "ZZ"]), np.array([b"UA", b"Z"]), np.array(["UA", b"Z"], dtype=object)]
    for array in arrays:
        assert category(measure_profile(REFERENCE, {"c": array})).counts == {"UA": 1}


def test_beyond_a_thousand_words_the_rest_is_one_count_and_unseen_is_unknown() -> None:
    words = np.array([f"N{number:05}" for number in range(1_500)] + ["N01400"] * 2, dtype=object)
    column = category(reference_profile({"c": words}))
    assert (len(column.counts), column.counts["N01400"], column.other) == (1_000, 3, 500)
    assert column.unseen is None


def test_long_words_are_cut_and_broken_ones_replaced_so_that_every_name_is_json() -> None:
    profile = reference_profile({"c": np.array(["x" * 300, "x" * 299, "\ud800"], dtype=object)})
    assert category(profile).counts == {"x" * 200: 2, "?": 1}
    canonical_json(profile.to_json())


def test_labels_count_the_rows_that_have_one_and_features_count_all() -> None:
    label = np.array([1.0, math.nan, 0.0, math.nan])
    profile = measure_profile(REFERENCE, {"x": np.arange(4.0)}, score=np.array([0.9, 0.2, 0.4, math.nan]), label=label)
    assert (profile.rows, numeric(profile).n) == (4, 4)
    assert profile.score is not None
    assert profile.outcomes is not None
    assert (profile.score.n, profile.score.nans) == (4, 1)
    assert profile.score.mean == pytest.approx(0.5)
    assert (profile.outcomes.n, profile.outcomes.base_rate) == (2, 0.5)
    assert profile.outcomes.predicted_rate == pytest.approx(0.65)
    assert profile.outcomes.squared_error == pytest.approx(0.01 + 0.16)
    assert profile.outcomes.calibration.count.sum() == 2


def test_labels_that_come_late_add_to_the_predictions_measured_before() -> None:
    table = {"x": VALUES, "c": WORDS}
    at_once = measure_profile(REFERENCE, table, score=SCORES, label=LABELS)
    first = measure_profile(REFERENCE, table, score=SCORES)
    assert first.outcomes is None
    half = np.arange(REFERENCE_ROWS) < 1_200
    days = [measure_outcomes(REFERENCE, score=SCORES[part], label=LABELS[part]) for part in (half, ~half)]
    assert same_profile(merge_profiles(first, *days), at_once)


def test_the_calibration_table_is_that_of_the_rows_on_twenty_bins_of_equal_mass() -> None:
    assert REFERENCE.outcomes is not None
    table = REFERENCE.outcomes.calibration
    expected = calibration_table(SCORES, LABELS, REFERENCE.outcomes.edges)
    assert all(np.allclose(one, other) for one, other in zip(table, expected, strict=True))
    assert table.count.size == 20
    assert abs(table.count - REFERENCE_ROWS / 20).max() <= 1


def test_the_area_under_the_curve_from_the_bins_is_that_of_the_rows() -> None:
    assert REFERENCE.outcomes is not None
    negative, positive = REFERENCE.outcomes.negative.counts, REFERENCE.outcomes.positive.counts
    below = np.cumsum(negative) - negative / 2
    assert (positive @ below) / (positive.sum() * negative.sum()) == pytest.approx(roc_auc(SCORES, LABELS), abs=5e-4)


def test_a_reference_profiled_before_any_label_still_fixes_the_edges() -> None:
    reference = reference_profile({"x": VALUES}, score=SCORES)
    assert reference.outcomes is not None
    assert reference.outcomes.n == 0
    later = measure_outcomes(reference, score=SCORES, label=LABELS).outcomes
    assert later is not None
    assert later.n == REFERENCE_ROWS


def test_columns_that_the_reference_does_not_know_are_left_out_and_lost_ones_show() -> None:
    profile = measure_profile(REFERENCE, {"x": np.arange(3.0), "new": np.array(["a", "b", "c"])})
    assert (profile.rows, list(profile.columns)) == (3, ["x"])
    merged = merge_profiles(profile, measure_profile(REFERENCE, {"c": np.array(["UA"])}))
    assert (merged.rows, merged.columns["x"].n, merged.columns["c"].n) == (4, 3, 1)


def test_no_profile_at_all_merges_to_an_empty_one() -> None:
    assert same_profile(merge_profiles(), Profile(0))


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"x": np.array(["a"])}, "column x holds words, and numbers in the reference"),
        ({"c": np.array([1.0])}, "column c holds numbers, and words in the reference"),
        ({"x": np.array([1.0]), "k": np.array([1, 2])}, "one value per row"),
        ({"x": np.ones((2, 2))}, "one value per row"),
        ({"x": np.array(["2013-01-01"], dtype="datetime64[D]")}, "column x is datetime64"),
    ],
)
def test_rows_that_do_not_fit_the_reference_are_refused_by_column(table: dict[str, NDArray[np.generic]], why: str) -> None:
    with pytest.raises(ProfileMismatch, match=why):
        measure_profile(REFERENCE, table)


def test_a_column_without_a_value_fits_numbers_and_words() -> None:
    nothing = pl.DataFrame({"x": [None, None], "c": [None, None]})
    profile = measure_profile(REFERENCE, nothing)
    assert (numeric(profile).nulls, category(profile).nulls) == (2, 2)
    assert category(measure_profile(REFERENCE, {"c": np.full(3, np.nan)})).nulls == 3


def test_a_time_in_a_frame_is_refused_by_column() -> None:
    with pytest.raises(ProfileMismatch, match="column when is Date"):
        reference_profile(pl.DataFrame({"when": pl.Series([0]).cast(pl.Date)}))


@pytest.mark.parametrize(
    ("score", "label", "why"),
    [
        ([1.5], [1], "a score is one probability"),
        ([[0.5]], [[1]], "a score is one probability"),
        ([0.5], [2], "a label is 0, 1 or unknown"),
        ([0.5], [1, 0], "a label is 0, 1 or unknown"),
    ],
)
def test_scores_are_probabilities_and_labels_are_zero_or_one(score: list[float], label: list[float], why: str) -> None:
    with pytest.raises(ProfileMismatch, match=why):
        measure_outcomes(REFERENCE, score=np.array(score), label=np.array(label))


def test_scores_for_another_number_of_rows_are_refused() -> None:
    with pytest.raises(ProfileMismatch, match="2 scores for 3 rows"):
        measure_profile(REFERENCE, {"x": np.arange(3.0)}, score=[0.1, 0.2])
    with pytest.raises(ProfileMismatch, match="without scores"):
        measure_outcomes(reference_profile({"x": VALUES}), score=[0.5], label=[1])


def test_profiles_of_different_references_do_not_add_up() -> None:
    other = reference_profile({"x": VALUES * 2, "c": np.arange(REFERENCE_ROWS)}, score=SCORES**2, label=LABELS)
    for name in ("x", "c"):
        one, two = Profile(0, {name: REFERENCE.columns[name]}), Profile(0, {name: other.columns[name]})
        with pytest.raises(ProfileMismatch):
            merge_profiles(one, two)
    with pytest.raises(ProfileMismatch, match="different edges"):
        merge_profiles(Profile(0, {}, None, REFERENCE.outcomes), Profile(0, {}, None, other.outcomes))


@pytest.mark.parametrize("change", [{"version": 2}, {"columns": {"x": {"type": "numeric"}}}, {"rows": "many"}, {"score": {}}])
def test_what_is_no_profile_is_refused(change: dict[str, object]) -> None:
    record = json.loads(canonical_json(REFERENCE.to_json())) | change
    if change == {"score": {}}:
        record["score"] = {"n": 1}
    with pytest.raises(ProfileMismatch, match="no profile"):
        Profile.from_json(record)


def test_bins_without_rows_are_left_out_of_the_json() -> None:
    small = measure_profile(REFERENCE, {"x": np.array([10.0, 10.0])})
    assert len(canonical_json(small.to_json())) < 400


PROFILED = """
import numpy as np
import polars as pl
from shipway.data import measure_profile, reference_profile
from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import digest_bytes

rng = np.random.default_rng(1)
table = {str(column): rng.normal(column, 3, 10_001) for column in range(3)}
score = rng.uniform(0, 1, 10_001)
label = (rng.uniform(0, 1, 10_001) < score).astype(float)
reference = reference_profile(table, score=score, label=label)
window = measure_profile(reference, {name: values[::3] * 1.01 for name, values in table.items()}, score=score[::3])
rows = rng.normal(size=(500, 48))
known = reference_profile(pl.DataFrame({"e": rows.tolist()}))
profiles = (reference, window, known, measure_profile(known, pl.DataFrame({"e": (rows[::3] * 1.01).tolist()})))
print(*(digest_bytes(canonical_json(profile.to_json())) for profile in profiles))
"""


def test_a_profile_has_the_same_bits_whatever_vector_unit_computes_it() -> None:
    """OpenBLAS and numpy choose their kernels by the processor; these settings make them choose others."""
    core = import_module("numpy._core._multiarray_umath")  # no stubs; it alone knows the names that numpy takes
    found = " ".join(name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name))
    settings = [{"OPENBLAS_CORETYPE": kernel} for kernel in ("Haswell", "SkylakeX", "Prescott")]
    settings.append({"NPY_DISABLE_CPU_FEATURES": found})
    children = [
        subprocess.Popen([sys.executable, "-c", PROFILED], env=os.environ | setting, stdout=subprocess.PIPE)
        for setting in settings
    ]
    answers = {child.communicate()[0] for child in children}
    assert len(answers) == 1
    assert b"sha256:" in answers.pop()


def test_profiling_25_columns_of_100_000_rows_is_quick() -> None:
    table = {str(column): RNG.normal(column, 3, 100_000) for column in range(25)}
    reference = reference_profile(table)
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        measure_profile(reference, table)
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.2
