from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shipway.models import DATATYPES, Array, ColumnsMalformed, datatype_of, decode_columns, encode_columns

TEXT = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"])))


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Array]:
    n = draw(st.integers(0, 20))
    names = draw(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), unique=True, max_size=5))
    return {name: draw(_column(n)) for name in names}


def _column(n: int) -> st.SearchStrategy[Any]:
    numeric = [hnp.arrays(np.dtype(code), n) for datatype, code in DATATYPES.items() if datatype != "BYTES"]
    text = st.lists(TEXT, min_size=n, max_size=n).map(lambda values: np.array([*values, None], dtype=object)[:-1])
    return st.one_of(*numeric, text)


@given(tables())
def test_columns_come_back_bit_by_bit(columns: dict[str, Array]) -> None:
    back = decode_columns(encode_columns(columns))
    assert list(back) == list(columns)
    for name, array in columns.items():
        assert back[name].dtype == array.dtype
        assert back[name].tolist() == array.tolist() if array.dtype.hasobject else back[name].tobytes() == array.tobytes()
    assert encode_columns(back) == encode_columns(columns)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_columns_are_refused_and_nothing_else(data: bytes) -> None:
    with suppress(ColumnsMalformed):
        decode_columns(data)


def test_every_cut_of_good_bytes_is_refused() -> None:
    data = encode_columns({"a": np.arange(5.0), "s": np.array(["x", None, "y", "", "é"], dtype=object)})
    for length in range(len(data)):
        with pytest.raises(ColumnsMalformed):
            decode_columns(data[:length])


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ((2, []), "version 2"),
        ((1, [("a", "FP64", b"1234567")]), "column a: 7 bytes"),
        ((1, [("a", "BF16", b"12")]), "'BF16' is no datatype"),
        ((1, [("a", "FP64", ["1"])]), "column a: a payload that is not of FP64"),
        ((1, [("a", "BYTES", b"1")]), "column a: a payload that is not of BYTES"),
        ((1, [("a", "BOOL", b"\x02")]), "neither 0 nor 1"),
        ((1, [("a", "INT8", b"12"), ("b", "INT8", b"1")]), "unequal lengths: a 2, b 1"),
        ((1, [("a", "INT8", b"1"), ("a", "INT8", b"1")]), "comes twice"),
        ((1, [("a", "BYTES", [1])]), "not columns"),
    ],
)
def test_each_fault_is_told_in_words(message: object, words: str) -> None:
    with pytest.raises(ColumnsMalformed, match=words):
        decode_columns(msgspec.msgpack.encode(message))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"a": np.zeros((2, 2))}, "column a: has 2 dimensions"),
        ({"a": np.zeros(2, "M8[s]")}, "datetime64.* has no Open Inference datatype"),
        ({"a": np.zeros(2), "b": np.zeros(3)}, "unequal lengths: a 2, b 3"),
        ({"a": np.array(["x", 1.5], dtype=object)}, "column a: float among text"),
        ({"a": np.array([b"\xff"], dtype=object)}, "column a: bytes that are not UTF-8"),
        ({"a": np.array(["\ud800"], dtype=object)}, "not Unicode"),
    ],
)
def test_arrays_that_no_column_can_hold_are_refused(columns: dict[str, Array], words: str) -> None:
    with pytest.raises(ColumnsMalformed, match=words):
        encode_columns(columns)


def test_other_forms_of_text_and_byte_order_are_brought_to_one() -> None:
    forms: dict[str, Array] = {
        "fixed": np.array(["a", "é"]),
        "ascii": np.array([b"a", b"b"]),
        "mixed": np.array(["a", "é".encode()], dtype=object),
        "big": np.array([1.5, 2.5], ">f8"),
        "strided": np.arange(4)[::2],
    }
    back = decode_columns(encode_columns(forms))
    assert [array.tolist() for array in back.values()] == [["a", "é"], ["a", "b"], ["a", "é"], [1.5, 2.5], [0, 2]]
    assert datatype_of(forms["big"]) == "FP64"
    assert back["big"].dtype == np.dtype("<f8")


def test_the_bytes_are_the_documented_ones() -> None:
    data = encode_columns({"n": np.array([1], "<i2"), "s": np.array(["a", None], dtype=object)[:1]})
    assert data.hex(" ") == "92 01 92 93 a1 6e a5 49 4e 54 31 36 c4 02 01 00 93 a1 73 a5 42 59 54 45 53 91 a1 61"
