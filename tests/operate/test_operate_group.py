"""A group of processes: each has the time to start and to finish that what it serves asks for."""

from __future__ import annotations

import os
import sys
import threading
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from shipway.kernel.digest import digest_bytes
from shipway.operate import PredictorFailed
from shipway.operate._ends import DEATHS
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

COUNTING = """
import os, socket, sys
from pathlib import Path
from shipway.kernel.pages import SharedPages
option = lambda name: sys.argv[sys.argv.index(name) + 1]
pages, calls = SharedPages(Path(option("--beside"))), 0
listener = socket.socket(fileno=int(option("--fd")))
os.write(int(option("--ready-fd")), b'{"ready": true}')
while True:
    caller, _ = listener.accept()
    asked = caller.recv(65536)
    calls += asked.startswith(b"GET /call")
    page = f"# TYPE calls_total counter\\ncalls_total {calls}\\n"
    pages.keep(page)
    caller.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + pages.whole(page).encode())
    caller.close()
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


def test_the_time_to_finish_counts_from_when_they_were_first_asked(tmp_path: Path) -> None:
    """So that groups drain side by side, one after another waited for."""
    found = group(tmp_path)
    found.switch(serving(SLOW_TO_END, drain=0.2))
    found.drain()
    time.sleep(0.3)
    assert [worker.process.poll() for worker in found.workers] == [None, None]
    found.stop()
    assert [worker.process.returncode for worker in found.workers] == [-9, -9]


def test_a_process_that_is_not_ready_in_its_time_is_told(tmp_path: Path) -> None:
    found = group(tmp_path)
    started = time.monotonic()
    with pytest.raises(PredictorFailed, match="it was not ready after 1 s"):
        found.switch(serving("import time; time.sleep(60)", ready=1.0))
    assert time.monotonic() - started < 10
    found.stop()


def test_whoever_of_the_workers_is_scraped_counts_for_all_and_for_those_that_died(tmp_path: Path) -> None:
    digest, command = digest_bytes(b"a"), (sys.executable, "-c", COUNTING)
    found = group(tmp_path)

    def counted(path: str) -> int:
        with urllib.request.urlopen(f"{found.url}{path}", timeout=60) as answer:
            return int(answer.read().split()[-1])

    try:
        found.switch(Serving("deploy/a@prod", digest, digest, command, 2))
        for _ in range(40):
            counted("/call")
        assert [counted("/metrics") for _ in range(8)] == [40] * 8
        found.workers[0].process.kill()
        found.workers[0].process.wait()
        assert found.replace_dead() == 1
        for _ in range(10):
            counted("/call")
        assert [counted("/metrics") for _ in range(8)] == [50] * 8, "a counter that fell would be read as one that began anew"
    finally:
        found.stop()


def test_what_dies_again_and_again_is_started_no_more_until_a_minute_is_over(tmp_path: Path) -> None:
    found = group(tmp_path)
    try:
        found.switch(serving(SLOW_TO_END))
        found._deaths.add(2 * DEATHS, time.monotonic())
        found.workers[0].process.kill()
        found.workers[0].process.wait()
        with pytest.raises(PredictorFailed, match=r"again and again \(SIGKILL\)"):
            found.replace_dead()
        assert not found._deaths.too_many(2, time.monotonic() + 61)
    finally:
        found.stop()


@pytest.mark.parametrize(
    ("wanted", "port", "open"), [(None, 0, False), (False, None, False), (False, 0, True), (True, None, True)]
)
def test_the_second_port_is_opened_for_those_that_answer_it(
    tmp_path: Path, wanted: bool | None, port: int | None, open: bool
) -> None:
    found = Group("deploy/a@prod", 0, tmp_path / "log", {"PATH": os.environ["PATH"]}, {}, grpc_port=port)
    second = found._for_grpc(replace(serving("pass"), grpc=wanted))
    assert (second is not None, found.grpc is not None, "gRPC at" in found.told) == (open, open, open)
    found.stop()
