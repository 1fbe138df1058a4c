"""What is read in one look is what reading with care gives, value by value, or it is left to that and its words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from grpc_help import infer_message
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_help import binary_message, tensors

from shipway.kernel.errors import ShipwayError
from shipway.models import DATATYPES, Array, Column, Matrix, RowEncoder, Rows, Signature, encode_columns, join, stack
from shipway.protocols import _grpc_infer, _mlflow, _open_inference, _v1
from shipway.protocols._grpc_messages import kind_of
from shipway.serve import Request

REAL = {f"x{i}": "FP64" for i in range(3)}
NUMBERS = {"x": "FP64", "f": "FP32", "n": "INT64", "small": "INT8", "u": "UINT64", "late": "BOOL"}
MIXED = {**NUMBERS, "who": "BYTES", "y": "FP64", "where": "BYTES"}
ASIDE = ("key",)
TABLES = [REAL, NUMBERS, MIXED]
HEADERS: dict[bytes, bytes] = {}

FINITE = st.floats(allow_nan=False, allow_infinity=False)
ANYTHING: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.text(max_size=3), FINITE, st.integers(-(2**70), 2**70)
)
FITTING: Mapping[str, st.SearchStrategy[Any]] = {
    "FP64": st.one_of(st.none(), FINITE, st.integers(-(2**60), 2**60)),
    "FP32": st.one_of(st.none(), st.floats(-3.5e38, 3.5e38), st.integers(-9, 9)),
    "INT64": st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-9, 9)),
    "UINT64": st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 9)),
    "INT8": st.integers(-129, 128),
    "BOOL": st.booleans(),
    "BYTES": st.one_of(st.none(), st.text(max_size=3)),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Columns, and rows that mostly fit them; sometimes with one column more."""
    types = draw(st.sampled_from(TABLES))
    odd = draw(st.sampled_from([None, None, None, *types]))
    kinds = {name: ANYTHING if name == odd else FITTING[datatype] for name, datatype in types.items()}
    more: dict[str, st.SearchStrategy[Any]] = draw(st.sampled_from([{}, {}, {"key": st.text(max_size=2)}, {"other": ANYTHING}]))
    order = draw(st.permutations(list(types))) if draw(st.booleans()) else list(types)
    rows = draw(st.sampled_from([1, 1, 1, 2, 3, 20]))
    row = st.fixed_dictionaries({name: kinds[name] for name in order} | more)
    return types, [draw(row) for _ in range(rows)] if rows < 3 else [draw(row), *[draw(row)] * (rows - 1)]


def signature_of(types: Mapping[str, str]) -> Signature:
    return Signature(tuple(Column(*item) for item in types.items()), ())


def outcome(read: Callable[[], tuple[Request, Any]]) -> object:
    """The columns, each with its type and values, or what is wrong."""
    try:
        columns = read()[0].columns
    except ShipwayError as problem:
        return problem.what
    return {
        name: (array.dtype, array.tobytes() if array.dtype != object else array.tolist()) for name, array in columns.items()
    }


def check(read: Callable[[], tuple[Request, Any]]) -> None:
    quick = outcome(read)
    with (
        patch.object(_open_inference, "decode_usual", lambda *_: None),
        patch.object(_open_inference, "_raw_columns", lambda *_: None),
        patch.object(_v1, "decode_usual", lambda *_: None),
        patch.object(_mlflow, "decode_usual", lambda *_: None),
        patch.object(_grpc_infer.Reader, "_usual", lambda *_: None),
        patch.object(_grpc_infer.Reader, "_usual_typed", lambda *_: None),
    ):
        careful = outcome(read)
    assert quick == careful


@settings(max_examples=150, deadline=None)
@given(tables())
def test_every_form_of_json_is_read_alike_in_one_look_and_with_care(table: tuple[dict[str, str], list[dict[str, Any]]]) -> None:
    types, rows = table
    signature, columns = signature_of(types), {name: [row[name] for row in rows] for name in rows[0]}
    flat = [
        {"name": name, "shape": [len(rows)], "datatype": types.get(name, "BYTES"), "data": values}
        for name, values in columns.items()
    ]
    lists = [[row[name] for name in rows[0]] for row in rows]
    invoked: list[object] = [
        {"dataframe_split": {"columns": list(rows[0]), "data": lists}},
        {"dataframe_records": rows},
        {"instances": rows},
        {"instances": lists},
        {"inputs": columns},
    ]
    check(lambda: _open_inference.parse_infer(json.dumps({"inputs": flat}).encode(), HEADERS, signature))
    for instances in (rows, lists):
        check(partial(_v1.parse_predict, json.dumps({"instances": instances}).encode(), HEADERS, signature))
    for message in invoked:
        check(partial(_mlflow.parse_invocation, json.dumps(message).encode(), HEADERS, signature, aside=ASIDE))


