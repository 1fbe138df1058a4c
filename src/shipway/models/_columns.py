"""The bytes of columns, one format for scoring, golden rows and the prediction log.

msgpack `[1, [[name, datatype, payload], ...]]`: 1 is the version of the format; a numeric payload is the values' own
little-endian bytes, one of BYTES a list of text and nil. All columns have the same length.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from shipway.kernel.errors import ShipwayError
from shipway.models._signature import DATATYPES

Array = npt.NDArray[np.generic]
"""A column (one dimension) or a matrix, of any dtype."""

_VERSION = 1
_Text = list[str | None]
_Entry = tuple[str, str, bytes | _Text]
_DTYPES = {datatype: np.dtype(code) for datatype, code in DATATYPES.items()}
_DATATYPES = {dtype: datatype for datatype, dtype in _DTYPES.items()}
_DECODER = msgspec.msgpack.Decoder(tuple[int, list[_Entry]])


class ColumnsMalformed(ShipwayError):
    """Bytes that are not columns, or arrays that no column can hold; `column` when one of them is to blame."""

    code = "models.columns-malformed"

    def __init__(self, what: str, *, column: str | None = None) -> None:
        super().__init__(what if column is None else f"column {column}: {what}")
        self.column = column


def encode_columns(columns: Mapping[str, Array]) -> bytes:
    """The columns as bytes, in their order. Values: numbers, bools, text (str, bytes as UTF-8, None). Raises ColumnsMalformed.

    >>> decode_columns(encode_columns({"n": np.array([1, 2]), "s": np.array(["a", None])}))
    {'n': array([1, 2]), 's': array(['a', None], dtype=object)}
    """
    entries = [_entry(name, array) for name, array in columns.items()]
    if len({len(array) for array in columns.values()}) > 1:
        raise ColumnsMalformed(f"unequal lengths: {_lengths(columns)}")
    try:
        return msgspec.msgpack.encode((_VERSION, entries))
    except UnicodeEncodeError as problem:
        raise ColumnsMalformed(f"text that is not Unicode: {problem}") from problem


def decode_columns(data: bytes) -> dict[str, Array]:
    """The columns in these bytes, numeric ones as read-only views of them; raises ColumnsMalformed."""
    try:
        version, entries = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise ColumnsMalformed(f"not columns: {problem}") from problem
    if version != _VERSION:
        raise ColumnsMalformed(f"version {version} of the columns format; this reads {_VERSION}")
    columns = {name: _array(name, datatype, payload) for name, datatype, payload in entries}
    if len(columns) < len(entries):
        raise ColumnsMalformed("a column comes twice")
    if len({len(array) for array in columns.values()}) > 1:
        raise ColumnsMalformed(f"unequal lengths: {_lengths(columns)}")
    return columns


def datatype_of(array: Array) -> str | None:
    """The Open Inference datatype of an array in any byte order, None when it has none (dates, complex numbers).

    >>> datatype_of(np.zeros(1)), datatype_of(np.array(["a"])), datatype_of(np.zeros(1, "M8[s]"))
    ('FP64', 'BYTES', None)
    """
    if array.dtype.kind in "OUS":
        return "BYTES"
    return _DATATYPES.get(array.dtype if array.dtype.isnative else array.dtype.newbyteorder("="))


def _entry(name: str, array: Array) -> _Entry:
    if array.ndim != 1:
        raise ColumnsMalformed(f"has {array.ndim} dimensions, not one", column=name)
    datatype = datatype_of(array)
    if datatype is None:
        raise ColumnsMalformed(f"{array.dtype} has no Open Inference datatype", column=name)
    if datatype == "BYTES":
        return name, datatype, _texts(name, array)
    return name, datatype, array.astype(_DTYPES[datatype], copy=False).tobytes()


def _texts(name: str, array: Array) -> _Text:
    values: list[object] = array.tolist()
    if set(map(type, values)) <= {str, type(None)}:  # the check of every request: no loop of ours over the values
        return values  # type: ignore[return-value]
    return [_text(name, value) for value in values]


def _text(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    if not isinstance(value, bytes):
        raise ColumnsMalformed(f"{type(value).__name__} among text", column=name)
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise ColumnsMalformed(f"bytes that are not UTF-8: {problem}", column=name) from problem


def _array(name: str, datatype: str, payload: bytes | _Text) -> Array:
    if datatype not in _DTYPES:
        raise ColumnsMalformed(f"{datatype!r} is no datatype", column=name)
    if isinstance(payload, list) != (datatype == "BYTES"):
        raise ColumnsMalformed(f"a payload that is not of {datatype}", column=name)
    if isinstance(payload, list):
        texts = np.empty(len(payload), dtype=object)
        texts[:] = payload
        return texts
    dtype = _DTYPES[datatype]
    if len(payload) % dtype.itemsize:
        raise ColumnsMalformed(f"{len(payload)} bytes are no whole number of {datatype}", column=name)
    if datatype == "BOOL" and payload.strip(b"\x00\x01"):
        raise ColumnsMalformed("a BOOL that is neither 0 nor 1", column=name)
    return np.frombuffer(payload, dtype)


def _lengths(columns: Mapping[str, Array]) -> str:
    return ", ".join(f"{name} {len(array)}" for name, array in columns.items())
