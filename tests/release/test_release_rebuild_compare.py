"""What counts as equal when a rebuilt model is compared with the released one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shipway.release._rebuild_compare import MetricCompared, Tolerances, compare_predictions


@pytest.mark.parametrize("outputs", [{}, {"p": np.zeros(0)}])
def test_no_golden_rows_make_no_model_equal(outputs: dict[str, np.ndarray]) -> None:
    assert not compare_predictions(outputs, outputs, Tolerances()).equal
    assert compare_predictions({"p": np.zeros(1)}, {"p": np.zeros(1)}, Tolerances()).equal


@pytest.mark.parametrize(("before", "after"), [(math.nan, math.nan), (0.7, math.nan), (math.inf, math.inf), (0.7, 0.8)])
def test_a_metric_without_a_number_is_not_equal(before: float, after: float) -> None:
    assert not MetricCompared("auc", before, after, 0.005).equal