def typed(types: Mapping[str, str], rows: list[dict[str, Any]]) -> dict[str, Array]:
    """Arrays of what fits, zeros for what does not."""
    found: dict[str, Array] = {}
    for name, datatype in types.items():
        blank: Any = "" if datatype == "BYTES" else 0
        values = [blank if row[name] is None else row[name] for row in rows]
        try:
            with np.errstate(over="ignore"):
                found[name] = np.array(values, DATATYPES[datatype])
        except (TypeError, ValueError, OverflowError):
            found[name] = np.array([blank] * len(rows), DATATYPES[datatype])
        if datatype == "BYTES":
            found[name] = np.array([str(value) for value in values], object)
    return found


@settings(max_examples=100, deadline=None)
@given(tables(), st.integers(0, 60), st.integers(0, 255))
def test_binary_tensors_are_read_alike_whole_or_damaged(
    table: tuple[dict[str, str], list[dict[str, Any]]], place: int, byte: int
) -> None:
    types, rows = table
    signature, columns = signature_of(types), typed(types, rows)
    body, header = binary_message(columns)
    headers = {name.lower().encode(): value.encode() for name, value in header.items()}
    for data in (body, body[:-1] + bytes([byte]), body[:-1]):
        check(partial(_open_inference.parse_infer, data, headers, signature))
    message = kind_of("ModelInferRequest").FromString(infer_message(columns))
    reader = _grpc_infer.Reader(signature)
    check(lambda: reader.read(message))
    contents = kind_of("ModelInferRequest").FromString(infer_message(columns, raw=False))
    check(lambda: reader.read(contents))
    contents.inputs[place % len(types)].contents.int_contents.append(byte)
    check(lambda: reader.read(contents))
    damaged = bytearray(message.raw_input_contents[place % len(types)])
    if damaged:
        damaged[place % len(damaged)] = byte
        message.raw_input_contents[place % len(types)] = bytes(damaged)
        check(lambda: reader.read(message))


@pytest.mark.parametrize("types", TABLES)
def test_what_is_read_in_one_look_is_stacked_joined_and_logged_as_columns_are(types: dict[str, str]) -> None:
    signature = signature_of(types)
    blank = {"FP64": 0.1, "FP32": 0.1, "INT64": -7, "INT8": 3, "UINT64": 9, "BOOL": True, "BYTES": "naïve"}
    row = [blank[datatype] for datatype in types.values()]
    body = json.dumps({"inputs": [{"name": n, "shape": [1, 1], "datatype": t, "data": [blank[t]]} for n, t in types.items()]})
    quick = _open_inference.parse_infer(body.encode(), HEADERS, signature)[0].columns
    assert isinstance(quick, Rows if types is MIXED else Matrix), "the usual form is quick"
    plain = {name: np.array([value], DATATYPES[types[name]]) for name, value in zip(types, row, strict=True)}
    assert stack(quick, signature).tolist() == stack(plain, signature).tolist()
    assert [type(value) for value in stack(quick, signature)[0]] == [type(value) for value in stack(plain, signature)[0]]
    both = join([quick, quick, plain], signature)
    assert {name: array.tolist() for name, array in both.items()} == {n: array.tolist() * 3 for n, array in plain.items()}
    twice = stack(join([quick, quick], signature), signature)
    assert twice.tolist() == stack(plain, signature).tolist() * 2
    encoder = RowEncoder(signature.inputs)
    if isinstance(quick, Rows):
        logged = encoder.encode(quick.values_by_row[0])
    else:
        logged = encoder.encode_reals(quick.array[0].tolist())
    assert logged == encode_columns(plain) == encode_columns(quick)
    assert tensors(quick) == tensors(plain)
