"""The functions around a model, taken out of the code that its steps ran on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipway.kernel.canonical import parse_object
from shipway.pipeline import FunctionNames, ModelRefused, code_object, functions_of
from shipway.pipeline._functions import functions_file, take_functions
from shipway.store import Store, open_store


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Store:
    return open_store(tmp_path, "functions", create=True)


def test_the_modules_of_the_functions_are_taken_and_no_other(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "project"
    files = {
        "steps.py": "from deep.features import fill\nimport words\nimport unused\n",
        "deep/__init__.py": "",
        "deep/features.py": "from .inner import half\ndef fill(columns): return half(columns)\n",
        "deep/inner.py": "def half(columns): return columns\n",
        "words.py": "def decide(columns, answers): return answers\n",
        "unused.py": "",
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    code = code_object(store, root, "steps.py")
    names = FunctionNames("deep.features.fill", "words.decide")
    taken = take_functions(store, code, names, model="m", work=tmp_path / "one")
    assert taken is not None
    modules: Any = parse_object(store.objects.get(taken.source.digest))["modules"]
    assert modules == {path: files[path] for path in ("deep/__init__.py", "deep/features.py", "deep/inner.py", "words.py")}
    manifest: dict[str, Any] = {"functions": {**taken.to_json(), "inputs": []}}
    assert functions_of(manifest) == names
    assert functions_file(store, manifest) == store.objects.path(taken.source.digest)
    assert take_functions(store, code, FunctionNames(), model="m", work=tmp_path / "none") is None
    assert (functions_of({}), functions_file(store, {})) == (FunctionNames(), None)
    for number, wrong in enumerate(("gone.fill", "deep.features.inner.fill", "fill")):
        with pytest.raises(ModelRefused, match="the code has no module"):
            take_functions(store, code, FunctionNames(wrong), model="m", work=tmp_path / f"work-{number}")
