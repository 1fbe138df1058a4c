"""KServe's clients over V1, V2 and gRPC, in an environment of their own: `kserve_client.py ADDRESS ECHO RAW TYPED`; JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import types
from importlib.util import find_spec
from typing import Any

import numpy as np

# what the package imports beside its client, a thousand modules of Kubernetes, takes longer than all that is asked here
package, spec = types.ModuleType("kserve"), find_spec("kserve")
assert spec is not None
package.__path__ = [*(spec.submodule_search_locations or ())]
sys.modules["kserve"] = package

from kserve.inference_client import InferenceGRPCClient, InferenceRESTClient, RESTConfig  # noqa: E402
from kserve.protocol.infer_type import InferInput, InferRequest  # noqa: E402

VALUES = {
    "bool": [True, False], "int8": [-128, 127], "int16": [-(2**15), 2**15 - 1], "int32": [-(2**31), 2**31 - 1],
    "int64": [-(2**63), 2**63 - 1], "uint8": [0, 255], "uint16": [0, 2**16 - 1], "uint32": [0, 2**32 - 1],
    "uint64": [0, 2**64 - 1], "fp16": [-1.5, 65504.0], "fp32": [-1.5, 3.25], "fp64": [1e300, 0.1], "bytes": ["ü", ""],
}  # fmt: skip
NUMPY = {"fp16": "float16", "fp32": "float32", "fp64": "float64", "bytes": "object"}


async def main(predictor: str, echo: str, raw: str, typed: str) -> dict[str, Any]:
    v1, v2 = (InferenceRESTClient(RESTConfig(protocol=protocol)) for protocol in ("v1", "v2"))
    base, found = f"http://{predictor}", dict[str, Any]()
    found["live"] = [
        await v2.is_server_live(base), await v2.is_server_ready(base),
        await v1.is_server_live(base), await v2.is_model_ready(base, "delay"),
    ]  # fmt: skip
    found["model_ready"] = [
        await v1.is_model_ready(base, "delay"),
        await v2.is_model_ready(base, "delay"),
        await v2.is_model_ready(base, "other"),
    ]
    columns = rows()
    found["v2"] = (await v2.infer(base, request(columns), model_name="delay")).outputs[0].data
    answer = await v2.infer(base, request(columns, binary=True), model_name="delay")
    found["id"], found["binary"] = answer.id, answer.outputs[0].as_numpy().tolist()
    assert found["binary"] == found["v2"]
    instances = [dict(zip(columns, row, strict=True)) for row in zip(*(c.tolist() for c in columns.values()), strict=True)]
    found["v1"] = (await v1.infer(base, {"instances": instances}, model_name="delay"))["predictions"]
    try:
        await v2.infer(base, request({**columns, "hour": columns["humid"]}), model_name="delay")
    except Exception as problem:
        found["refused"] = str(problem)
    everything = {name: np.array(values, NUMPY.get(name, name)) for name, values in VALUES.items()}
    answer = await v2.infer(f"http://{echo}", request(everything, binary=True), model_name="echo")
    found["echoed"] = {output.name: plain(output.as_numpy()) for output in answer.outputs}
    found["grpc"] = await over_grpc(raw, typed, everything)
    await v1.close()
    await v2.close()
    return found


async def over_grpc(raw: str, typed: str, columns: dict[str, Any]) -> dict[str, Any]:
    found = dict[str, Any]()
    for kind, address in (("typed", typed), ("raw", raw)):
        async with InferenceGRPCClient(address) as client:
            sent = {name: column for name, column in columns.items() if kind == "raw" or name != "fp16"}
            asked = request(sent, binary=kind == "raw")
            asked.model_name = "echo"
            answer = await client.infer(asked)
            found[kind] = {output.name: plain(output.as_numpy()) for output in answer.outputs}
    async with InferenceGRPCClient(raw) as client:
        found["live"] = [await client.is_server_live(), await client.is_server_ready(), await client.is_model_ready("echo")]
        found["id"] = answer.id
        try:
            await client.is_model_ready("other")
        except Exception as problem:
            found["other"] = str(problem)
    return found


def plain(array: Any) -> list[Any]:
    return [value.decode() if isinstance(value, bytes) else value for value in array.tolist()]


def rows() -> dict[str, Any]:
    """The rows of the tests: `rows_of(TEXT_INPUTS, 5, seed=3)`."""
    rng = np.random.default_rng(3)
    carrier = rng.choice(np.array(["UA", "DL"], dtype=object), 5)
    return {"carrier": carrier, "hour": rng.integers(0, 24, 5), "distance": rng.normal(size=5), "humid": rng.normal(size=5)}


def request(columns: dict[str, Any], *, binary: bool = False) -> InferRequest:
    inputs = []
    for name, array in columns.items():
        kinds = {"O": "BYTES", "b": "BOOL", "i": "INT", "u": "UINT", "f": "FP"}
        kind = kinds[array.dtype.kind]
        tensor = InferInput(name, [len(array)], kind if kind in ("BYTES", "BOOL") else f"{kind}{8 * array.dtype.itemsize}")
        tensor.set_data_from_numpy(array, binary_data=binary)
        inputs.append(tensor)
    return InferRequest(model_name="m", infer_inputs=inputs, request_id="k-1", parameters={"binary_data_output": binary})


print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
