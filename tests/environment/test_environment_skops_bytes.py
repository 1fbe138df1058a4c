from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from environment_help import ENVIRON, Project, project_python, value

import shipway.environment
from shipway.environment import Runner

RUNNER = Path(shipway.environment.__file__).parent / "runner" / "v1.py"


def fit_in_a_process_of_its_own(work: Path) -> tuple[Path, Path]:
    project = Project(work)
    with Runner(project_python(), environ=ENVIRON) as runner:
        table = runner.run(project.call("table", "polars.frame")).file
        return table, runner.run(project.call("fit", "sklearn.model", table=value("polars.frame", table))).file


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path]]:
    return [fit_in_a_process_of_its_own(tmp_path_factory.mktemp("fit") / "work") for _ in range(2)]


def test_two_fits_in_two_processes_are_the_same_bytes(fits: list[tuple[Path, Path]]) -> None:
    (first_table, first), (second_table, second) = fits
    assert first_table.read_bytes() == second_table.read_bytes()
    assert first.read_bytes() == second.read_bytes()


def test_members_are_counted_sorted_undated_and_stored(fits: list[tuple[Path, Path]]) -> None:
    with zipfile.ZipFile(fits[0][1]) as archive:
        entries, schema = archive.infolist(), json.loads(archive.read("schema.json"))
    names = [entry.filename for entry in entries]
    assert names == sorted(names)
    assert names[0] == "000001.npy"
    assert {(entry.date_time, entry.compress_type, entry.external_attr) for entry in entries} == {
        ((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED, 0o644 << 16)
    }
    ids = set(_ids(schema))
    assert ids == set(range(1, len(ids) + 1))


COMPARE = """
import importlib.util, io, sys
import numpy as np, polars as pl, skops.io as skops
spec = importlib.util.spec_from_file_location("v1", sys.argv[1])
v1 = importlib.util.module_from_spec(spec); spec.loader.exec_module(v1)
sys.path.insert(0, sys.argv[2])
import steps
table = steps.table()
original = steps.fit(table)
plain = skops.dumps(original)
normal = v1.normalise_skops(plain)
assert v1.normalise_skops(normal) == normal, "normalising twice"
assert plain != normal
loaded = skops.loads(normal, trusted=sorted(v1.TRUSTED))
np.testing.assert_array_equal(loaded.predict_proba(table.to_numpy()), original.predict_proba(table.to_numpy()), strict=True)
"""


def test_a_normalised_model_loads_and_predicts_the_same_bits(tmp_path: Path) -> None:
    project = Project(tmp_path)
    subprocess.run([project_python(), "-c", COMPARE, RUNNER, project.root], check=True, env=ENVIRON | {"OMP_NUM_THREADS": "1"})


def test_equal_scalars_share_a_number_and_order_of_keys_is_kept() -> None:
    spec = importlib.util.spec_from_file_location("runner_v1", RUNNER)
    assert spec is not None
    assert spec.loader is not None
    v1 = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(v1)

    def scalar(content: str, id_: int) -> dict[str, object]:
        return {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": content, "__id__": id_}

    def archive(*ids: int) -> bytes:
        content = {"b": scalar("1", ids[0]), "a": scalar("1", ids[1]), "file": scalar("2", ids[2])}
        node = {"__loader__": "DictNode", "content": content, "__id__": ids[3]}
        array = {"__loader__": "NdArrayNode", "file": f"{ids[4]}.npy", "__id__": ids[4]}
        buffer, data = io.BytesIO(), io.BytesIO()
        np.save(data, np.arange(3))
        with zipfile.ZipFile(buffer, "w") as made:
            made.writestr(f"{ids[4]}.npy", data.getvalue())
            made.writestr("schema.json", json.dumps({"__loader__": "ListNode", "content": [node, array], "__id__": 1}))
        return buffer.getvalue()

    one, other = (v1.normalise_skops(archive(*ids)) for ids in ((70, 70, 71, 72, 73), (90, 95, 10, 20, 30)))
    assert one == other
    with zipfile.ZipFile(io.BytesIO(one)) as made:
        schema = json.loads(made.read("schema.json"))
    assert list(schema["content"][0]["content"]) == ["b", "a", "file"]
    assert schema["content"][1]["file"] == "000001.npy"


def _ids(node: object) -> list[int]:
    if isinstance(node, dict):
        own = [node["__id__"]] if isinstance(node.get("__id__"), int) else []
        return own + [found for item in node.values() for found in _ids(item)]
    return [found for item in node for found in _ids(item)] if isinstance(node, list) else []
