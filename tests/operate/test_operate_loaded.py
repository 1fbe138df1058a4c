"""A release in the caller's own Python: every form of table, beside the caller or apart, and never without its golden rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import polars as pl
import pyarrow as pa
import pytest
from onnx import TensorProto, helper, numpy_helper
from operate_help import move
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from cli_project import Project

import shipway
from shipway.cli._settings import Project as _Project
from shipway.cli._settings import read_settings
from shipway.cli.python import _from_project
from shipway.environment import default_cache
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor, Digest, digest_bytes
from shipway.kernel.errors import ShipwayError
from shipway.models import Array, Column, InputMismatch, Signature, golden_blob, load_model
from shipway.operate import LoadedRelease, ReleaseClosed
from shipway.operate._loaded import PipedModel, portable_here
from shipway.pipeline import open_environment
from shipway.release import find_component, load_components
from shipway.serve import PredictionFailed, ServingConfig
from shipway.store import PredictionRecord, decode_record, list_segments, read_segment

pytest_plugins = ["cli_fixtures"]


@pytest.fixture(scope="module")
def released(fitted: Project) -> Project:
    """A model that brings no code is loaded in the caller's process."""
    return fitted


X, Y = [0.0, 1.0, -0.5, 2.0], [1.0, 0.0, 0.5, 2.0]


@pytest.fixture(name="release", scope="module")
def _release(released: Project) -> Digest:
    (release,) = released.store.targets("release/", "sha256:")
    return release


@pytest.fixture(name="loaded", scope="module")
def _loaded(released: Project, release: Digest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedRelease]:
    small = released.copy(tmp_path_factory.mktemp("loaded") / "project")
    with shipway.load(release, project=small.root) as loaded:
        yield loaded


def named(file: Path) -> JsonObject:
    """The descriptor of a file."""
    data = file.read_bytes()
    return Descriptor("application/octet-stream", digest_bytes(data), len(data)).to_json()


def golden_answers(loaded: LoadedRelease) -> Array:
    return loaded.predict(loaded.golden[0])["probability"]


def test_every_form_of_table_gives_the_same_answers(loaded: LoadedRelease) -> None:
    columns = {"x": X, "y": Y}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(X, Y, strict=True)]
    frame = pl.DataFrame({"point": ["a", "b", "c", "d"], **columns})
    tables: dict[str, Any] = {
        "arrays": {name: np.array(values) for name, values in columns.items()},
        "series": {name: pd.Series(values) for name, values in columns.items()},
        "rows as objects": [{**row, "other": None} for row in rows],
        "rows as lists": [list(row.values()) for row in rows],
        "a matrix": np.array([X, Y]).T,
        "named fields": np.array(list(zip(X, Y, strict=True)), dtype=[("x", "f8"), ("y", "f8")]),
        "polars": frame,
        "pandas": frame.to_pandas(),
        "pandas, its own types": frame.to_pandas().convert_dtypes(),
        "pyarrow": frame.to_arrow(),
        "a batch of pyarrow": pa.RecordBatch.from_pydict(columns),
        "narrow numbers": {name: np.array(values, dtype=np.float32) for name, values in columns.items()},
    }
    expected = loaded.predict(columns)
    assert list(expected) == ["probability"]
    assert expected["probability"].dtype == np.float64
    for what, table in tables.items():
        np.testing.assert_array_equal(loaded.predict(table)["probability"], expected["probability"], err_msg=what)
    assert len(loaded.predict([])["probability"]) == 0


def test_what_does_not_fit_is_named_by_its_column_and_a_failing_row_is_an_error(loaded: LoadedRelease) -> None:
    for table, says in (
        ({"x": X, "z": Y}, "column y: expected FP64, given no such column"),
        ({"x": X, "y": ["a", "b", "c", "d"]}, "column y: expected FP64, given str 'a'"),
        ({"x": X, "y": [True, False, True, False]}, "column y: expected FP64, given bool"),
        ({"x": X, "y": Y[:2]}, "column y: expected 4 rows, as in the first, given 2"),
    ):
        with pytest.raises(InputMismatch, match=says):
            loaded.predict(table)
    for odd in ("x", 7, [1, 2], np.zeros((2, 3)), [[1.0]], pl.LazyFrame({"x": X, "y": Y})):
        with pytest.raises(ShipwayError) as raised:
            loaded.predict(odd)
        assert raised.value.code == "serve.table-unknown", odd
    with pytest.raises(PredictionFailed, match="the model failed"):
        loaded.predict({"x": [0.0, None], "y": [0.0, 1.0]})
    assert len(golden_answers(loaded)) == 64


def test_it_answers_its_golden_rows_for_many_threads_and_after_its_process_was_killed(loaded: LoadedRelease) -> None:
    _, expected = loaded.golden
    assert loaded.apart, "this Python is not the environment of the release"
    with ThreadPoolExecutor(4) as threads:
        for answers in threads.map(golden_answers, [loaded] * 20):
            np.testing.assert_array_equal(answers, expected["probability"])
    model: Any = loaded.predictor._model
    assert isinstance(model, PipedModel)
    os.kill(model._predictor.pid, signal.SIGKILL)
    np.testing.assert_array_equal(golden_answers(loaded), expected["probability"])
    changed = golden_answers(loaded)
    changed[:] = 0.0  # the caller's own


def test_a_path_where_nothing_is_is_told_as_a_path(tmp_path: Path) -> None:
    with pytest.raises(ShipwayError, match="cannot read gone: No such file") as raised:
        shipway.load(str(tmp_path / "gone"), project=tmp_path)
    assert raised.value.code == "release.bundle-malformed"


