"""Performance without labels: against NannyML's vectors, the real NannyML (slow), and from stored profiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from nannyml_help import VECTORS, ask, compare, own_rows

from shipway.data import measure_profile, reference_profile
from shipway.monitor import estimate_window
from shipway.stats import expected_performance, fit_confidence, fit_isotonic, worth_calibrating


@pytest.mark.parametrize("name", ["overconfident", "honest", "classes", "number"])
def test_estimates_and_alerts_are_those_that_nannyml_gave(name: str) -> None:
    said = json.loads(VECTORS.read_text())["sets"][name]
    reference, analysis = own_rows()[name]
    found = compare(reference, analysis, said)
    assert (found.worst < 1e-3, found.alerts) == (True, 0)
    assert any(any(alerts) for alerts in said["alerts"].values())


@pytest.mark.parametrize("name", ["overconfident", "honest"])
def test_scores_are_calibrated_where_nannyml_did(name: str) -> None:
    said, reference = json.loads(VECTORS.read_text())["sets"][name], own_rows()[name][0]
    assert worth_calibrating(reference["score"].to_numpy(), reference["label"].to_numpy()) == said["calibrated"]


@pytest.mark.slow
def test_the_real_nannyml_estimates_the_same_on_its_bundled_data_sets(tmp_path: Path) -> None:
    said = ask(tmp_path, bundled=True)["sets"]
    assert len(said) == 10
    for name, one in said.items():
        reference, analysis = (pl.read_parquet(tmp_path / f"{name}.{side}.parquet") for side in ("reference", "analysis"))
        found = compare(reference, analysis, one)
        assert (found.worst < 1e-3, found.alerts) == (True, 0), name


def test_stored_profiles_estimate_what_rows_do() -> None:
    reference, analysis = own_rows()["overconfident"]
    empty: dict[str, np.ndarray[Any, Any]] = {}
    profile = reference_profile(empty, score=reference["score"].to_numpy(), label=reference["label"].to_numpy())
    window = measure_profile(profile, empty, score=analysis["score"].to_numpy())
    found = estimate_window(profile, window)
    assert found is not None
    chances = fit_isotonic(reference["score"].to_numpy(), reference["label"].to_numpy())(analysis["score"].to_numpy())
    rows = expected_performance(analysis["score"].to_numpy(), chances, analysis["predicted"].to_numpy())
    assert found.roc_auc == pytest.approx(rows.roc_auc, abs=1e-3)
    assert found.base_rate == pytest.approx(chances.mean(), abs=1e-3)
    assert found.base_rate == pytest.approx(float(analysis["label"].cast(pl.Float64).mean() or 0), abs=0.02)  # type: ignore[arg-type]
    assert found.rows == analysis.height
    assert found.supported > 0.99
    assert "assumes" in found.to_json()


def test_without_labels_in_the_reference_nothing_is_estimated() -> None:
    bare = reference_profile({}, score=np.linspace(0, 1, 500))
    assert estimate_window(bare, bare) is None
    assert estimate_window(reference_profile({}), bare) is None


def test_with_few_chunks_there_is_no_alert() -> None:
    reference, analysis = own_rows()["honest"]
    score, label, predicted = (reference[name].to_numpy() for name in ("score", "label", "predicted"))
    estimator = fit_confidence(score, label, predicted, chunks=[slice(0, 5003)])
    assert not any(estimator.alerts(estimator.estimate(analysis["score"].to_numpy(), analysis["predicted"].to_numpy())))
