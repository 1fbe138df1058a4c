"""MLflow's own application under uvicorn in one process: loopback only, no job runners, no telemetry.

The `mlflow server` command would start ten processes; its application alone is the same server without the job queue. What
it reads from the environment are the variables that the command sets for its workers (MLflow 3.17).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from shipway.kernel.errors import ShipwayError

START_SECONDS = 60.0  # measured: 5 s on a quiet machine, 29 s on a loaded one


class TrackingFailed(ShipwayError):
    """The MLflow server did not start."""

    code = "tracking.failed"


def tracking_installed() -> bool:
    """Whether the extra `shipway[mlflow]` is installed here; does not import it."""
    return importlib.util.find_spec("mlflow") is not None


class Tracking:
    """A running MLflow server; `url` is its pages and its API."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process, self.url, self._log = process, url, log

    def ready(self) -> bool:
        """Whether it answers; raises TrackingFailed when its process has ended."""
        if self.process.poll() is not None:
            tail = " / ".join(self._log.read_text(errors="replace").strip().splitlines()[-2:])
            raise TrackingFailed(f"MLflow ended with {self.process.returncode}: {tail}", where=str(self._log))
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:  # noqa: S310 - our own loopback address
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def wait(self, stop: threading.Event | None = None) -> None:
        """Return when it answers, or when told to stop waiting. Raises TrackingFailed."""
        end, told = time.monotonic() + START_SECONDS, stop or threading.Event()
        while not told.is_set() and not self.ready():
            if time.monotonic() > end:
                raise TrackingFailed(f"MLflow did not answer within {START_SECONDS:.0f} s", where=str(self._log))
            told.wait(0.1)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_tracking(folder: Path, *, port: int, environ: Mapping[str, str]) -> Tracking:
    """Start MLflow on a loopback port, its data below `folder`; returns at once. Dies with this process."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "artifacts").mkdir(exist_ok=True)
    settings = {
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder / 'mlflow.db'}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
    log = folder / "server.log"
    command = [sys.executable, "-m", "shipway.tracking._child", str(port), str(os.getpid())]
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, env={**environ, **settings}, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, close_fds=True
        )
    return Tracking(process, f"http://127.0.0.1:{port}", log)
