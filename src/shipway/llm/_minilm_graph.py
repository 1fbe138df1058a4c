"""MiniLM as an ONNX graph, made from its safetensors: BERT of 6 layers and 12 heads, mean pooling, length 1. Pure.

Source: Devlin et al. 2018 (the encoder), Reimers and Gurevych 2019 (mean pooling); gelu is the exact one, by erf.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

OPSET = 20  # the first with Gelu; onnxruntime 1.20 and later run it
_MOST_HEADER = 8 << 20  # bytes of a safetensors header; this model's has 12 thousand

Weights = Mapping[str, NDArray[np.float32]]


class Shape(NamedTuple):
    """The numbers of a BERT encoder that its weights do not say themselves."""

    layers: int = 6
    heads: int = 12
    epsilon: float = 1e-12


def read_safetensors(data: bytes) -> dict[str, NDArray[np.float32]]:
    """The float32 tensors of a safetensors file: 8 bytes of length, a JSON header, the raw values. Raises ValueError."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 0 < size <= min(_MOST_HEADER, len(data) - 8):
        raise ValueError("not a safetensors file")
    header, body = json.loads(data[8 : 8 + size]), memoryview(data)[8 + size :]
    found = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":  # position_ids are I64, and not needed
            continue
        start, end = entry["data_offsets"]
        found[name] = np.frombuffer(body[start:end], dtype="<f4").reshape(entry["shape"])
    return found


def build_graph(weights: Weights, shape: Shape = Shape()) -> bytes:  # noqa: B008 (frozen)
    """The ONNX model: ids int64 (batch, length) and mask int64 of the same shape (1 counts, 0 is padding) to vectors float32
    (batch, hidden) of length 1. Needs `onnx`.
    """
    from onnx import TensorProto, helper

    graph = _Graph(weights, shape)
    graph.encoder()
    graph.pooling()
    ids, mask = (helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in ("ids", "mask"))
    hidden = weights["embeddings.word_embeddings.weight"].shape[1]
    vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["batch", hidden])
    made = helper.make_graph(graph.nodes, "minilm", [ids, mask], [vectors], graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    return bytes(model.SerializeToString())


class _Graph:
    """The nodes and constants while they are put together; each method returns the name of its result."""

    def __init__(self, weights: Weights, shape: Shape) -> None:
        self._weights, self._shape = weights, shape
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def encoder(self) -> None:
        word, positions = (self._weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position"))
        placed = positions + self._weights["embeddings.token_type_embeddings.weight"][0]  # a text has one part only
        words = self.node("Gather", self.constant(word), "ids")
        length = self.node("Shape", "ids", start=1, end=2)
        begin, axis = self.constant(np.array([0])), self.constant(np.array([0]))
        state = self.node("Add", words, self.node("Slice", self.constant(placed), begin, length, axis))
        state = self.normal(state, "embeddings.LayerNorm")
        counted = self.node("Cast", "mask", to=1)
        absent = self.node("Sub", self.constant(np.float32(1)), counted)
        wide = self.node("Unsqueeze", absent, self.constant(np.array([1, 2])))
        bias = self.node("Mul", wide, self.constant(np.float32(-10000)))
        for number in range(self._shape.layers):
            state = self.layer(state, bias, f"encoder.layer.{number}")
        self._state, self._counted = state, counted

    def layer(self, state: str, bias: str, name: str) -> str:
        joined = self.node("Add", self.attention(state, bias, f"{name}.attention"), state)
        state = self.normal(joined, f"{name}.attention.output.LayerNorm")
        inner = self.node("Gelu", self.linear(state, f"{name}.intermediate.dense"))
        joined = self.node("Add", self.linear(inner, f"{name}.output.dense"), state)
        return self.normal(joined, f"{name}.output.LayerNorm")

    def attention(self, state: str, bias: str, name: str) -> str:
        hidden = self._weights[f"{name}.self.query.bias"].shape[0]
        width = hidden // self._shape.heads
        query = self.split(self.linear(state, f"{name}.self.query"), [0, 2, 1, 3], width)
        key = self.split(self.linear(state, f"{name}.self.key"), [0, 2, 3, 1], width)
        value = self.split(self.linear(state, f"{name}.self.value"), [0, 2, 1, 3], width)
        scores = self.node("Mul", self.node("MatMul", query, key), self.constant(np.float32(width**-0.5)))
        shares = self.node("Softmax", self.node("Add", scores, bias), axis=-1)
        mixed = self.node("Transpose", self.node("MatMul", shares, value), perm=[0, 2, 1, 3])
        flat = self.node("Reshape", mixed, self.constant(np.array([0, 0, hidden])))
        return self.linear(flat, f"{name}.output.dense")

    def pooling(self) -> None:
        mask = self.node("Unsqueeze", self._counted, self.constant(np.array([2])))
        total = self.node("ReduceSum", self.node("Mul", self._state, mask), self.constant(np.array([1])), keepdims=0)
        count = self.node("ReduceSum", mask, self.constant(np.array([1])), keepdims=0)
        mean = self.node("Div", total, count)
        length = self.node("ReduceL2", mean, self.constant(np.array([1])), keepdims=1)
        self.node("Div", mean, self.node("Max", length, self.constant(np.float32(1e-12))), out="vectors")

    def split(self, state: str, order: list[int], width: int) -> str:
        apart = self.node("Reshape", state, self.constant(np.array([0, 0, self._shape.heads, width])))
        return self.node("Transpose", apart, perm=order)

    def linear(self, state: str, name: str) -> str:
        weight = np.ascontiguousarray(self._weights[f"{name}.weight"].T)
        return self.node("Add", self.node("MatMul", state, self.constant(weight)), self.constant(self._weights[f"{name}.bias"]))

    def normal(self, state: str, name: str) -> str:
        scale, shift = (self.constant(self._weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.node("LayerNormalization", state, scale, shift, axis=-1, epsilon=self._shape.epsilon)

    def constant(self, value: NDArray[np.generic] | np.generic) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        from onnx import helper

        name = out or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name
