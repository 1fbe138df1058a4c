"""Files of models cut, changed and mixed at random, loaded and asked in a process of its own: an error of ours, never a crash.

As a script (`python test_models_sweep.py SEED COUNT`) it is that process: it prints how many of each format were refused.
"""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import pytest
from models_help import late, matrix, rows
from onnx import TensorProto, helper
from onnx_help import built, linear
from test_models_boosted import NUMBERS, binary, early_stopped, sized

from shipway.models import ModelUnknown, ModelUntrusted, xgboost_json
from shipway.models._load import load_bytes

FORMATS = ("xgboost", "ubj", "lightgbm", "onnx", "skops")


def samples() -> dict[str, bytes]:
    table, forest = np.nan_to_num(matrix(rows(), ["hour", "temp"])), import_module("sklearn.ensemble")
    trees = forest.HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=4).fit(table, late(rows()))
    return {
        "xgboost": binary("xgboost").encode(),
        "ubj": bytes(early_stopped().get_booster().save_raw("ubj")),
        "lightgbm": binary("lightgbm").encode(),
        "onnx": linear([[0.1, 0.2], [0.3, 0.4]]).SerializeToString(),
        "skops": import_module("skops.io").dumps(trees),
    }


def changed(data: bytes, draw: random.Random) -> bytes:
    """Cut, with another byte, with a piece of itself put in, or with a piece left out."""
    place, kind = draw.randrange(len(data)), draw.random()
    if kind < 0.15:
        return data[:place]
    if kind < 0.65:
        return data[:place] + bytes([draw.randrange(256)]) + data[place + 1 :]
    if kind < 0.85:
        other = draw.randrange(len(data))
        return data[:place] + data[other : other + draw.randrange(40)] + data[place:]
    return data[:place] + data[place + draw.randrange(1, 30) :]


def changed_inside(data: bytes, draw: random.Random) -> bytes:
    """A zip that is whole, with another member: a changed byte of the zip itself is only ever a wrong checksum."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as given, zipfile.ZipFile(buffer, "w") as made:
        chosen = draw.choice(given.namelist())
        for name in given.namelist():
            made.writestr(name, changed(given.read(name), draw) if name == chosen else given.read(name))
    return buffer.getvalue()


MADE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "skops": changed_inside,
    "lightgbm": lambda data, draw: sized(changed(data, draw).decode("latin-1")).encode("latin-1"),  # else the sizes say it all
}


def main(seed: int, count: int) -> None:
    warnings.simplefilter("ignore")
    draw, refused = random.Random(seed), Counter[str]()
    table = {**rows(), "temp": np.nan_to_num(rows()["temp"].astype(float))}
    for format, data in samples().items():
        for _ in range(count):
            made = MADE.get(format, changed)(data, draw) if draw.random() < 0.8 else changed(data, draw)
            try:
                model = (
                    load_bytes("xgboost", xgboost_json(made), NUMBERS) if format == "ubj" else load_bytes(format, made, NUMBERS)
                )
            except (ModelUnknown, ModelUntrusted):
                refused[format] += 1
                continue
            try:
                model.predict(table)
            except Exception:  # the library's own: whoever made the model reads it, as of any other that does not answer
                refused[format] += 1
    print(json.dumps(refused))


def swept(seed: int, count: int) -> None:
    done = subprocess.run([sys.executable, __file__, str(seed), str(count)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    refused = json.loads(done.stdout.splitlines()[-1])
    assert all(count // 2 < refused[format] <= count for format in FORMATS), refused


def test_a_file_changed_anywhere_is_refused_or_answers_and_no_process_ends() -> None:
    swept(0, 60)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_thousand_files_changed_anywhere_end_no_process(seed: int) -> None:
    swept(seed, 1000)


def graph(node: onnx.NodeProto, *held: onnx.TensorProto) -> onnx.ModelProto:
    takes = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    gives = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])
    opsets = [helper.make_opsetid(node.domain, 1)] if node.domain else []
    made: onnx.ModelProto = built(helper.make_graph([node], "g", [takes], [gives], list(held)), opsets=opsets)
    return made


@pytest.mark.parametrize("dims", [[1 << 62, 1 << 62], [1 << 33, 1 << 31], [-2, -1], [2000, 1], [1 << 40, 1]])
def test_an_onnx_tensor_that_is_larger_than_its_bytes_is_refused_at_once(dims: list[int]) -> None:
    held = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, raw_data=bytes(8))
    with pytest.raises(ModelUnknown, match="not an ONNX file that onnxruntime"):
        load_bytes("onnx", graph(helper.make_node("MatMul", ["x", "w"], ["y"]), held).SerializeToString(), NUMBERS)


@pytest.mark.parametrize(("operator", "domain"), [("Evil", "my.ops"), ("PythonOp", "com.microsoft"), ("Evil", "")])
def test_an_operator_that_onnxruntime_does_not_have_is_refused(operator: str, domain: str) -> None:
    with pytest.raises(ModelUnknown, match="not an ONNX file that onnxruntime"):
        load_bytes("onnx", graph(helper.make_node(operator, ["x"], ["y"], domain=domain)).SerializeToString(), NUMBERS)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(int(sys.argv[1]), int(sys.argv[2]))
