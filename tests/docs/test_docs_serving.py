"""docs/serving.md: its Python runs, in the order of the page, for somebody who has just put a release live."""

from __future__ import annotations

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

from operate_help import Project, move

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
