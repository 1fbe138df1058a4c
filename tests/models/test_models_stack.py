from __future__ import annotations

import numpy as np
import pytest
from models_help import BINARY, INPUTS, NUMBERS, rows

from shipway.models import Array, Column, InputMismatch, Signature, stack


def test_numbers_become_float64_in_signature_order() -> None:
    columns = {"b": np.array([True, False]), "a": np.array([1, 2], "i1"), "unused": np.array(["x", "y"])}
    matrix = stack(columns, Signature((Column("a", "INT8"), Column("b", "BOOL")), ()))
    assert matrix.dtype == np.float64
    assert matrix.tolist() == [[1.0, 1.0], [2.0, 0.0]]


def test_text_makes_a_matrix_of_python_objects_in_signature_order() -> None:
    matrix = stack({**rows(2), "carrier": np.array([None, "AA"], dtype=object)}, BINARY)
    assert matrix.dtype == object
    assert [type(cell) for cell in matrix[1]] == [str, int, float]


@pytest.mark.parametrize(
    ("change", "expected", "given"),
    [
        ({"temp": None}, "FP64", "no such column"),
        ({"temp": np.zeros(3, "f4")}, "FP64", "FP32"),
        ({"temp": np.zeros(3, "M8[s]")}, "FP64", "datetime64[s]"),
        ({"temp": np.zeros((3, 2))}, "one value a row", "shape (3, 2)"),
        ({"temp": np.zeros(2)}, "3 rows", "2 rows"),
    ],
)
def test_a_mismatch_names_column_expected_and_given(change: dict[str, Array | None], expected: str, given: str) -> None:
    columns = {name: array for name, array in (rows(3) | change).items() if array is not None}
    with pytest.raises(InputMismatch) as mismatch:
        stack(columns, Signature(INPUTS, ()))
    assert (mismatch.value.column, mismatch.value.expected, mismatch.value.given) == ("temp", expected, given)


def test_no_rows_make_an_empty_matrix() -> None:
    assert stack({name: array[:0] for name, array in rows(3).items()}, Signature(NUMBERS, ())).shape == (0, 2)
