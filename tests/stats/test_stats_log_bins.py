from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.stats import LOG_BINS, LOG_ERROR, log_places, log_quantile

LATENCIES = st.lists(st.integers(0, 999_999_999), min_size=1, max_size=200)


def counts_of(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.bincount(log_places(values), minlength=LOG_BINS).astype(np.int64)


@settings(max_examples=100, deadline=None)
@given(LATENCIES, st.floats(0.001, 1.0))
def test_a_quantile_from_the_bins_is_within_one_percent_of_that_of_the_values(values: list[int], q: float) -> None:
    exact = float(np.quantile(values, q, method="inverted_cdf"))
    found = log_quantile(counts_of(values), q)
    assert found == pytest.approx(exact, rel=LOG_ERROR, abs=0)


@settings(max_examples=50, deadline=None)
@given(st.lists(LATENCIES, min_size=1, max_size=6))
def test_counts_of_parts_are_the_counts_of_the_whole(parts: list[list[int]]) -> None:
    whole = counts_of([value for part in parts for value in part])
    assert np.array_equal(sum(map(counts_of, parts)), whole)


def test_what_lies_beyond_the_bins_is_in_the_first_and_the_last() -> None:
    assert log_places([-5, 0, 10**18]).tolist() == [0, 0, LOG_BINS - 1]
    assert log_quantile(counts_of([10**18]), 0.5) == pytest.approx(1e9, rel=LOG_ERROR)
    assert log_quantile(np.zeros(LOG_BINS), 0.5) is None
    for counts, q in ((np.zeros(3), 0.5), (np.zeros(LOG_BINS), 0.0)):
        with pytest.raises(ValueError, match="counts and a share"):
            log_quantile(counts, q)
