"""Open Inference v2 over gRPC: messages to requests of the Predictor and its responses to messages; nothing else.

Tensors are columns as over HTTP: [n] or [n, 1], or one FP64 matrix. They come raw, as the binary extension of HTTP has them, or
as typed contents, and go as they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np

from shipway.models import DATATYPES, Array, InputMismatch, Signature
from shipway.protocols._grpc_messages import kind_of
from shipway.protocols._http import BodyMalformed, NotOffered
from shipway.protocols._open_inference import check_id, named_columns, wanted_outputs
from shipway.protocols._tensors import binary_data, parse_binary_tensor, wire_datatype
from shipway.serve import Request, Response

_FIELDS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_OTHERS = {kind: tuple(sorted({*_FIELDS.values()} - {field})) for kind, field in _FIELDS.items()}
_SHARED_MEMORY = "shared_memory_region"
_WANTS_FINAL, _FINAL = "triton_enable_empty_final_response", "triton_final_response"


class Wanted(NamedTuple):
    """How the client wants its answer: which outputs (none named: all); raw or typed; marked as the last one of its request;
    with the arm that answers, where there are several.
    """

    outputs: tuple[str, ...]
    raw: bool
    final: bool
    arm: bool


class Reader:
    """Reads requests for one model. splits: whether several releases answer."""

    def __init__(self, signature: Signature, *, splits: bool = False) -> None:
        self._signature, self._splits = signature, splits

    def read(self, message: Any) -> tuple[Request, Wanted]:
        """The request in a ModelInferRequest and how to answer it; raises BodyMalformed and InputMismatch."""
        check_id(message.id)
        raw, inputs = message.raw_input_contents, message.inputs
        if raw and len(raw) != len(inputs):
            raise BodyMalformed(f"raw_input_contents: expected one for each of {len(inputs)} inputs or none, given {len(raw)}")
        for output in message.outputs:
            _refuse_memory(output.name, output.parameters)
            if "classification" in output.parameters:
                what = f"output {output.name!r}: a predictor gives no classification of an output"
                raise NotOffered(what, mend="take the scores, or a model whose output is the class")
        outputs = wanted_outputs((output.name for output in message.outputs), self._signature)
        final = _WANTS_FINAL in message.parameters and message.parameters[_WANTS_FINAL].bool_param
        return Request(message.id or None, self._columns(inputs, raw)), Wanted(outputs, bool(raw), final, self._splits)

    def _columns(self, inputs: Any, raw: Any) -> Mapping[str, Array]:
        if len(inputs) == 1:  # so the matrix stays one
            array = _raw(inputs[0], raw[0]) if raw else _typed(inputs[0])
            return named_columns(inputs[0].name, array, self._signature)
        usual = self._usual(inputs, raw) if raw else self._usual_typed(inputs)
        if usual is not None:
            return usual
        columns: dict[str, Array] = {}
        for number, tensor in enumerate(inputs):
            array = _raw(tensor, raw[number]) if raw else _typed(tensor)
            found = named_columns(tensor.name, array, self._signature)
            for own in found:
                if own in columns:
                    raise InputMismatch(column=own, expected="each input once", given="two of this name")
            columns |= found
        return columns

    def _usual(self, inputs: Any, raw: Any) -> Mapping[str, Array] | None:
        """Of one raw tensor for each input, all of the same rows; None for whatever has to be read with care."""
        columns, places, maker = self._signature.inputs, self._signature.places, self._signature.maker
        if len(inputs) != len(columns) or not inputs[0].shape or not maker.takes_raw(inputs[0].shape[0]):
            return None
        found, rows = [b""] * len(columns), inputs[0].shape[0]
        for tensor, data in zip(inputs[:], raw[:], strict=True):
            place = places.get(tensor.name)
            if place is None or not data or found[place] or tensor.datatype != columns[place].datatype:
                return None
            width = maker.sizes[place]
            if not _is_column(tensor.shape, rows):
                return None
            if (width is not None and len(data) != rows * width) or tensor.parameters or tensor.HasField("contents"):
                return None
            found[place] = data
        return maker.of_raw(found, rows)

    def _usual_typed(self, inputs: Any) -> Mapping[str, Array] | None:
        """The same of typed contents."""
        columns, places = self._signature.inputs, self._signature.places
        if len(inputs) != len(columns) or not inputs[0].shape:
            return None
        found: list[list[Any]] = [[]] * len(columns)
        rows = inputs[0].shape[0]
        for tensor in inputs[:]:
            place, datatype, contents = places.get(tensor.name), tensor.datatype, tensor.contents
            if place is None or found[place] or datatype != columns[place].datatype or tensor.parameters:
                return None
            if datatype not in _FIELDS or not _is_column(tensor.shape, rows):
                return None
            values = getattr(contents, _FIELDS[datatype])
            if len(values) != rows or any(len(getattr(contents, other)) for other in _OTHERS[datatype]):
                return None
            found[place] = values[:]  # iterating over it costs a microsecond
            if datatype == "BYTES":
                try:
                    found[place] = [value.decode() for value in found[place]]
                except UnicodeDecodeError:
                    return None
        return self._signature.maker.of_columns(found)


def _is_column(shape: Any, rows: int) -> bool:
    """Whether it is [rows] or [rows, 1]. To compare it with a list would cost three times as much."""
    size = len(shape)
    return 0 < size < 3 and shape[0] == rows and (size == 1 or shape[1] == 1)


def said_headers(message: Any) -> dict[bytes, bytes]:
    """The parameters of a request that are text, as headers: a stream has its metadata once, and each request its own user."""
    return {
        name.lower().encode(): value.string_param.encode()
        for name, value in message.parameters.items()
        if value.HasField("string_param")
    }


def fill_response(message: Any, response: Response, wanted: Wanted) -> None:
    """Writes an answer into a ModelInferResponse that is empty."""
    message.model_name, message.model_version, message.id = response.model_name, response.release, response.id
    message.parameters["release"].string_param = response.release
    if wanted.arm:
        message.parameters["arm"].string_param = response.arm
        if response.instead:
            message.parameters["arm_failed"].string_param = response.instead
    if wanted.final:
        message.parameters[_FINAL].bool_param = True
    arrays = [
        (name, response.outputs[name], wire_datatype(response.outputs[name])) for name in wanted.outputs or response.outputs
    ]
    raw = wanted.raw or any(datatype not in _FIELDS for _, _, datatype in arrays)
    for name, array, datatype in arrays:
        tensor = message.outputs.add(name=name, datatype=datatype, shape=array.shape)
        if raw:
            message.raw_output_contents.append(binary_data(array))
        else:
            getattr(tensor.contents, _FIELDS[datatype]).extend(_elements(array, datatype))


def response_bytes(response: Response, wanted: Wanted) -> bytes:
    """The ModelInferResponse of an answer."""
    message = kind_of("ModelInferResponse")()
    fill_response(message, response, wanted)
    return bytes(message.SerializeToString())


def _raw(tensor: Any, data: bytes) -> Array:
    _refuse_memory(tensor.name, tensor.parameters)
    if tensor.HasField("contents"):
        raise InputMismatch(column=tensor.name, expected="raw_input_contents or contents", given="both")
    return parse_binary_tensor(tensor.name, tensor.datatype, tensor.shape[:], memoryview(data))


def _typed(tensor: Any) -> Array:
    """The array of typed contents, in the one field of its datatype."""
    _refuse_memory(tensor.name, tensor.parameters)
    datatype, shape = tensor.datatype, tensor.shape[:]
    if datatype not in _FIELDS or not shape or min(shape) < 0:
        if datatype == "FP16":
            raise InputMismatch(column=tensor.name, expected="raw_input_contents for FP16", given="contents")
        parse_binary_tensor(tensor.name, datatype, shape, memoryview(b""))  # says what is wrong with it
    field = _FIELDS[datatype]
    other = next((found.name for found, _ in tensor.contents.ListFields() if found.name != field), None)
    if other:
        raise InputMismatch(column=tensor.name, expected=f"{field} for {datatype}", given=other)
    elements = getattr(tensor.contents, field)
    if len(elements) != prod(shape):
        expected = f"{prod(shape)} elements of {field} for shape {shape}"
        raise InputMismatch(column=tensor.name, expected=expected, given=f"{len(elements)}")
    return _array(tensor.name, datatype, elements).reshape(shape)


def _array(name: str, datatype: str, elements: Any) -> Array:
    if datatype == "BYTES":
        try:
            return np.array([element.decode() for element in elements], dtype=object)
        except UnicodeDecodeError as problem:
            raise InputMismatch(column=name, expected="BYTES elements in UTF-8", given=repr(problem.object[:20])) from None
    try:
        return np.array(elements[:], np.dtype(DATATYPES[datatype]))
    except OverflowError as problem:
        raise InputMismatch(column=name, expected=f"values that {datatype} can hold", given=str(problem)) from problem


def _elements(array: Array, datatype: str) -> list[Any]:
    values: list[Any] = array.ravel().tolist()
    if datatype == "BYTES":
        return [value if isinstance(value, bytes) else str(value).encode() for value in values]
    return values


def _refuse_memory(name: str, parameters: Any) -> None:
    if _SHARED_MEMORY in parameters:
        raise InputMismatch(column=name, expected="its data in the message", given="a region of shared memory")
