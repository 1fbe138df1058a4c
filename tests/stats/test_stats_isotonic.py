"""Isotonic rates and expected performance, against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from shipway.stats import expected_performance, fit_isotonic, worth_calibrating

pairs = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1)), min_size=2, max_size=60)


@given(pairs)
@settings(max_examples=30)
def test_isotonic_rates_agree_with_sklearn(rows: list[tuple[int, int]]) -> None:
    score, label = np.array([one for one, _ in rows]) / 30, np.array([two for _, two in rows])
    theirs = IsotonicRegression(out_of_bounds="clip").fit(score, label).predict(places := np.linspace(-0.1, 1.1, 40))
    np.testing.assert_allclose(fit_isotonic(score, label)(places), theirs, atol=1e-12)


@given(pairs)
@settings(max_examples=30)
def test_with_labels_for_chances_the_performance_is_the_realised_one(rows: list[tuple[int, int]]) -> None:
    score, label = np.array([one for one, _ in rows]) / 30, np.array([two for _, two in rows])
    answer = (score > 0.5).astype(np.int64)
    found = expected_performance(score, label, answer)
    assert found.accuracy == pytest.approx(accuracy_score(label, answer))
    for ours, theirs in ((found.f1, f1_score), (found.precision, precision_score), (found.recall, recall_score)):
        assert ours == pytest.approx(theirs(label, answer, zero_division=0))
    if 0 < label.mean() < 1:
        assert found.roc_auc == pytest.approx(roc_auc_score(label, score))
        assert found.average_precision == pytest.approx(average_precision_score(label, score))
    else:
        assert math.isnan(found.roc_auc)


def test_calibrating_is_worth_it_where_scores_are_wrong_and_not_where_nothing_can_be_said() -> None:
    random = np.random.default_rng(1)
    chance = random.random(3000)
    label = (random.random(3000) < chance).astype(np.int64)
    assert worth_calibrating(chance**3, label)
    assert not worth_calibrating(chance, np.ones(3000))
    assert not worth_calibrating(label + chance / 10, label)
