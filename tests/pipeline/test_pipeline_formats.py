"""Models of other formats than skops, made of a step's value in an environment that has their libraries."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper, numpy_helper
from pipeline_help import ENVIRON, Project
from test_pipeline_model import Declared, reference, swapped

from shipway.data import Profile
from shipway.environment import Codec, Runner, StepCall, StepFailed, StepFile, StepInput, default_cache
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor, Digest
from shipway.models import check_golden, load_model, served_model
from shipway.pipeline import (
    MADE,
    Metric,
    ModelMade,
    ModelRefused,
    RunResult,
    ScoringFailed,
    Silence,
    held_out_rows,
    make_model,
    measure_evaluation,
)
from shipway.pipeline._answers import Answering, AnswerKind, answering_of, truth_of
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


def make(project: Project, result: RunResult, model: Declared | None = None) -> ModelMade:
    return make_model(project.store, result, model or Declared(), python=PYTHON, cache=default_cache(), report=Silence())


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


def skops_of(estimator: Any) -> bytes:
    data: bytes = import_module("skops.io").dumps(estimator)
    return data


def with_table(project: Project, result: RunResult, table: pl.DataFrame) -> RunResult:
    """The same result with this table as the reference."""
    return swapped(project, result, "reference", table)


def measured(project: Project, made: ModelMade) -> dict[str, Metric]:
    return {metric.name: metric for metric in measure_evaluation(project.store, made.scores)}


def test_a_model_of_a_number_is_measured_by_its_error(ran: tuple[Project, RunResult]) -> None:
    project, result = ran
    table = reference(project, result).with_columns(height=pl.col("x") * 2 + pl.col("y"))
    linear = import_module("sklearn.linear_model").LinearRegression()
    linear.fit(table.select("x", "y", "above").to_numpy(), table["height"].to_numpy() + 0.25)
    given = with_value(project, with_table(project, result, table), skops_of(linear), media.SKOPS)
    made = make(project, given, Declared(target="height"))
    metrics = measured(project, made)
    assert list(metrics) == ["mae", "rmse"]
    for metric in metrics.values():
        assert (round(metric.value, 6), metric.clusters, metric.n) == (0.25, 6, 300)
        assert metric.low <= metric.value <= metric.high
    scored = pl.read_parquet(project.store.objects.path(made.scores.digest))
    assert scored.columns == ["point", "time", "score", "label"]
    assert scored["label"].equals(table["height"], check_names=False)
    profile = Profile.from_json(project.store.get(made.profile, "profile"))
    assert (sorted(profile.columns), profile.score, profile.outcomes) == (["above", "x", "y"], None, None)
    assert held_out_rows(project.store, made.model) is None  # as long as nothing says what made it
    project.store.put_state(MADE, made.model, {"scores": made.scores.to_json(), "profile": made.profile})
    held = held_out_rows(project.store, made.model)
    assert held is not None
    assert held.table.equals(table)
    assert held.scored.equals(scored)


def test_a_model_of_three_classes_is_measured_by_how_often_it_is_right(ran: tuple[Project, RunResult]) -> None:
    project, result = ran
    zone = pl.when(pl.col("x") < -0.5).then(pl.lit("west")).when(pl.col("x") > 0.5).then(pl.lit("east"))
    table = reference(project, result).drop("above").with_columns(zone=zone.otherwise(pl.lit("middle")))
    trees = import_module("sklearn.tree").DecisionTreeClassifier(max_depth=2, random_state=0)
    features = table.select("x", "y").to_numpy()
    trees.fit(features, table["zone"].to_list())
    given = with_value(project, with_table(project, result, table), skops_of(trees), media.SKOPS)
    made = make(project, given, Declared(target="zone"))
    metrics = measured(project, made)
    scored = pl.read_parquet(project.store.objects.path(made.scores.digest))
    assert scored.columns == ["point", "time", "score_0", "score_1", "score_2", "label"]
    assert scored["label"].to_list() == [["east", "middle", "west"].index(name) for name in table["zone"]]
    right = trees.predict(features) == np.array(table["zone"].to_list())
    assert metrics["accuracy"].value == right.mean() > 0.9
    assert metrics["accuracy"].low < 1
    loss = import_module("sklearn.metrics").log_loss(table["zone"].to_list(), trees.predict_proba(features))
    assert metrics["log_loss"].value == pytest.approx(loss, abs=1e-9)
    assert answers_again(project.store, made.model) == "skops"


@pytest.mark.parametrize(
    ("answering", "target", "words"),
    [
        (Answering(AnswerKind.NUMBER, ["prediction"]), [1.0, None], "the target y holds other values than numbers"),
        (Answering(AnswerKind.NUMBER, ["prediction"]), [1.0, float("nan")], "the target y holds other values than numbers"),
        (Answering(AnswerKind.NUMBER, ["prediction"]), ["1"], "the target y holds other values than numbers"),
        (
            Answering(AnswerKind.CLASSES, [], ["a", "b", "c"]),
            ["a", "d"],
            "holds 'd' in the reference; the model knows 'a', 'b', 'c'",
        ),
        (Answering(AnswerKind.CLASSES, [], [0, 1, 2]), [0, None], "holds None in the reference; the model knows 0, 1, 2"),
    ],
)
def test_a_target_that_is_no_outcome_of_the_model_is_refused(answering: Answering, target: list[object], words: str) -> None:
    with pytest.raises(ModelRefused, match=words):
        truth_of(pl.Series("y", target), answering)


@pytest.mark.parametrize(
    ("answers", "classes", "expected"),
    [
        (["probability"], [0, 1], AnswerKind.PROBABILITY),
        (["probability_0", "probability_1", "probability_2"], [0, 1, 2], AnswerKind.CLASSES),
        (["prediction"], None, AnswerKind.NUMBER),
        (["prediction"], ["no", "yes"], None),
        (["probability"], None, None),
        (["low", "high"], None, None),
        (["prediction", "more"], None, None),
    ],
)
def test_an_answer_is_a_probability_classes_or_a_number(
    answers: list[str], classes: list[object] | None, expected: AnswerKind | None
) -> None:
    given = {name: np.zeros(1) for name in answers}
    if expected is not None:
        assert answering_of(Declared(), given, classes).kind is expected
        return
    with pytest.raises(ModelRefused, match=f"model above answers {', '.join(answers)}"):
        answering_of(Declared(), given, classes)


class Noted(Silence):
    """A report that remembers what it was told beside the steps."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def converted(project: Project, result: RunResult, tolerance: float, python: Path = PYTHON) -> tuple[JsonObject, str]:
    """The model object of a run whose model is to be converted, and the last that was said of it."""
    heard, cache = Noted(), default_cache()
    made = make_model(project.store, result, Declared(), python=python, cache=cache, report=heard, onnx=tolerance)
    return project.store.get(made.model, "model"), heard.notes[-1]


