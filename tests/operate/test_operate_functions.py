"""Functions of a release around its model: from the project's file through every way of asking, and what they may not do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from cli_project import Project
from operate_help import ask, endpoint, move_arms, releases, supervising

import shipway
from shipway.kernel.canonical import parse_object
from shipway.kernel.digest import Descriptor
from shipway.release import AskedArm, CodeUnsigned

pytest_plugins = ["cli_fixtures"]

FEATURES = '''"""What the model sees, the same in training and when it answers."""

import numpy as np

from rounding import round_to


def far(columns):
    """The distance from the line, and a text for it; a missing x is 0."""
    x, y = np.nan_to_num(columns["x"]), columns["y"]
    return {"distance": round_to(y - x, 6), "size": np.hypot(x, y)}


def decide(columns, answers):
    likely = answers["probability"]
    words = np.where(likely > 0.5, "above", "below")
    return {"probability": likely, "word": words, "sure": (likely < 0.1) | (likely > 0.9)}


def lean(columns):
    return {**far(columns), "size": columns["y"] - columns["y"].mean()}
'''
FIT = """
    from features import far

    given = far({"x": train["x"].to_numpy(), "y": train["y"].to_numpy()})
    model = LogisticRegression(C=strength).fit(np.column_stack(list(given.values())), train["above"].to_numpy())
"""


@pytest.fixture(name="made", scope="module")
def _made(released: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = released.copy(tmp_path_factory.mktemp("functions") / "project")
    (project.root / "features.py").write_text(FEATURES)
    (project.root / "rounding.py").write_text("def round_to(values, digits):\n    return values.round(digits)\n")
    project.fit_with_sklearn()
    steps = (project.root / "steps.py").read_text()
    old = '    model = LogisticRegression(C=strength).fit(train.select("x", "y").to_numpy(), train["above"].to_numpy())\n'
    assert old in steps
    (project.root / "steps.py").write_text(
        steps.replace(old, FIT).replace("import time\n", "import time\n\nimport numpy as np\n")
    )
    project.edit("    time: day\n", "    time: day\n    before: features.far\n    after: features.decide\n")
    project.edit("auc: at least 0.6 at 95%", "equal_outputs: pass")
    for word in ("run", "release"):
        project.ask(word)
    return project


def test_what_is_done_around_a_model_is_a_part_of_it_and_the_same_in_every_way(made: Project) -> None:
    store = made.store
    manifest: Any = store.get(store.resolve("model/above"), "model")
    assert [column["name"] for column in manifest["signature"]["inputs"]] == ["x", "y"]
    outputs = [(column["name"], column["datatype"]) for column in manifest["signature"]["outputs"]]
    assert outputs == [("probability", "FP64"), ("word", "BYTES"), ("sure", "BOOL")]
    own = manifest["functions"]
    assert [column["name"] for column in own["inputs"]] == ["distance", "size"]
    modules: Any = parse_object(store.objects.get(Descriptor.from_json(own["source"]).digest))["modules"]
    assert list(modules) == ["features.py", "rounding.py"], "and no step"
    found = made.ask("check", "outputs")
    assert (found["verdict"], found["n"], found["text"]) == ("pass", 64, "64 golden rows by load, API, batch")
    gate = made.cli("plan", "--json").document["gate"]
    assert {check["name"]: check["verdict"] for check in gate["checks"]}["equal_outputs"] == "pass"
    with shipway.load(store.resolve("release/line"), project=made.root) as loaded:
        answers = loaded.predict([{"x": None, "y": 1.0}, {"x": 2.0, "y": -2.0}])
        assert answers["word"].tolist() == ["above", "below"]
        assert answers["sure"].tolist() == [True, True]
        assert loaded.predict([])["word"].tolist() == []


OWN = """import numpy as np


class Line:
    def __init__(self, path):
        self.steep, self.strength = np.load(path / "weights.npy"), float((path / "deep" / "strength.txt").read_text())

    def predict(self, columns):
        return {"probability": 1 / (1 + np.exp(-np.column_stack([columns["x"], columns["y"]]) @ self.steep * self.strength))}
"""
SAVED = """

import weights


def above(train: pl.DataFrame, strength: float = 1.0) -> Path:
    import numpy as np

    folder = Path("made")
    (folder / "deep").mkdir(parents=True, exist_ok=True)
    np.save(folder / "weights.npy", np.array([-1.0, 1.0]))
    (folder / "deep" / "strength.txt").write_text(str(strength))
    return folder
