"""KServe's V1 protocol: bodies of rows to requests of the Predictor and its responses to bodies; nothing else.

Source: KServe, docs of the V1 data plane: `{"instances": [...]}` in, `{"predictions": [...]}` out, row by row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from shipway.models import Array, InputMismatch, Signature
from shipway.protocols._http import BodyMalformed, Headers, Reply, json_reply
from shipway.protocols._json import Plain, decode_body, decode_usual
from shipway.protocols._tensors import parse_json_tensor
from shipway.serve import Request, Response

REQUEST_ID = b"x-shipway-request"  # the body has no place for it, and an outcome needs it
_ASIDE = ("INT64", "FP64", "BOOL", "BYTES")  # what a column that only goes along may be, in the order of trying


Rows = list[list[msgspec.Raw] | dict[str, msgspec.Raw]]
"""Rows as a body has them, each a list of values or an object by column."""


class _PredictRequest(msgspec.Struct):
    instances: Rows


class _UsualRequest(msgspec.Struct):
    instances: list[list[Plain] | dict[str, Plain]]


_decoder = msgspec.json.Decoder(_PredictRequest)
_usual_decoder = msgspec.json.Decoder(_UsualRequest)


def parse_predict(body: bytes, _headers: Headers, signature: Signature) -> tuple[Request, None]:
    """The request in a body, whose rows are lists in the signature's order or objects by column. Raises BodyMalformed,
    InputMismatch.
    """
    usual = decode_usual(_usual_decoder, body)
    if usual is not None and (columns := columns_of_plain(usual.instances, signature)) is not None:
        return Request(None, columns), None
    rows = decode_body(_decoder, body, "a V1 request").instances
    if not rows:
        raise BodyMalformed("instances: expected a row or more, given none")
    return Request(None, columns_of_rows(rows, signature)), None


def render_predict(response: Response, _wanted: None) -> Reply:
    """A value a row where the model has one output, an object by output where it has several."""
    columns = {name: array.tolist() for name, array in response.outputs.items()}
    if len(columns) == 1:
        (predictions,) = columns.values()
    else:
        predictions = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return json_reply({"predictions": predictions}, headers=((REQUEST_ID, response.id.encode()),))


def columns_of_plain(
    rows: Sequence[list[Plain] | dict[str, Plain]], signature: Signature, aside: Collection[str] | None = None
) -> Mapping[str, Array] | None:
    """The columns of rows of the usual form; None for any other. aside: columns that may come besides, and others are passed
    over; None: there are no others.
    """
    if not rows:
        return None
    if isinstance(rows[0], list):
        lists = [row for row in rows if isinstance(row, list)]
        return signature.maker.of_rows(lists) if len(lists) == len(rows) else None
    names, first = signature.maker.names, rows[0].keys()
    if len(first) != len(names) and (aside is None or not first.isdisjoint(aside)):
        return None
    objects = [row for row in rows if isinstance(row, dict) and row.keys() == first]
    if len(objects) != len(rows) or not first >= signature.places.keys():
        return None
    return signature.maker.of_rows([[row[name] for name in names] for row in objects])


def columns_of_rows(rows: Rows, signature: Signature, only: Collection[str] | None = None) -> dict[str, Array]:
    """The columns of one row or more; only: those that are looked at. Raises BodyMalformed, InputMismatch."""
    named = [column.name for column in signature.inputs]
    first = rows[0]
    names = list(first) if isinstance(first, dict) else named
    cells: list[list[bytes]] = []
    for number, row in enumerate(rows):
        if isinstance(row, dict) != isinstance(first, dict):
            raise BodyMalformed(f"instances: row {number} is a list or an object where the first is the other")
        if isinstance(row, dict):
            if row.keys() != first.keys():  # type: ignore[union-attr]
                odd = sorted(row.keys() ^ set(names))[0]
                raise InputMismatch(column=odd, expected="the same columns in every row", given=f"other ones in row {number}")
            cells.append([bytes(row[name]) for name in names])
        elif len(row) != len(named):
            raise BodyMalformed(f"instances: row {number}: expected {len(named)} values, given {len(row)}")
        else:
            cells.append([bytes(cell) for cell in row])
    known = {column.name: column.datatype for column in signature.inputs}
    by_name = zip(names, zip(*cells, strict=True), strict=True)
    return {name: array_of(name, known.get(name), column) for name, column in by_name if only is None or name in only}


def array_of(name: str, datatype: str | None, cells: Sequence[bytes]) -> Array:
    """A column of its values as JSON; datatype None: whatever fits. Raises InputMismatch."""
    rows, raw = len(cells), msgspec.Raw(b"[" + b",".join(cells) + b"]")
    if datatype is not None:
        return parse_json_tensor(name, datatype, [rows], raw)
    for tried in _ASIDE:
        try:
            return parse_json_tensor(name, tried, [rows], raw)
        except InputMismatch:
            continue
    raise InputMismatch(column=name, expected="numbers, flags or text, of one kind", given="something else")
