"""A matrix is the columns of its signature, and a packed row is what encode_columns makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.models import (
    DATATYPES,
    Column,
    InputMismatch,
    RowEncoder,
    Signature,
    decode_columns,
    encode_columns,
    join,
    matrix_of,
    stack,
)

REAL = Signature((Column("a", "FP64"), Column("b", "FP64")), ())
MIXED = Signature((Column("n", "INT32"), Column("x", "FP32"), Column("flag", "BOOL")), ())
NUMERIC = [datatype for datatype in DATATYPES if datatype != "BYTES"]


def test_a_matrix_has_its_columns_in_their_own_types() -> None:
    matrix = matrix_of(np.array([[1.0, 0.5, 1.0], [2.0, np.nan, 0.0]]), MIXED, name="input")
    assert [(name, array.dtype.str) for name, array in matrix.items()] == [("n", "<i4"), ("x", "<f4"), ("flag", "|b1")]
    assert matrix["n"].tolist() == [1, 2]
    assert matrix["flag"].tolist() == [True, False]
    assert np.isnan(matrix["x"][1])
    assert encode_columns(matrix) == encode_columns(dict(matrix))


def test_what_would_change_in_its_column_is_refused_by_name() -> None:
    for row, column, given_ in (([1.5, 0, 0], "n", "1.5"), ([0, 0.1, 0], "x", "0.1"), ([0, 0, 2], "flag", "2.0")):
        with pytest.raises(InputMismatch, match=f"column {column}: .* given {given_}"):
            matrix_of(np.array([row], dtype=float), MIXED, name="input")
    with pytest.raises(InputMismatch, match="'s' is text"):
        matrix_of(np.zeros((1, 1)), Signature((Column("s", "BYTES"),), ()), name="input")
    with pytest.raises(InputMismatch, match=r"given FP64 of shape \[1, 3\]"):
        matrix_of(np.zeros((1, 3)), REAL, name="input")


def test_an_estimator_gets_a_matrix_that_it_may_write_to() -> None:
    matrix = matrix_of(np.array([[1.0, 2.0]]), REAL, name="input")
    stack(matrix, REAL)[:] = 0
    assert matrix["b"].tolist() == [2.0]
    assert stack(dict(matrix), REAL).tolist() == stack(matrix, REAL).tolist()


def test_matrices_and_columns_join() -> None:
    matrix = matrix_of(np.array([[1.0, 2.0]]), REAL, name="input")
    columns = {"b": np.array([4.0]), "a": np.array([3.0]), "key": np.array(["k"], dtype=object)}
    assert stack(join([matrix, matrix], REAL), REAL).tolist() == [[1.0, 2.0], [1.0, 2.0]]
    assert stack(join([matrix, columns], REAL), REAL).tolist() == [[1.0, 2.0], [3.0, 4.0]]


@given(
    st.lists(st.tuples(st.sampled_from([*NUMERIC, "BYTES"]), st.integers(0, 100)), min_size=1, max_size=40),
    st.text(max_size=40),
)
def test_a_packed_row_has_the_bytes_of_encoded_columns(cells: list[tuple[str, int]], name: str) -> None:
    columns = [Column(f"{name}{place}", datatype) for place, (datatype, _) in enumerate(cells)]
    arrays = {
        c.name: np.array([name * (value % 9) or None if kind == "BYTES" else value], DATATYPES[kind])
        for c, (kind, value) in zip(columns, cells, strict=True)
    }
    values = [array.item() for array in arrays.values()]
    packed = RowEncoder(columns).encode(values)
    assert packed == encode_columns(arrays)
    assert {name: array.tolist() for name, array in decode_columns(packed).items()} == {
        name: array.tolist() for name, array in arrays.items()
    }
    if all(kind != "BYTES" for kind, _ in cells):
        assert RowEncoder(columns).encode_reals([float(value) for value in values]) == packed


def test_nothing_has_no_packed_row() -> None:
    with pytest.raises(ValueError, match="one column"):
        RowEncoder([])
