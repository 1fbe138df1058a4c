"""The life of a predictor process: ready, under load, drained, killed, refused, on a full disk."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from wire_help import RELEASE, TEXT_INPUTS, Running, Served, ask, infer, rows_of, serving, start, tensors

from shipway.kernel.digest import digest_bytes
from shipway.models import golden_blob
from shipway.store import list_segments, read_counts, recover_writers

pytest_plugins = ["wire_fixtures"]

ROW = tensors(rows_of(TEXT_INPUTS, 1))


class Load:
    """Clients that send single rows one after another and note when each id was answered."""

    def __init__(self, address: str, *, clients: int = 4) -> None:
        self.answered: dict[str, float] = {}
        self._address, self._stop = address, threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(client,)) for client in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, client: int) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        with suppress(OSError, http.client.HTTPException):  # the server is gone
            for i in range(1_000_000):
                if self._stop.is_set():
                    break
                id = f"{client}-{i}"
                connection.request("POST", "/v2/models/delay/infer", json.dumps({"id": id, "inputs": ROW}))
                response = connection.getresponse()
                assert response.status == 200, response.read()
                response.read()
                self.answered[id] = time.monotonic()
        connection.close()


def test_sigterm_under_load_answers_what_is_in_flight_and_loses_nothing(served: Served, tmp_path: Path) -> None:
    served = served.logging_to(tmp_path)
    with serving(served.config()) as running, Load(running.address) as load:
        end = time.monotonic() + 60
        while len(load.answered) <= 50 and time.monotonic() < end:
            time.sleep(0.02)
        assert running.end(signal.SIGTERM) == 0
    logged = {record.request for record in served.records()}
    assert load.answered.keys() <= logged
    assert len(load.answered) > 50
    assert all(segment.sealed for segment in list_segments(served.log))
    assert list(served.log.glob("*.count")) == []


def one_kill(served: Served, rng: random.Random) -> None:
    with serving(served.config()) as running, Load(running.address) as load:
        time.sleep(rng.uniform(0.05, 1.5))
        running.end(signal.SIGKILL)
        killed = time.monotonic()
    (count,) = served.log.glob("*.count")
    counts = read_counts(count)
    assert counts is not None
    gaps = recover_writers(served.log, lambda gap: None)
    logged = {record.request for record in served.records()}
    missing = [answered for id, answered in load.answered.items() if id not in logged]
    assert counts.accepted - len(logged) == sum(gap.lost_rows for gap in gaps)
    assert len(missing) <= sum(gap.lost_rows for gap in gaps)
    assert all(killed - answered < 1.0 for answered in missing)


def test_kill_9_under_load_costs_less_than_a_second_and_says_how_much(served: Served, tmp_path: Path) -> None:
    for round_ in range(2):
        one_kill(served.logging_to(fresh(tmp_path / str(round_))), random.Random())


@pytest.mark.slow
def test_kill_9_under_load_thirty_times(served: Served, tmp_path: Path) -> None:
    for round_ in range(30):
        one_kill(served.logging_to(fresh(tmp_path / str(round_))), random.Random())


def fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_an_inherited_socket_and_a_ready_pipe(served: Served, tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    reader, writer = os.pipe()
    where = ("--fd", str(listener.fileno()), "--ready-fd", str(writer), "--die-with-parent")
    process = start(served.logging_to(tmp_path).config(), *where, pass_fds=(listener.fileno(), writer))
    os.close(writer)
    with os.fdopen(reader) as pipe:
        ready = json.loads(pipe.read())
    port = listener.getsockname()[1]
    listener.close()
    assert ready == {"ready": True, "port": port, "pid": process.pid, "release": RELEASE}
    running = Running(process, port)
    assert infer(running.address, {"inputs": ROW}).status == 200
    assert running.end(signal.SIGTERM) == 0
    assert process.communicate() == ("", "")


def test_a_predictor_dies_with_its_parent(served: Served, tmp_path: Path) -> None:
    config = served.logging_to(tmp_path).config()
    child = [sys.executable, "-m", "shipway.protocols.predictor", "--config", str(config), "--port", "0", "--die-with-parent"]
    code = f"import subprocess, time; subprocess.Popen({child}); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        ready = json.loads(parent.stdout.readline())
        parent.kill()
    wait_until_gone(ready["pid"])


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError(f"{pid} still runs")


def refused(config: Path) -> tuple[dict[str, str], str]:
    """The error of a predictor that does not start, from its ready line, and its standard error."""
    process = start(config)
    line, error = process.communicate(timeout=30)
    assert process.returncode == 1
    ready = json.loads(line)
    assert ready["ready"] is False
    assert "Traceback" not in error
    assert len(error.splitlines()) <= 6
    return ready["error"], error


def test_a_model_file_changed_on_disk_is_refused_by_name(served: Served, tmp_path: Path) -> None:
    changed = tmp_path / "model.skops"
    changed.write_bytes(Path(served.fields["model_file"]).read_bytes()[:-1] + b"x")
    error, text = refused(served.logging_to(tmp_path).config(model_file=str(changed)))
    assert (error["code"], error["where"]) == ("models.model-damaged", str(changed))
    assert str(changed) in text


def test_golden_rows_that_do_not_reproduce_keep_the_predictor_from_starting(served: Served, tmp_path: Path) -> None:
    golden = golden_blob(rows_of(TEXT_INPUTS, 2), {"probability": np.array([0.5, 0.5])})
    path = tmp_path / "golden.json"
    path.write_bytes(golden)
    descriptor = {"mediaType": "application/json", "digest": digest_bytes(golden), "size": len(golden)}
    model = {**served.fields["model"], "golden": descriptor}
    error, text = refused(served.logging_to(tmp_path).config(golden_file=str(path), model=model))
    assert error["code"] == "models.golden-mismatch"
    assert "golden row 0" in text


def test_a_port_in_use_and_a_missing_configuration_are_clear_errors(served: Served, tmp_path: Path) -> None:
    assert refused(tmp_path / "nothing.json")[0]["code"] == "serve.config-malformed"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(served.logging_to(tmp_path).config(), "--port", str(taken.getsockname()[1]))
        line, _ = process.communicate(timeout=30)
    assert json.loads(line)["error"]["code"] == "protocols.port-taken"
    (tmp_path / "file").touch()
    error, _ = refused(served.config(log_directory=str(tmp_path / "file" / "log")))
    assert (error["code"], error["where"]) == ("store.log-not-written", str(tmp_path / "file" / "log"))


def test_a_full_disk_under_the_log_costs_no_answer(served: Served, small_disk: Path) -> None:
    served = served.logging_to(fresh(small_disk / "serving"))
    with serving(served.config()) as running:
        infer(running.address, {"inputs": ROW, "id": "before"})
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        statuses = {infer(running.address, {"inputs": ROW, "id": f"during-{i}"}).status for i in range(200)}
        time.sleep(0.5)
        ballast.unlink()
        assert statuses == {200}
        assert running.end(signal.SIGTERM) == 0
    assert len({record.request for record in served.records()}) == 201


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no permission to mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_metrics_count_what_happened(served: Served, tmp_path: Path) -> None:
    with serving(served.logging_to(tmp_path).config()) as running:
        for _ in range(3):
            infer(running.address, {"inputs": tensors(rows_of(TEXT_INPUTS, 2))})
        infer(running.address, b"nonsense")
        infer(running.address, {"inputs": ROW[:2]})
        answer = ask(running.address, "GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    linted = subprocess.run(["promtool", "check", "metrics"], input=answer.body, capture_output=True, check=False)
    assert (linted.returncode, linted.stderr) == (0, b"")
    lines = answer.body.decode().splitlines()
    for line in (
        'shipway_predictor_requests_total{status="200"} 3',
        'shipway_predictor_requests_total{status="400"} 2',
        "shipway_predictor_rows_total 6",
        "shipway_predictor_request_seconds_count 5",
        'shipway_predictor_request_seconds_bucket{le="+Inf"} 5',
        "shipway_log_accepted_rows_total 6",
        "shipway_log_dropped_rows_total 0",
    ):
        assert line in lines
    (info,) = [line for line in lines if line.startswith("shipway_predictor_info{")]
    assert f'release="{RELEASE}"' in info
