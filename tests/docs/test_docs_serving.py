"""docs/serving.md: its Python runs, in the order of the page, for somebody who has just put a release live."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pytest
from docs_help import DOCS
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parents[1] / "operate"))

from operate_help import Project, endpoint, move

pytest_plugins = ["cli_fixtures"]

PAGE = DOCS / "serving.md"


def fenced(after: str) -> list[str]:
    """The blocks of the page that begin with these words after the fence."""
    return re.findall(rf"^```{re.escape(after)}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_the_python_of_the_page_runs_in_its_order(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    move(project, project.store.resolve("release/line"))
    monkeypatch.chdir(project.root)
    blocks = fenced("python")
    assert len(blocks) >= 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)


def test_the_client_of_the_second_port_is_answered(project: Project) -> None:
    (block,) = fenced("python title=grpc")
    move(project, project.store.resolve("release/line"))
    child = project.start("serve", "line@prod", "--port", "0", "--grpc-port", "0", "--json")
    try:
        assert child.stderr is not None
        second = next(found[1] for line in child.stderr if (found := re.search(r"gRPC at (\S+)", line)))
        names: dict[str, Any] = {}
        exec(compile(block.replace("127.0.0.1:5781", second), str(PAGE), "exec"), names)
        assert names["client"].infer("above", names["inputs"]).as_numpy("probability").shape == (2,)
        assert endpoint(project)["grpc"] == second
    finally:
        child.terminate()
        out, _ = child.communicate(timeout=60)
    assert json.loads(out) == {"kind": "served", "version": 1, "ref": "deploy/line@prod", "grpc": second}


def test_the_wrapper_of_the_page_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.linear_model import LogisticRegression

    points = np.array([[0.0, 1.0], [1.0, 0.0], [0.2, 0.9], [0.8, 0.1]])
    joblib.dump(LogisticRegression().fit(points, [1, 0, 1, 0]), tmp_path / "model.joblib")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    (block,) = fenced("python title=before")
    exec(compile(block, str(PAGE), "exec"), names)
    answer = TestClient(names["app"]).post("/predict", json=[{"x": 0.0, "y": 1.0}, {"x": 1.0, "y": 0.0}]).json()
    assert answer[0] > 0.5 > answer[1]


def test_the_functions_of_the_page_do_what_it_says_and_its_spec_names_them(project: Project) -> None:
    (block,), names = fenced("python file=features.py"), dict[str, Any]()
    exec(compile(block, str(PAGE), "exec"), names)
    columns = {"x": np.array([np.nan, 1.0]), "y": np.array([1.0, 0.0])}
    assert names["fill"](columns)["x"].tolist() == [0.0, 1.0]
    assert names["decide"](columns, {"probability": np.array([0.9, 0.1])})["word"].tolist() == ["above", "below"]
    (spec,) = fenced("yaml")
    text = (project.root / "shipway.yaml").read_text()
    begin, end = text.index("models:"), text.index("outcomes:")
    (project.root / "shipway.yaml").write_text(text[:begin] + spec + text[end:])
    model = project.spec.models["above"]
    assert (model.before, model.after) == ("features.fill", "features.decide")