@pytest.mark.slow
def test_a_child_of_a_fork_has_a_process_of_its_own(loaded: LoadedRelease) -> None:
    _, expected = loaded.golden
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(writer, "wb") as out:
            out.write(golden_answers(loaded).tobytes())
        model: Any = loaded.predictor._model
        model.close()
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as given:
        answers = np.frombuffer(given.read())
    os.waitpid(child, 0)
    np.testing.assert_array_equal(answers, expected["probability"])
    np.testing.assert_array_equal(golden_answers(loaded), expected["probability"])


BESIDE = """
import json, sys
sys.path += json.loads(sys.argv[1])
import shipway
assert not {"numpy", "click", "msgspec", "sqlalchemy"} & set(sys.modules), "to import shipway costs nothing"
with shipway.load(sys.argv[2], project=sys.argv[3]) as loaded:
    answers = loaded.predict(loaded.golden[0])["probability"].tolist()
    print(json.dumps([loaded.apart, answers]))
"""


def test_in_the_environment_of_the_release_it_answers_in_the_callers_process(
    released: Project, release: Digest, loaded: LoadedRelease
) -> None:
    """The release's own Python, and Shipway with its libraries last on the path: as where both are installed."""
    environment = find_component(load_components(released.store, release), "environment").digest
    python = open_environment(released.store, environment, cache=default_cache(), report=print)
    places = json.dumps([str(Path(shipway.__file__).parents[1]), *(path for path in sys.path if "site-packages" in path)])
    command = [str(python), "-I", "-c", BESIDE, places, release, str(released.root)]
    done = subprocess.run(command, capture_output=True, text=True, env=released.environ, check=False)
    assert done.returncode == 0, done.stderr
    apart, answers = json.loads(done.stdout)
    assert apart == ""
    np.testing.assert_array_equal(answers, loaded.golden[1]["probability"])


@pytest.mark.slow
def test_a_bundle_needs_no_project_and_is_gone_when_it_is_closed(
    project: Project, release: Digest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, folder = tmp_path / "bundle", tmp_path / "nowhere"
    project.ask("release", "export", release, str(bundle))
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SHIPWAY_KEYS", str(project.keys_folder))
    with shipway.load(bundle) as loaded:
        assert loaded.release == release
        np.testing.assert_array_equal(golden_answers(loaded), loaded.golden[1]["probability"])
    with pytest.raises(ReleaseClosed):
        loaded.predict({"x": X, "y": Y})
    (blob,) = bundle.glob(f"blobs/sha256/{release.removeprefix('sha256:')}")
    blob.chmod(0o644)
    blob.write_bytes(b"{}")
    with pytest.raises(ShipwayError, match="damaged"):
        shipway.load(bundle)


def test_a_deployment_is_what_is_live_there_and_its_mounted_predictions_are_logged(project: Project, release: Digest) -> None:
    with pytest.raises(ShipwayError):
        shipway.load("line@prod", project=project.root)
    move(project, release)
    for name in ("line", "deploy/line@prod", release[7:15], release):
        with ExitStack() as held:
            assert _from_project(_Project(read_settings(directory=str(project.root), debug=False)), name, held)[1] == release
    mounted = shipway.asgi("line@prod", project=project.root / "points")
    with TestClient(mounted) as client:
        rows = [{"x": x, "y": y, "point": f"p{x}", "day": "2020-02-01"} for x, y in zip(X, Y, strict=True)]
        found = client.post("/v1/models/above:predict", json={"instances": rows})
        assert len(found.json()["predictions"]) == 4
        assert found.headers["x-shipway-release"] == release
    segments = list_segments(project.store.log_folder("predictions"))
    records = [decode_record(frame.payload) for segment in segments for frame in read_segment(segment.path).frames]
    assert [(type(record), record.rows) for record in records if isinstance(record, PredictionRecord)] == [
        (PredictionRecord, 4)
    ], "as those of a server"


def test_an_onnx_model_answers_here_if_it_gives_its_golden_rows_here(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["rows", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["probability"])]
    takes = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 2])
    gives = helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])
    weights = numpy_helper.from_array(np.array([[-1.5], [3.0]], dtype=np.float32), "w")
    graph = helper.make_graph(nodes, "line", [takes], [gives], [weights])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    signature = Signature((Column("x", "FP64"), Column("y", "FP64")), (Column("probability", "FP64"),))
    model, golden = tmp_path / "model.onnx", tmp_path / "golden.json"
    model.write_bytes(data)
    columns: dict[str, Array] = {"x": np.array(X), "y": np.array(Y)}
    bare: JsonObject = {"kind": "model", "version": 1, "format": "onnx", "file": named(model), "signature": signature.to_json()}
    answers: Any = load_model(bare, model).predict(columns)
    found = {}
    for nudge in (0.0, 1e-9):
        golden.write_bytes(golden_blob(columns, {"probability": answers["probability"] + nudge}))
        config = ServingConfig(
            kind="serving", version=1, application="a", environment="e", release="r", deployment="d",
            model=dict[str, Any](bare) | {"golden": named(golden)},
            model_file=str(model), golden_file=str(golden), model_name="m",
            log_directory=None,
        )  # fmt: skip
        found[nudge] = portable_here(config)
    assert found[0.0] is not None
    np.testing.assert_array_equal(found[0.0].predict(columns)["probability"], answers["probability"])
    assert found[1e-9] is None, "it computes otherwise here, so its own environment answers"
