"""The MLflow child: the real server, the real client, and an end with its parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.gate import Bound, read_foreign
from shipway.kernel.check import Verdict
from shipway.tracking import RunUnread, Tracking, TrackingFailed, fetch_run, start_tracking

CLIENT = """
import mlflow, sys
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("flights")
with mlflow.start_run() as run:
    mlflow.log_param("trees", 80)
    mlflow.log_metric("auc", 0.64)
found = mlflow.search_runs(experiment_names=["flights"], output_format="list")
print(run.info.run_id)
print(found[0].data.metrics["auc"], found[0].data.params["trees"])
"""

PARENT = """
import os, sys, time
from pathlib import Path
from shipway.tracking import start_tracking
tracking = start_tracking(Path(sys.argv[1]), port=int(sys.argv[2]), environ=dict(os.environ))
print(tracking.process.pid, flush=True)
time.sleep(600)
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def tracking(tmp_path: Path) -> Iterator[Tracking]:
    found = start_tracking(tmp_path / "mlflow", port=free_port(), environ=dict(os.environ))
    yield found
    found.stop()


@pytest.mark.interop
def test_the_real_client_logs_a_run_and_finds_it(tracking: Tracking) -> None:
    tracking.wait()
    environ = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-W", "ignore", "-c", CLIENT, tracking.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environ)
    run, line = done.stdout.splitlines()[-2:]
    assert line == "0.64 80", done.stderr
    found = read_foreign(fetch_run(tracking.url, run, environ={}), "mlflow", path="auc", bound=Bound(0.7, higher=True))
    assert (found.verdict, found.value) == (Verdict.FAIL, 0.64)
    with pytest.raises(RunUnread, match="404"):
        fetch_run(tracking.url, "0" * 32, environ={})


def test_a_server_that_ends_at_once_says_what_it_said_last(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = start_tracking(tmp_path / "mlflow", port=int(taken.getsockname()[1]), environ=dict(os.environ))
        with pytest.raises(TrackingFailed, match="address already in use"):
            found.wait()
    assert (tmp_path / "mlflow" / "server.log").exists()


@pytest.mark.parametrize("seconds", [0.0, 2.0])
def test_the_server_ends_with_its_parent_however_and_whenever_that_ends(tmp_path: Path, seconds: float) -> None:
    """Also when it ends before the server has asked the kernel to be told."""
    command = [sys.executable, "-c", PARENT, str(tmp_path / "mlflow"), str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(seconds)
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 60
    while time.monotonic() < end and _runs(child):
        time.sleep(0.1)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
