"""Whether an ONNX file is complete in itself, read from its bytes alone before any library looks at them.

A tensor of an ONNX file may say that its values are elsewhere: in another file, or at an address of memory. Here such a file
is refused. The walk knows the few fields of the format (protocol buffers) that lead to tensors, and skips all others unread.
"""

from __future__ import annotations

from collections.abc import Iterator

from shipway.models._model import ModelUnknown, ModelUntrusted

_DEEPEST = 64  # messages within each other; protocol buffers themselves stop at 100
_PLACE = b"location"  # the key under which a tensor names its other place: without it there is none
_ORT = b"ORTM"  # the mark of onnxruntime's own format, which it would read too

# message -> field number -> the message that the field holds, for the fields that lead to a tensor
_WAYS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 11: "attribute"},
    "training": {1: "graph", 2: "graph"},
}
_NAME, _EXTERNAL, _PLACED = 8, 13, 14  # of a tensor


def check_onnx_bytes(data: bytes) -> None:
    """Raises ModelUntrusted for a file that leads outside itself, ModelUnknown for bytes that are no ONNX file."""
    if data[4:8] == _ORT:
        raise ModelUntrusted("the file is in onnxruntime's own format, which is not checked", mend="save the model as ONNX")
    if _PLACE not in data:
        return
    try:
        outside = next(_outside(memoryview(data), "model", 0), None)
    except (IndexError, ValueError) as problem:
        raise ModelUnknown(f"not an ONNX file: {problem}") from problem
    if outside is not None:
        raise ModelUntrusted(
            f"the values of tensor {outside} are not in the file",
            mend="save the model as one file: onnx.save(model, path, save_as_external_data=False)",
        )


def _outside(message: memoryview, kind: str, depth: int) -> Iterator[str]:
    """The names of the tensors whose values are elsewhere."""
    if depth > _DEEPEST:
        raise ValueError(f"messages within each other, more than {_DEEPEST} deep")
    if kind == "tensor":
        yield from _tensor(message)
        return
    ways = _WAYS[kind]
    for number, value in _fields(message):
        if number in ways and isinstance(value, memoryview):
            yield from _outside(value, ways[number], depth + 1)


def _tensor(message: memoryview) -> Iterator[str]:
    name, outside = "", False
    for number, value in _fields(message):
        if number == _NAME and isinstance(value, memoryview):
            name = bytes(value).decode(errors="replace")
        outside |= number == _EXTERNAL or (number == _PLACED and value != 0)
    if outside:
        yield name or "without a name"


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview | None]]:
    """The fields of a message: number, and the value of a varint or the bytes of a field with a length."""
    place, end = 0, len(message)
    while place < end:
        tag, place = _varint(message, place)
        wire = tag & 7
        value: int | memoryview | None = None
        if wire == 0:
            value, place = _varint(message, place)
        elif wire == 1:
            place += 8
        elif wire == 5:
            place += 4
        elif wire == 2:
            size, place = _varint(message, place)
            value, place = message[place : place + size], place + size
        else:
            raise ValueError(f"wire type {wire}")
        if place > end:
            raise ValueError("it ends too early")
        yield tag >> 3, value


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
