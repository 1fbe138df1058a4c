"""A column of embeddings is profiled by norm, distance to the nearest centroid and projections, which add up."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from data_help import same_profile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shipway.data import (
    NumericProfile,
    Profile,
    ProfileMismatch,
    measure_drift,
    measure_profile,
    merge_profiles,
    reference_profile,
)
from shipway.data._vectors import VECTOR_NAMES, VectorRule, reference_vectors
from shipway.kernel.canonical import canonical_json, parse_object
from shipway.kernel.units import Seconds
from shipway.monitor import ForeignColumns, measure_foreign, take_columns, window_document

Floats = NDArray[np.float64]
DIMENSION, TOPICS = 32, 6


def vectors(seed: int, rows: int, *, topics: int = TOPICS, dimension: int = DIMENSION) -> Floats:
    """Unit vectors around a few topics."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(10, dimension))
    found = centres[random.integers(0, topics, rows)] + random.normal(size=(rows, dimension))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def frame(values: Floats | list[object]) -> pl.DataFrame:
    rows = values.tolist() if isinstance(values, np.ndarray) else values
    return pl.DataFrame({"e": pl.Series(rows, dtype=pl.List(pl.Float64))})


REFERENCE = reference_profile(frame(vectors(1, 2_000)))


def rule(profile: Profile = REFERENCE) -> VectorRule:
    found = profile.described["e"]
    assert isinstance(found, VectorRule)
    return found


def part(profile: Profile, name: str) -> NumericProfile:
    found = profile.columns[f"e.{name}"]
    assert isinstance(found, NumericProfile)
    return found


def test_the_descriptors_are_those_of_a_plain_computation() -> None:
    rows = vectors(2, 300)
    found = rule().measure(frame(rows)["e"])
    middles = np.frombuffer(rule().centroids, "<i4").reshape(-1, DIMENSION) * rule().step
    reach = rule().step * math.sqrt(DIMENSION)  # of rounding to steps
    assert found["norm"].values == pytest.approx(np.linalg.norm(rows, axis=1), abs=reach)
    nearest = np.array([min(math.dist(row, middle) for middle in middles) for row in rows])
    assert found["nearest"].values == pytest.approx(nearest, abs=reach)
    signs = np.column_stack([found[name].values for name in VECTOR_NAMES[2:]])
    basis = np.column_stack([rule().measure(frame(np.eye(DIMENSION))["e"])[name].values for name in VECTOR_NAMES[2:]])
    assert np.abs(basis) == pytest.approx(1 / math.sqrt(DIMENSION), abs=reach)
    assert signs == pytest.approx(rows @ basis, abs=2 * reach)
    assert abs(np.corrcoef(basis.T) - np.eye(64)).max() < 0.75  # 64 signs of 32 values each, not one twice


def test_a_vector_of_the_reference_is_held_against_centroids_that_were_fitted_without_it() -> None:
    """With 20 rows a centroid its own distance would be 2.5 % too short, which is two standard deviations in 400 dimensions."""
    known, later = vectors(3, 160, dimension=400, topics=1), vectors(4, 2_000, dimension=400, topics=1)
    made = reference_vectors(frame(known)["e"])
    assert made is not None
    own, new = made[1]["nearest"].values, made[0].measure(frame(later)["e"])["nearest"].values
    assert np.mean(own) == pytest.approx(np.mean(new), abs=0.54 * float(np.std(new)))
    naive = made[0].measure(frame(known)["e"])["nearest"].values
    assert np.mean(new) - np.mean(naive) > np.std(new)


ROW = st.one_of(
    st.none(),
    st.integers(0, 39),
    st.sampled_from([[], [1.0], *([value] * DIMENSION for value in (0.0, math.nan, math.inf, 1e300))]),
)
POOL = vectors(5, 40).tolist()


PARTED = given(st.lists(ROW, max_size=20), st.lists(st.integers(0, 2), min_size=20, max_size=20))


@settings(max_examples=20, deadline=None)
@PARTED
def test_any_partition_of_the_vectors_gives_the_same_profile(rows: list[object], part_of: list[int]) -> None:
    compare_parts_with_the_whole(rows, part_of)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@PARTED
def test_any_partition_of_the_vectors_gives_the_same_profile_in_four_hundred_rounds(
    rows: list[object], part_of: list[int]
) -> None:
    compare_parts_with_the_whole(rows, part_of)


