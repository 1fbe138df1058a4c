"""ONNX files: what they take and give, and which are refused unread."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from models_help import manifest_of, rows
from onnx import TensorProto, helper
from onnx_help import hostile, linear, outside, passing

from shipway.models import Column, ModelUnknown, ModelUntrusted, Predictable, Signature, load_model
from shipway.models._onnx_file import check_onnx_bytes

NUMBERS = (Column("hour", "INT64"), Column("temp", "FP64"))
WEIGHTS = [[0.1, -0.2], [0.3, 0.4]]


def load(model: Any, folder: Path, inputs: tuple[Column, ...] = NUMBERS) -> Predictable:
    path = folder / "model.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return load_model(manifest_of(path, Signature(inputs, ()), format="onnx"), path)


def names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def test_a_matrix_of_all_columns_gives_the_probability_of_the_second_class(tmp_path: Path) -> None:
    model = load(linear(WEIGHTS), tmp_path)
    columns = rows() | {"temp": np.nan_to_num(rows()["temp"].astype(float))}
    logits = np.column_stack([columns["hour"], columns["temp"]]).astype("f4") @ np.array(WEIGHTS, dtype="f4")
    expected = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    given = model.predict(columns)
    assert model.signature.outputs == (Column("probability", "FP64"),)
    np.testing.assert_allclose(given["probability"].astype(float), expected, atol=1e-6)


def test_three_classes_give_one_output_each_by_the_names_that_the_file_says(tmp_path: Path) -> None:
    three = [[0.1, 0.2, 0.3], [0.0, 0.1, 0.0]]
    assert names(load(linear(three), tmp_path).signature.outputs) == ["probability_0", "probability_1", "probability_2"]
    said = load(linear(three, classes=json.dumps(["early", "late", "never"])), tmp_path)
    assert names(said.signature.outputs) == ["probability_early", "probability_late", "probability_never"]


@pytest.mark.parametrize(
    ("output", "properties", "expected"),
    [("value", {}, "prediction"), ("probability", {}, "probability"), ("value", {"classes": "[0, 1]"}, "probability")],
)
def test_one_number_a_row_is_a_prediction_unless_the_file_calls_it_a_probability(
    tmp_path: Path, output: str, properties: dict[str, str], expected: str
) -> None:
    model = load(linear([[0.1], [0.2]], output=output, link="Sigmoid", **properties), tmp_path)
    assert names(model.signature.outputs) == [expected]


def test_inputs_of_the_columns_own_names_get_them_in_their_types(tmp_path: Path) -> None:
    kinds: dict[str, tuple[int, list[Any]]] = {
        "temp": (TensorProto.FLOAT, [None, 1]),
        "hour": (TensorProto.INT64, ["rows"]),
        "carrier": (TensorProto.STRING, [None, 1]),
    }
    inputs = (Column("carrier", "BYTES"), *NUMBERS)
    numbers = load(passing(kinds, {"degrees": "temp", "cold": "temp"}), tmp_path, inputs).predict(rows())
    np.testing.assert_array_equal(numbers["degrees"], rows()["temp"].astype("f4").astype("f8"), strict=True)
    text = load(passing(kinds, {"who": "carrier"}), tmp_path, inputs).predict(rows())
    assert text["prediction"].tolist() == [name or "" for name in rows()["carrier"]]
    whole = load(passing(kinds, {"when": "hour"}), tmp_path, inputs).predict(rows())
    np.testing.assert_array_equal(whole["prediction"], rows()["hour"].astype("f8"), strict=True)


def test_no_rows_give_no_answers(tmp_path: Path) -> None:
    given = load(linear(WEIGHTS), tmp_path).predict({name: array[:0] for name, array in rows().items()})
    assert {name: array.shape for name, array in given.items()} == {"probability": (0,)}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (linear([[0.1, 0.2]] * 3), "the file takes x tensor(float)[None, 3]; the columns are hour, temp"),
        (linear([[0.1, 0.2]] * 2, output="z2"), "does not say what that is"),
        (linear(WEIGHTS, classes='["a", "b", "c"]'), "2 numbers a row for 3 classes"),
        (linear(WEIGHTS, classes="a, b"), "no JSON list of classes"),
        (passing({"x": (TensorProto.FLOAT, [1, 2])}, {"y": "x"}), "it takes no other number of rows"),
        (passing({"x": (TensorProto.FLOAT, [None, 2, 2])}, {"y": "x"}), "the file takes x"),
        (passing({"x": (TensorProto.STRING, [None, 2])}, {"y": "x"}), "the matrix x is text, the column hour INT64"),
        (passing({"hour": (TensorProto.STRING, [None]), "temp": (TensorProto.FLOAT, [None])}, {"y": "temp"}), "hour is text"),
        (b"", "not an ONNX file"),
        (b"location, and nothing else that", "not an ONNX file"),
        (b"PK\x03\x04 a zip", "not an ONNX file"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_says_why(tmp_path: Path, model: Any, words: str) -> None:
    with pytest.raises(ModelUnknown) as refusal:
        load(model, tmp_path)
    assert words in refusal.value.what


def test_a_classifier_converted_with_a_zipmap_says_how_to_convert_it(tmp_path: Path) -> None:
    given = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    output = helper.make_value_info("p", helper.make_sequence_type_proto(given))
    zipped = helper.make_node("ZipMap", ["x"], ["p"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])
    takes = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    graph = helper.make_graph([zipped], "g", [takes], [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 1)], ir_version=9)
    with pytest.raises(ModelUnknown) as refusal:
        load(model, tmp_path)
    assert refusal.value.mend == "convert without ZipMap: options={'zipmap': False}"


@pytest.mark.parametrize("place", hostile())
def test_a_tensor_that_is_elsewhere_is_refused_before_the_file_is_looked_at(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: pytest.fail("the file was given to onnxruntime"))
    with pytest.raises(ModelUntrusted, match=r"tensor (w|hidden) are not in the file"):
        load(hostile()[place], tmp_path)


def test_every_way_of_the_format_to_a_tensor_is_walked() -> None:
    """The descriptors of the real library say which messages hold tensors; a new version of the format would show here."""
    found: set[tuple[str, int]] = set()
    waiting, seen = [onnx.ModelProto.DESCRIPTOR], set()
    reaching = _reaching(onnx.TensorProto.DESCRIPTOR.full_name)
    while waiting:
        message = waiting.pop()
        if message.full_name in seen or message.full_name == onnx.TensorProto.DESCRIPTOR.full_name:
            continue
        seen.add(message.full_name)
        for field in message.fields:
            if field.message_type is not None and field.message_type.full_name in reaching:
                found.add((message.name, field.number))
                waiting.append(field.message_type)
    from shipway.models._onnx_file import _WAYS

    known = {"model": "ModelProto", "graph": "GraphProto", "node": "NodeProto", "attribute": "AttributeProto",
             "sparse": "SparseTensorProto", "function": "FunctionProto", "training": "TrainingInfoProto"}  # fmt: skip
    assert found == {(known[kind], number) for kind, ways in _WAYS.items() for number in ways}


def _reaching(target: str) -> set[str]:
    """The messages from which one leads to the target, itself among them."""
    every = {message.full_name: message for message in onnx.ModelProto.DESCRIPTOR.file.message_types_by_name.values()}
    reaching = {target}
    while more := {
        name
        for name, message in every.items()
        if name not in reaching
        and any(f.message_type is not None and f.message_type.full_name in reaching for f in message.fields)
    }:
        reaching |= more
    return reaching


def test_a_word_that_looks_like_a_place_is_no_harm() -> None:
    check_onnx_bytes(linear(WEIGHTS, classes='["location", "external_data"]').SerializeToString())


def test_the_runtimes_own_format_is_refused(tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(linear(WEIGHTS).SerializeToString(), options, providers=["CPUExecutionProvider"])
    with pytest.raises(ModelUntrusted, match="onnxruntime's own format"):
        load((tmp_path / "model.ort").read_bytes(), tmp_path)


def test_messages_too_deep_within_each_other_are_no_model() -> None:
    data = outside("deep").SerializeToString()
    for number in [5, *[6, 5, 1] * 30, 7]:  # a tensor of a graph of an attribute of a node of a graph, and so on
        data = bytes([number << 3 | 2]) + _length(data) + data
    with pytest.raises(ModelUnknown, match="more than 64 deep"):
        check_onnx_bytes(data)


def _length(data: bytes) -> bytes:
    size, length = bytearray(), len(data)
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    size.append(length)
    return bytes(size)
