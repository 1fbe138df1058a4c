"""The servers of bench/serving.py: ours three times, and each peer from an environment of its own.

Peers write no line for each request: they are faster without.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from serving_setup import PYTHON, VENV, Given, Work, free_port

SOURCES = Path(__file__).with_name("peers")
INFER, ONE_MODEL = "/v2/models/delay/infer", "delay"
Row = list[float]


class Server(NamedTuple):
    """How a server is started, and what it is asked. read: the probability in an answer; within: how far from the model's."""

    name: str
    command: list[str]
    environ: Mapping[str, str]
    port: int
    path: str
    body: Callable[[Row], object]
    read: Callable[[Any], float]
    within: float = 1e-12


def servers(work: Work) -> list[Server]:
    """Every server of the comparison, ours first. A peer whose environment is not there is told and left out."""
    given = work.given
    found = [_ours(work, "native", given.native), _ours(work, "onnx", given.onnx), _limit(work)]
    for make in (_mlflow, _mlserver, _bentoml, _kserve, _litserve):
        try:
            found.append(make(given, work.folder))
        except (OSError, subprocess.SubprocessError) as problem:
            print(f"{make.__name__[1:]} is left out: {problem}", file=sys.stderr)
    return found


def _tensor(row: Row) -> object:
    return {"inputs": [{"name": "input", "shape": [1, len(row)], "datatype": "FP64", "data": row}]}


def _of_tensor(answer: Any) -> float:
    return float(answer["outputs"][0]["data"][0])


def _rows(row: Row) -> object:
    return {"rows": [row]}


def _ours(work: Work, name: str, config: Path) -> Server:
    port = free_port()
    command = work.predictor(config, "--port", str(port))
    within = 0.0 if name == "native" else 1e-5
    return Server(name, command, {}, port, INFER, _tensor, _of_tensor, within)


def _limit(work: Work) -> Server:
    """What our server costs without us: it reads a body and says two bytes."""
    port = free_port()
    command = [str(PYTHON), str(SOURCES / "serving_limit.py"), str(port)]
    return Server("limit", command, {"PYTHONPATH": str(work.overlay)}, port, INFER, _tensor, lambda _: float("nan"))


def _mlflow(given: Given, folder: Path) -> Server:
    port, saved = free_port(), folder / "mlflow"
    quiet = {
        "UVICORN_ACCESS_LOG": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
    }
    words = [str(_bin("mlflow", "python")), str(SOURCES / "serving_mlflow.py"), str(given.joblib), str(saved)]
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, **quiet}, timeout=180)
    where = ["--host", "127.0.0.1", "--port", str(port), "--env-manager", "local", "--workers", "1"]
    command = [str(_bin("mlflow", "mlflow")), "models", "serve", "-m", str(saved), *where]
    path = f"{VENV / 'bench-mlflow' / 'bin'}:{os.environ['PATH']}"
    body, read = (lambda row: {"inputs": [row]}), (lambda answer: float(answer["predictions"][0][1]))
    return Server("mlflow", command, {**quiet, "PATH": path}, port, "/invocations", body, read)


def _mlserver(given: Given, folder: Path) -> Server:
    port, home = free_port(), folder / "mlserver"
    home.mkdir(exist_ok=True)
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    # with a worker process of its own, its default, it does not start under uvloop 0.23
    (home / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "parallel_workers": 0, "debug": False, **ports}))
    (home / "model-settings.json").write_text(json.dumps({"name": ONE_MODEL, "implementation": "serving_mlserver.Boosted"}))
    environ = {"BENCH_MODEL": str(given.joblib), "PYTHONPATH": str(SOURCES)}
    return Server(
        "mlserver", [str(_bin("mlserver", "mlserver")), "start", str(home)], environ, port, INFER, _tensor, _of_tensor
    )


def _bentoml(given: Given, folder: Path) -> Server:
    port = free_port()
    quiet = {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(folder / "bentoml")}
    where = ["--host", "127.0.0.1", "--port", str(port), "--working-dir", str(SOURCES)]
    command = [str(_bin("bentoml", "bentoml")), "serve", "serving_bentoml:Boosted", *where]
    environ = {"BENCH_MODEL": str(given.joblib), **quiet}
    return Server("bentoml", command, environ, port, "/predict", _rows, lambda answer: float(answer[0]))


def _kserve(given: Given, _folder: Path) -> Server:
    port = free_port()
    command = [str(_bin("kserve", "python")), str(SOURCES / "serving_kserve.py")]
    environ = {"BENCH_MODEL": str(given.joblib), "BENCH_PORT": str(port)}
    return Server("kserve", command, environ, port, INFER, _tensor, _of_tensor)


def _litserve(given: Given, _folder: Path) -> Server:
    port = free_port()
    command = [str(_bin("litserve", "python")), str(SOURCES / "serving_litserve.py")]
    environ = {"BENCH_MODEL": str(given.joblib), "BENCH_PORT": str(port)}
    return Server("litserve", command, environ, port, "/predict", _rows, lambda answer: float(answer["probability"][0]))


def _bin(peer: str, program: str) -> Path:
    """A program of a peer's environment, which `make bench-serving` has made. Raises FileNotFoundError."""
    found = VENV / f"bench-{peer}" / "bin" / program
    if not found.exists():
        raise FileNotFoundError(f"no {found}: run `make bench-serving`")
    return found
