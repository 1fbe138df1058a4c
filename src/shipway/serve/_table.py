"""A table as a caller's own Python has it, to the columns that a model takes: by what the table is, importing nothing for it.

Missing numbers are NaN and missing texts None, a whole number is taken for a real one, and nothing else becomes what it is not:
as batch scoring and the protocols have it, so that the same rows are the same request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from shipway.kernel.errors import ShipwayError, nearest
from shipway.models import DATATYPES, Array, Column, InputMismatch, Signature


class TableUnknown(ShipwayError):
    """What was given is no table of a form that is read."""

    code = "serve.table-unknown"

    def __init__(self, what: str) -> None:
        mend = "columns by name, rows as objects or lists, an array of numpy, a frame of Polars or pandas, a table of pyarrow"
        super().__init__(what, mend=mend)


def table_columns(table: object, signature: Signature) -> dict[str, Array]:
    """The inputs of a signature out of a table; other columns are passed over.

    table: a mapping of columns, a list of rows (all mappings, or all sequences in the signature's order), an array of numpy of
    shape (rows, inputs) or with named fields, a frame of Polars or pandas, a table or a batch of pyarrow. Raises TableUnknown,
    InputMismatch.
    """
    given = _by_name(table, signature)
    return {column.name: _column(given, column) for column in signature.inputs}


def _by_name(table: object, signature: Signature) -> Mapping[str, Any]:
    names = [column.name for column in signature.inputs]
    if isinstance(table, Mapping):
        return table
    if isinstance(table, np.ndarray):
        return _of_array(table, names)
    library = type(table).__module__.partition(".")[0]
    frame = cast("Any", table)
    if library == "polars" and hasattr(table, "collect"):  # its columns would be asked with a warning
        raise TableUnknown("a LazyFrame has no rows before its collect(), so it is no table")
    if library in ("polars", "pandas") and hasattr(table, "columns"):
        return {str(name): frame[name] for name in frame.columns}
    if library == "pyarrow" and hasattr(table, "column_names"):
        return {name: frame.column(name) for name in frame.column_names}
    if isinstance(table, Sequence) and not isinstance(table, str | bytes):
        return _of_rows(table, names)
    raise TableUnknown(f"{type(table).__module__}.{type(table).__name__} is no table")


def _of_array(table: Array, names: Sequence[str]) -> Mapping[str, Any]:
    if table.dtype.names:
        fields: Any = table
        return {name: fields[name] for name in table.dtype.names}
    if table.ndim != 2 or table.shape[1] != len(names):
        raise TableUnknown(f"an array of shape {list(table.shape)}, where [rows, {len(names)}] is expected")
    return {name: table[:, place] for place, name in enumerate(names)}


def _of_rows(table: Sequence[Any], names: Sequence[str]) -> Mapping[str, Any]:
    if not table:
        return {name: [] for name in names}
    if all(isinstance(row, Mapping) for row in table):
        known = list(table[0])
        for number, row in enumerate(table):
            if row.keys() != table[0].keys():
                odd = sorted(row.keys() ^ table[0].keys(), key=str)[0]
                raise InputMismatch(column=str(odd), expected="the same columns in every row", given=f"others in row {number}")
        return {name: [row[name] for row in table] for name in known}
    if not all(isinstance(row, Sequence | np.ndarray) and not isinstance(row, str | bytes) for row in table):
        raise TableUnknown(f"a list of {type(table[0]).__name__} is no table")
    for number, row in enumerate(table):
        if len(row) != len(names):
            raise TableUnknown(f"row {number} has {len(row)} values, where {len(names)} are expected")
    return {name: [row[place] for row in table] for place, name in enumerate(names)}


def _column(given: Mapping[str, Any], column: Column) -> Array:
    if column.name not in given:
        near = nearest(column.name, [str(name) for name in given])
        told = f"no such column; is it {near!r}?" if near else "no such column"
        raise InputMismatch(column=column.name, expected=column.datatype, given=told)
    values = _values(given[column.name])
    if values.ndim != 1:
        raise InputMismatch(column=column.name, expected="one value a row", given=f"shape {list(values.shape)}")
    return _cast(column, values)


def _values(column: Any) -> Array:
    """The values of a column, whatever holds it: a numpy array of its own type, or of objects with None for what is missing."""
    if isinstance(column, np.ndarray):
        return column
    library = type(column).__module__.partition(".")[0]
    if library == "polars":
        return _objects(column.to_list()) if column.null_count() or column.dtype.is_nested() else _plain(column.to_numpy())
    if library == "pandas":
        return _of_pandas(column)
    if library == "pyarrow":
        return _objects(column.to_pylist()) if column.null_count else _plain(column.to_numpy(zero_copy_only=False))
    if isinstance(column, Iterable) and not isinstance(column, str | bytes | Mapping):
        return _objects(list(column))
    raise TableUnknown(f"a column of {type(column).__name__} is none")


def _of_pandas(column: Any) -> Array:
    missing = column.isna().to_numpy()
    values: Array = column.to_numpy()
    if values.dtype.kind == "f" or not missing.any():
        return _plain(values)
    return _objects([None if gone else value for value, gone in zip(column.tolist(), missing.tolist(), strict=True)])


def _plain(values: Array) -> Array:
    return _objects(values.tolist()) if values.dtype.hasobject else values


def _objects(values: list[Any]) -> Array:
    """A list as an array: of numbers or flags when all are of one kind, otherwise of objects."""
    kinds = {_kind(value) for value in values}
    if kinds <= {"i", "f", None} and "f" in kinds:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    if kinds in ({"b"}, {"i"}):
        try:
            return np.array(values, dtype=bool if kinds == {"b"} else np.int64)
        except OverflowError:
            pass
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _kind(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool | np.bool_):
        return "b"
    if isinstance(value, int | np.integer):
        return "i"
    return "f" if isinstance(value, float | np.floating) else "O"


def _cast(column: Column, values: Array) -> Array:
    dtype, kind = np.dtype(DATATYPES[column.datatype]), values.dtype.kind
    if not len(values):
        return np.empty(0, dtype)
    if dtype.kind == "O":
        return _texts(column, values)
    if kind == "O":
        return _numbers(column, values, dtype)
    if kind == dtype.kind or (dtype.kind in "iuf" and kind in "iu") or (dtype.kind == "f" and kind == "f"):
        return _fitting(column, values, dtype)
    raise InputMismatch(column=column.name, expected=column.datatype, given=str(values.dtype))


def _texts(column: Column, values: Array) -> Array:
    if values.dtype.kind == "U":
        return values.astype(object)
    if values.dtype.kind != "O":
        raise InputMismatch(column=column.name, expected=column.datatype, given=str(values.dtype))
    for value in values:
        if value is not None and not isinstance(value, str):
            raise InputMismatch(column=column.name, expected=f"{column.datatype}, text or None", given=_shown(value))
    return values


def _numbers(column: Column, values: Array, dtype: np.dtype[Any]) -> Array:
    """Of objects: a missing number is NaN where the type has one."""
    given: list[Any] = values.tolist()
    gaps = given.count(None)
    if gaps and dtype.kind != "f":
        raise InputMismatch(column=column.name, expected=column.datatype, given=f"{gaps:,} missing values")
    fitting = {"f": ("i", "f", None), "b": ("b",)}.get(dtype.kind, ("i",))
    for value in given:
        if _kind(value) not in fitting:
            raise InputMismatch(column=column.name, expected=column.datatype, given=_shown(value))
    try:
        return np.array([np.nan if value is None else value for value in given], dtype=dtype)
    except OverflowError:
        wrong = max(given, key=abs)
        raise InputMismatch(column=column.name, expected=column.datatype, given=_shown(wrong)) from None


def _fitting(column: Column, values: Array, dtype: np.dtype[Any]) -> Array:
    """Numbers in the model's own type; a whole number that it cannot hold is refused."""
    if dtype.kind in "iu" and values.dtype != dtype:
        low, high = int(values.min()), int(values.max())
        limits = np.iinfo(dtype)
        if low < limits.min or high > limits.max:
            raise InputMismatch(column=column.name, expected=column.datatype, given=f"numbers from {low} to {high}")
    return np.ascontiguousarray(values.astype(dtype, copy=False))


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"
