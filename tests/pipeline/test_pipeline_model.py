"""From two values to a model that is ready, its profile, its scored reference and its metrics."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pipeline_help import Project

from shipway import stats
from shipway.data import Profile
from shipway.environment import default_cache
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, parse_object
from shipway.kernel.digest import Descriptor, Digest, digest_bytes
from shipway.models import GoldenMismatch, Signature
from shipway.pipeline import (
    EvaluationImpossible,
    ModelMade,
    ModelRefused,
    Origins,
    RunResult,
    ScoringFailed,
    Silence,
    StepOutcome,
    make_model,
    measure_evaluation,
)
from shipway.pipeline._made import STATE_KIND, find_made, model_key
from shipway.pipeline._scoring import Scoring


@dataclass(frozen=True)
class Declared:
    name: str = "above"
    step: str = "above"
    reference: str = "reference"
    target: str = "above"
    key: tuple[str, ...] = ("point",)
    time: str | None = "day"
    texts: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, RunResult, ModelMade]:
    project = Project.make(tmp_path_factory.mktemp("model") / "project")
    result = project.run()
    return project, result, make(project, result)


def make(project: Project, result: RunResult, model: Declared | None = None, *, environment: Digest | None = None) -> ModelMade:
    return make_model(
        project.store,
        result,
        model or Declared(),
        python=project.python(),
        cache=default_cache(),
        report=Silence(),
        environment=environment,
    )


def swapped(project: Project, result: RunResult, step: str, table: pl.DataFrame) -> RunResult:
    """The same result with another table as the value of a step."""
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    output = project.store.put_bytes(buffer.getvalue(), media.PARQUET)
    steps = tuple(replace(outcome, output=output) if outcome.name == step else outcome for outcome in result.steps)
    return replace(result, steps=steps)


def reference(project: Project, result: RunResult) -> pl.DataFrame:
    return pl.read_parquet(project.store.objects.path(result.output("reference").digest))


def test_the_model_names_its_file_its_signature_and_what_is_not_fed(ran: tuple[Project, RunResult, ModelMade]) -> None:
    project, result, made = ran
    record = project.store.get(made.model, "model")
    signature = Signature.from_json(record["signature"])
    assert [(column.name, column.datatype) for column in signature.inputs] == [("x", "FP64"), ("y", "FP64")]
    assert [column.name for column in signature.outputs] == ["probability"]
    assert (record["key"], record["time"], record["target"], record["format"]) == (["point"], "day", "above", "skops")
    assert record["file"] == result.output("above").to_json()
    golden = parse_object(project.store.objects.get(Descriptor.from_json(record["golden"]).digest))
    assert golden["kind"] == "golden"


def test_the_same_run_gives_the_same_model_profile_and_scores(ran: tuple[Project, RunResult, ModelMade]) -> None:
    project, result, made = ran
    assert make(project, result) == made


@pytest.fixture(scope="module")
def known(ran: tuple[Project, RunResult, ModelMade], tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, ModelMade]:
    """A copy of the project whose store remembers the model."""
    project = ran[0].copy(tmp_path_factory.mktemp("known") / "project")
    return project, make(project, ran[1], environment=project.environment())


def test_a_model_of_the_same_values_is_asked_nothing_again(
    ran: tuple[Project, RunResult, ModelMade], known: tuple[Project, ModelMade], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, made = known

    def asked(*_: object) -> None:
        raise AssertionError("a process of the model is started")

    monkeypatch.setattr(Scoring, "_ask", asked)
    assert make(project, ran[1], environment=project.environment()) == made == ran[2]
    with pytest.raises(AssertionError, match="is started"):
        make(project, ran[1])


@pytest.mark.parametrize("gone", ["model", "profile", "golden", "scores"])
def test_a_model_of_which_something_is_gone_is_not_taken(known: tuple[Project, ModelMade], gone: str) -> None:
    project, made = known
    (row,) = project.store.states(STATE_KIND)
    golden = Descriptor.from_json(project.store.get(made.model, "model")["golden"]).digest
    parts = {"model": made.model, "profile": made.profile, "golden": golden, "scores": made.scores.digest}
    assert find_made(project.store, Digest(row.key)) == made
    data = project.store.objects.get(parts[gone])
    project.store.objects.path(parts[gone]).unlink()
    assert find_made(project.store, Digest(row.key)) is None
    project.store.objects.put(data)
    assert find_made(project.store, Digest(row.key)) == made


def test_a_model_of_other_values_declarations_or_surroundings_is_another() -> None:
    one, other = (Descriptor(media.SKOPS, digest_bytes(text), 1) for text in (b"one", b"other"))
    asked: dict[str, Any] = {
        "file": one, "reference": one, "environment": one.digest, "overlay": Path("cache/one"), "origins": Origins(),
    }  # fmt: skip
    base: JsonObject = {"name": "base", "digest": one.digest}
    changed: list[dict[str, Any]] = [
        {"file": other}, {"reference": other}, {"environment": other.digest}, {"overlay": Path("cache/other")},
        {"origins": Origins(base)}, {"origins": Origins(None, (base,))},
    ]  # fmt: skip
    declared = [
        Declared(step="a"), Declared(reference="a"), Declared(target="a"), Declared(key=("a",)), Declared(time=None),
        Declared(texts=("a",)),
    ]  # fmt: skip
    first = model_key(Declared(), **asked)
    keys = {first, *(model_key(Declared(), **{**asked, **change}) for change in changed)}
    keys |= {model_key(model, **asked) for model in declared}
    assert len(keys) == 1 + len(changed) + len(declared)
    assert model_key(Declared(name="another"), **{**asked, "overlay": Path("elsewhere/one")}) == first


def test_the_scored_reference_has_key_time_score_and_label(ran: tuple[Project, RunResult, ModelMade]) -> None:
    project, result, made = ran
    scored = pl.read_parquet(project.store.objects.path(made.scores.digest))
    assert (scored.columns, scored.height, made.rows) == (["point", "time", "score", "label"], 300, 300)
    table = reference(project, result)
    assert scored["point"].equals(table["point"])
    assert scored["label"].equals(table["above"], check_names=False)
    assert scored.filter(pl.col("label") == 1)["score"].mean() > 0.7  # type: ignore[operator]


def test_the_profile_counts_the_features_the_scores_and_the_labels(ran: tuple[Project, RunResult, ModelMade]) -> None:
    project, _, made = ran
    profile = Profile.from_json(project.store.get(made.profile, "profile"))
    assert (profile.rows, sorted(profile.columns)) == (300, ["x", "y"])
    assert profile.score is not None
    assert profile.outcomes is not None


def test_lineage_leads_from_the_model_to_the_values_it_is_made_of(ran: tuple[Project, RunResult, ModelMade]) -> None:
    project, result, made = ran
    assert [edge.source for edge in project.store.edges_to(made.model)] == [result.output("above").digest]


def test_the_metrics_are_those_of_stats_clustered_by_day(ran: tuple[Project, RunResult, ModelMade]) -> None:
    project, _, made = ran
    metrics = {metric.name: metric for metric in measure_evaluation(project.store, made.scores)}
    assert list(metrics) == ["auc", "brier", "log_loss", "calibration_error"]
    scored = pl.read_parquet(project.store.objects.path(made.scores.digest))
    score, label, day = (scored[name].to_numpy() for name in ("score", "label", "time"))
    expected = stats.auc_interval(score, label, day)
    assert (metrics["auc"].value, metrics["auc"].low, metrics["auc"].high) == (
        expected.value,
        expected.low,
        expected.high,
    )
    assert {(metric.n, metric.clusters, metric.level) for metric in metrics.values()} == {(300, 6, 0.95)}
    cuts = np.unique(np.quantile(score, np.linspace(0, 1, 11)[1:-1], method="inverted_cdf"))
    tables = [stats.calibration_table(score[day == one], label[day == one], cuts) for one in np.unique(day)]
    calibration = stats.calibration_interval(*(np.array(column) for column in zip(*tables, strict=True)))
    assert metrics["calibration_error"].value == pytest.approx(calibration.value, rel=1e-12)
    assert metrics["calibration_error"].low == pytest.approx(calibration.low, rel=1e-12)


def test_without_a_time_every_row_is_a_cluster(ran: tuple[Project, RunResult, ModelMade]) -> None:
    project, result, _ = ran
    table = reference(project, result).drop("day")
    made = make(project, swapped(project, result, "reference", table), Declared(time=None))
    assert {metric.clusters for metric in measure_evaluation(project.store, made.scores)} == {300}


def test_one_day_is_too_little_for_an_interval(ran: tuple[Project, RunResult, ModelMade]) -> None:
    project, result, _ = ran
    table = reference(project, result).with_columns(day=pl.lit(date(2020, 1, 1)))
    made = make(project, swapped(project, result, "reference", table))
    with pytest.raises(EvaluationImpossible, match=r"auc: .*at least two"):
        measure_evaluation(project.store, made.scores)


@pytest.mark.parametrize(
    ("model", "words", "mend"),
    [
        (Declared(target="abvoe"), "has no column abvoe", "did you mean above?"),
        (Declared(time=None), "the column day of reference is Date: a model takes numbers", "name it as key or time"),
        (Declared(time="x"), "the time x of model above is Float64", "a date or a datetime"),
        (Declared(texts=("yy",)), "has no column yy", "did you mean y?"),
        (Declared(texts=("y",)), "y is a text of model above, and Float64 in reference", "leave it out of `texts`"),
        (Declared(step="count"), "count is model above and does not return a model", "annotate count"),
        (
            Declared(reference="above"),
            "above is the reference of model above and does not return a table",
            "annotate above",
        ),
    ],
)
def test_a_declaration_that_does_not_fit_the_values_is_refused(
    ran: tuple[Project, RunResult, ModelMade], model: Declared, words: str, mend: str
) -> None:
    with pytest.raises(ModelRefused, match=words) as caught:
        make(*ran[:2], model)
    assert mend in str(caught.value.mend)


def test_a_label_that_the_model_does_not_know_is_refused(ran: tuple[Project, RunResult, ModelMade]) -> None:
    project, result, _ = ran
    table = reference(project, result).with_columns(above=pl.when(pl.col("x") > 0).then("above"))
    with pytest.raises(ModelRefused, match="target above holds None in the reference; the model knows 0 and 1"):
        make(project, swapped(project, result, "reference", table))


def test_a_reference_without_rows_is_refused(ran: tuple[Project, RunResult, ModelMade]) -> None:
    project, result, _ = ran
    with pytest.raises(ModelRefused, match="has no rows"):
        make(project, swapped(project, result, "reference", reference(project, result).head(0)))


def test_a_model_that_wants_other_columns_is_refused_with_its_own_words(
    ran: tuple[Project, RunResult, ModelMade],
) -> None:
    project, result, _ = ran
    table = reference(project, result).with_columns(z=pl.lit(1.0))
    with pytest.raises(ScoringFailed, match="X has 3 features"):
        make(project, swapped(project, result, "reference", table))


RANDOM = """
import polars as pl
from sklearn.dummy import DummyClassifier


