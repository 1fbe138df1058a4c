"""Models that a class of the project makes, and models of MLflow, of a step's value in an environment with their libraries."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pipeline_help import Project
from sklearn.linear_model import LogisticRegression
from test_pipeline_model import Declared

from shipway.environment import default_cache
from shipway.kernel import media
from shipway.kernel.digest import Descriptor
from shipway.models import GoldenMismatch
from shipway.pipeline import (
    FunctionNames,
    ModelMade,
    ModelRefused,
    RunResult,
    ScoringFailed,
    Silence,
    code_object,
    make_model,
)
from shipway.pipeline._mlflow import NativeFile, native_file

PYTHON = Path(sys.executable)  # our own development environment has the libraries: here it plays the project
OWN = '''"""A logistic regression of weights in numpy's own archive."""

import numpy as np


class Line:
    def __init__(self, path):
        arrays = np.load(path / "weights.npz" if path.is_dir() else path)
        self.weights, self.bias = arrays["weights"], arrays["bias"]

    def predict(self, columns):
        return {"probability": 1 / (1 + np.exp(-np.column_stack([columns["x"], columns["y"]]) @ self.weights - self.bias))}


class Number(Line):
    def predict(self, columns):
        return super().predict(columns)["probability"]


class Hashed(Line):
    def predict(self, columns):
        return {"probability": super().predict(columns)["probability"] * (hash("x") % 1000) / 1000}


class Drawn(Line):
    def predict(self, columns):
        return {"probability": super().predict(columns)["probability"] * np.random.random()}


