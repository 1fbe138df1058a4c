"""What bench/serving.py needs: a model with all that serves it, processes that end with it, the load, what a process has."""

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import skops.io
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from shipway.environment import overlay_command
from shipway.kernel.digest import Descriptor, digest_bytes
from shipway.models import Column, Signature, golden_blob, model_object

VENV = Path(sys.executable).parent.parent
PYTHON = VENV / "bench-model" / "bin" / "python"  # of an environment with what the model needs, as a project locks it
INPUTS = 20
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
SIGNATURE = Signature(tuple(Column(f"x{place}", "FP64") for place in range(INPUTS)), (Column("probability", "FP64"),))


class Given(NamedTuple):
    """A model and what serves it. rows and answers: what is asked, and what the model itself says."""

    joblib: Path
    skops: Path
    native: Path
    onnx: Path
    rows: np.ndarray
    answers: np.ndarray


class Work(NamedTuple):
    """What a part is told. overlay: what a predictor gets beside the project's own libraries; folder: of this run; quick: in a
    tenth of the time; only: the servers that are asked, None all.
    """

    given: Given
    overlay: Path
    folder: Path
    quick: bool
    only: tuple[str, ...] | None

    def predictor(self, config: Path, *options: str, module: str = "shipway.protocols.predictor") -> list[str]:
        """The command that `shipway serve` starts a predictor with, in a project's environment with the overlay."""
        return overlay_command(PYTHON, self.overlay, module, "--config", str(config), *options)


def make_model(folder: Path) -> Given:
    """Fit it, convert it, and write what a predictor is given for both forms."""
    rows, classes = make_classification(20_000, INPUTS, n_informative=12, random_state=0)
    with threadpool_limits(1):  # more of them spin where the machine is busy
        model = HistGradientBoostingClassifier(random_state=0, early_stopping=False).fit(rows, classes)
    files = {name: folder / f"model.{name}" for name in ("joblib", "skops", "onnx")}
    joblib.dump(model, files["joblib"])
    skops.io.dump(model, files["skops"])
    inputs = folder / "inputs.json"
    inputs.write_text(json.dumps([column.to_json() for column in SIGNATURE.inputs]))
    convert = ["-m", "shipway.models", "convert", "--inputs", str(inputs), "--file", str(files["skops"])]
    subprocess.run([sys.executable, *convert, "--converted", str(files["onnx"])], check=True, capture_output=True)
    asked = rows[:256]
    with threadpool_limits(1):
        answers = model.predict_proba(asked)[:, 1]
    golden = write_golden(folder / "golden.json", asked, answers)
    native = write_config(folder / "native", files["skops"], golden, "skops", {})
    onnx = write_config(folder / "onnx", files["onnx"], golden, "onnx", {"tolerance": 1e-5})
    return Given(files["joblib"], files["skops"], native, onnx, asked, answers)


def write_golden(file: Path, rows: np.ndarray, answers: np.ndarray) -> Path:
    """Golden rows of these answers."""
    file.write_bytes(golden_blob({f"x{place}": rows[:, place] for place in range(INPUTS)}, {"probability": answers}))
    return file


def write_config(
    folder: Path,
    file: Path,
    golden: Path,
    format: str,
    more: Mapping[str, object],
    functions: tuple[Path, str] | None = None,
) -> Path:
    """serving.json as `shipway serve` writes it, with a prediction log. functions: a file of modules, and which runs before."""
    own = {"source": descriptor(functions[0]).to_json(), "before": functions[1], "after": None} if functions else None
    manifest = model_object(
        format=format,
        file=descriptor(file),
        signature=SIGNATURE,
        golden=descriptor(golden),
        key=[],
        time=None,
        target="late",
        functions={**own, "inputs": [column.to_json() for column in SIGNATURE.inputs]} if own else None,
    )
    folder.mkdir()
    config = folder / "serving.json"
    fields = {
        "kind": "serving",
        "version": 1,
        "application": "delay",
        "environment": "bench",
        "release": "sha256:" + hashlib.sha256(b"release").hexdigest(),
        "deployment": "sha256:" + hashlib.sha256(b"deployment").hexdigest(),
        "model": {**manifest, **more},
        "model_file": str(file),
        "golden_file": str(golden),
        "model_name": "delay",
        "log_directory": str(folder / "log"),
        "functions_file": str(functions[0]) if functions else None,
    }
    config.write_text(json.dumps(fields))
    return config


