"""Performance without labels: against NannyML's vectors, the real NannyML (slow), and from stored profiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from nannyml_help import VECTORS, ask, own_rows

from shipway.data import measure_profile, reference_profile
from shipway.monitor import estimate_window
from shipway.stats import Performance, expected_performance, fit_confidence, fit_isotonic, worth_calibrating


def compare(reference: pl.DataFrame, analysis: pl.DataFrame, said: dict[str, Any]) -> float:
    """The largest difference; every alert is the same."""
    score, label, predicted = (reference[name].to_numpy() for name in ("score", "label", "predicted"))
    chunks = [slice(start, start + said["chunk"]) for start in range(0, reference.height, said["chunk"])]
    estimator = fit_confidence(score, label, predicted, chunks=chunks)
    assert worth_calibrating(score, label) == said["calibrated"]
    worst, start = 0.0, 0
    for place, end in enumerate(said["ends"]):
        rows = analysis[start:end]
        found = estimator.estimate(rows["score"].to_numpy(), rows["predicted"].to_numpy())
        theirs = Performance(*(said["values"][metric][place] for metric in Performance._fields))
        assert estimator.alerts(found) == tuple(said["alerts"][metric][place] for metric in Performance._fields)
        worst, start = max(worst, float(np.abs(np.array(found) - theirs).max())), end
    return worst


@pytest.mark.parametrize("name", ["overconfident", "honest"])
def test_estimates_and_alerts_are_those_that_nannyml_gave(name: str) -> None:
    said = json.loads(VECTORS.read_text())["sets"][name]
    reference, analysis = own_rows()[name]
    assert compare(reference, analysis, said) < 1e-3
    assert any(any(alerts) for alerts in said["alerts"].values())


@pytest.mark.slow
def test_the_real_nannyml_estimates_the_same_on_its_bundled_data_sets(tmp_path: Path) -> None:
    said = ask(tmp_path, bundled=True)["sets"]
    assert len(said) == 6
    for name, one in said.items():
        reference, analysis = (pl.read_parquet(tmp_path / f"{name}.{side}.parquet") for side in ("reference", "analysis"))
        assert compare(reference, analysis, one) < 1e-3


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
