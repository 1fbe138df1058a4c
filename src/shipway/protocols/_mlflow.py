"""MLflow's scoring protocol: `/invocations` in its JSON forms and CSV to requests of the Predictor; nothing else.

Source: mlflow 3.17, mlflow/pyfunc/scoring_server: one of `dataframe_split`, `dataframe_records`, `instances` and `inputs`, and
`{"predictions": [...]}` out. As there, columns that the model does not take are passed over. Stricter than there: text is no
number, and 2.0 is no whole one. Parquet is another process's to read (`_tables`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from shipway.models import DATATYPES, Array, Column, InputMismatch, Signature
from shipway.protocols._http import BodyMalformed, Headers
from shipway.protocols._json import Plain, decode_body, decode_usual
from shipway.protocols._v1 import Rows, array_of, columns_of_plain, columns_of_rows
from shipway.serve import Request

CSV = b"text/csv"
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
CODES = {400: "BAD_REQUEST", 403: "PERMISSION_DENIED", 503: "TEMPORARILY_UNAVAILABLE"}  # of MLflow's own; others are internal
_FLAGS = {"true": True, "false": False}


_NOTHING = msgspec.Raw()
_UsualTable = list[list[Plain] | dict[str, Plain]] | dict[str, list[Plain]] | None


class _Split(msgspec.Struct):
    columns: list[str]
    data: list[list[msgspec.Raw]]
    index: msgspec.Raw = _NOTHING


class _Invocation(msgspec.Struct):
    dataframe_split: _Split | None = None
    dataframe_records: list[dict[str, msgspec.Raw]] | None = None
    instances: msgspec.Raw = _NOTHING
    inputs: msgspec.Raw = _NOTHING
    params: dict[str, msgspec.Raw] | None = None


class _UsualSplit(msgspec.Struct):
    columns: list[str]
    data: list[list[Plain]]


class _UsualInvocation(msgspec.Struct):
    dataframe_split: _UsualSplit | None = None
    dataframe_records: list[dict[str, Plain]] | None = None
    instances: _UsualTable = None
    inputs: _UsualTable = None
    params: msgspec.Raw = _NOTHING


_decoder = msgspec.json.Decoder(_Invocation)
_usual_decoder = msgspec.json.Decoder(_UsualInvocation)
_rows = msgspec.json.Decoder(Rows)
_columns = msgspec.json.Decoder(dict[str, list[msgspec.Raw]])


def parse_invocation(body: bytes, headers: Headers, signature: Signature, *, aside: Sequence[str]) -> tuple[Request, None]:
    """The request in a body; aside: columns that are only logged. Raises BodyMalformed, InputMismatch."""
    wanted = {*(column.name for column in signature.inputs), *aside}
    if headers.get(b"content-type", b"").split(b";")[0].strip().lower() == CSV:
        return Request(None, _of_csv(body, signature, wanted)), None
    if (usual := _usual_columns(body, signature, aside)) is not None:
        return Request(None, usual), None
    message = decode_body(_decoder, body, "an MLflow request")
    given = [name for name in FORMS if getattr(message, name) not in (None, _NOTHING)]
    if len(given) != 1:
        raise BodyMalformed(f"expected exactly one of {', '.join(FORMS)}, given {', '.join(given) or 'none'}")
    if message.params:
        raise BodyMalformed(f"params: this model takes none, given {', '.join(message.params)}")
    return Request(None, _of_json(message, signature, wanted)), None


def _usual_columns(body: bytes, signature: Signature, aside: Sequence[str]) -> Mapping[str, Array] | None:
    """Of a body of the usual form, in one look; None for any other, which is read with care."""
    message = decode_usual(_usual_decoder, body)
    if message is None or message.params:
        return None
    given = [one for one in (getattr(message, name) for name in FORMS) if one is not None]
    if len(given) != 1:
        return None
    (table,) = given
    if isinstance(table, list):
        return columns_of_plain(table, signature, aside)
    names, places = signature.maker.names, signature.places
    known = table.columns if isinstance(table, _UsualSplit) else [*table]
    if known != names and (not places.keys() <= {*known} or len({*known}) < len(known) or not {*known}.isdisjoint(aside)):
        return None
    if isinstance(table, dict):
        return signature.maker.of_columns([table[name] for name in names])
    if known == names:
        return signature.maker.of_rows(table.data)
    if not all(len(row) == len(known) for row in table.data):
        return None
    order = [known.index(name) for name in names]
    return signature.maker.of_rows([[row[place] for place in order] for row in table.data])


def _of_json(message: _Invocation, signature: Signature, wanted: set[str]) -> dict[str, Array]:
    if message.dataframe_split is not None:
        return _of_cells(_split_cells(message.dataframe_split), signature, wanted)
    if message.dataframe_records is not None:
        return columns_of_rows(_some("dataframe_records", [*message.dataframe_records]), signature, wanted)
    name, raw = ("inputs", message.inputs) if message.instances == _NOTHING else ("instances", message.instances)
    text = bytes(raw)
    if text.lstrip()[:1] != b"{":
        return columns_of_rows(_some(name, decode_body(_rows, text, f"{name}, a list of rows")), signature, wanted)
    cells = decode_body(_columns, text, f"{name}, lists of values by column")
    return _of_cells({column: [bytes(cell) for cell in values] for column, values in cells.items()}, signature, wanted)


def _split_cells(split: _Split) -> dict[str, list[bytes]]:
    if len(set(split.columns)) < len(split.columns):
        raise BodyMalformed("dataframe_split: a column comes twice")
    for number, row in enumerate(split.data):
        if len(row) != len(split.columns):
            raise BodyMalformed(f"dataframe_split: row {number}: expected {len(split.columns)} values, given {len(row)}")
    return {name: [bytes(row[place]) for row in split.data] for place, name in enumerate(split.columns)}


def _of_cells(cells: dict[str, list[bytes]], signature: Signature, wanted: set[str]) -> dict[str, Array]:
    known = {column.name: column.datatype for column in signature.inputs}
    return {name: array_of(name, known.get(name), values) for name, values in cells.items() if name in wanted}


def _some(name: str, rows: Rows) -> Rows:
    if not rows:
        raise BodyMalformed(f"{name}: expected a row or more, given none")
    return rows


def _of_csv(body: bytes, signature: Signature, wanted: set[str]) -> dict[str, Array]:
    try:
        rows = list(csv.reader(io.StringIO(body.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as problem:
        raise BodyMalformed(f"the body is not CSV in UTF-8: {problem}") from problem
    if not rows:
        raise BodyMalformed("the body is no CSV: it has no line with the names of its columns")
    names, data = rows[0], [row for row in rows[1:] if row]
    for number, row in enumerate(data):
        if len(row) != len(names):
            raise BodyMalformed(f"CSV: row {number}: expected {len(names)} values, given {len(row)}")
    known = {column.name: column for column in signature.inputs}
    cells = {name: [row[place] for row in data] for place, name in enumerate(names) if name in wanted}
    return {name: _typed(known.get(name) or Column(name, "BYTES"), values) for name, values in cells.items()}


def _typed(column: Column, cells: list[str]) -> Array:
    """A column of texts in the model's type; an empty one is missing."""
    dtype = np.dtype(DATATYPES[column.datatype])
    values: list[object] = []
    for cell in cells:
        try:
            values.append(_value(cell, dtype.kind))
            np.array(values[-1:], dtype)
        except (ValueError, KeyError, OverflowError):
            raise InputMismatch(column=column.name, expected=column.datatype, given=repr(cell[:40])) from None
    return np.array(values, dtype)


def _value(cell: str, kind: str) -> object:
    if kind == "O":
        return cell or None
    if "_" in cell:  # Python reads 1_000
        raise ValueError(cell)
    if kind == "b":
        return _FLAGS[cell.lower()]
    return float(cell or "nan") if kind == "f" else int(cell)
