"""Weights in a safetensors file: checked byte by byte before the class that reads them sees it.

The format: eight bytes of the header's length, a header of JSON, then the tensors one after another without a gap.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from shipway.models._columns import Array
from shipway.models._functions import FunctionWrong
from shipway.models._library import library
from shipway.models._model import ModelUnknown, ModelUntrusted
from shipway.models._own import OwnModel, load_own
from shipway.models._program import one_thread
from shipway.models._signature import Column

_LONGEST = 100_000_000  # of a header, as the format itself says
_WIDTHS = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4,
    "F32": 4, "F64": 8, "I64": 8, "U64": 8,
}  # fmt: skip


def load_weights(own: type | Callable[[Path], object], data: bytes, inputs: tuple[Column, ...]) -> OwnModel:
    """The class with these weights: a torch.nn.Module gets them by name, any other class the path of the file.

    Raises ModelUnknown, ModelUntrusted, FunctionWrong.
    """
    check_safetensors(data)
    if isinstance(own, type) and any(
        (base.__module__, base.__name__) == ("torch.nn.modules.module", "Module") for base in own.__mro__
    ):
        return _module(own, data, inputs)
    return load_own(own, data, inputs, folder=False)


def check_safetensors(data: bytes) -> None:
    """Raises ModelUnknown for bytes that are no such file, ModelUntrusted for a tensor that leads outside of it."""
    try:
        size = int.from_bytes(data[:8], "little")
        if len(data) < 8 or size > min(_LONGEST, len(data) - 8):
            raise ValueError("its header is longer than the file")
        header = json.loads(data[8 : 8 + size].decode("utf-8"), object_pairs_hook=_once)
        header.pop("__metadata__", None)
        places = sorted(_place(name, tensor) for name, tensor in header.items())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise ModelUnknown(f"not a safetensors file: {problem!s:.200}") from problem
    end = 0
    for begin, stop, name in places:
        if begin != end:
            raise ModelUntrusted(f"the tensor {name[:80]!r} does not begin where the one before it ends")
        end = stop
    if end != len(data) - 8 - size:
        raise ModelUntrusted(f"the tensors of the file are {end:,} bytes, and it has {len(data) - 8 - size:,} for them")


def _place(name: str, tensor: Mapping[str, Any]) -> tuple[int, int, str]:
    begin, stop = tensor["data_offsets"]
    shape = tensor["shape"]
    if not all(type(number) is int and number >= 0 for number in (begin, stop, *shape)):
        raise ValueError(f"{name[:80]!r} has a size that is no number")
    if prod(shape) * _WIDTHS[tensor["dtype"]] != stop - begin:
        raise ModelUntrusted(f"the tensor {name[:80]!r} has other numbers of bytes than its shape says")
    return begin, stop, name


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _module(own: Any, data: bytes, inputs: tuple[Column, ...]) -> OwnModel:
    """The module, made without arguments, that answers as `forward` does: columns by name, or one matrix of all of them."""
    torch = one_thread()
    try:
        made = own()
        made.load_state_dict(library("safetensors.torch", package="safetensors").load(data), strict=True)
    except Exception as problem:  # the class's own, or torch's: other names or shapes
        line = " ".join(str(problem).split())
        mend = "the class is made without arguments, and has the weights of the file and no others"
        raise FunctionWrong(f"{own.__qualname__} does not take these weights: {line:.300}", mend=mend) from problem
    made.eval()
    takes = list(inspect.signature(made.forward).parameters)
    by_name = set(takes) == {column.name for column in inputs}

    def predict(columns: dict[str, Array]) -> object:
        with torch.inference_mode():
            if by_name:
                given = made(**{name: torch.tensor(columns[name]) for name in takes})
            else:
                matrix = np.column_stack([columns[column.name] for column in inputs])
                given = made(torch.tensor(matrix, dtype=torch.get_default_dtype()))
            if isinstance(given, Mapping):
                return {name: _values(one) for name, one in given.items()}
            return _values(given)

    return OwnModel(predict, inputs, getattr(made, "classes", None))


def _values(tensor: Any) -> Array:
    """A column of a tensor of one number a row."""
    wide = tensor.detach()
    wide = wide if wide.ndim != 2 or wide.shape[1] != 1 else wide[:, 0]
    values: Array = wide.to(
        dtype=wide.float().dtype if str(wide.dtype) in ("torch.bfloat16", "torch.float16") else wide.dtype
    ).numpy()
    return values
