"""Open Inference bodies and a plain HTTP client for the tests."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from shipway.models import Array, datatype_of

sys.path.insert(0, str(Path(__file__).parent.parent / "serve"))  # the model that both rooms are tested with

from served_model import NUMBER_INPUTS, RELEASE, TEXT_INPUTS, Running, Served, make_served, rows_of, serving, start

__all__ = [
    "NUMBER_INPUTS",
    "RELEASE",
    "TEXT_INPUTS",
    "Answer",
    "Running",
    "Served",
    "ask",
    "binary_message",
    "infer",
    "make_served",
    "rows_of",
    "serving",
    "start",
    "tensors",
]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        (text,) = self.json.values()
        assert list(self.json) == ["error"]
        assert "Traceback" not in text
        return str(text)


def ask(address: str, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(address, timeout=20)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


def infer(
    address: str, message: object, headers: Mapping[str, str] | None = None, *, path: str = "/v2/models/delay/infer"
) -> Answer:
    """POSTs a JSON message, or bytes as they are."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return ask(address, "POST", path, body, headers)


def tensors(columns: Mapping[str, Array]) -> list[dict[str, Any]]:
    """The columns as JSON tensors."""
    return [
        {"name": name, "shape": [len(array)], "datatype": datatype_of(array), "data": array.tolist()}
        for name, array in columns.items()
    ]


def binary_message(columns: Mapping[str, Array], **rest: object) -> tuple[bytes, dict[str, str]]:
    """A body with binary tensors, and its header."""
    parts, inputs = [], []
    for name, array in columns.items():
        data = _bytes(array)
        parts.append(data)
        inputs.append(
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": datatype_of(array),
                "parameters": {"binary_data_size": len(data)},
            }
        )
    head = json.dumps({"inputs": inputs, **rest}).encode()
    return b"".join([head, *parts]), {"Inference-Header-Content-Length": str(len(head))}


def _bytes(array: Array) -> bytes:
    if array.dtype != np.dtype(object):
        return array.tobytes()
    return b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in array.tolist())
