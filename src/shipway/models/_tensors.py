"""Files that take and give tensors: how columns become the tensors that a file asks for, and what its answers mean.

Each input is a column of its name, or the one input is the matrix of all of them in signature order. What the outputs mean is
read from their names and from the classes that the file says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from shipway.kernel.canonical import Json
from shipway.models._columns import Array
from shipway.models._model import ModelUnknown
from shipway.models._signature import Column, Signature
from shipway.models._stack import stack

Kind = np.dtype[Any]
_NUMBERS: dict[str, Kind] = {
    "tensor(double)": np.dtype("f8"), "tensor(float)": np.dtype("f4"), "tensor(float16)": np.dtype("f2"),
    "tensor(int64)": np.dtype("i8"), "tensor(int32)": np.dtype("i4"), "tensor(int16)": np.dtype("i2"),
    "tensor(int8)": np.dtype("i1"), "tensor(uint64)": np.dtype("u8"), "tensor(uint32)": np.dtype("u4"),
    "tensor(uint16)": np.dtype("u2"), "tensor(uint8)": np.dtype("u1"), "tensor(bool)": np.dtype("?"),
}  # fmt: skip
_TEXT = "tensor(string)"
_FLOATS = frozenset({"tensor(double)", "tensor(float)", "tensor(float16)"})
Feed = Callable[[Mapping[str, Array]], dict[str, Array]]


class Port(NamedTuple):
    """An input or output as onnxruntime describes one: `tensor(float)`, and a shape in which no number is any size."""

    name: str
    type: str
    shape: Sequence[int | str | None]


class Answer(NamedTuple):
    """A column of the signature, the output that holds it, and which of its columns that is (None: the only one)."""

    column: Column
    output: str
    place: int | None


def values_of(given: Array, answer: Answer) -> Array:
    values = given.reshape(len(given), -1)[:, answer.place or 0]
    if answer.column.datatype == "BYTES":
        return values.astype(object)
    return np.ascontiguousarray(values, dtype=np.float64)


def feed_of(wanted: Sequence[Any], inputs: tuple[Column, ...]) -> Feed:
    """How columns become the tensors that the file asks for. Raises ModelUnknown when they cannot."""
    for tensor in wanted:
        if tensor.type != _TEXT and tensor.type not in _NUMBERS:
            raise ModelUnknown(f"the input {tensor.name} is {tensor.type}: columns are numbers, flags and text")
        if not tensor.shape or isinstance(tensor.shape[0], int):
            raise ModelUnknown(
                f"the input {tensor.name} has the shape {tensor.shape}: it takes no other number of rows",
                mend="export the model with a first dimension that has no size",
            )
    names = {column.name for column in inputs}
    if {tensor.name for tensor in wanted} == names and all(_width(tensor) == 1 for tensor in wanted):
        return _by_name(wanted, {column.name: column for column in inputs})
    if len(wanted) == 1 and len(wanted[0].shape) == 2 and _width(wanted[0]) in (None, len(inputs)):
        return _as_matrix(wanted[0], inputs)
    asked = ", ".join(f"{tensor.name} {tensor.type}{tensor.shape}" for tensor in wanted)
    raise ModelUnknown(
        f"the file takes {asked}; the columns are {', '.join(column.name for column in inputs)}",
        mend="name each input as its column, one value a row, or take one matrix of all columns in their order",
    )


def _by_name(wanted: Sequence[Any], inputs: Mapping[str, Column]) -> Feed:
    shapes = {tensor.name: (-1,) if len(tensor.shape) == 1 else (-1, 1) for tensor in wanted}
    kinds = {tensor.name: _NUMBERS.get(tensor.type) for tensor in wanted}
    for name, kind in kinds.items():
        if (kind is None) != (inputs[name].datatype == "BYTES"):
            raise ModelUnknown(f"the input {name} is {'text' if kind is None else kind}, the column {inputs[name].datatype}")
    return lambda columns: {name: _cast(columns[name], kind).reshape(shapes[name]) for name, kind in kinds.items()}


def _as_matrix(wanted: Any, inputs: tuple[Column, ...]) -> Feed:
    name, kind, signature = wanted.name, _NUMBERS.get(wanted.type), Signature(inputs, ())
    odd = next((column for column in inputs if (column.datatype == "BYTES") != (kind is None)), None)
    if odd is not None:
        raise ModelUnknown(f"the matrix {name} is {'text' if kind is None else kind}, the column {odd.name} {odd.datatype}")
    return lambda columns: {name: _cast(stack(columns, signature), kind)}


def _cast(values: Array, kind: Kind | None) -> Array:
    """As the tensor's type; text that is missing is the empty text, since ONNX knows no other."""
    if kind is not None:
        return values.astype(kind, copy=False)
    filled = values.copy()
    filled[np.equal(values, np.array(None))] = ""
    return filled