class Crashing(Line):
    def predict(self, columns):
        import os, signal

        print("the last words", file=__import__("sys").stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
'''


SAVE = """
import sys
import lightgbm
import mlflow
import numpy as np
import skl2onnx
import xgboost
from sklearn.linear_model import LogisticRegression

folder = sys.argv[1]
fitted = LogisticRegression().fit([[0.0, 0.0], [1.0, 1.0]], [False, True])
points = np.load(folder + "/points.npz")
fitted.coef_, fitted.intercept_ = points["x"].reshape(1, 2), points["y"]
mlflow.sklearn.save_model(
    fitted, folder + "/model", serialization_format="cloudpickle", pyfunc_predict_fn="predict_proba", pip_requirements=[]
)
mlflow.sklearn.save_model(fitted, folder + "/skops", serialization_format="skops", pip_requirements=[])
rows = np.random.default_rng(0).normal(size=(200, 2))
above = (rows[:, 1] > rows[:, 0] / 2).astype(int)
trees = xgboost.XGBClassifier(n_estimators=20, n_jobs=1).fit(rows, above)
mlflow.xgboost.save_model(trees, folder + "/ubj", pip_requirements=[])
mlflow.xgboost.save_model(trees, folder + "/json", model_format="json", pip_requirements=[])
light = lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1).fit(rows, above)
mlflow.lightgbm.save_model(light.booster_, folder + "/light", pip_requirements=[])
mlflow.lightgbm.save_model(light, folder + "/pickled", pip_requirements=[])
onnx = skl2onnx.to_onnx(fitted, rows[:1].astype("f4"), options={"zipmap": False})
mlflow.onnx.save_model(onnx, folder + "/onnx", pip_requirements=[])
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, RunResult]:
    project = Project.make(tmp_path_factory.mktemp("own") / "project")
    (project.root / "own.py").write_text(OWN)
    (project.root / "steps.py").write_text("import own\n" + (project.root / "steps.py").read_text())
    return project, project.run()


@pytest.fixture(scope="module")
def fitted(ran: tuple[Project, RunResult]) -> Any:
    project, result = ran
    table = pl.read_parquet(project.store.objects.path(result.output("train").digest))
    return LogisticRegression().fit(table.select("x", "y").to_pandas(), table["above"].to_numpy())


def weights(fitted: Any, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    np.savez(folder / "weights.npz", weights=fitted.coef_[0], bias=fitted.intercept_[0])
    return folder


def with_value(result: RunResult, output: Descriptor) -> RunResult:
    """The same result with this value of the step `above`."""
    steps = tuple(replace(outcome, output=output) if outcome.name == "above" else outcome for outcome in result.steps)
    return replace(result, steps=steps)


def make(project: Project, result: RunResult, own: str | None = None, *, allow_pickle: bool = False) -> ModelMade:
    return make_model(
        project.store, result, Declared(), python=PYTHON, cache=default_cache(), report=Silence(),
        code=code_object(project.store, project.root, "steps.py"), names=FunctionNames(own=own), allow_pickle=allow_pickle,
    )  # fmt: skip


def manifest_of(project: Project, made: ModelMade) -> Any:
    """Of a model whose golden rows a fresh process has given again: make_model asked it."""
    return project.store.get(made.model, "model")


def test_a_class_makes_a_model_of_a_file_or_of_a_folder(ran: tuple[Project, RunResult], fitted: Any, tmp_path: Path) -> None:
    project, result = ran
    folder = weights(fitted, tmp_path / "weights")
    of_file = with_value(result, project.store.put_file(folder / "weights.npz", media.BYTES))
    one = manifest_of(project, make(project, of_file, "own.Line"))
    assert (one["format"], one["functions"]["class"]) == ("python", "own.Line")
    of_folder = with_value(result, project.store.put_tree(folder)[0])
    made = make(project, of_folder, "own.Line")
    two = manifest_of(project, made)
    assert (two["format"], two["file"]["mediaType"]) == ("python-folder", media.MODEL_FOLDER)
    assert (one["golden"], one["signature"]) == (two["golden"], two["signature"])
    assert make(project, of_folder, "own.Line").model == made.model
    number = manifest_of(project, make(project, of_file, "own.Number"))
    assert number["signature"]["outputs"] == [{"name": "prediction", "datatype": "FP64"}]


@pytest.mark.parametrize("name", ["Hashed", "Drawn"])
def test_a_class_whose_answers_hang_on_the_process_is_found_out(
    ran: tuple[Project, RunResult], fitted: Any, tmp_path: Path, name: str
) -> None:
    """What described it and what answers its golden rows again have other hashes and another seed, as two servers have."""
    project, result = ran
    of_file = with_value(result, project.store.put_file(weights(fitted, tmp_path) / "weights.npz", media.BYTES))
    with pytest.raises(GoldenMismatch, match="golden row"):
        make(project, of_file, f"own.{name}")


def test_a_class_that_crashes_its_process_is_said_and_the_next_one_is_asked(
    ran: tuple[Project, RunResult], fitted: Any, tmp_path: Path
) -> None:
    project, result = ran
    of_file = with_value(result, project.store.put_file(weights(fitted, tmp_path) / "weights.npz", media.BYTES))
    with pytest.raises(ScoringFailed, match="ended with -11: the last words"):
        make(project, of_file, "own.Crashing")
    assert make(project, of_file, "own.Line").model


def test_a_class_that_is_not_there_or_fails_is_said(ran: tuple[Project, RunResult], tmp_path: Path) -> None:
    project, result = ran
    with pytest.raises(ModelRefused, match=r"gone\.Line of model above: the code has no module gone"):
        make(project, result, "gone.Line")
    with pytest.raises(ScoringFailed, match="own has no function Curve"):
        make(project, result, "own.Curve")
    wrong = with_value(result, project.store.put_bytes(b"no archive", media.BYTES))
    with pytest.raises(ScoringFailed, match="Line cannot be made of its file"):
        make(project, wrong, "own.Line")
    with pytest.raises(ModelRefused, match="does not return a model") as problem:
        make(project, wrong)
    assert "class: MODULE.CLASS" in str(problem.value.mend)


@pytest.fixture(scope="module")
def folders(fitted: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of MLflow in several flavours, saved by MLflow."""
    made = tmp_path_factory.mktemp("mlflow")
    np.savez(made / "points.npz", x=fitted.coef_[0], y=fitted.intercept_)
    subprocess.run([sys.executable, "-c", SAVE, str(made)], check=True, capture_output=True)
    return made


def test_a_model_of_mlflow_is_made_where_it_may_run_its_authors_code(ran: tuple[Project, RunResult], folders: Path) -> None:
    project, result = ran
    given = with_value(result, project.store.put_tree(folders / "model")[0])
    with pytest.raises(ModelRefused, match="loading one runs whatever its author put in it") as problem:
        make(project, given)
    assert str(problem.value.mend).endswith("allow_pickle: true under models: above, for an author whom you trust")
    manifest = manifest_of(project, make(project, given, allow_pickle=True))
    assert (manifest["format"], manifest["allow_pickle"]) == ("mlflow", True)
    assert manifest["signature"]["outputs"] == [{"name": "probability", "datatype": "FP64"}]


def native(folder: Path) -> NativeFile | None:
    return native_file({str(file.relative_to(folder)): file.read_bytes for file in folder.rglob("*") if file.is_file()})


def test_a_model_of_mlflow_that_holds_its_librarys_own_file_needs_no_permission(
    ran: tuple[Project, RunResult], folders: Path
) -> None:
    project, result = ran
    given = with_value(result, project.store.put_tree(folders / "ubj")[0])
    manifest = manifest_of(project, make(project, given))
    assert (manifest["format"], "allow_pickle" in manifest) == ("xgboost", False)
    kept = {name: native(folders / name) for name in ("ubj", "json", "light", "onnx", "skops", "pickled", "model")}
    assert {name: found and found.format for name, found in kept.items()} == {
        "ubj": "xgboost", "json": "xgboost", "light": "lightgbm", "onnx": "onnx", "skops": "skops",
        "pickled": None, "model": None,
    }  # fmt: skip


def test_what_a_folder_of_mlflow_says_is_not_believed(folders: Path, tmp_path: Path) -> None:
    said = (folders / "ubj" / "MLmodel").read_text()
    for text in (
        said.replace("loader_module: mlflow.xgboost", "loader_module: mine"),  # code of its author around the trees
        said.replace("model.ubj", "../../model.ubj"),
        said.replace("  xgboost:", "  another:"),
    ):
        assert text != said
        (tmp_path / "MLmodel").write_text(text)
        assert native(tmp_path) is None
    for text, file, says in (
        (said, b"{", "not the binary form that XGBoost saves"),
        (said, (folders / "ubj" / "model.ubj").read_bytes()[:-20], "not the binary form that XGBoost saves"),
        (said, b"[$d#L" + (1 << 60).to_bytes(8, "big"), "it ends too early"),
        (said, b"[" * 5000, "more than 64 deep"),
        ("flavors: &a [*a]", b"", "the MLmodel of a model of MLflow cannot be read"),
        ("flavors: !!python/object/apply:os.system [x]", b"", "the MLmodel of a model of MLflow cannot be read"),
    ):
        (tmp_path / "MLmodel").write_text(text)
        (tmp_path / "model.ubj").write_bytes(file)
        with pytest.raises(ModelRefused, match=says):
            native(tmp_path)