"""


def test_two_releases_with_modules_of_one_name_answer_beside_each_other(project: Project) -> None:
    one, two = releases(project)
    move_arms(project, one, AskedArm("candidate", two, 0.5))
    with supervising(project) as supervisor:
        supervisor.step()
        url = str(endpoint(project)["url"])
        assert {(said["x-shipway-arm"], said["x-shipway-release"]) for said in (ask(url, user) for user in range(20))} == {
            ("live", one),
            ("candidate", two),
        }


ADOPTED = """

import weights


def above(fitted: Path) -> Path:
    return fitted / "line.npz"
"""


def test_a_class_of_the_project_is_a_model_in_every_way_of_asking(
    released: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = released.copy(tmp_path / "project")
    (project.root / "weights.py").write_text(OWN)
    steps = (project.root / "steps.py").read_text()
    head, found, _ = steps.partition("\n\ndef above(")
    assert found
    (project.root / "steps.py").write_text(head + SAVED)
    project.edit("line.Line", "weights.Line")
    project.edit("auc: at least 0.6 at 95%", "equal_outputs: pass")
    for word in ("run", "release"):
        project.ask(word)
    checked = project.ask("check", "outputs")
    assert (checked["verdict"], checked["n"], checked["text"]) == ("pass", 64, "64 golden rows by load, API, batch")
    release = project.store.resolve("release/line")
    with shipway.load(release, project=project.root) as loaded:
        assert loaded.predict({"x": [0.0, 2.0], "y": [0.0, -2.0]})["probability"][0] == 0.5
        assert loaded.apart
    project.ask("release", "export", release, str(tmp_path / "bundle"))
    monkeypatch.setenv("SHIPWAY_KEYS", str(tmp_path / "no-keys"))
    with pytest.raises(CodeUnsigned, match="model above brings functions"):
        shipway.load(tmp_path / "bundle")


def test_a_file_that_is_there_already_is_adopted_by_a_step_that_returns_it(released: Project, tmp_path: Path) -> None:
    """As docs/models.md says it: nobody fits anything here, the file is data, and another file is another model."""
    project = released.copy(tmp_path / "project")
    (project.root / "weights.py").write_text(OWN.replace('np.load(path / "weights.npy"), float((path / "deep" / "strength.txt")'
                                                         ".read_text())", 'np.load(path)["weights"], 1.0'))  # fmt: skip
    head, found, _ = (project.root / "steps.py").read_text().partition("\n\ndef above(")
    assert found
    (project.root / "steps.py").write_text(head + ADOPTED)
    np.savez(project.root / "line.npz", weights=np.array([-1.0, 1.0]))
    project.edit("data:\n", "data:\n  fitted: line.npz\n")
    project.edit("line.Line", "weights.Line")
    project.edit("parameters:\n  strength: 1.0\n", "")
    project.ask("run")
    first = project.store.resolve("model/above")
    assert project.store.get(first, "model")["target"] == "above"
    np.savez(project.root / "line.npz", weights=np.array([-2.0, 2.0]))
    project.ask("run")
    assert project.store.resolve("model/above") != first


@pytest.mark.slow
def test_a_rebuild_and_a_bundle_have_the_functions_too(made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rebuilt = made.ask("rebuild", made.store.resolve("release/line"), "--in", str(tmp_path / "again"))
    assert rebuilt["equality"] == "EQUAL (bytes)", rebuilt
    made.ask("release", "export", made.store.resolve("release/line"), str(tmp_path / "bundle"))
    monkeypatch.setenv("SHIPWAY_KEYS", str(made.keys_folder))
    with shipway.load(tmp_path / "bundle") as loaded:
        given, expected = loaded.golden
        np.testing.assert_array_equal(loaded.predict(given)["word"], expected["word"])


def test_a_bundle_with_functions_for_which_nobody_trusted_has_signed_runs_nothing(
    made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its release was never measured; and where no key is trusted, a measurement is nobody's."""
    made.ask("release", "export", made.store.resolve("release/line"), str(tmp_path / "bundle"))
    monkeypatch.setenv("SHIPWAY_KEYS", str(tmp_path / "no-keys"))
    with pytest.raises(CodeUnsigned, match="model above brings functions"):
        shipway.load(tmp_path / "bundle")


@pytest.mark.slow
def test_a_function_that_looks_at_its_neighbours_is_found_by_the_check(made: Project, tmp_path: Path) -> None:
    project = made.copy(tmp_path / "project")
    project.edit("before: features.far", "before: features.lean")
    for word in ("run", "release"):
        project.ask(word)
    found = project.cli("check", "outputs", "--json")
    assert (found.code, found.document["verdict"], found.document["value"]) == (1, "fail", 0.0)
    assert "a row alone is" in found.document["text"]
