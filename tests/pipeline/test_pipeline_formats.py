"""Models of other formats than skops, made of a step's value in an environment that has their libraries."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper, numpy_helper
from pipeline_help import ENVIRON, Project
from test_pipeline_model import Declared

from shipway.environment import Codec, Runner, StepCall, StepFailed, StepFile, StepInput, default_cache
from shipway.kernel import media
from shipway.kernel.digest import Descriptor, Digest
from shipway.models import check_golden, load_model
from shipway.pipeline import ModelMade, RunResult, ScoringFailed, Silence, make_model, measure_evaluation
from shipway.pipeline._values import keep_value
from shipway.store import Store

PYTHON = Path(sys.executable)  # our own development environment has the libraries: here it plays the project


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, RunResult]:
    project = Project.make(tmp_path_factory.mktemp("formats") / "project")
    return project, project.run()


def with_value(project: Project, result: RunResult, data: bytes, media_type: str) -> RunResult:
    """The same result with these bytes as the value of the step `above`."""
    output = project.store.put_bytes(data, media_type)
    steps = tuple(replace(outcome, output=output) if outcome.name == "above" else outcome for outcome in result.steps)
    return replace(result, steps=steps)


def make(project: Project, result: RunResult) -> ModelMade:
    return make_model(project.store, result, Declared(), python=PYTHON, cache=default_cache(), report=Silence())


def answers_again(store: Store, model: Digest) -> str:
    """The format of a model that gives its golden rows again, loaded as a predictor loads it."""
    manifest = store.get(model, "model")
    file, golden = (Descriptor.from_json(manifest[name]).digest for name in ("file", "golden"))
    check_golden(load_model(manifest, store.objects.path(file)), store.objects.get(golden))
    return str(manifest["format"])


def line(*, external: bool = False) -> onnx.ModelProto:
    """Above the line y = x/2, as one graph: a probability of a matrix of x and y."""
    weights = numpy_helper.from_array(np.array([[-1.5], [3.0]], dtype=np.float32), "w")
    if external:
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value="../../secrets.bin")
    nodes = [helper.make_node("MatMul", ["rows", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["probability"])]
    takes = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 2])
    gives = helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])
    graph = helper.make_graph(nodes, "line", [takes], [gives], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_an_onnx_file_becomes_a_model_with_metrics_and_golden_rows(ran: tuple[Project, RunResult]) -> None:
    project, result = ran
    made = make(project, with_value(project, result, line().SerializeToString(), media.ONNX))
    assert answers_again(project.store, made.model) == "onnx"
    assert {metric.name: metric.value for metric in measure_evaluation(project.store, made.scores)}["auc"] > 0.95


def test_an_onnx_file_that_leads_outside_itself_makes_no_model(ran: tuple[Project, RunResult]) -> None:
    project, result = ran
    with pytest.raises(ScoringFailed, match="the values of tensor w are not in the file"):
        make(project, with_value(project, result, line(external=True).SerializeToString(), media.ONNX))


def points(project: Project, result: RunResult) -> tuple[np.ndarray, np.ndarray]:
    train = pl.read_parquet(project.store.objects.path(result.output("train").digest))
    return train.select("x", "y").to_numpy(), train["above"].to_numpy()


@pytest.fixture
def given(ran: tuple[Project, RunResult], tmp_path: Path) -> dict[str, StepInput]:
    """The points to train on as the arguments x and y."""
    project, result = ran
    train = pl.read_parquet(project.store.objects.path(result.output("train").digest))
    arrays = {"x": train.select("x", "y").to_numpy(), "y": train["above"].to_numpy()}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    return {name: StepInput("numpy.array", [StepFile(tmp_path / f"{name}.npy", f"{name}.npy")]) for name in arrays}


def test_a_model_of_xgboost_is_kept_as_json_taken_as_its_class_and_released(
    ran: tuple[Project, RunResult], runner: Runner, given: dict[str, StepInput], tmp_path: Path
) -> None:
    project, result = ran
    with runner:
        fitted = runner.run(StepCall("xgboost", "given.py", project.root, given, "xgboost.model", tmp_path / "fitted"))
        model = {"model": StepInput("xgboost.model", [StepFile(fitted.file, "model")])}
        kinds = runner.run(StepCall("kind", "given.py", project.root, model, "json", tmp_path / "kind"))
        model = {"model": StepInput("xgboost.booster", [StepFile(fitted.file, "model")])}
        again = runner.run(StepCall("same", "given.py", project.root, model, "xgboost.booster", tmp_path / "again"))
    assert (kinds.file.read_text(), again.media_type) == ('"XGBClassifier"', media.XGBOOST)
    made = make(project, with_value(project, result, fitted.file.read_bytes(), fitted.media_type))
    assert answers_again(project.store, made.model) == "xgboost"
    assert {metric.name: metric.value for metric in measure_evaluation(project.store, made.scores)}["auc"] > 0.9


def test_a_model_of_lightgbm_is_kept_as_text_and_taken_as_a_booster(
    ran: tuple[Project, RunResult], runner: Runner, given: dict[str, StepInput], tmp_path: Path
) -> None:
    root = ran[0].root
    with runner:
        fitted = runner.run(StepCall("lightgbm", "given.py", root, given, "lightgbm.model", tmp_path / "fitted"))
        model = {"model": StepInput("lightgbm.booster", [StepFile(fitted.file, "model")])}
        again = runner.run(StepCall("same", "given.py", root, model, "lightgbm.booster", tmp_path / "again"))
        model = {"model": StepInput("lightgbm.model", [StepFile(fitted.file, "model")])}
        with pytest.raises(StepFailed, match=r"annotate the argument lightgbm\.Booster"):
            runner.run(StepCall("same", "given.py", root, model, "lightgbm.model", tmp_path / "refused"))
        with pytest.raises(StepFailed, match=r"no place for the classes above, below"):
            runner.run(StepCall("words", "given.py", root, given, "lightgbm.model", tmp_path / "words"))
    assert (again.media_type, again.file.read_text()[:5]) == (media.LIGHTGBM, "tree\n")


STEPS = """
import shutil
from pathlib import Path


