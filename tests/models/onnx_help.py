"""ONNX files for the tests: small graphs made by hand, and those that lead outside themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSETS = [helper.make_opsetid("", 17)]


def built(graph: Any, *, functions: Sequence[Any] = (), opsets: Sequence[Any] = (), **properties: str) -> Any:
    model = helper.make_model(graph, opset_imports=[*OPSETS, *opsets], functions=functions, ir_version=9)
    helper.set_model_props(model, properties)
    return model


def linear(
    weights: Sequence[Sequence[float]], *, output: str = "probabilities", link: str = "Softmax", **properties: str
) -> Any:
    """rows @ weights, then the link: one matrix `x` in, one matrix out."""
    table = np.array(weights, dtype=np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node(link, ["z"], [output])]
    takes = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, table.shape[0]])
    gives = helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, table.shape[1]])
    return built(helper.make_graph(nodes, "linear", [takes], [gives], [numpy_helper.from_array(table, "w")]), **properties)


def passing(takes: dict[str, tuple[int, list[Any]]], gives: dict[str, str]) -> Any:
    """Each output is the input that it names."""
    nodes = [helper.make_node("Identity", [source], [name]) for name, source in gives.items()]
    inputs = [helper.make_tensor_value_info(name, *kind) for name, kind in takes.items()]
    outputs = [helper.make_tensor_value_info(name, *takes[source]) for name, source in gives.items()]
    return built(helper.make_graph(nodes, "passing", inputs, outputs))


def outside(name: str, place: str = "/etc/passwd") -> Any:
    """A tensor whose values are in another file."""
    tensor = numpy_helper.from_array(np.zeros((2, 1), dtype=np.float32), name)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    return tensor


def hostile() -> dict[str, Any]:
    """By where it hides: files with a tensor that is elsewhere."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])
    product = helper.make_node("MatMul", ["x", "w"], ["y"])
    constant = helper.make_node("Constant", [], ["w"], value=outside("hidden"))
    branch = helper.make_graph([constant, helper.make_node("Identity", ["w"], ["v"])], "b", [], [
        helper.make_tensor_value_info("v", TensorProto.FLOAT, [2, 1])])  # fmt: skip
    chosen = [
        helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True))),
        helper.make_node("If", ["yes"], ["w"], then_branch=branch, else_branch=branch),
    ]
    own = helper.make_function("own", "F", ["a"], ["b"], [
        constant, helper.make_node("MatMul", ["a", "w"], ["b"])], OPSETS)  # fmt: skip
    sparse = onnx.SparseTensorProto(values=outside("hidden"), dims=[2, 1])
    models = {
        "initializer": built(helper.make_graph([product], "g", [x], [y], [outside("w")])),
        "address": built(helper.make_graph([product], "g", [x], [y], [outside("w", "*/_ORT_MEM_ADDR_/*")])),
        "constant": built(helper.make_graph([constant, product], "g", [x], [y])),
        "branch": built(helper.make_graph([*chosen, product], "g", [x], [y])),
        "function": built(helper.make_graph([helper.make_node("F", ["x"], ["y"], domain="own")], "g", [x], [y]),
                          functions=[own], opsets=[helper.make_opsetid("own", 1)]),
        "sparse": built(helper.make_graph([product], "g", [x], [y], sparse_initializer=[sparse])),
    }  # fmt: skip
    trained = models["initializer"].__class__()
    trained.CopyFrom(linear([[1.0], [1.0]]))
    trained.training_info.add().initialization.initializer.append(outside("hidden"))
    return {**models, "training": trained}
