"""An MLflow model: any folder with an MLmodel that `mlflow.pyfunc` loads, by the mlflow of the project's environment."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from shipway.models._columns import Array
from shipway.models._folder import unpack_folder
from shipway.models._functions import FunctionWrong
from shipway.models._model import ModelUnknown
from shipway.models._own import OwnModel
from shipway.models._signature import Column

_PROBABILITIES = "predict_proba"


def load_pyfunc(data: bytes, inputs: tuple[Column, ...]) -> OwnModel:
    """The model of a packed folder. Loading it runs its author's code. Raises ModelUnknown, FunctionWrong."""
    folder = unpack_folder(data)
    if not (folder / "MLmodel").is_file():
        raise ModelUnknown("the folder has no file MLmodel, so that it is no MLflow model")
    pyfunc, pandas = _library("mlflow.pyfunc"), _library("pandas")
    try:
        model = pyfunc.load_model(str(folder))
    except Exception as problem:  # MLflow's, or the model's own
        raise FunctionWrong(f"MLflow cannot load it: {type(problem).__name__}: {problem}") from problem
    flavour = model.metadata.flavors.get("python_function", {})
    classes = _classes(model) if flavour.get("predict_fn") == _PROBABILITIES else None

    def predict(columns: dict[str, Array]) -> object:
        return _columns_of(model.predict(pandas.DataFrame(columns)), classes)

    return OwnModel(predict, inputs, classes)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as problem:
        package = name.split(".")[0]
        raise ModelUnknown(
            f"the model is MLflow's, and {package} is not in the environment",
            mend=f"add {package} to the requirements, shipway lock",
        ) from problem


def _classes(model: Any) -> list[object] | None:
    """Of a model of scikit-learn's form, the classes whose probabilities it answers."""
    found = getattr(model.get_raw_model(), "classes_", None)
    return None if found is None else list(np.asarray(found).tolist())


def _columns_of(given: Any, classes: list[object] | None) -> object:
    """Answers as columns by name: a frame by its own names, a matrix of probabilities by its classes, one column as it is."""
    if hasattr(given, "columns"):
        return {str(name): given[name].to_numpy() for name in given.columns}
    if isinstance(given, Mapping):
        return given
    values = np.asarray(given)
    if values.ndim == 2 and values.shape[1] == 1:
        return values[:, 0]
    if values.ndim != 2:
        return values
    if classes is None or len(classes) != values.shape[1]:
        return {f"output_{place}": values[:, place] for place in range(values.shape[1])}
    if len(classes) == 2:
        return {"probability": values[:, 1]}
    return {f"probability_{name}": values[:, place] for place, name in enumerate(classes)}
