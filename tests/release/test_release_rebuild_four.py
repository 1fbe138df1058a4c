"""Real pipelines, each as equal as it comes out: predictions (the order of threads), metrics (another seed), different (a
changed package), bytes (the same one; the first test of test_release_rebuild.py too).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from release_help import Project

from shipway.gate import load_evidence
from shipway.kernel.digest import short
from shipway.release import make_release

sys.path.insert(0, str(Path(__file__).parents[1] / "environment"))

from cli_project import LOCK, points
from wheel_help import lock_line, make_wheel

REBUILD = "https://shipway.dev/rebuild/v1"
MODELS = ("threads", "seed", "package")
SPEC = """\
project: points
environment: requirements.lock
data:
  points: {path: points}
pipeline: steps.py
models:
  threads: {target: above, key: point, time: day}
  seed:
    target: above
    key: point
    time: day
    rebuild: {auc: 0.02, brier: 0.01, log_loss: 0.03, calibration_error: 0.1}
  package: {target: above, key: point, time: day}
deploy:
  threads@prod: {uses: [model/threads]}
  seed@prod: {uses: [model/seed]}
  package@prod: {uses: [model/package]}
"""


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that has run with version 1 of the package `noise`, and a release of each model."""
    root = tmp_path_factory.mktemp("four")
    signs = {"1.0": 1, "1.1": 1, "2.0": -1}
    wheels = {version: make_wheel(root / "wheels", "noise", version, f"SIGN = {sign}\n") for version, sign in signs.items()}
    project = Project(root / "project", root / "keys", more={"UV_FIND_LINKS": str(root / "wheels")})
    (project.root / "points").mkdir(parents=True)
    points().write_parquet(project.root / "points" / "all.parquet")
    (project.root / "shipway.yaml").write_text(SPEC)
    shutil.copy(Path(__file__).with_name("rebuild_steps.py.txt"), project.root / "steps.py")
    for name, version in {"requirements.lock": "1.0", "small.lock": "1.1", "new.lock": "2.0"}.items():
        (project.root / name).write_bytes(LOCK.read_bytes() + lock_line(wheels[version]))
    project.ask("run")
    for name in MODELS:
        make_release(project.store, project.keys, project.actor, project.spec, project.spec.deploy[f"{name}@prod"])
    return project


def rebuild(project: Project, name: str, folder: Path, *more: str, code: int = 0) -> Any:
    done = project.cli("rebuild", f"release/{name}", "--in", str(folder / "again"), "--json", *more)
    assert done.code == code, done.err
    return done.document


@pytest.mark.slow
def test_a_model_that_repeats_is_equal_by_its_bytes(four: Project, tmp_path: Path) -> None:
    found = rebuild(four, "package", tmp_path)
    assert (found["equality"], found["different"]) == ("EQUAL (bytes)", None)
    assert not {"difference", "predictions", "metrics", "environment"} & found.keys(), "nothing differs that could be shown"