def compare_parts_with_the_whole(rows: list[object], part_of: list[int]) -> None:
    held = [POOL[row] if isinstance(row, int) else row for row in rows]
    parts = [[row for row, at in zip(held, part_of, strict=False) if at == number] for number in range(3)]
    whole, *some = (measure_profile(REFERENCE, frame(chosen)) for chosen in (held, *parts))
    merged = merge_profiles(*some)
    assert same_profile(whole, merged)
    for name in VECTOR_NAMES:
        assert np.array_equal(part(whole, name).bins.counts, part(merged, name).bins.counts)
    usable = [row for row in held if isinstance(row, list) and len(row) == DIMENSION and np.isfinite(row).all()]
    nulls = held.count(None)
    assert (part(whole, "norm").nulls, part(whole, "norm").nans) == (nulls, len(held) - nulls - len(usable))


def test_nothing_drifts_where_nothing_has_changed_and_a_new_topic_does() -> None:
    same = measure_drift(REFERENCE, measure_profile(REFERENCE, frame(vectors(6, 2_000))))
    assert max(drift.psi or 0.0 for drift in same.values()) < 0.05
    other = measure_drift(REFERENCE, measure_profile(REFERENCE, frame(vectors(7, 2_000, topics=10)[:, ::-1].copy())))
    assert (other["e.nearest"].psi or 0.0) > 1
    longer = measure_drift(REFERENCE, measure_profile(REFERENCE, frame(vectors(8, 500) * 1.5)))
    assert (longer["e.norm"].psi or 0.0) > 1


def test_a_reference_of_vectors_comes_back_and_what_is_no_rule_is_refused() -> None:
    data = canonical_json(REFERENCE.to_json())
    again = Profile.from_json(parse_object(data))
    assert canonical_json(again.to_json()) == data
    assert again.described == REFERENCE.described
    assert (list(REFERENCE.sources), list(REFERENCE.plain)) == (["e"], [])
    good = rule().to_json()
    for wrong in ({"dimension": 0}, {"dimension": 7}, {"step": 0.0}, {"centroids": ""}, {"centroids": "AAA"}):
        with pytest.raises(ProfileMismatch):
            Profile.from_json(dict(REFERENCE.to_json()) | {"described": {"e": dict(good) | wrong}})


def test_fixed_arrays_are_vectors_and_what_is_none_is_left_out_or_refused() -> None:
    fixed = pl.DataFrame({"e": pl.Series(vectors(9, 50)).cast(pl.Array(pl.Float32, DIMENSION)), "x": np.arange(50.0)})
    assert set(reference_profile(fixed).sources) == {"e", "x"}
    nothing = fixed.with_columns(e=pl.lit(None, pl.List(pl.Float64)), long=pl.Series([[0.0] * 9_000] * 50))
    assert list(reference_profile(nothing).sources) == ["x"]
    with pytest.raises(ProfileMismatch, match="holds no lists of numbers"):
        measure_profile(REFERENCE, pl.DataFrame({"e": ["a", "b"]}))
    assert part(measure_profile(REFERENCE, pl.DataFrame({"e": [None, None]})), "norm").nulls == 2
    with pytest.raises(ProfileMismatch, match="column e is List"):
        reference_profile(pl.DataFrame({"e": [["a"], ["b"]]}))


def test_somebody_elses_log_with_embeddings_tells_all_projections_as_one() -> None:
    sides = [vectors(10, 1_500), vectors(11, 1_500)]
    sides[1][:, :8] += 0.25
    tables = [frame(side).with_columns(x=pl.Series(np.arange(1_500.0))).lazy() for side in sides]
    columns = ForeignColumns(features=("e", "x"))
    known, rows = (take_columns(table, columns) for table in tables)
    found = measure_foreign(rows, known, window=Seconds(28 * 86_400.0), now=datetime(2026, 11, 29, tzinfo=UTC))
    names = {finding.check.name: finding.check for finding in found.findings if finding.check.name.startswith("drift.")}
    assert set(names) == {"drift.x", "drift.e.norm", "drift.e.nearest", "drift.e.projection"}
    assert names["drift.e.projection"].text.endswith("of 64 projections have drifted")
    assert names["drift.e.projection"].value == max(d.psi or 0.0 for name, d in found.drifts.items() if "projection" in name)
    shown = [row["name"] for row in window_document(found)["features"]]  # type: ignore[index, union-attr, call-overload]
    assert set(shown) == {"x", "e.norm", "e.nearest", "e.projection"}
    bare = take_columns(tables[1].drop("e"), ForeignColumns(features=("x",)))
    lost = measure_foreign(bare, known, window=Seconds(1.0), now=datetime(2026, 11, 29, tzinfo=UTC))
    assert lost.columns.lost == ("e",)
