"""How far what runs is behind the ref: looked at from outside, and waited for."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from operate_help import REF, Project, infer, releases

from shipway.access import Actor, KeyRing
from shipway.gate import move_ref
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest, short
from shipway.kernel.pages import KEEP_SECONDS
from shipway.operate import ENDPOINT, Standing, forget_control, note_control, standing_of, wait_until_live
from shipway.release import Component, put_release
from shipway.store import open_store

pytest_plugins = ["cli_fixtures"]

ANN = Actor("ann@example.org", frozenset({"admin"}))
URL = "http://127.0.0.1:4781"


class World:
    """A deployment that moved, an `up` that says it runs, and a clock on which things happen at their second."""

    def __init__(self, root: Path) -> None:
        self.store = open_store(root, "points", create=True)
        self.release = put_release(self.store, [Component("model", "m", self.store.put({"kind": "model", "version": 1}))])
        self.wanted = self.move(1)
        self.seconds, self.said, self.events = 0.0, list[str](), dict[float, Callable[[], object]]()
        note_control(self.store, url="http://127.0.0.1:4780", tracking=None)

    def move(self, workers: int) -> Digest:
        record: JsonObject = {
            "kind": "deployment", "version": 1, "application": "line", "environment": "prod", "after": None,
            "release": self.store.descriptor(self.release, media.OCI_INDEX).to_json(), "scale": {"workers": workers},
        }  # fmt: skip
        return move_ref(self.store, KeyRing([]), ANN, ref=REF, target=self.store.put(record)).target

    def serve(self, deployment: Digest | None, *, problem: str | None = None) -> None:
        value: JsonObject = {"url": URL, "deployment": deployment, "release": self.release if deployment else None,
                             "pids": [1, 2] if deployment else [], "problem": problem}  # fmt: skip
        self.store.put_state(ENDPOINT, REF, value)

    def wait(self, seconds: float = 60) -> Standing:
        return wait_until_live(
            self.store, REF, self.wanted, seconds=seconds, report=self.said.append, now=lambda: self.seconds, sleep=self.sleep
        )

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        for due in [due for due in self.events if due <= self.seconds]:
            self.events.pop(due)()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.store.close()


def test_what_answers_already_is_not_waited_for(world: World) -> None:
    world.serve(world.wanted)
    standing = world.wait()
    assert (standing.live, standing.workers, standing.url, world.seconds, world.said) == (True, 2, URL, 0.0, [])


def test_waiting_tells_what_is_new_and_that_it_goes_on_until_it_answers(world: World) -> None:
    old = Digest("sha256:" + "1" * 64)
    world.events = {1.0: lambda: world.serve(old), 13.0: lambda: world.serve(world.wanted)}
    standing = world.wait()
    assert standing.live
    assert 13 <= world.seconds < 14
    answers = f"{REF}: starting, {short(world.release)} still answers at {URL}"
    assert world.said[0] == f"{REF}: starting, nothing answers yet (0 s)"
    assert world.said[1:] == [f"{answers} ({seconds} s)" for seconds in (1, 6, 11)]


def test_a_release_that_does_not_start_is_told_and_waited_for_until_the_time_is_up(world: World) -> None:
    world.serve(None, problem="a predictor did not start: no such file")
    standing = world.wait(7)
    assert (standing.live, standing.problem) == (False, "a predictor did not start: no such file")
    assert 7 <= world.seconds < 7.5
    assert len(world.said) == 2
    assert all("did not start" in line for line in world.said)


@pytest.mark.parametrize("what", ["moved on", "ended"])
def test_waiting_ends_when_the_ref_moves_on_or_up_ends(world: World, what: str) -> None:
    world.events = {2.0: lambda: world.move(3) if what == "moved on" else forget_control(world.store)}
    standing = world.wait()
    assert not standing.live
    assert standing.controlled is (what == "moved on")
    assert 2 <= world.seconds < 3


def test_without_an_up_nothing_is_live_whatever_an_old_record_says(world: World) -> None:
    world.serve(world.wanted)
    forget_control(world.store)
    standing = standing_of(world.store, REF, world.wanted)
    assert (standing.controlled, standing.live, standing.deployment) == (False, False, world.wanted)
    assert world.wait().live is False
    assert world.seconds == 0


@contextmanager
def up(project: Project) -> Iterator[subprocess.Popen[str]]:
    """A running `shipway up`, and its end."""
    child = project.start("up", "--no-mlflow", "--port", "0")
    try:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("shipway up: ")
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=60)


def test_an_apply_under_a_running_up_ends_when_the_release_answers(project: Project) -> None:
    project.ask("approve")
    alone = project.cli("apply", "--wait", "--json")
    assert (alone.code, alone.document["changed"], alone.document["live"]) == (1, True, None)
    assert "shipway up does not run here" in alone.err
    with up(project):
        there = project.ask("apply")
        assert there["changed"] is False
        assert (there["live"]["live"], there["live"]["workers"]) == (True, 1)
        assert there["live"]["release"] == there["to"]
        project.edit("line@prod: {}", "line@prod: {workers: 2}")
        shown = project.cli("apply")
        assert shown.code == 0, shown.err
        assert f"{REF}: {short(there['to'])} answers at http://127.0.0.1:" in shown.out
        assert "2 workers" in shown.out
        url = shown.out.partition(" answers at ")[2].split()[0].rstrip(",")
        for _ in range(40):  # the worker before may answer some of them until it has ended, and its counts go with it
            infer(url)
        time.sleep(KEEP_SECONDS + 0.5)
        assert len({counted(url) for _ in range(6)}) == 1, "whoever of the two is scraped counts for both"
        assert counted(url) >= 20
        assert shown.last == f"next: shipway log {REF}"
        (row,) = project.store.states(ENDPOINT)
        assert row.value["deployment"] == project.store.resolve(REF)
        assert all(alive(pid) for pid in pids(row.value))
        project.edit("workers: 2", "workers: 3")
        hasty = project.cli("apply", "--wait", "--seconds", "0", "--json")
        assert (hasty.code, hasty.document["changed"], hasty.document["live"]["live"]) == (1, True, False)
        assert project.ask("apply", "--no-wait")["live"] is None
    assert releases(project)[0] == there["to"]


def counted(url: str) -> int:
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return sum(int(n) for n in re.findall(r"^shipway_predictor_requests_total\{.*\} (\d+)$", text, flags=re.MULTILINE))


def pids(value: JsonObject) -> list[int]:
    found = value["pids"]
    assert isinstance(found, list)
    return [int(pid) for pid in found]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
