"""Who regresses losses, what a loss without a meaning does, and features of any kind as numbers."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import polars as pl
import pytest
from nannyml_help import own_rows
from numpy.typing import NDArray

from shipway.monitor import LearnerMissing, encode_features, find_learner
from shipway.stats import DirectLoss, Learner, fit_direct_loss, realised_losses

FEATURES = ["feature.size", "feature.rooms", "feature.wood"]


def fitted(learner: Learner, *, rows: int = 3000) -> tuple[DirectLoss, NDArray[Any]]:
    reference, analysis = own_rows()["number"]
    reference = reference[:rows]
    features = encode_features(reference, analysis, FEATURES)
    before = features.reference, reference["prediction"], reference["truth"]
    return fit_direct_loss(*before, learner=learner, categories=features.categories, chunks=[]), features.current


def test_without_lightgbm_scikit_learn_says_nearly_the_same_and_without_both_one_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictions = own_rows()["number"][1]["prediction"]
    one, table = fitted(find_learner(), rows=700)
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    other, _ = fitted(find_learner(), rows=700)
    assert (one.learner.split()[0], other.learner.split()[0]) == ("lightgbm", "scikit-learn")
    assert other.estimate(table, predictions) == pytest.approx(one.estimate(table, predictions), rel=0.1)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(LearnerMissing, match="LightGBM") as problem:
        find_learner()
    assert problem.value.mend == "pip install lightgbm"


def test_an_estimate_is_near_the_error_where_the_loss_is_what_it_was() -> None:
    """Rows drawn anew, of another mix: the expected error moves with it, and is what their truths say."""
    estimator, table = fitted(find_learner())
    analysis = own_rows()["number"][1]
    found, truth = estimator.estimate(table, analysis["prediction"]), realised_losses(analysis["prediction"], analysis["truth"])
    assert found == pytest.approx(truth, rel=0.15)
    reference = own_rows()["number"][0]
    assert found.mae > 1.1 * realised_losses(reference["prediction"], reference["truth"]).mae


def test_a_loss_without_a_meaning_is_no_number() -> None:
    learner, table = find_learner(), np.arange(60.0).reshape(60, 1)
    predictions, truths = np.arange(60.0), np.arange(60.0) + 0.5
    assert not any(
        map(math.isnan, fit_direct_loss(table, predictions, truths, learner=learner, chunks=[]).estimate(table, truths))
    )
    zero = fit_direct_loss(table, predictions, np.maximum(truths - 1, 0), learner=learner, chunks=[slice(0, 6)] * 10)
    found = zero.estimate(table, predictions)
    assert [math.isnan(value) for value in found] == [False, True, False, False, False, False]
    assert not zero.alerts(found)[1]
    below = fit_direct_loss(table, predictions - 9, truths, learner=learner, chunks=[]).estimate(table, truths)
    assert [math.isnan(value) for value in below] == [False, False, False, False, True, True]


def test_features_of_other_shapes_are_refused() -> None:
    learner, table = find_learner(), np.zeros((40, 2))
    estimator = fit_direct_loss(table, np.arange(40.0), np.arange(40.0), learner=learner, chunks=[])
    assert estimator.estimate(table, np.arange(40.0)).mae == 0
    for wrong in (np.zeros((40, 3)), np.zeros((39, 2)), np.zeros(40), np.full((40, 2), np.inf)):
        with pytest.raises(ValueError, match="features"):
            estimator.estimate(wrong, np.arange(40.0))


def test_words_are_numbered_by_how_often_the_reference_has_them_and_a_new_one_is_none_of_them() -> None:
    reference = pl.DataFrame({"n": [1.0, None, float("inf"), 4.0], "w": ["b", "a", "b", None], "ok": [True, False, True, True]})
    found = encode_features(reference, pl.DataFrame({"n": [2], "w": ["c"], "ok": [None]}), ["n", "w", "ok"])
    assert found.categories == (1, 2)
    np.testing.assert_equal(found.reference[:, 0], [1, np.nan, np.nan, 4])
    assert found.reference[:, 1].tolist() == [1, 3, 1, 2]
    assert found.current.tolist() == [[2, 0, 0]]
