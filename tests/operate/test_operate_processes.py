"""`serve` and `up` as a person runs them: they end when told, and leave nothing behind, however they end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from operate_help import REF, Project, descendants, endpoint, infer, move, releases, runs, wait_for

from shipway.operate import PortTaken, bind_port, control_process

pytest_plugins = ["cli_fixtures"]


@contextmanager
def running(project: Project, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on; killed at the end if it still runs."""
    child = project.start(*words)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


def ended(child: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
    """Its exit code and what it said, after a signal that asks it to end."""
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    return child.returncode, out, err


@pytest.fixture
def live(project: Project) -> Project:
    move(project, releases(project)[0])
    return project


def test_serve_answers_and_ends_on_sigterm_with_nothing_left_running(live: Project) -> None:
    with running(live, "serve", "--port", "0") as child:
        wait_for(lambda: endpoint(live))
        assert infer(str(endpoint(live)["url"])) == releases(live)[0]
        below = descendants(child.pid)
        assert below
        code, out, err = ended(child)
    assert (code, out.strip().splitlines()[-1]) == (0, f"next: shipway log {REF}"), err
    assert "Traceback" not in err
    assert not [pid for pid in below if runs(pid)]
    assert endpoint(live) == {}


def test_serve_binds_to_another_address_when_told_and_takes_no_other_port(live: Project) -> None:
    """127.0.0.2 is another address, and no other machine reaches it."""
    with running(live, "serve", "--host", "127.0.0.2", "--port", "0") as child:
        wait_for(lambda: endpoint(live))
        url = str(endpoint(live)["url"])
        assert url.startswith("http://127.0.0.2:")
        assert infer(url) == releases(live)[0]
        assert ended(child)[0] == 0
    with socket.create_server(("127.0.0.2", 0)) as taken, pytest.raises(PortTaken, match=r"cannot listen at 127.0.0.2"):
        bind_port(int(taken.getsockname()[1]), host="127.0.0.2")


def test_serve_of_nothing_is_an_error_at_once(project: Project) -> None:
    done = project.cli("serve", "--json")
    assert (done.code, done.document["error"]["code"]) == (1, "store.ref-missing")


def page(url: str, path: str) -> bytes:
    with urllib.request.urlopen(url + path, timeout=60) as answer:
        return bytes(answer.read())


def address(child: subprocess.Popen[str]) -> list[str]:
    """Where `up` says that it is, and then its neighbours."""
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line.startswith("shipway up: http://127.0.0.1:"), (line, child.stderr.read() if child.stderr and not line else "")
    return line.removeprefix("shipway up: ").strip().split(", ")


def test_up_without_mlflow_serves_page_api_and_predictors_and_ends_on_sigterm(live: Project) -> None:
    metrics = ("--metrics-host", "127.0.0.2", "--metrics-port", "0")  # another address, and no other machine reaches it
    with running(live, "up", "--no-mlflow", "--port", "0", *metrics) as child:
        url, watched = address(child)
        assert watched.startswith("metrics: http://127.0.0.2:")
        wait_for(lambda: endpoint(live))
        text = page(watched.removeprefix("metrics: "), "")
        assert b"shipway_live_info{" in text
        with pytest.raises(urllib.error.HTTPError, match="404"):
            page(watched.removeprefix("metrics: ").removesuffix("/metrics"), "/api/v1/deployments")
        answered = infer(str(endpoint(live)["url"]))
        assert b"line" in page(url, "/")
        (deployment,) = json.loads(page(url, "/api/v1/deployments"))["deployments"]
        assert (deployment["ref"], deployment["release"]) == (REF, answered)
        assert deployment["endpoint"] == endpoint(live)["url"]
        found = control_process(live.store)
        assert found is not None
        assert (found["url"], found["tracking"], found["pid"]) == (url, None, child.pid)
        second = live.cli("up", "--no-mlflow", "--port", "0", "--json")
        assert (second.code, second.document["error"]["code"]) == (1, "operate.control-running")
        below = descendants(child.pid)
        code, out, err = ended(child)
    assert (code, out.strip().splitlines()[-1]) == (0, "next: shipway log"), err
    assert "Traceback" not in err
    assert not [pid for pid in below if runs(pid)]
    assert (control_process(live.store), endpoint(live)) == (None, {})


def test_up_takes_over_where_a_killed_one_was(live: Project) -> None:
    with running(live, "up", "--no-mlflow", "--port", "0") as child:
        address(child)
        wait_for(lambda: endpoint(live))
        below = descendants(child.pid)
        child.kill()
        child.wait()
        wait_for(lambda: not [pid for pid in below if runs(pid)], seconds=20)
    assert control_process(live.store) is None
    stale = endpoint(live)["pids"]
    with running(live, "up", "--no-mlflow", "--port", "0") as child:
        address(child)
        wait_for(lambda: endpoint(live)["pids"] != stale)
        assert infer(str(endpoint(live)["url"])) == releases(live)[0]
        assert ended(child)[0] == 0


def test_up_of_a_project_that_has_nothing_live_runs_all_the_same_and_ends_on_ctrl_c(project: Project) -> None:
    with running(project, "up", "--no-mlflow", "--port", "0") as child:
        assert json.loads(page(address(child)[0], "/api/v1/deployments"))["deployments"] == []
        assert ended(child, signal.SIGINT)[0] == 0


@pytest.mark.interop
def test_mlflow_and_predictors_end_when_up_is_killed(live: Project) -> None:
    with running(live, "up", "--port", "0") as child:
        address(child)
        wait_for(lambda: endpoint(live))
        found = control_process(live.store)
        assert found is not None
        assert page(str(found["tracking"]), "/health") == b"OK"
        below = descendants(child.pid)
        assert len(below) >= 2
        child.kill()
        child.wait()
    wait_for(lambda: not [pid for pid in below if runs(pid)], seconds=20)


@pytest.mark.interop
def test_up_ends_while_mlflow_is_still_starting(project: Project) -> None:
    with running(project, "up", "--port", "0") as child:
        wait_for(lambda: len(descendants(child.pid)) >= 1)
        below = descendants(child.pid)
        began = time.monotonic()
        code, _, err = ended(child)
    assert code == 0, err
    assert time.monotonic() - began < 15
    assert not [pid for pid in below if runs(pid)]
