"""Programs of torch.export made by hand, as torch 2.13 writes them: a small network, and whatever a test changes in it."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

WEIGHTS = {"weight": [[0.5, -2.0]], "bias": [0.25]}
Change = Callable[[dict[str, Any], dict[str, bytes]], None]


def program(change: Change | None = None, *, output: str = "probability") -> bytes:
    """sigmoid(rows @ weight.T + bias), answered as the column `output`. change: the record and the files, to be written to."""
    configs = {name: _payload(place, np.array(WEIGHTS[name], "<f4")) for place, name in enumerate(WEIGHTS)}
    record = _record(output)
    record["weights"], record["constants"] = {"config": configs}, {"config": {}}
    files = {f"data/weights/weight_{place}": np.array(WEIGHTS[name], "<f4").tobytes() for place, name in enumerate(WEIGHTS)}
    files |= {
        "archive_format": b"pt2", "archive_version": b"0", "byteorder": b"little", ".data/version": b"3\n",
        ".data/serialization_id": b"drawn by lot", "data/sample_inputs/model.pt": pickle.dumps(("examples",)),
    }  # fmt: skip
    if change is not None:
        change(record, files)
    for kind in ("weights", "constants"):
        files[f"data/{kind}/model_{kind}_config.json"] = json.dumps(record.pop(kind)).encode()
    return archive({"models/model.json": json.dumps(record).encode(), **files})


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as made:
        for path, data in files.items():
            made.writestr(f"net/{path}", data)
    return buffer.getvalue()


def node(target: str, made: str, *given: dict[str, Any]) -> dict[str, Any]:
    inputs = [{"name": f"a{place}", "arg": one, "kind": 1} for place, one in enumerate(given)]
    metadata = {"stack_trace": 'File "/home/somebody/net.py", line 7'}
    return {"target": target, "inputs": inputs, "outputs": [tensor(made)], "metadata": metadata, "name": made}


def tensor(name: str) -> dict[str, Any]:
    return {"as_tensor": {"name": name}}


def _payload(place: int, values: Any) -> dict[str, Any]:
    return {"path_name": f"weight_{place}", "is_param": True, "use_pickle": False, "tensor_meta": _meta(*values.shape)}


def _meta(*sizes: int | str) -> dict[str, Any]:
    shape: list[dict[str, Any]] = [
        {"as_int": size} if isinstance(size, int) else {"as_expr": {"expr_str": size, "hint": {"as_int": 3}}} for size in sizes
    ]
    strides = [{"as_int": sizes[1]}, {"as_int": 1}][2 - len(sizes) :] if len(sizes) > 1 else [{"as_int": 1}]
    return {
        "dtype": 7, "sizes": shape, "requires_grad": False, "device": {"type": "cpu", "index": None}, "strides": strides,
        "storage_offset": {"as_int": 0}, "layout": 7,
    }  # fmt: skip


def _record(output: str) -> dict[str, Any]:
    many = "Symbol('s10', positive=True, integer=True)"
    flat: dict[str, Any] = {"type": None, "context": None, "children_spec": []}
    spec = [1, {"type": "builtins.dict", "context": json.dumps([output]), "children_spec": [flat]}]
    inside = [1, {"type": "builtins.tuple", "context": "null", "children_spec": [
        {"type": "builtins.tuple", "context": "null", "children_spec": [flat]},
        {"type": "builtins.dict", "context": "[]", "children_spec": []},
    ]}]  # fmt: skip
    graph = {
        "inputs": [tensor("p_weight"), tensor("p_bias"), tensor("rows")],
        "outputs": [tensor("sigmoid")],
        "nodes": [
            node("torch.ops.aten.linear.default", "linear", tensor("rows"), tensor("p_weight"), tensor("p_bias")),
            node("torch.ops.aten.sigmoid.default", "sigmoid", tensor("linear")),
        ],
        "tensor_values": {
            "p_weight": _meta(1, 2), "p_bias": _meta(1), "rows": _meta(many, 2),
            "linear": _meta(many, 1), "sigmoid": _meta(many, 1),
        },
        "sym_int_values": {}, "sym_bool_values": {}, "sym_float_values": {}, "custom_obj_values": {},
        "is_single_tensor_return": False,
    }  # fmt: skip
    signature = {
        "input_specs": [
            {"parameter": {"arg": {"name": "p_weight"}, "parameter_name": "weight"}},
            {"parameter": {"arg": {"name": "p_bias"}, "parameter_name": "bias"}},
            {"user_input": {"arg": tensor("rows")}},
        ],
        "output_specs": [{"user_output": {"arg": tensor("sigmoid")}}],
    }
    calls = [{"fqn": "", "signature": {
        "inputs": [], "outputs": [], "in_spec": json.dumps(inside), "out_spec": json.dumps(spec), "forward_arg_names": ["rows"],
    }}]  # fmt: skip
    return {
        "graph_module": {"graph": graph, "signature": signature, "module_call_graph": calls, "metadata": {},
                         "treespec_namedtuple_fields": {}},
        "opset_version": {"aten": 10}, "range_constraints": {"s10": {"min_val": 0, "max_val": None}},
        "schema_version": {"major": 8, "minor": 20}, "verifiers": ["TRAINING"], "torch_version": "2.13.0+cpu",
        "guards_code": ["L['rows'].size()[1] == 2"],
    }  # fmt: skip
