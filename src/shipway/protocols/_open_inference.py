"""Open Inference Protocol v2 over REST: bodies to requests of the Predictor and its responses to bodies; nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from shipway.models import Array, InputMismatch, Signature, matrix_of
from shipway.protocols._http import BodyMalformed, Headers, NotOffered, Reply, json_reply
from shipway.protocols._json import Plain, decode_body, decode_usual
from shipway.protocols._tensors import binary_data, parse_binary_tensor, parse_json_tensor, wire_datatype
from shipway.serve import Request, Response

BINARY_LENGTH = b"inference-header-content-length"
_ID_LENGTH = 256  # characters; an id is written into the record of every request
MATRIX = "input"  # one FP64 tensor of this name stands for all inputs of a numeric model, in the signature's order


_MATRIX = b'"input"'
_NO_DATA = msgspec.Raw()


class _TensorParameters(msgspec.Struct):
    binary_data_size: int | None = None
    shared_memory_region: str | None = None


class _OutputParameters(msgspec.Struct):
    binary_data: bool | None = None
    classification: int | None = None
    shared_memory_region: str | None = None


class _RequestParameters(msgspec.Struct):
    binary_data_output: bool = False


class _Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: _TensorParameters = msgspec.field(default_factory=_TensorParameters)
    data: msgspec.Raw = _NO_DATA


class _RequestedOutput(msgspec.Struct):
    name: str
    parameters: _OutputParameters = msgspec.field(default_factory=_OutputParameters)


class _Asked(msgspec.Struct, kw_only=True):
    """What a request says beside its tensors."""

    id: str = ""
    parameters: _RequestParameters = msgspec.field(default_factory=_RequestParameters)
    outputs: list[_RequestedOutput] | None = None


class _InferRequest(_Asked, kw_only=True):
    inputs: list[_Tensor]


class _UsualTensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[Plain]
    parameters: msgspec.Raw = _NO_DATA


class _UsualRequest(_Asked, kw_only=True):
    inputs: list[_UsualTensor]


_decoder = msgspec.json.Decoder(_InferRequest)
_usual_decoder = msgspec.json.Decoder(_UsualRequest)


class Wanted(NamedTuple):
    """How the client wants its answer: which outputs (none named: all), in which order, and which of them as binary data."""

    outputs: tuple[str, ...]
    binary: frozenset[str]


ALL = Wanted((), frozenset())


def parse_infer(body: bytes, headers: Headers, signature: Signature) -> tuple[Request, Wanted]:
    """The request in a body and how to answer it; raises BodyMalformed and InputMismatch (which input, expected, given)."""
    message: _Asked
    usual = _read_usual(body, signature) if BINARY_LENGTH not in headers else None
    if usual is not None:
        message, columns = usual
    else:
        text, binary = _split(body, headers)
        whole = decode_body(_decoder, text, "an Open Inference request")
        message, columns = whole, _all_columns(whole.inputs, binary, signature)
    check_id(message.id)
    return Request(message.id or None, columns), _wanted(message, signature)


def render_infer(response: Response, wanted: Wanted) -> Reply:
    """The body of an answer."""
    outputs, tail = [], []
    for name in wanted.outputs or response.outputs:
        array, as_binary = response.outputs[name], name in wanted.binary
        tensor: dict[str, object] = {"name": name, "datatype": wire_datatype(array), "shape": list(array.shape)}
        if as_binary:
            tail.append(binary_data(array))
            tensor["parameters"] = {"binary_data_size": len(tail[-1])}
        elif tensor["datatype"] == "FP16":
            raise BodyMalformed(f"output {name!r}: FP16 has no form in JSON", mend="ask for it with binary_data")
        else:
            tensor["data"] = array.ravel().tolist()
        outputs.append(tensor)
    head = {
        "model_name": response.model_name,
        "model_version": response.release,
        "id": response.id,
        "parameters": {"release": response.release},
        "outputs": outputs,
    }
    if not tail:
        return json_reply(head)
    text = msgspec.json.encode(head)
    length = (b"inference-header-content-length", str(len(text)).encode())
    return Reply(200, b"".join((text, *tail)), b"application/octet-stream", (length,))


def describe_model(name: str, *, versions: Sequence[str], signature: Signature) -> dict[str, object]:
    """Model metadata; -1 is the number of rows."""
    return {
        "name": name,
        "versions": [*versions],
        "platform": "shipway",
        "inputs": [{"name": column.name, "datatype": column.datatype, "shape": [-1]} for column in signature.inputs],
        "outputs": [{"name": column.name, "datatype": column.datatype, "shape": [-1]} for column in signature.outputs],
    }


def _split(body: bytes, headers: Headers) -> tuple[bytes, memoryview]:
    declared = headers.get(BINARY_LENGTH)
    if declared is None:
        return body, memoryview(b"")
    if not declared.isdigit() or int(declared) > len(body):
        given = declared.decode("latin-1")
        raise BodyMalformed(f"Inference-Header-Content-Length: expected at most the body's {len(body)} bytes, given {given!r}")
    return body[: int(declared)], memoryview(body)[int(declared) :]


def _read_usual(body: bytes, signature: Signature) -> tuple[_Asked, Mapping[str, Array]] | None:
    """A request of one JSON tensor for each input, flat, in one look; None for any other, which is read with care."""
    count = len(signature.inputs)
    if count < 2 or _MATRIX in body:  # one tensor is quick as it is
        return None
    message = decode_usual(_usual_decoder, body)
    if message is None or len(message.inputs) != count:
        return None
    found: list[list[Plain]] = [[]] * count
    places, inputs, rows = signature.places, signature.inputs, len(message.inputs[0].data)
    for tensor in message.inputs:
        place = places.get(tensor.name)
        if place is None or tensor.datatype != inputs[place].datatype or found[place] or tensor.parameters:
            return None
        if tensor.shape != [rows] and tensor.shape != [rows, 1]:
            return None
        found[place] = tensor.data
    columns = signature.maker.of_columns(found)
    return None if columns is None else (message, columns)


def _raw_columns(tensors: list[_Tensor], binary: memoryview, signature: Signature) -> Mapping[str, Array] | None:
    """Of one binary tensor for each input, all of the same rows; None for whatever has to be read with care."""
    count = len(signature.inputs)
    if len(tensors) != count or not tensors[0].shape or not signature.maker.takes_raw(tensors[0].shape[0]):
        return None
    found: list[memoryview] = [binary[:0]] * count
    inputs, places, sizes, rows, at = signature.inputs, signature.places, signature.maker.sizes, tensors[0].shape[0], 0
    for tensor in tensors:
        place, size = places.get(tensor.name), tensor.parameters.binary_data_size
        if place is None or not size or size < 0 or found[place] or tensor.datatype != inputs[place].datatype:
            return None
        if tensor.shape != [rows] and tensor.shape != [rows, 1]:
            return None
        if (width := sizes[place]) is not None and size != rows * width:
            return None
        found[place] = binary[at : at + size]
        at += size
    return signature.maker.of_raw(found, rows) if at == len(binary) else None


def _all_columns(tensors: list[_Tensor], binary: memoryview, signature: Signature) -> Mapping[str, Array]:
    if len(tensors) == 1 and (tensors[0].parameters.binary_data_size or 0) == len(binary):
        return named_columns(tensors[0].name, _parse_tensor(tensors[0], binary), signature)  # so the matrix stays one
    if binary and (usual := _raw_columns(tensors, binary, signature)) is not None:
        return usual
    columns: dict[str, Array] = {}
    at = 0
    for tensor in tensors:
        size = tensor.parameters.binary_data_size or 0
        array = _parse_tensor(tensor, binary[at : at + size])
        at += size
        for name, column in named_columns(tensor.name, array, signature).items():
            if name in columns:
                raise InputMismatch(column=name, expected="each input once", given="two of this name")
            columns[name] = column
    if at != len(binary):
        raise BodyMalformed(f"binary data: expected {at} bytes after the JSON, given {len(binary)}")
    return columns


def _parse_tensor(tensor: _Tensor, binary: memoryview) -> Array:
    size = tensor.parameters.binary_data_size
    if size is None:
        if tensor.parameters.shared_memory_region is not None:
            raise InputMismatch(column=tensor.name, expected="its data in the body", given="a region of shared memory")
        if tensor.data == _NO_DATA:
            raise InputMismatch(column=tensor.name, expected="data, or binary_data_size in parameters", given="neither")
        return parse_json_tensor(tensor.name, tensor.datatype, tensor.shape, tensor.data)
    if size < 0 or len(binary) != size:
        raise InputMismatch(column=tensor.name, expected=f"{size} bytes of binary data", given=f"{len(binary)} bytes")
    return parse_binary_tensor(tensor.name, tensor.datatype, tensor.shape, binary)


def named_columns(name: str, array: Array, signature: Signature) -> Mapping[str, Array]:
    """A tensor as columns: [n] or [n, 1] is one, the matrix is all of the signature. Raises InputMismatch."""
    if name == MATRIX and array.ndim == 2 and MATRIX not in signature.places:
        return matrix_of(array, signature, name=MATRIX)
    if array.ndim == 2 and array.shape[1] == 1:
        return {name: array.reshape(-1)}
    if array.ndim != 1:
        raise InputMismatch(column=name, expected="shape [n]", given=f"shape {list(array.shape)}")
    return {name: array}


def _wanted(message: _Asked, signature: Signature) -> Wanted:
    default = message.parameters.binary_data_output
    if not message.outputs and not default:
        return ALL
    for output in message.outputs or ():
        _check_output(output)
    asked = {output.name: output.parameters.binary_data for output in message.outputs or ()}
    wanted = wanted_outputs(asked, signature) or tuple(column.name for column in signature.outputs)
    binary = (name for name in wanted if (default if (own := asked.get(name)) is None else own))
    return Wanted(wanted, frozenset(binary))


def wanted_outputs(asked: Iterable[str], signature: Signature) -> tuple[str, ...]:
    """The outputs that are asked for, each once; raises BodyMalformed for one that there is not."""
    known = [column.name for column in signature.outputs]
    wanted = tuple(dict.fromkeys(asked))
    for name in wanted:
        if name not in known:
            raise BodyMalformed(f"output {name!r}: expected one of {', '.join(known)}")
    return wanted


def check_id(id: str) -> None:
    """Raises BodyMalformed for a request's id that is too long to be written into each record."""
    if len(id) > _ID_LENGTH:
        raise BodyMalformed(f"id: expected at most {_ID_LENGTH} characters, given {len(id)}")


def _check_output(output: _RequestedOutput) -> None:
    """Raises NotOffered for what Triton makes of an output, and a predictor does not."""
    if output.parameters.classification:
        what = f"output {output.name!r}: a predictor gives no classification of an output"
        raise NotOffered(what, mend="take the scores, or a model whose output is the class")
    if output.parameters.shared_memory_region is not None:
        raise NotOffered(f"output {output.name!r}: a predictor shares no memory with its clients", mend="take it in the body")
