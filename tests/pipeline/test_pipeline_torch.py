"""Programs of torch.export and weights in safetensors, made models by the real PyTorch in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pipeline_help import Project
from test_pipeline_model import Declared
from test_pipeline_own import manifest_of, with_value

from shipway.environment import StepResult, default_cache, ensure_overlay
from shipway.kernel import media
from shipway.kernel.digest import Descriptor
from shipway.pipeline import (
    FunctionNames,
    ModelMade,
    RunResult,
    ScoringFailed,
    Silence,
    code_object,
    make_model,
    measure_evaluation,
)
from shipway.pipeline._values import keep_value

NETS = Path(__file__).with_name("torch_nets.py")
PYTHON = Path(__file__).parents[2] / ".venv" / "torch" / "bin" / "python"
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="make .venv/torch/.made: needs torch's file for the CPU")

NET = '''"""Above the line y = x/2, by a network of torch, and the same weights by numpy alone."""

import numpy as np
import safetensors.numpy
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = torch.nn.Linear(2, 8), torch.nn.Linear(8, 1)

    def forward(self, rows):
        return {"probability": torch.sigmoid(self.out(torch.relu(self.hidden(rows))))[:, 0]}


class ByName(Net):
    def forward(self, y, x):
        return super().forward(torch.stack([x, y], 1).float())["probability"]


class Wide(Net):
    def __init__(self):
        super().__init__()
        self.hidden = torch.nn.Linear(3, 8)


class Plain:
    def __init__(self, path):
        self.weights = safetensors.numpy.load_file(path)

    def predict(self, columns):
        w = self.weights
        hidden = np.maximum(np.column_stack([columns["x"], columns["y"]]) @ w["hidden.weight"].T + w["hidden.bias"], 0)
        return {"probability": 1 / (1 + np.exp(-(hidden @ w["out.weight"].T + w["out.bias"])[:, 0]))}
'''
SAVE = """
import sys
import torch
from safetensors.torch import save_file
import net

torch.manual_seed(0)
torch.set_num_threads(1)
made = net.Net()
rows = torch.randn(2000, 2)
above = (rows[:, 1] > rows[:, 0] / 2).float()
optimiser = torch.optim.Adam(made.parameters(), 0.05)
for _ in range(60):
    optimiser.zero_grad()
    torch.nn.functional.binary_cross_entropy(made(rows)["probability"], above).backward()
    optimiser.step()
save_file(made.state_dict(), sys.argv[1] + "/net.safetensors")
program = torch.export.export(made.eval(), (rows[:3],), dynamic_shapes={"rows": {0: torch.export.Dim("n")}})
torch.export.save(program, sys.argv[1] + "/net.pt2")
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, RunResult]:
    project = Project.make(tmp_path_factory.mktemp("torch") / "project")
    result = project.run()
    (project.root / "net.py").write_text(NET)
    (project.root / "steps.py").write_text("import net\n" + (project.root / "steps.py").read_text())
    environ = {**os.environ, "PYTHONPATH": str(project.root)}
    subprocess.run([PYTHON, "-c", SAVE, str(project.root)], check=True, env=environ, capture_output=True)
    return project, result


def kept(ran: tuple[Project, RunResult], file: Path) -> Descriptor:
    """The file as the value of a step that returned its path."""
    return keep_value(ran[0].store, StepResult(file, media.BYTES, 0.0))


def make(ran: tuple[Project, RunResult], value: Descriptor, own: str | None = None) -> ModelMade:
    project, result = ran
    return make_model(
        project.store, with_value(result, value), Declared(), python=PYTHON, cache=default_cache(), report=Silence(),
        code=code_object(project.store, project.root, "steps.py"), names=FunctionNames(own=own),
    )  # fmt: skip


def scores(project: Project, made: ModelMade) -> np.ndarray:
    return pl.read_parquet(project.store.objects.path(made.scores.digest))["score"].to_numpy()


