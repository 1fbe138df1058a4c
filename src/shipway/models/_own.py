"""A model that is a class of the project's own: made with the path of what its step returned, and asked by columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from shipway.models._columns import Array
from shipway.models._folder import temporary_folder, unpack_folder
from shipway.models._functions import FunctionWrong, returned, shown
from shipway.models._signature import Column, Signature

OwnClass = Callable[[Path], object]


class _Formats(NamedTuple):
    file: str
    folder: str


OWN = _Formats("python", "python-folder")


def load_own(own: OwnClass, data: bytes, inputs: tuple[Column, ...], *, folder: bool) -> OwnModel:
    """The instance that the class makes of these bytes: a file, or a packed folder. Raises FunctionWrong, ModelUntrusted."""
    path = unpack_folder(data) if folder else temporary_folder() / "model"
    if not folder:
        path.write_bytes(data)
    name = getattr(own, "__qualname__", "the class")
    try:
        made = own(path)
    except Exception as problem:  # the class's own
        raise FunctionWrong(f"{name} cannot be made of its {'folder' if folder else 'file'}: {_said(problem)}") from problem
    predict = getattr(made, "predict", None)
    if not callable(predict):
        raise FunctionWrong(f"{name} has no method predict", mend="def predict(self, columns): arrays by name in, and out")
    return OwnModel(predict, inputs, getattr(made, "classes", None))


class OwnModel:
    """What answers by columns, whose outputs only its answers tell; classes: those of a classifier, in their order."""

    def __init__(self, predict: Callable[[dict[str, Array]], object], inputs: tuple[Column, ...], classes: object) -> None:
        self.signature = Signature(inputs, ())
        self.classes: Any = np.asarray(classes).tolist() if classes is not None else None
        self._predict, self._names = predict, [column.name for column in inputs]

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """Columns by name, or one array, which is `prediction`. Raises FunctionWrong, and whatever the class raises."""
        rows = len(columns[self._names[0]]) if self._names else 0
        given = self._predict(shown({name: columns[name] for name in self._names}))
        if not isinstance(given, Mapping):
            given = {"prediction": np.asarray(given)}
        return returned(given, rows, self._predict)


def _said(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"
