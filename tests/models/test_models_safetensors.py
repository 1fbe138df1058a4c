"""Weights in safetensors, checked byte by byte before a class reads them."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipway.models import Array, Column, ModelUnknown, ModelUntrusted
from shipway.models._load import load_bytes
from shipway.models._safetensors import check_safetensors

INPUTS = (Column("x", "FP64"),)


def weights(header: Any = None, *, data: bytes | None = None) -> bytes:
    """Two tensors, or this header before these bytes."""
    given = header if header is not None else {
        "__metadata__": {"made": "here"},
        "w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
        "b": {"dtype": "I8", "shape": [], "data_offsets": [16, 17]},
    }  # fmt: skip
    text = given if isinstance(given, bytes) else json.dumps(given).encode()
    values = data if data is not None else np.arange(4, dtype="<f4").tobytes() + b"\x03"
    return struct.pack("<Q", len(text)) + text + values


class Summed:
    """x times the sum of the file's four floats."""

    def __init__(self, path: Path) -> None:
        self.sum = np.frombuffer(path.read_bytes()[-17:-1], "<f4").sum()

    def predict(self, columns: dict[str, Array]) -> object:
        return columns["x"] * self.sum


def test_a_class_gets_the_path_of_weights_that_were_checked() -> None:
    model = load_bytes("safetensors", weights(), INPUTS, own=Summed)
    assert model.predict({"x": np.array([2.0, 3.0])})["prediction"].tolist() == [12.0, 18.0]
    with pytest.raises(ModelUnknown, match="no model format 'safetensors'"):
        load_bytes("safetensors", weights(), INPUTS)


def tensor(shape: list[Any], offsets: list[Any], dtype: str = "I8") -> dict[str, Any]:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", ModelUnknown),
        (b"\x80\x04\x95 a pickle, not weights", ModelUnknown),
        (struct.pack("<Q", 1 << 62) + b"{}", ModelUnknown),
        (weights(b"[1]", data=b""), ModelUnknown),
        (weights(b"[" * 100_000, data=b""), ModelUnknown),
        (weights(b'{"w": {"dtype": "I8", "shape": [1], "data_offsets": [0, 1]}, "w": {}}', data=b"1"), ModelUnknown),
        (weights(tensor([2], [0, 2], "OBJECT"), data=b"12"), ModelUnknown),
        (weights(tensor([-1], [0, 1]), data=b"1"), ModelUnknown),
        (weights(tensor([1.0], [0, 1]), data=b"1"), ModelUnknown),
        (weights(tensor([True], [0, 1]), data=b"1"), ModelUnknown),
        (weights(tensor([1 << 60, 1 << 60], [0, 1]), data=b"1"), ModelUntrusted),
        (weights(tensor([2], [0, 2]), data=b"1"), ModelUntrusted),
        (weights(tensor([1], [1, 2]), data=b"12"), ModelUntrusted),
        (weights(tensor([1], [0, 1]), data=b"12"), ModelUntrusted),
        (weights({**tensor([2], [0, 2]), "v": tensor([2], [1, 3])["w"]}, data=b"123"), ModelUntrusted),
    ],
)
def test_what_leads_outside_of_the_file_or_is_none_is_refused_before_the_class_sees_it(
    data: bytes, kind: type[Exception]
) -> None:
    def never(path: Path) -> object:
        return pytest.fail(f"{path} was given to the class")

    with pytest.raises(kind):
        load_bytes("safetensors", data, INPUTS, own=never)


def test_a_byte_changed_or_missing_anywhere_is_refused_or_changes_numbers_alone() -> None:
    draw, data, refused = random.Random(0), weights(), 0
    for place in range(len(data)):
        for changed in (data[:place], data[:place] + bytes([draw.randrange(256)]) + data[place + 1 :]):
            try:
                check_safetensors(changed)
            except (ModelUnknown, ModelUntrusted):
                refused += 1
    assert refused > len(data)