def _width(tensor: Any) -> int | None:
    """Values a row; None when the file does not say."""
    if len(tensor.shape) == 1:
        return 1
    return tensor.shape[1] if len(tensor.shape) == 2 and isinstance(tensor.shape[1], int) else None


def answers_of(outputs: Sequence[Any], classes: str | None) -> tuple[list[Answer], list[Any] | None]:
    """What the outputs are, and the classes of a classifier. Raises ModelUnknown when the file does not say it.

    outputs: Ports, or what onnxruntime has for them; classes: a JSON list, where the file says some.
    """
    for output in outputs:
        if output.type != _TEXT and output.type not in _NUMBERS:
            raise ModelUnknown(
                f"the output {output.name} is {output.type}, no table",
                mend="convert without ZipMap: options={'zipmap': False}",
            )
        if _width(output) is None:
            raise ModelUnknown(f"the output {output.name} has the shape {output.shape}, not so many numbers a row")
    floats = [output for output in outputs if output.type in _FLOATS]
    said = _said_classes(classes)
    if len(floats) == 1:
        (scores,), labels = floats, [output for output in outputs if output.type not in _FLOATS]
        if labels or said or scores.name.lower().startswith("prob"):
            return _classifier(scores, said, text=any(output.type == _TEXT for output in labels))
    if not floats and len(outputs) == 1 and _width(outputs[0]) == 1:
        kind = "BYTES" if outputs[0].type == _TEXT else "FP64"
        return [Answer(Column("prediction", kind), outputs[0].name, None)], said
    if all(_width(output) == 1 for output in floats) and floats:
        names = ["prediction"] if len(floats) == 1 else [output.name for output in floats]
        return [Answer(Column(name, "FP64"), out.name, None) for name, out in zip(names, floats, strict=True)], None
    asked = ", ".join(f"{output.name} {output.type}{output.shape}" for output in outputs)
    raise ModelUnknown(
        f"the file answers {asked} and does not say what that is",
        mend="call the probabilities of a classifier `probabilities`, or name its classes in the property `classes`",
    )


def _classifier(scores: Any, said: list[Any] | None, *, text: bool) -> tuple[list[Answer], list[Any]]:
    """The second class's probability, or every class's; without a word about them the classes are 0, 1, 2."""
    width = _width(scores) or 1
    if said is None and text:
        raise ModelUnknown(
            "the file does not say which classes it has",
            mend="onnx.helper.set_model_props(model, {'classes': json.dumps(list(estimator.classes_))})",
        )
    classes = said if said is not None else list(range(max(width, 2)))
    if len(classes) != max(width, 2):
        raise ModelUnknown(f"the output {scores.name} has {width} numbers a row for {len(classes)} classes")
    if width <= 2:
        return [Answer(Column("probability", "FP64"), scores.name, width - 1)], classes
    columns = [Column(f"probability_{name}", "FP64") for name in classes]
    return [Answer(column, scores.name, place) for place, column in enumerate(columns)], classes


def _said_classes(text: str | None) -> list[Json] | None:
    """What the file says as `classes`: a JSON list. Raises ModelUnknown for anything else."""
    if text is None:
        return None
    try:
        classes = json.loads(text)
    except ValueError:
        classes = None
    if not isinstance(classes, list) or not all(isinstance(name, str | int | float) for name in classes):
        raise ModelUnknown(f"the `classes` of the file are no JSON list of classes: {text[:80]}")
    return classes
