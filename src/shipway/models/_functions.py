"""A release's own functions around a model: what is made of a request before the model, and of its answers after it.

They are plain functions in modules of the release's code, and run in the environment of the release. A function gets columns by
name, arrays that it may not write to, and returns columns by name of as many rows.
"""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from shipway.kernel.canonical import Json, JsonObject, canonical_json, parse_object
from shipway.kernel.errors import ShipwayError
from shipway.models._columns import Array, datatype_of
from shipway.models._model import Predictable
from shipway.models._signature import DATATYPES, Column, Signature
from shipway.models._stack import check_inputs


class FunctionWrong(ShipwayError):
    """A function around a model cannot be loaded, or does not return columns of as many rows as it was given."""

    code = "models.function-wrong"


class Functions(NamedTuple):
    """before: columns of the request to those of the model; after: columns of the request and answers to the outputs.

    own: the class that is the model, made with the path of its file or folder.
    """

    before: Callable[[dict[str, Array]], object] | None
    after: Callable[[dict[str, Array], dict[str, Array]], object] | None
    own: Callable[[Path], object] | None = None


def functions_blob(modules: Mapping[str, str]) -> bytes:
    """The canonical bytes of the modules that functions are in: text by path."""
    return canonical_json({"kind": "functions", "version": 1, "modules": dict(modules)})


def load_functions(blob: bytes, before: str | None, after: str | None, own: str | None = None) -> Functions:
    """The functions and the class `MODULE.NAME` of these modules, which are importable from then on. Raises FunctionWrong."""
    folder = Path(tempfile.mkdtemp(prefix="shipway-functions-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for path, text in _modules(blob).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder))
    return Functions(_find(before, folder), _find(after, folder), _find(own, folder))


def describe_with(
    functions: Functions,
    inputs: tuple[Column, ...],
    columns: Mapping[str, Array],
    load: Callable[[tuple[Column, ...]], Predictable],
) -> WithFunctions:
    """A model that has no manifest yet, by these rows: what goes into it, and what comes out at the end."""
    rows = len(next(iter(columns.values())))
    given = _before(functions, columns, rows)
    model = load(tuple(_described(given)) if functions.before else inputs)
    answers = _after(functions, columns, model.predict(given), rows)
    outputs = model.signature.outputs if model.signature.outputs and not functions.after else tuple(_described(answers))
    return WithFunctions(model, Signature(inputs, outputs), functions)


class WithFunctions:
    """A model between its functions, as a Predictable; signature: what goes in before them and comes out after."""

    def __init__(self, model: Predictable, signature: Signature, functions: Functions) -> None:
        self.signature, self.model, self._functions = signature, model, functions
        self.classes: Any = getattr(model, "classes", None)

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """One array an output, in signature order; raises InputMismatch, FunctionWrong, and what the functions raise."""
        rows = check_inputs(columns, self.signature)
        if rows == 0:  # a function need not know how to be asked nothing
            return {column.name: np.empty(0, _dtype(column)) for column in self.signature.outputs}
        answers = self.model.predict(_before(self._functions, columns, rows))
        answers = _after(self._functions, columns, answers, rows)
        found = {column.name: datatype_of(answers[column.name]) for column in self.signature.outputs if column.name in answers}
        expected = {column.name: column.datatype for column in self.signature.outputs}
        if found != expected:
            raise FunctionWrong(f"it answers {_listed(found)}, and answered {_listed(expected)} when it was made")
        return {name: answers[name] for name in expected}


def _before(functions: Functions, columns: Mapping[str, Array], rows: int) -> dict[str, Array]:
    if functions.before is None:
        return dict(columns)
    return returned(functions.before(shown(columns)), rows, functions.before)


def _after(functions: Functions, columns: Mapping[str, Array], answers: dict[str, Array], rows: int) -> dict[str, Array]:
    if functions.after is None:
        return answers
    return returned(functions.after(shown(columns), shown(answers)), rows, functions.after)


def shown(columns: Mapping[str, Array]) -> dict[str, Array]:
    """Views that cannot be written to: what was asked is logged as it was asked."""
    views = {name: array.view() for name, array in columns.items()}
    for view in views.values():
        view.flags.writeable = False
    return views


def returned(given: object, rows: int, function: Callable[..., object]) -> dict[str, Array]:
    """Columns of as many rows, of types that a signature has. Raises FunctionWrong."""
    name = getattr(function, "__qualname__", "the function")
    if not isinstance(given, Mapping):
        raise FunctionWrong(f"{name} returns {type(given).__name__}", mend="return columns by name: {'x': an array}")
    found = {}
    for column, values in given.items():
        array = np.asarray(values)
        array = array.astype(object) if array.dtype.kind == "U" else array
        if array.ndim != 1 or len(array) != rows:
            raise FunctionWrong(f"{name} returns {column} of shape {list(array.shape)} for {rows} rows")
        if datatype_of(array) is None:
            raise FunctionWrong(f"{name} returns {column} as {array.dtype}, which no signature has")
        found[str(column)] = array
    return found


def _described(columns: Mapping[str, Array]) -> list[Column]:
    return [Column(name, datatype_of(array) or "") for name, array in columns.items()]


def _dtype(column: Column) -> np.dtype[Any]:
    return np.dtype(DATATYPES[column.datatype])


def _listed(columns: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} {datatype}" for name, datatype in columns.items())


def _modules(blob: bytes) -> dict[str, str]:
    """Raises FunctionWrong for what is no modules, or a path that leads out of their folder."""
    record: JsonObject = parse_object(blob)
    modules: Json = record.get("modules")
    if (record.get("kind"), record.get("version")) != ("functions", 1) or not isinstance(modules, Mapping):
        raise FunctionWrong("these are no functions of version 1", mend="upgrade Shipway")
    for path, text in modules.items():
        parts = PurePosixPath(path).parts
        names = [*parts[:-1], parts[-1].removesuffix(".py")] if parts else []
        if not path.endswith(".py") or not isinstance(text, str) or not all(name.isidentifier() for name in names):
            raise FunctionWrong(f"{path[:80]!r} is no module of a release")
    return {path: str(text) for path, text in modules.items()}


def _find(name: str | None, folder: Path) -> Callable[..., object] | None:
    if name is None:
        return None
    module, _, function = name.rpartition(".")
    try:
        found = import_module(module)
    except Exception as problem:  # the module's own
        raise FunctionWrong(f"{module} cannot be imported: {type(problem).__name__}: {problem}") from problem
    if not Path(str(found.__file__)).is_relative_to(folder):
        raise FunctionWrong(f"{module} is another module of this process", mend="rename the module")
    made = getattr(found, function, None)
    if not callable(made):
        raise FunctionWrong(f"{module} has no function {function}")
    return made  # type: ignore[no-any-return]
