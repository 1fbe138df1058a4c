"""Functions around a model: what they are given, what they may return, and modules that lead out of their folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import Descriptor, digest_bytes
from shipway.models import Array, Column, FunctionWrong, ModelDamaged, ModelUnknown, Signature, functions_blob, load_model
from shipway.models._functions import Functions, WithFunctions, describe_with, load_functions

OUTER = Signature((Column("x", "FP64"),), (Column("probability", "FP64"), Column("word", "BYTES")))


class Half:
    """A model of one column `z`, which answers half of it."""

    signature = Signature((Column("z", "FP64"),), (Column("probability", "FP64"),))
    classes = (0, 1)

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        return {"probability": columns["z"].astype(np.float64) / 2}


def twice(columns: dict[str, Array]) -> object:
    return {"z": columns["x"].astype(np.float64) * 2}


def named(columns: dict[str, Array], answers: dict[str, Array]) -> object:
    return {"probability": answers["probability"], "word": ["high" if value > 1 else "low" for value in answers["probability"]]}


def around(before: Any = twice, after: Any = named) -> WithFunctions:
    return WithFunctions(Half(), OUTER, Functions(before, after))


X: dict[str, Array] = {"x": np.array([1.0, 0.5])}


def test_a_request_goes_through_before_the_model_and_after() -> None:
    found = around().predict(X)
    assert found["probability"].tolist() == [1.0, 0.5]
    assert found["word"].tolist() == ["low", "low"]
    assert around().predict({"x": np.empty(0)})["word"].tolist() == []
    described = describe_with(Functions(twice, named), OUTER.inputs, X, lambda inputs: Half())
    assert described.signature == OUTER
    assert described.classes == (0, 1)
    bare = describe_with(Functions(None, None), (Column("z", "FP64"),), {"z": X["x"]}, lambda inputs: Half())
    assert bare.signature.outputs == (Column("probability", "FP64"),)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (lambda columns: [1, 2], named, "returns list"),
        (lambda columns: {"z": columns["x"][:1]}, named, r"returns z of shape \[1\] for 2 rows"),
        (lambda columns: {"z": 1.0}, named, r"returns z of shape \[\] for 2 rows"),
        (lambda columns: {"z": columns["x"].astype("c16")}, named, "returns z as complex128"),
        (twice, lambda columns, answers: {"word": ["a", "b"]}, "it answers word BYTES, and answered probability FP64"),
        (twice, lambda columns, answers: {"probability": [1, 2], "word": ["a", "b"]}, "probability INT64"),
    ],
)
def test_what_a_function_returns_is_looked_at(before: Any, after: Any, says: str) -> None:
    with pytest.raises(FunctionWrong, match=says):
        around(before, after).predict(X)


def test_a_function_cannot_change_what_was_asked() -> None:
    def spoil(columns: dict[str, Array]) -> object:
        columns["x"][:] = 0.0
        return {"z": columns["x"]}

    with pytest.raises(ValueError, match="read-only"):
        around(spoil).predict(X)
    assert X["x"].tolist() == [1.0, 0.5]
    assert X["x"].flags.writeable


@pytest.mark.parametrize("path", ["../evil.py", "/evil.py", "a/../../evil.py", "evil.so", "evil", "a b.py", ".py", ""])
def test_a_module_that_leads_out_of_its_folder_is_refused(path: str) -> None:
    blob = canonical_json({"kind": "functions", "version": 1, "modules": {path: "raise SystemExit(3)"}})
    with pytest.raises(FunctionWrong, match="is no module of a release"):
        load_functions(blob, "evil.f", None)


def test_a_module_that_fails_or_lacks_its_function_is_one_error() -> None:
    """In a process of its own: what is imported stays importable."""
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2] / "src")!r})
from shipway.models import FunctionWrong, functions_blob
from shipway.models._functions import load_functions
blob = functions_blob({{"broken.py": "1 / 0", "whole.py": "x = 1", "json.py": "def f(c): return c",
    "good.py": "import deep.inner\\ndef f(columns): return deep.inner.g(columns)",
    "deep/__init__.py": "", "deep/inner.py": "def g(columns): return columns"}})
said = []
for name in ("broken.f", "whole.x", "gone.f", "json.f"):
    try:
        load_functions(blob, name, None)
    except FunctionWrong as problem:
        said.append(problem.what)
assert load_functions(blob, "good.f", None).before({{"a": 1}}) == {{"a": 1}}
print("|".join(said))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().split("|") == [
        "broken cannot be imported: ZeroDivisionError: division by zero",
        "whole has no function x",
        "gone cannot be imported: ModuleNotFoundError: No module named 'gone'",
        "json is another module of this process",
    ]


def test_the_modules_of_a_model_are_those_that_it_names(tmp_path: Path) -> None:
    model, modules = tmp_path / "model", tmp_path / "functions"
    model.write_bytes(b"a model")
    modules.write_bytes(functions_blob({"features.py": "x = 1"}))

    def named_as(file: Path, kind: str) -> JsonObject:
        data = file.read_bytes()
        return Descriptor(kind, digest_bytes(data), len(data)).to_json()

    manifest: dict[str, Any] = {
        "kind": "model",
        "version": 1,
        "format": "skops",
        "file": named_as(model, "application/octet-stream"),
        "signature": OUTER.to_json(),
        "functions": {"source": named_as(modules, "application/json"), "before": "features.f", "after": None, "inputs": []},
    }
    with pytest.raises(ModelUnknown, match="their file is not given"):
        load_model(manifest, model)
    modules.write_bytes(functions_blob({"features.py": "x = 2"}))
    with pytest.raises(ModelDamaged):
        load_model(manifest, model, modules)
