"""An estimator of scikit-learn as an ONNX file, by the project's own skl2onnx; whether it answers alike is asked elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from shipway.models._library import library
from shipway.models._model import ModelUnknown
from shipway.models._onnx import load_onnx
from shipway.models._signature import Column
from shipway.models._skops import SklearnModel, load_skops

_OPSETS = {"": 17, "ai.onnx.ml": 3}  # what every onnxruntime of the last three years runs
_BOOSTED = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
Converter = Callable[[Any, Any, Any], None]


def convert_skops(data: bytes, inputs: tuple[Column, ...]) -> bytes:
    """The ONNX file of the model in a skops file, in 64 bits where its operators know them, else in 32.

    Raises ModelUnknown when skl2onnx cannot, or onnxruntime cannot run what it made.
    """
    library("skl2onnx")
    library("onnxruntime")
    model, reasons = load_skops(data, inputs), []
    for kind in ("DoubleTensorType", "FloatTensorType"):
        try:
            converted = _converted(model, inputs, kind)
            load_onnx(converted, inputs)
        except Exception as problem:  # a converter can raise anything for what it has never seen
            reasons.append(str(problem).splitlines()[0][:200] if str(problem) else type(problem).__name__)
        else:
            return converted
    raise ModelUnknown(f"it has no form in ONNX: {reasons[-1]}", mend="use estimators that skl2onnx knows")


def _converted(model: SklearnModel, inputs: tuple[Column, ...], kind: str) -> bytes:
    skl2onnx, helper = library("skl2onnx"), library("onnx").helper
    estimator = model.estimator
    made = skl2onnx.convert_sklearn(
        estimator,
        name="model",  # otherwise a random one
        initial_types=_types(inputs, kind, apart=hasattr(estimator, "feature_names_in_")),
        options={id(estimator): {"zipmap": False}} if hasattr(estimator, "predict_proba") else None,
        custom_conversion_functions=_mended(),
        target_opset=_OPSETS,
    )
    if model.classes is not None:
        helper.set_model_props(made, {"classes": json.dumps(model.classes)})
    converted: bytes = made.SerializeToString(deterministic=True)
    return converted


def _types(inputs: tuple[Column, ...], kind: str, *, apart: bool) -> list[tuple[str, Any]]:
    """One matrix; or each column apart where some are text, or where the estimator asks for them by name."""
    types = library("skl2onnx.common.data_types")
    number = getattr(types, kind)
    if not apart and not any(column.datatype == "BYTES" for column in inputs):
        return [("rows", number([None, len(inputs)]))]
    return [(c.name, (types.StringTensorType if c.datatype == "BYTES" else number)([None, 1])) for c in inputs]


def _mended() -> dict[type, Converter]:
    """Converters whose flags are no whole numbers, which ONNX refuses since version 1.19."""
    ensemble, registered = library("sklearn.ensemble"), library("skl2onnx.common._registration")

    def whole(name: str) -> Converter:
        convert = registered.get_converter(f"Sklearn{name}")
        return lambda scope, operator, container: convert(scope, operator, _WholeNumbers(container))

    return {getattr(ensemble, name): whole(name) for name in _BOOSTED}


class _WholeNumbers:
    """skl2onnx's container of nodes, to which true is 1."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, *arguments: Any, **attributes: Any) -> Any:
        return self._container.add_node(*arguments, **{name: _whole(value) for name, value in attributes.items()})


def _whole(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [int(item) if isinstance(item, bool | np.bool_) else item for item in value]
