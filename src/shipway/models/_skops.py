"""scikit-learn models in skops files. Both libraries are imported when a model is loaded, in the Python that has them."""

from __future__ import annotations

import io
import sys
import threading
import zipfile
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from shipway.kernel.collector import uncollected
from shipway.models._columns import Array
from shipway.models._model import ModelUnknown, ModelUntrusted
from shipway.models._signature import Column, Signature
from shipway.models._stack import check_inputs, stack
from shipway.models._trees import wild_trees
from shipway.models._trust import trusted_types

_UFUNCS = ("scipy.special._special_ufuncs", "scipy.special._ufuncs")


def load_skops(data: bytes, inputs: tuple[Column, ...]) -> SklearnModel:
    """The model in a skops file; raises ModelUntrusted for any type off the list, ModelUnknown for what is no model."""
    _check_size(data)
    skops, version = import_skops(), import_module("sklearn").__version__
    trusted = trusted_types(version)
    try:
        estimator = skops.loads(data, trusted=sorted(trusted))
    except import_module("skops.io.exceptions").UntrustedTypesFoundException as problem:
        others = sorted(set(skops.get_untrusted_types(data=data)) - trusted)
        raise ModelUntrusted(
            f"the model holds types that are not on the list of safe ones: {', '.join(others)}",
            types=others,
            mend="build the model from scikit-learn's own estimators and functions",
        ) from problem
    except Exception as problem:  # a file of any other kind can make skops raise anything
        raise ModelUnknown(f"not a skops file that scikit-learn {version} can read: {problem}") from problem
    if problems := wild_trees(estimator):
        raise ModelUntrusted(problems[0], mend="fit and save the model again; these bytes were made by hand")
    return SklearnModel(estimator, inputs)


def _check_size(data: bytes) -> None:
    """Raises ModelUntrusted for an archive that unpacks to more than it is: those of a run are stored without compression."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as problem:
        raise ModelUnknown(f"not a skops file: {problem}") from problem
    if size > len(data):
        what = f"the model would unpack to {size:,} bytes, and has {len(data):,}"
        raise ModelUntrusted(what, mend="write it without compression, as a step's return does")


@uncollected()
def import_skops() -> Any:
    """skops, which asks all modules in turn for each function of SciPy until one has it: those that have them come first."""
    import_module("scipy.special")
    if "skops.io" not in sys.modules and threading.active_count() == 1:  # nobody else imports meanwhile
        for name in [name for name in sys.modules if name not in _UFUNCS]:
            sys.modules[name] = sys.modules.pop(name)
    return import_module("skops.io")


class SklearnModel:
    """A fitted estimator behind the Predictable protocol."""

    def __init__(self, estimator: Any, inputs: tuple[Column, ...]) -> None:
        self.estimator = estimator
        self.classes = _classes(estimator)
        self._ask = estimator.predict_proba if hasattr(estimator, "predict_proba") else estimator.predict
        self._table = _table_maker(estimator)
        self.signature = Signature(inputs, self._outputs())

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """One array an output, in signature order; raises InputMismatch."""
        rows = check_inputs(columns, self.signature)
        if rows == 0:  # scikit-learn refuses to be asked nothing
            return {c.name: np.empty(0, object if c.datatype == "BYTES" else np.float64) for c in self.signature.outputs}
        if self._table is None:
            answers = self._ask(stack(columns, self.signature))
        else:
            answers = self._ask(self._table({c.name: columns[c.name] for c in self.signature.inputs}))
        return {column.name: answer for column, answer in zip(self.signature.outputs, self._split(answers), strict=True)}

    def _outputs(self) -> tuple[Column, ...]:
        if not hasattr(self.estimator, "predict_proba"):
            text = self.classes is not None and any(isinstance(value, str) for value in self.classes)
            return (Column("prediction", "BYTES" if text else "FP64"),)
        if self.classes is None:
            raise ModelUnknown("a classifier of several targets at once is not read by this version")
        if len(self.classes) == 2:
            return (Column("probability", "FP64"),)
        return tuple(Column(f"probability_{value}", "FP64") for value in self.classes)

    def _split(self, answers: Any) -> list[Array]:
        """The estimator's answer as one array an output."""
        if answers.ndim == 1:
            return [answers.astype(object if self.signature.outputs[0].datatype == "BYTES" else np.float64, copy=False)]
        if len(self.signature.outputs) == 1:
            if answers.shape[1] > 2 or not hasattr(self.estimator, "predict_proba"):
                raise ModelUnknown("a model of several targets at once is not read by this version")
            answers = answers[:, -1:]
        return [np.ascontiguousarray(answers[:, j], dtype=np.float64) for j in range(answers.shape[1])]


def _classes(estimator: Any) -> list[Any] | None:
    """The classes as plain values, None for a regressor (or for a classifier of several targets)."""
    classes = getattr(estimator, "classes_", None)
    return classes.tolist() if isinstance(classes, np.ndarray) else None


def _table_maker(estimator: Any) -> Callable[[dict[str, Array]], Any] | None:
    """How to make the table that a model fitted on named columns picks them from; None when it was fitted on a matrix."""
    if not hasattr(estimator, "feature_names_in_"):
        return None
    for library in ("polars", "pandas"):
        try:
            frame = import_module(library).DataFrame
        except ImportError:
            continue
        return lambda columns: frame({name: _plain(array) for name, array in columns.items()})
    return None


def _plain(array: Array) -> Any:
    return array.tolist() if array.dtype.hasobject else array
