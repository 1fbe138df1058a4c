"""Estimators of scikit-learn as ONNX: how near the answers are, and what has no such form."""

from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models_help import NUMBERS, late, manifest_of, matrix, rows, saved

from shipway.models import Array, ModelUnknown, Signature, load_model, measure_distance
from shipway.models._convert import convert_skops

NAMES = ["hour", "temp"]


def numbers() -> Array:
    return np.asarray(np.nan_to_num(matrix(rows(), NAMES).astype(float)))


def dumped(estimator: Any) -> bytes:
    buffer = io.BytesIO()
    import_module("skops.io").dump(estimator, buffer)
    return buffer.getvalue()


def fitted(name: str) -> Any:
    """An estimator by its name, of two columns of numbers."""
    linear, ensemble = import_module("sklearn.linear_model"), import_module("sklearn.ensemble")
    if name == "logistic":
        scaler = import_module("sklearn.preprocessing").StandardScaler()
        model = import_module("sklearn.pipeline").make_pipeline(scaler, linear.LogisticRegression())
        return model.fit(numbers(), late(rows()))
    if name == "three words":
        words = np.array(["early", "late", "never"])[late(rows(), classes=3)]
        return linear.LogisticRegression(max_iter=500).fit(numbers(), words)
    if name == "number":
        return linear.LinearRegression().fit(numbers(), rows()["temp"].astype(float) > 0)
    categories = [0] if name == "boosted by category" else None
    boosted = ensemble.HistGradientBoostingClassifier(max_iter=10, random_state=0, categorical_features=categories)
    return boosted.fit(numbers(), late(rows()))


def distance(name: str, folder: Path) -> float:
    """How far the converted model is from its own at most, both loaded as a server loads them."""
    estimator = fitted(name)
    columns = rows() | {"temp": np.nan_to_num(rows()["temp"].astype(float))}
    ours = load_model(*saved(estimator, folder, Signature(NUMBERS, ())))
    path = folder / "model.onnx"
    path.write_bytes(convert_skops(dumped(estimator), NUMBERS))
    converted = load_model(manifest_of(path, Signature(NUMBERS, ()), format="onnx"), path)
    assert converted.signature == ours.signature
    return measure_distance(ours.predict(columns), converted.predict(columns)).largest


@pytest.mark.parametrize(
    ("name", "tolerance"), [("logistic", 1e-12), ("three words", 1e-12), ("number", 1e-12), ("boosted", 1e-6)]
)
@pytest.mark.filterwarnings("ignore")
def test_a_converted_model_answers_as_near_as_its_operators_allow(tmp_path: Path, name: str, tolerance: float) -> None:
    assert distance(name, tmp_path) <= tolerance


@pytest.mark.filterwarnings("ignore")
def test_a_conversion_can_be_wrong_which_only_its_answers_tell(tmp_path: Path) -> None:
    """The reason why rows are compared: a split by category becomes one by size."""
    assert distance("boosted by category", tmp_path) > 0.1


@pytest.mark.filterwarnings("ignore")
def test_the_same_model_gives_the_same_file() -> None:
    data = dumped(fitted("logistic"))
    assert convert_skops(data, NUMBERS) == convert_skops(data, NUMBERS)


@pytest.mark.filterwarnings("ignore")
def test_what_skl2onnx_does_not_know_has_no_form() -> None:
    dummy = import_module("sklearn.dummy").DummyClassifier().fit(numbers(), late(rows()))
    with pytest.raises(ModelUnknown, match="it has no form in ONNX"):
        convert_skops(dumped(dummy), NUMBERS)
