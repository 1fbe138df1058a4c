from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from models_help import BINARY, INPUTS, in_the_project, matrix, rows, saved, trees

from shipway.models import decode_columns, encode_columns


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    manifest, model = saved(trees(), tmp_path, BINARY)
    paths = {name: tmp_path / name for name in ("manifest.json", "inputs.json", "in", "out")}
    paths["manifest.json"].write_text(json.dumps(manifest))
    paths["inputs.json"].write_text(json.dumps([column.to_json() for column in INPUTS]))
    paths["in"].write_bytes(encode_columns(rows()))
    return paths | {"model": model}


def test_the_projects_python_scores_the_same_bits_under_the_overlay(files: dict[str, Path]) -> None:
    done = in_the_project(
        "shipway.models", "score", "--manifest", files["manifest.json"], "--file", files["model"], "--columns", files["in"],
        "--outputs", files["out"],
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)) == (0, {"rows": 300}), done.stderr
    expected = trees().predict_proba(matrix(rows(), ["carrier", "hour", "temp"]))[:, 1]
    np.testing.assert_array_equal(decode_columns(files["out"].read_bytes())["probability"], expected)


def test_one_process_answers_several_tables_each_alone_in_their_order(files: dict[str, Path], tmp_path: Path) -> None:
    few = {name: values[:7] for name, values in rows().items()}
    arguments: list[str | Path] = []
    answers: list[Path] = []
    for number, table in enumerate([few, rows()]):
        (tmp_path / f"in-{number}").write_bytes(encode_columns(table))
        answers.append(tmp_path / f"out-{number}")
        arguments += ["--columns", tmp_path / f"in-{number}", "--outputs", answers[-1]]
    done = in_the_project(
        "shipway.models", "score", "--manifest", files["manifest.json"], "--file", files["model"], *arguments
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)) == (0, {"rows": 307}), done.stderr
    for table, answer in zip([few, rows()], answers, strict=True):
        expected = trees().predict_proba(matrix(table, ["carrier", "hour", "temp"]))[:, 1]
        np.testing.assert_array_equal(decode_columns(answer.read_bytes())["probability"], expected)


def test_a_model_without_a_manifest_is_described(files: dict[str, Path]) -> None:
    done = in_the_project(
        "shipway.models", "describe", "--format", "skops", "--inputs", files["inputs.json"], "--file", files["model"],
        "--columns", files["in"], "--outputs", files["out"],
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert answer["outputs"] == [{"name": "probability", "datatype": "FP64"}]
    assert answer["classes"] == [0, 1]
    assert set(answer["library"]) == {"scikit-learn", "skops", "numpy"}
    assert list(decode_columns(files["out"].read_bytes())) == ["probability"]


def test_an_error_is_one_json_line_and_exit_code_one(files: dict[str, Path]) -> None:
    files["model"].write_bytes(files["model"].read_bytes() + b"\0")
    done = in_the_project(
        "shipway.models", "score", "--manifest", files["manifest.json"], "--file", files["model"], "--columns", files["in"],
        "--outputs", files["out"],
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    error = json.loads(done.stdout)["error"]
    assert (error["code"], error["where"]) == ("models.model-damaged", str(files["model"]))
    assert not files["out"].exists()


def test_an_estimators_own_failure_is_one_json_line_too(files: dict[str, Path]) -> None:
    files["inputs.json"].write_text(json.dumps([INPUTS[1].to_json()]))
    done = in_the_project(
        "shipway.models", "describe", "--format", "skops", "--inputs", files["inputs.json"], "--file", files["model"],
        "--columns", files["in"], "--outputs", files["out"],
    )  # fmt: skip
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "models.scoring-failed"


def test_importing_the_room_loads_no_numpy_and_nothing_of_scikit_learn() -> None:
    import subprocess
    import sys

    code = (
        "import sys, shipway.models as m; assert 'numpy' not in sys.modules; m.load_model; assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
