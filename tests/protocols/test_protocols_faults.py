"""A model that hangs, grows, or answers what it should not: one request fails, the process ends by itself, and says why."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from wire_help import RELEASE, Answer, Running, Served, ask, infer, tensors

from shipway.protocols._watchdog import GREW, HUNG, MemoryTooSmall, check_memory
from shipway.store import FailureRecord, WorkRecord, list_segments

OTHER = "sha256:" + "5" * 64
HANGS, WRONG_TYPE, WRONG_SHAPE, EXITS, RAISES, GROWS, HANGS_IN_C, HANGS_IN_ARM = range(1, 9)


@contextmanager
def faulty(served: Served, **limits: object) -> Iterator[Running]:
    script = Path(__file__).parent / "faulty_model.py"
    command = [sys.executable, str(script), "--config", str(served.config(**limits)), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline() or "{}")
        assert ready.get("ready"), (ready, process.communicate()[1])
        yield Running(process, ready["port"])
    finally:
        process.kill()
        process.communicate()


def ask_for(running: Running, fault: int, arm: str = "") -> Answer:
    headers = {"x-shipway-arm": arm} if arm else {}
    return infer(running.address, {"inputs": tensors({"fault": np.array([float(fault)])})}, headers)


@pytest.fixture
def served(tmp_path: Path) -> Served:
    """What serving.json has, of a model that no file is read of: see faulty_model."""
    names = {"application": "delay", "environment": "prod", "release": RELEASE, "deployment": RELEASE, "model_name": "delay"}
    files = {"model": {}, "model_file": "none", "golden_file": "none", "log_directory": str(tmp_path / "log")}
    return Served(tmp_path, {}, {"kind": "serving", "version": 1, **names, **files})


def test_answers_of_another_shape_or_type_and_calls_that_raise_or_exit_fail_alone(served: Served, tmp_path: Path) -> None:
    served = served.logging_to(tmp_path)
    with faulty(served, usd_per_cpu_hour=0.36) as running:
        for fault in (WRONG_TYPE, WRONG_SHAPE, EXITS, RAISES):
            answer = ask_for(running, fault)
            assert (answer.status, "the model failed" in answer.error) == (500, True)
        assert infer(running.address, b"nonsense").status == 400
        assert ask_for(running, 0).status == 200
        lines = ask(running.address, "GET", "/metrics").body.decode().splitlines()
        cpu, usd = numbers(lines, "shipway_predictor_cpu_seconds_total", "shipway_predictor_usd_total")
        assert 0 < cpu < 60
        assert usd == pytest.approx(cpu * 0.0001)
        assert running.end(signal.SIGTERM) == 0
    *failures, work = served.others()
    assert [(one.code, one.status, bool(one.columns)) for one in failures if isinstance(one, FailureRecord)] == [
        *[("serve.prediction-failed", 500, True)] * 4,
        ("protocols.body-malformed", 400, False),
    ]
    assert isinstance(work, WorkRecord)
    assert work.rows == 1
    assert work.usd == pytest.approx(work.cpu_us / 1e6 * 0.0001, abs=1e-10)  # cpu_us is in whole microseconds
    assert work.cpu_us / 1e6 >= cpu


def numbers(lines: list[str], *names: str) -> list[float]:
    found = dict(line.split(" ") for line in lines if not line.startswith("#") and "{" not in line)
    return [float(found[name]) for name in names]


@pytest.mark.parametrize("where", ["slow", "prod"], ids=["on its thread", "in the loop"])
def test_a_model_that_hangs_is_given_up_and_the_process_ends(served: Served, tmp_path: Path, where: str) -> None:
    served = served.logging_to(tmp_path)
    found: list[Answer] = []
    with faulty(served, environment=where, batch_seconds=1.0) as running:
        assert ask_for(running, 0).status == 200
        hung = threading.Thread(target=lambda: found.append(ask_for(running, HANGS)))
        hung.start()
        if where == "slow":
            time.sleep(0.4)
            assert ask(running.address, "GET", "/healthz").status == 200
        hung.join(20)
        assert running.process.wait(20) == HUNG
        assert running.process.stderr is not None
        assert "runs for more than 1 s" in running.process.stderr.read()
    assert [(answer.status, "in its time" in answer.error) for answer in found] == [(504, True)]
    assert len(served.records()) == 1
    assert all(segment.sealed for segment in list_segments(served.log))


@pytest.mark.parametrize("where", ["slow", "prod"], ids=["on its thread", "in the loop"])
def test_an_arm_that_hangs_is_given_up_too_live_answers_and_each_release_has_its_own_work(
    served: Served, tmp_path: Path, where: str
) -> None:
    served = served.logging_to(tmp_path)
    arm = tmp_path / "arm.json"
    signature = {"inputs": [{"name": "fault", "datatype": "FP64"}], "outputs": [{"name": "probability", "datatype": "FP64"}]}
    own = {"release": OTHER, "arm": "near", "environment": where, "model": {"signature": signature}}
    arm.write_text(json.dumps({**served.fields, **own}))
    near = {"name": "near", "release": OTHER, "buckets": [[0, 0]], "config": str(arm), "url": None}
    split = {"salt": "salt", "unit": "request", "arms": [near]}
    with faulty(served, environment=where, batch_seconds=1.0, split=split, usd_per_cpu_hour=0.36) as running:
        for name, times in (("live", 3), ("near", 2)):
            for _ in range(times):
                answer = ask_for(running, 0, name)
                assert (answer.status, answer.headers["x-shipway-arm"]) == (200, name)
        answer = ask_for(running, HANGS_IN_ARM, "near")
        assert (answer.status, answer.headers["x-shipway-arm-failed"]) == (200, "near")
        assert running.process.wait(20) == HUNG
    works = [one for one in served.others() if isinstance(one, WorkRecord)]
    assert {(one.release, one.arm, one.rows) for one in works} == {(RELEASE, "live", 4), (OTHER, "near", 2)}
    assert all(one.usd == pytest.approx(one.cpu_us / 1e6 * 0.0001, abs=2e-10) for one in works)


@pytest.mark.slow
def test_a_model_that_lets_no_other_thread_run_is_ended_too(served: Served, tmp_path: Path) -> None:
    with faulty(served.logging_to(tmp_path), batch_seconds=1.0) as running:
        with pytest.raises((OSError, ValueError)):
            ask_for(running, HANGS_IN_C)
        assert running.process.wait(60) != 0


def test_a_process_that_grows_beyond_its_limit_answers_what_it_has_and_ends(served: Served, tmp_path: Path) -> None:
    served = served.logging_to(tmp_path)
    answered = 0
    with faulty(served, memory_bytes=384 << 20) as running:
        while running.process.poll() is None and answered < 40:
            try:
                assert ask_for(running, GROWS).status == 200
            except OSError:
                break
            answered += 1
            time.sleep(0.05)
        assert running.process.wait(20) == GREW
    assert answered == len(served.records())


def test_a_limit_below_what_the_model_takes_is_refused_when_it_starts() -> None:
    with pytest.raises(MemoryTooSmall, match="its limit is 1 MiB"):
        check_memory(1 << 20)
    check_memory(None)