def descriptor(file: Path) -> Descriptor:
    data = file.read_bytes()
    return Descriptor("application/octet-stream", digest_bytes(data), len(data))


@contextmanager
def started(
    command: Sequence[str], environ: Mapping[str, str], out: Path, fds: Sequence[int] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with one thread in numeric libraries, its output in a file; ended afterwards with all that it has started."""
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with out.open("wb") as said:
        process = subprocess.Popen(
            command,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**plain, **ONE_THREAD, **environ},
            cwd=out.parent,
            start_new_session=True,
            pass_fds=fds,
        )
    try:
        yield process
    finally:
        for sign in (signal.SIGTERM, signal.SIGKILL):  # the group is its own: nobody else is in it
            with suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
        process.wait()


Row = dict[str, object]
"""A row of the results."""


class Load(NamedTuple):
    """What wrk saw, and what the server paid. p50, p99: milliseconds; cpu: microseconds a request; errors: no success."""

    rate: float
    p50: float
    p99: float
    cpu: float
    errors: int


def load(url: str, bodies: Sequence[object], *, connections: int, seconds: int, pid: int) -> Load:
    """wrk for some seconds, the bodies in turn."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_script(bodies))
        script.flush()
        before = cpu_seconds(pid)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", "-s", script.name, url]
        text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
        used = cpu_seconds(pid) - before
    times = {found[0]: float(found[1]) * _MS[found[2]] for found in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s|m)\b", text)}
    rate, total = re.search(r"Requests/sec:\s+([\d.]+)", text), re.search(r"(\d+) requests in", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    lost = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    if not rate or not total or not int(total[1]) or times.keys() != {"50", "99"}:
        raise OSError(f"wrk says nothing of use: {text}")
    errors = int(bad[1] if bad else 0) + sum(map(int, lost.groups() if lost else ()))
    return Load(float(rate[1]), times["50"], times["99"], 1e6 * used / int(total[1]), errors)


_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def _script(bodies: Sequence[object]) -> str:
    texts = ",".join(f"[=[{json.dumps(body)}]=]" for body in bodies)
    return (
        f"local bodies, made, at = {{{texts}}}, {{}}, 0\n"
        "wrk.method = 'POST'\nwrk.headers['content-type'] = 'application/json'\n"
        "function init() for i, body in ipairs(bodies) do made[i] = wrk.format(nil, nil, nil, body) end end\n"
        "function request() at = at % #made + 1 return made[at] end\n"
    )


def ask(url: str, body: object, *, timeout: float = 10) -> object:
    """The answer to one call; raises OSError."""
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.loads(answer.read())
    except http.client.HTTPException as problem:
        raise OSError(f"no whole answer: {problem}") from problem


def cpu_seconds(pid: int) -> float:
    """User and system seconds of a process and its children; 0 of one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return own + sum(cpu_seconds(child) for child in children(pid))
    except OSError:
        return 0.0


def memory_mb(pid: int) -> float:
    """Proportional set size of a process and its children; 0 of one that has ended."""
    try:
        own = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return (int(own[1]) if own else 0) / 1024 + sum(memory_mb(child) for child in children(pid))
    except OSError:
        return 0.0


def children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def wait_until(answers: object, process: subprocess.Popen[bytes], *, seconds: float = 60) -> None:
    """Until `answers()` does not raise OSError; raises OSError when the process has ended or the time is up."""
    end = time.monotonic() + seconds
    while True:
        try:
            answers()  # type: ignore[operator]
            return
        except (OSError, ValueError) as problem:
            if process.poll() is not None or time.monotonic() > end:
                raise OSError(f"no answer: {problem}") from problem
            time.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
