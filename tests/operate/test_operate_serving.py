"""Predictors as the refs say, with real processes: moves, deaths and releases that do not start."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from types import MethodType

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))  # the S3 that the store is tested with

from operate_help import REF, Load, Project, endpoint, infer, model_file, move, releases, runs, supervising, wait_for
from store_help import BUCKET, s3_environ

from shipway.kernel.digest import Digest
from shipway.monitor import GAP, window_rows
from shipway.operate import Supervisor, _supervisor, compact
from shipway.operate._group import Group
from shipway.release import load_components, put_release
from shipway.store import Destination, relocate_store

pytest_plugins = ["cli_fixtures"]


def url_of(project: Project) -> str:
    return str(endpoint(project)["url"])


def pids_of(project: Project) -> list[int]:
    pids = endpoint(project)["pids"]
    assert isinstance(pids, list)
    return [int(str(pid)) for pid in pids]


def step_until(supervisor: Supervisor, condition: Callable[[], object]) -> None:
    """As the control loop does it, again and again: a process takes a moment to die."""

    def stepped() -> object:
        supervisor.step()
        return condition()

    wait_for(stepped)


def test_who_is_told_to_stop_waits_for_no_release_that_starts_and_says_of_none_that_it_serves(project: Project) -> None:
    move(project, releases(project)[0])
    said: list[str] = []
    with supervising(project, said) as supervisor:
        started = Supervisor._open
        stop = threading.Event()

        def told_then(own: Supervisor, ref: str) -> Group:
            """The signal comes as the first process is about to be started."""
            stop.set()
            return started(own, ref)

        supervisor._open = MethodType(told_then, supervisor)  # type: ignore[method-assign]
        began = time.monotonic()
        supervisor.step(stop)
        supervisor.close()
        assert time.monotonic() - began < 15
    assert (endpoint(project), said) == ({}, [])


def test_a_step_where_all_is_as_it_should_be_does_nothing(project: Project) -> None:
    move(project, releases(project)[0], workers=2)
    with supervising(project) as supervisor:
        supervisor.step()
        before, row = pids_of(project), project.store.state("endpoint", REF)
        assert len(before) == 2
        supervisor.step()
        assert (pids_of(project), project.store.state("endpoint", REF)) == (before, row)
        os.kill(before[1], signal.SIGKILL)
        step_until(supervisor, lambda: pids_of(project) != before)
        assert pids_of(project)[0] == before[0]
        assert runs(pids_of(project)[1])


def test_a_killed_worker_is_replaced_and_what_its_log_lost_is_recorded(project: Project) -> None:
    move(project, releases(project)[0])
    said: list[str] = []
    with supervising(project, said) as supervisor:
        supervisor.step()
        (victim,) = pids_of(project)
        with Load(url_of(project)) as load:
            wait_for(lambda: len(load.answers) > 50)
            os.kill(victim, signal.SIGKILL)
            killed = len(load.answers)
            step_until(supervisor, lambda: pids_of(project) != [victim])
            wait_for(lambda: len(load.answers) > killed + 20)
        assert len(load.failures) <= 3, "those that it had in hand, one a client; the others waited"
        assert f"{REF}: 1 predictor died and was replaced (SIGKILL)" in said
    answered = 2 * len(load.answers)
    compact(project.store)
    rows = sum(int(str(gap.value["rows"])) for gap in project.store.states(GAP, "predictions/"))
    kept = count_rows(project)
    assert answered <= kept + rows <= answered + 2 * len(load.failures)


def test_a_worker_is_replaced_although_the_copy_of_its_model_has_gone(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects are in a bucket, and copies of them may go at any time."""
    for name, value in s3_environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(_supervisor, "KEEP_SECONDS", 0.0)
    move(project, releases(project)[0])
    project.store.close()
    del project.__dict__["store"]
    to = Destination(None, f"s3://{BUCKET}/serving/{project.root.parent.name}")
    relocate_store(project.root, to, catalogue=None, guard=lambda _: nullcontext(), report=lambda _: lambda _: None)
    shutil.rmtree(project.root / ".shipway" / "objects")
    with supervising(project) as supervisor:
        supervisor.step()
        (victim,) = pids_of(project)
        shutil.rmtree(project.root / ".shipway" / "cache" / "objects")
        os.kill(victim, signal.SIGKILL)
        step_until(supervisor, lambda: pids_of(project) not in ([victim], []))
        assert infer(url_of(project))


def count_rows(project: Project) -> int:
    """Predictions that are in the tables of the log."""
    return window_rows(project.store, REF, start=date(2020, 2, 1), end=date(2020, 2, 1), outcome="above").height


def damage(path: Path) -> bytes:
    path.chmod(0o644)
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    return good


def test_a_release_whose_model_changed_on_disk_does_not_start_and_the_old_one_goes_on(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = releases(project)
    move(project, one)
    said: list[str] = []
    with supervising(project, said) as supervisor:
        supervisor.step()
        url, pids = url_of(project), pids_of(project)
        good = damage(model_file(project))
        move(project, two)
        with Load(url) as load:
            wait_for(lambda: load.answers)
            supervisor.step()
            assert pids_of(project) == pids
            seen = len(load.answers)
            wait_for(lambda: len(load.answers) > seen + 10)
        assert (set(load.answers), load.failures) == ({one}, [])
        row = endpoint(project)
        assert (row["url"], row["release"]) == (url, one)
        assert "did not start" in str(row["problem"])
        assert "damaged" in str(row["problem"]) or "not the one" in str(row["problem"])
        tried = len(said)
        supervisor.step()
        assert len(said) == tried, "it is not tried again at once"

        move(project, one)
        supervisor.step()
        assert (endpoint(project)["release"], endpoint(project)["problem"]) == (one, None), "nobody asks for it any more"

        move(project, two)
        model_file(project).write_bytes(good)
        monkeypatch.setattr(_supervisor, "RETRY_SECONDS", 0.0)
        step_until(supervisor, lambda: endpoint(project)["release"] == two)
        assert endpoint(project)["problem"] is None
        wait_for(lambda: infer(url) == two)


def test_a_first_release_that_does_not_start_has_no_address(project: Project) -> None:
    good = damage(model_file(project))
    move(project, releases(project)[0])
    with supervising(project) as supervisor:
        supervisor.step()
        row = endpoint(project)
        assert (row["url"], row["release"], row["pids"]) == (None, None, [])
        assert row["problem"]
        model_file(project).write_bytes(good)
        supervisor._failed.clear()
        supervisor.step()
        assert infer(url_of(project)) == releases(project)[0]


def test_a_dead_worker_that_cannot_be_replaced_is_not_tried_all_the_time(project: Project) -> None:
    move(project, releases(project)[0])
    said: list[str] = []
    with supervising(project, said) as supervisor:
        supervisor.step()
        damage(model_file(project))
        os.kill(pids_of(project)[0], signal.SIGKILL)
        step_until(supervisor, lambda: endpoint(project)["problem"])
        assert "did not start" in str(endpoint(project)["problem"])
        began, told = time.monotonic(), len(said)
        supervisor.step()
        assert time.monotonic() - began < 0.5
        assert len(said) == told


def test_a_release_without_a_model_is_not_servable(project: Project) -> None:
    first: Digest = releases(project)[0]
    empty = put_release(project.store, [part for part in load_components(project.store, first) if part.kind != "model"])
    move(project, empty)
    with supervising(project) as supervisor:
        supervisor.step()
        assert "has 0 models" in str(endpoint(project)["problem"])