def xgboost(x, y):
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=10, n_jobs=1).fit(x, y)


def lightgbm(x, y):
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=10, n_jobs=1, verbose=-1).fit(x, y)


def words(x, y):
    return lightgbm(x, ["above" if label else "below" for label in y])


def kind(model):
    return type(model).__name__


def same(model):
    return model


def broken(model):
    model.graph.node[0].op_type = "NoSuchOperator"
    return model


def taken(model):
    shutil.copy(model, "model.onnx")
    return Path("model.onnx")
"""


@pytest.fixture(scope="module")
def runner(ran: tuple[Project, RunResult]) -> Runner:
    (ran[0].root / "given.py").write_text(STEPS)
    return Runner(PYTHON, environ=ENVIRON)


def call(root: Path, folder: Path, function: str, codec: Codec, data: bytes) -> StepCall:
    file = folder / "given"
    file.write_bytes(data)
    given = StepInput(codec, [StepFile(file, "model.onnx")])
    return StepCall(function, "given.py", root, {"model": given}, codec, folder / f"{function}-value")


def test_a_step_takes_and_returns_onnx_which_the_checker_has_seen(
    ran: tuple[Project, RunResult], runner: Runner, tmp_path: Path
) -> None:
    with runner:
        same = runner.run(call(ran[0].root, tmp_path, "same", "onnx.model", line().SerializeToString()))
        taken = runner.run(call(ran[0].root, tmp_path, "taken", "path", line().SerializeToString()))
        with pytest.raises(StepFailed, match=r"onnx\.checker refuses it"):
            runner.run(call(ran[0].root, tmp_path, "broken", "onnx.model", line().SerializeToString()))
    assert (same.media_type, onnx.load(same.file)) == (media.ONNX, line())
    assert keep_value(ran[0].store, taken).media_type == media.ONNX
