from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models_help import BINARY, rows, saved, trees

from shipway.kernel.canonical import canonical_json, parse_object
from shipway.models import (
    Array,
    ColumnsMalformed,
    Distance,
    GoldenMismatch,
    Predictable,
    check_golden,
    golden_blob,
    load_model,
    measure_distance,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Predictable:
    return load_model(*saved(trees(), tmp_path_factory.mktemp("model"), BINARY))


def test_golden_rows_are_canonical_and_reproduce(model: Predictable) -> None:
    columns = rows(20)
    blob = golden_blob(columns, model.predict(columns))
    record = parse_object(blob)
    assert canonical_json(record) == blob
    assert (record["kind"], record["version"]) == ("golden", 1)
    check_golden(model, blob)


def test_the_first_row_that_differs_is_named_with_both_values(model: Predictable) -> None:
    columns, outputs = rows(20), model.predict(rows(20))
    changed = outputs["probability"].copy().astype(np.float64)
    changed[7] = np.nextafter(changed[7], 1)
    changed[9] = 0.5
    with pytest.raises(GoldenMismatch) as mismatch:
        check_golden(model, golden_blob(columns, {"probability": changed}))
    assert (mismatch.value.row, mismatch.value.output) == (7, "probability")
    assert (mismatch.value.expected, mismatch.value.given) == (changed[7], outputs["probability"][7])
    changed[9] = outputs["probability"][9]
    check_golden(model, golden_blob(columns, {"probability": changed}), tolerance=1e-12)


class Fixed:
    """Answers what it is told to."""

    signature = BINARY

    def __init__(self, **outputs: Array) -> None:
        self._outputs = outputs

    def predict(self, columns: object) -> dict[str, Array]:
        return self._outputs


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "given 'no such output'"),
        ({"p": np.zeros(2, "f4")}, "float32 of shape"),
        ({"p": np.zeros(3)}, r"shape \(3,\)"),
        ({"p": np.array([0.0, -0.0])}, "golden row 1, output p: expected 0.0, given -0.0"),
        ({"p": np.array([0.0, np.nan])}, "golden row 1, output p: expected 0.0, given nan"),
    ],
)
def test_every_other_answer_is_a_mismatch(given: dict[str, Array], words: str) -> None:
    with pytest.raises(GoldenMismatch, match=words):
        check_golden(Fixed(**given), golden_blob({}, {"p": np.zeros(2)}))


def test_nothing_is_equal_to_nothing_and_text_to_text() -> None:
    check_golden(Fixed(p=np.array([np.nan])), golden_blob({}, {"p": np.array([np.nan])}))
    text = np.array(["a", None], dtype=object)
    check_golden(Fixed(p=text), golden_blob({}, {"p": text}))
    with pytest.raises(GoldenMismatch, match="golden row 0, output p: expected 'a', given 'b'"):
        check_golden(Fixed(p=np.array(["b", None], dtype=object)), golden_blob({}, {"p": text}))


@pytest.mark.parametrize("blob", [b'{"kind":"model","version":1}', b'{"kind":"golden","version":1,"columns":"?","outputs":""}'])
def test_what_is_no_golden_blob_is_refused(model: Predictable, blob: bytes) -> None:
    with pytest.raises(ColumnsMalformed):
        check_golden(model, blob)


def test_golden_rows_need_the_models_own_signature(model: Predictable, tmp_path: Path) -> None:
    columns = {name: array for name, array in rows(3).items() if name != "hour"}
    with pytest.raises(Exception, match="column hour"):
        check_golden(model, golden_blob(columns, {}))


def distance(expected: list[float], given: list[float]) -> Distance:
    return measure_distance({"p": np.array(expected)}, {"p": np.array(given)})


def test_the_distance_of_answers_counts_other_bits_and_measures_how_far() -> None:
    assert distance([0.5, 0.25], [0.5, 0.25]) == Distance(2, 0, 0.0)
    assert distance([0.5, 0.25, 0.125], [0.5, 0.75, 0.0]) == Distance(3, 2, 0.5)
    assert distance([1.0], [np.nextafter(1.0, 2)]) == Distance(1, 1, 2.0**-52)
    assert distance([np.nan, np.inf], [np.nan, np.inf]) == Distance(2, 0, 0.0)
    assert distance([0.0], [-0.0]) == Distance(1, 1, 0.0)


def test_answers_without_a_distance_are_infinitely_far() -> None:
    assert distance([np.nan], [0.5]).largest == np.inf
    assert distance([np.inf], [-np.inf]).largest == np.inf
    texts = [np.array(["a", "b"], dtype=object), np.array(["a", "c"], dtype=object)]
    assert measure_distance({"w": texts[0]}, {"w": texts[1]}) == Distance(2, 1, np.inf)
    numbers = {"p": np.array([0.5, 0.25])}
    for other in ({"q": numbers["p"]}, {"p": numbers["p"].astype("f4")}, {"p": numbers["p"][:1]}, {}):
        assert measure_distance(numbers, other) == Distance(2, 2, np.inf)


FLOATS = st.lists(st.floats(width=64), max_size=8)


@settings(deadline=None)
@given(FLOATS, st.data())
def test_the_distance_is_that_of_the_farthest_answer_whichever_side_is_asked(
    expected: list[float], data: st.DataObject
) -> None:
    size = len(expected)
    other = data.draw(st.lists(st.floats(width=64), min_size=size, max_size=size))
    there, back = distance(expected, other), distance(other, expected)
    assert (there, distance(expected, expected)) == (back, Distance(size, 0, 0.0))
    pairs = [(a, b) for a, b in zip(expected, other, strict=True) if a != b and not (np.isnan(a) and np.isnan(b))]
    with np.errstate(all="ignore"):
        apart = [float(np.abs(np.float64(a) - np.float64(b))) for a, b in pairs]
    assert there.largest == max((np.inf if np.isnan(far) else far for far in apart), default=0.0)
    assert there.different >= len(pairs)