@pytest.fixture(scope="module")
def threads(four: Project, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return rebuild(four, "threads", tmp_path_factory.mktemp("threads"))


def test_a_model_whose_sums_depend_on_the_order_of_threads_is_equal_by_its_predictions(threads: Any) -> None:
    """Real noise in the last bits, some 1e-14 of a probability: never the same bytes, and no other answer."""
    found = threads
    assert found["equality"] == "EQUAL (predictions on the golden rows)"
    golden = found["predictions"]
    assert (golden["rows"], golden["tolerance"], golden["equal"]) == (64, 1e-6, True)
    assert golden["different"] > 0
    assert 0 < golden["largest"] < 1e-9
    assert (found["difference"]["kind"], found["difference"]["name"]) == ("step", "threads")
    shown = found["difference"]["lines"]
    assert [line.partition(":")[0] for line in shown] == ["coef_", "intercept_"][: len(shown)]
    assert "of 7 values differ, at most by" in shown[0]
    assert {metric["name"]: metric["equal"] for metric in found["metrics"]} == dict.fromkeys(
        ("auc", "brier", "log_loss", "calibration_error"), True
    )


def test_a_model_with_another_seed_is_equal_by_its_metrics(four: Project, tmp_path: Path) -> None:
    found = rebuild(four, "seed", tmp_path)
    assert found["equality"] == "EQUAL (metrics within tolerance)"
    assert not found["predictions"]["equal"]
    assert found["predictions"]["largest"] > 0.001
    allowed = {metric["name"]: metric["tolerance"] for metric in found["metrics"]}
    assert allowed == {"auc": 0.02, "brier": 0.01, "log_loss": 0.03, "calibration_error": 0.1}
    for metric in found["metrics"]:
        assert metric["difference"] == pytest.approx(metric["after"] - metric["before"])
        assert abs(metric["difference"]) <= metric["tolerance"]


def test_a_changed_package_that_turns_a_sign_is_different_and_named(four: Project, tmp_path: Path) -> None:
    found = rebuild(four, "package", tmp_path, "--lock", "new.lock", code=1)
    assert found["equality"] == "DIFFERENT"
    assert (found["difference"]["kind"], found["difference"]["lines"]) == ("environment", ["noise 1.0 -> 2.0"])
    assert found["different"].endswith(": noise 1.0 -> 2.0")
    auc = next(metric for metric in found["metrics"] if metric["name"] == "auc")
    assert auc["before"] > 0.85
    assert auc["after"] < 0.5
    assert not auc["equal"]
    made: Any = four.store.get(found["environment"], "environment")
    assert four.store.objects.get(made["lock"]["digest"]) == (four.root / "new.lock").read_bytes()


@pytest.mark.slow
def test_an_upgrade_that_changes_nothing_is_proved_equal_under_its_name(four: Project, tmp_path: Path) -> None:
    """Equal bytes, made with other packages: the proof says with which. As people read it."""
    done = four.cli("rebuild", "release/package", "--in", str(tmp_path / "again"), "--lock", "small.lock")
    release = four.store.resolve("release/package")
    lines = done.out.splitlines()
    assert lines[0] == f"release {short(release)} rebuilt in {tmp_path / 'again'}: EQUAL (bytes)"
    assert lines[1].startswith("  first difference: environment ")
    assert lines[2:] == ["    noise 1.0 -> 1.1", "next: shipway log"]
    assert "reading 6 components" in done.err
    (proof,) = [
        statement.predicate
        for statement in load_evidence(four.store, four.keys, release)
        if statement.predicate_type == REBUILD and str(statement.predicate["different"]).endswith("1.1")
    ]
    assert (proof["equality"], str(proof["different"]).partition(": ")[2]) == ("EQUAL (bytes)", "noise 1.0 -> 1.1")


def test_the_proof_holds_all_that_was_measured(four: Project, threads: Any) -> None:
    found = threads
    (statement,) = [
        statement
        for statement in load_evidence(four.store, four.keys, found["release"])
        if statement.envelope == found["evidence"]
    ]
    told = {name: value for name, value in statement.predicate.items() if name not in ("at", "project")}
    assert told == {name: value for name, value in found.items() if name not in ("kind", "version", "release", "evidence")}


@pytest.mark.slow
def test_a_release_whose_scores_are_not_recorded_is_compared_by_scoring_again(
    four: Project, threads: Any, tmp_path: Path
) -> None:
    """An imported release comes without what is recorded beside it: its own model scores the rows again."""
    copy = four.copy(tmp_path / "project")
    model = copy.store.resolve("model/threads")
    copy.store.delete_state("made", model)
    found = rebuild(copy, "threads", tmp_path)
    before = {metric["name"]: metric["before"] for metric in threads["metrics"]}
    assert {metric["name"]: metric["before"] for metric in found["metrics"]} == pytest.approx(before, abs=1e-9)
