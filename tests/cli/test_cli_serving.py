"""How commands that go on are told to end, and that they do, whatever their threads are at."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

sys.path.insert(0, str(Path(__file__).parents[1] / "operate"))

from operate_help import Project, descendants, endpoint, move, releases, runs, wait_for

from shipway.cli._loop import ControlLoop
from shipway.cli._settings import Settings
from shipway.cli._site import Listening

pytest_plugins = ["cli_fixtures"]

BEGIN = """
import os, signal, threading, time
from shipway.cli._serving import leave_threads, stop_on_signals
"""

TO_ANOTHER_THREAD = """
stop = stop_on_signals()
def tell_this_thread():
    time.sleep(0.2)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(600)
threading.Thread(target=tell_this_thread, daemon=True).start()
stop.wait()
"""

IN_ITS_OWN_LOCK = """
stop = stop_on_signals()
with stop._cond:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)
stop.wait()
"""

AT_WORK = """
before = set(threading.enumerate())
threading.Thread(target=time.sleep, args=(600,), name="evaluation", daemon=DAEMON).start()
print("all is written", end="")
leave_threads(before, lambda text: print(text, file=__import__("sys").stderr), seconds=0.1)
"""

DONE = """
before = set(threading.enumerate())
threading.Thread(target=time.sleep, args=(0.1,)).start()
leave_threads(before, print, seconds=60)
print("went on")
"""


def said_by(script: str) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, "-c", BEGIN + script], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


@pytest.mark.parametrize("script", [TO_ANOTHER_THREAD, IN_ITS_OWN_LOCK])
def test_a_signal_is_heard_whatever_thread_gets_it_and_whatever_the_main_thread_is_at(script: str) -> None:
    assert said_by(script) == (0, "", "")


@pytest.mark.parametrize("daemon", [False, True])
def test_a_process_ends_without_a_thread_that_does_not_and_says_so(daemon: bool) -> None:
    script = AT_WORK.replace("DAEMON", str(daemon))
    assert said_by(script) == (0, "all is written", "ended without waiting any longer for: evaluation")


def test_threads_that_end_are_waited_for() -> None:
    assert said_by(DONE) == (0, "went on", "")


def test_whoever_does_not_end_an_answer_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipway.cli._site._ANSWER_SECONDS", 1)
    asked, stop = threading.Event(), threading.Event()

    async def for_ever(_: Request) -> Response:
        asked.set()
        await asyncio.sleep(600)
        raise AssertionError

    app = Starlette(routes=[Route("/", for_ever)])
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        with Listening(app, listener, stop) as site:
            client.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert asked.wait(60)
            began = time.monotonic()
        assert time.monotonic() - began < 8
        assert not site._thread.is_alive()
    assert stop.is_set()


@contextmanager
def controlling(project: Project, said: list[str]) -> Iterator[tuple[ControlLoop, threading.Event]]:
    """The loop of `up`, once its predictor answers; ended as it is told to by the test, or else at the end."""
    stop = threading.Event()
    loop = ControlLoop(Settings(project.root, False, project.environ), said.append, port=0, serving=True)
    loop.start(stop)
    try:
        wait_for(lambda: endpoint(project), seconds=120)
        yield loop, stop
    finally:
        stop.set()
        loop.end()


def test_a_predictor_that_does_not_hear_is_killed_when_the_loop_has_had_its_time(project: Project) -> None:
    move(project, releases(project)[0])
    said: list[str] = []
    with controlling(project, said) as (loop, stop):
        pids = endpoint(project)["pids"]
        assert isinstance(pids, list)
        (pid,) = [pid for pid in descendants(os.getpid()) if pid in pids]
        os.kill(pid, signal.SIGSTOP)
        try:
            stop.set()
            began = time.monotonic()
            loop.end(1.0)
            assert said[-1] == "the control loop did not end within 1 s: predictors that still run are killed"
            wait_for(lambda: not runs(pid), seconds=20)
            assert time.monotonic() - began < 20, "35 seconds are what a predictor has to drain"
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    assert endpoint(project) == {}