def test_a_model_is_served_as_onnx_while_every_held_out_row_is_answered_alike(ran: tuple[Project, RunResult]) -> None:
    project, result = ran
    manifest, said = converted(project, result, 1e-9)
    found = cast("JsonObject", manifest["onnx"])
    assert (manifest["format"], found["tolerance"], found["rows"]) == ("skops", 1e-9, 364)
    assert 0 <= cast("float", found["largest"]) <= 1e-9
    assert said.startswith("the model is served as ONNX: its answers to 364 rows differ by at most ")
    served = served_model(manifest)
    file, golden = (Descriptor.from_json(served[name]).digest for name in ("file", "golden"))
    model = load_model(served, project.store.objects.path(file))
    assert type(model).__name__ == "OnnxModel"
    check_golden(model, project.store.objects.get(golden), tolerance=1e-9)


@pytest.mark.slow
def test_a_conversion_that_is_not_near_enough_is_said_and_left_out(ran: tuple[Project, RunResult]) -> None:
    project, result = ran
    trees = import_module("sklearn.ensemble").HistGradientBoostingClassifier(max_iter=5, categorical_features=[0])
    table = pl.read_parquet(project.store.objects.path(result.output("train").digest))
    trees.fit(table.select(pl.col("x").round().abs(), "y").to_numpy(), table["above"].to_numpy())
    manifest, said = converted(project, with_value(project, result, skops_of(trees), media.SKOPS), 1e-6)
    assert "onnx" not in manifest
    assert said.startswith("no ONNX beside the model: its answers differ by up to 0.")
    assert said.endswith("and 1e-06 is allowed")


@pytest.mark.slow
def test_where_nothing_can_convert_that_is_said_and_the_model_is_made(ran: tuple[Project, RunResult]) -> None:
    project, result = ran
    manifest, said = converted(project, result, 1e-6, python=project.python())
    assert "onnx" not in manifest
    assert "skl2onnx is not in the environment" in said


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