def reference(points: pl.DataFrame) -> pl.DataFrame:
    rare = pl.when(pl.col("x") > 0).then(1)
    return points.with_columns(above=(pl.col("y") > 0).cast(pl.Int8), name=pl.col("point"), rare=rare)


def above(reference: pl.DataFrame) -> DummyClassifier:
    return DummyClassifier(strategy="stratified").fit(reference.select("x", "y").to_numpy(), reference["above"].to_numpy())
"""


def test_a_model_that_answers_otherwise_each_time_is_not_ready(tmp_path: Path) -> None:
    project = Project.make(tmp_path / "project")
    (project.root / "steps.py").write_text(RANDOM)
    result = project.run()
    with pytest.raises(GoldenMismatch, match="golden row"):
        make(project, result)
    assert [type(step) for step in result.steps] == [StepOutcome, StepOutcome]


FIXED = RANDOM.replace('strategy="stratified"', 'strategy="prior"').replace(
    '(pl.col("y") > 0).cast(pl.Int8)', 'pl.col("y") > 0'
)


def test_text_flags_and_numbers_that_may_be_missing_have_their_datatypes_and_a_text_that_is_declared_its_profile(
    tmp_path: Path,
) -> None:
    project = Project.make(tmp_path / "project")
    (project.root / "steps.py").write_text(FIXED)
    made = make(project, project.run(), Declared(texts=("name",)))
    profile = Profile.from_json(project.store.get(made.profile, "profile"))
    assert (list(profile.texts), set(profile.plain)) == (["name"], {"x", "y", "rare"})
    assert {"name.length", "name.unknown_words"} < set(profile.columns)
    signature = Signature.from_json(project.store.get(made.model)["signature"])
    assert {column.name: column.datatype for column in signature.inputs} == {
        "x": "FP64", "y": "FP64", "name": "BYTES", "rare": "FP64",
    }  # fmt: skip
    scored = pl.read_parquet(project.store.objects.path(made.scores.digest))
    assert scored["label"].unique().sort().to_list() == [0, 1]
