"""A group of processes: each has the time to start and to finish that what it serves asks for."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from shipway.kernel.digest import digest_bytes
from shipway.operate import PredictorFailed
from shipway.operate._group import Group
from shipway.operate._serve import Serving

SLOW_TO_END = """
import os, signal, sys, time
def end(*_):
    time.sleep(1.0)
    os._exit(0)
signal.signal(signal.SIGTERM, end)
os.write(int(sys.argv[sys.argv.index("--ready-fd") + 1]), b'{"ready": true}')
time.sleep(60)
"""


def serving(script: str, *, ready: float = 20.0, drain: float = 20.0) -> Serving:
    digest = digest_bytes(script.encode())
    command = (sys.executable, "-c", script)
    return Serving("deploy/a@prod", digest, digest, command, 2, ready_seconds=ready, drain_seconds=drain)


def group(folder: Path) -> Group:
    return Group("deploy/a@prod", 0, folder / "log", {"PATH": os.environ["PATH"]}, {})


@pytest.mark.parametrize(("drain", "codes"), [(20.0, [0, 0]), (0.2, [-9, -9])])
def test_a_process_may_finish_as_long_as_it_said_and_no_longer(tmp_path: Path, drain: float, codes: list[int]) -> None:
    found = group(tmp_path)
    found.switch(serving(SLOW_TO_END, drain=drain))
    workers = list(found.workers)
    started = time.monotonic()
    found.stop()
    assert [worker.process.returncode for worker in workers] == codes
    assert time.monotonic() - started < 10


def test_who_is_told_to_stop_waits_for_no_process_that_still_loads(tmp_path: Path) -> None:
    found, stop = group(tmp_path), threading.Event()
    threading.Timer(0.3, stop.set).start()
    started = time.monotonic()
    found.switch(serving("import time; time.sleep(60)", ready=60.0, drain=5.0), stop)
    assert time.monotonic() - started < 10
    found.stop()
    assert [worker.process.returncode for worker in found.workers] == [-15, -15]


def test_a_process_that_is_not_ready_in_its_time_is_told(tmp_path: Path) -> None:
    found = group(tmp_path)
    started = time.monotonic()
    with pytest.raises(PredictorFailed, match="it was not ready after 1 s"):
        found.switch(serving("import time; time.sleep(60)", ready=1.0))
    assert time.monotonic() - started < 10
    found.stop()