def test_a_program_of_torch_export_is_measured_and_gives_its_golden_rows_again(ran: tuple[Project, RunResult]) -> None:
    project, _ = ran
    value = kept(ran, project.root / "net.pt2")
    assert value.media_type == media.PROGRAM
    assert str(project.root).encode() not in project.store.objects.get(value.digest)
    made = make(ran, value)
    manifest = manifest_of(project, made)
    assert (manifest["format"], manifest["signature"]["outputs"]) == ("torch", [{"name": "probability", "datatype": "FP64"}])
    assert {metric.name: metric.value for metric in measure_evaluation(project.store, made.scores)}["auc"] > 0.99


@pytest.mark.slow
def test_weights_in_safetensors_make_a_model_of_a_module_or_of_a_class(ran: tuple[Project, RunResult]) -> None:
    project, _ = ran
    value = kept(ran, project.root / "net.safetensors")
    of_module = make(ran, value, "net.Net")
    manifest = manifest_of(project, of_module)
    assert (manifest["format"], value.media_type) == ("safetensors", media.SAFETENSORS)
    of_class = make(ran, value, "net.Plain")
    np.testing.assert_allclose(scores(project, of_module), scores(project, of_class), rtol=1e-4)


@pytest.mark.slow
def test_a_module_takes_columns_by_name_and_no_other_weights_than_its_own(ran: tuple[Project, RunResult]) -> None:
    project, _ = ran
    value = kept(ran, project.root / "net.safetensors")
    with pytest.raises(ScoringFailed, match=r"Wide does not take these weights: .*size mismatch for hidden\.weight"):
        make(ran, value, "net.Wide")
    (cut := project.root / "cut.safetensors").write_bytes((project.root / "net.safetensors").read_bytes()[:-4])
    with pytest.raises(ScoringFailed, match="the tensors of the file are"):
        make(ran, kept(ran, cut), "net.Net")
    of_program = make(ran, kept(ran, project.root / "net.pt2"))
    by_name = make(ran, value, "net.ByName")
    assert manifest_of(project, by_name)["signature"]["outputs"] == [{"name": "prediction", "datatype": "FP32"}]
    np.testing.assert_allclose(scores(project, by_name), scores(project, of_program), rtol=1e-5)


@pytest.mark.slow
def test_networks_of_many_kinds_answer_bit_by_bit_as_torch_runs_them() -> None:
    overlay = ensure_overlay(PYTHON, cache=default_cache(), report=print)
    environ = {**os.environ, "PYTHONPATH": str(overlay)}
    done = subprocess.run([PYTHON, "-W", "ignore", NETS], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 20
    assert {name: said for name, said in found.items() if said != "equal"} == {}


CODE = """
import io, sys, zipfile
import torch

given = zipfile.ZipFile(sys.argv[1])
with zipfile.ZipFile(sys.argv[2], "w") as made:
    for name in given.namelist():
        data = given.read(name)
        if name.endswith("models/model.json"):
            text = data.decode()
            begin = text.index("Symbol('s")
            end = text.index(")", begin) + 1
            symbol = text[begin:end]
            data = text.replace(symbol, symbol[:-1] + f", **(open({sys.argv[3]!r}, 'w').close() or {{}}))").encode()
        made.writestr(name, data)
try:
    torch.export.load(sys.argv[2])
except Exception:
    pass
"""


@pytest.mark.slow
def test_code_in_a_program_runs_where_torch_loads_it_and_not_here(ran: tuple[Project, RunResult], tmp_path: Path) -> None:
    project, _ = ran
    mark, hostile = tmp_path / "ran", tmp_path / "hostile.pt2"
    subprocess.run(
        [PYTHON, "-W", "ignore", "-c", CODE, project.root / "net.pt2", hostile, mark], check=True, capture_output=True
    )
    assert mark.exists(), "torch.export.load evaluates the sizes that are in the file"
    mark.unlink()
    with pytest.raises(ScoringFailed, match="a size in the program is no arithmetic"):
        make(ran, kept(ran, hostile))
    assert not mark.exists()
