"""`run --on argo` against a small server that speaks the API of the real one: faults, and a run from end to end."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from argo_server import TOKEN, ArgoServer, Fault, serving
from argo_world import Cluster
from deploy_subjects import PLAN, project_subject
from engine_help import Clock, lines, real_steps, wait_for

from shipway.deploy import render_target
from shipway.pipeline import (
    ArgoClient,
    ArgoEngine,
    EngineRefused,
    EngineRun,
    EngineRunFailed,
    EngineUnreachable,
    Phase,
    Silence,
    State,
    StepSeen,
    follow,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # the small project that the command line is tested with

from cli_project import SHIPWAY, Project

TEMPLATE = "points"
RUN = f"{TEMPLATE}-{'2e' * 6}"


SIMPLE = "def fit() -> dict: ...\ndef end(fit: dict) -> dict: ...\n"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ArgoServer]:
    """A server whose pods do nothing, successfully."""
    home = tmp_path / "pipeline"
    home.mkdir()
    (home / "steps.py").write_text(SIMPLE)
    (home / "shipway.yaml").write_text("project: points\npipeline: steps.py\n")
    cluster = Cluster(home, "/bin/true", {}, tmp_path / "pods")
    cluster.apply(yaml.safe_load(render_target("argo", project_subject(home))["points.yaml"]))
    with serving(cluster) as found:
        yield found


def engine(server: ArgoServer, clock: Clock, *, token: str = TOKEN, timeout: float = 5.0, patience: float = 60.0) -> ArgoEngine:
    client = ArgoClient(server.url, token, timeout=timeout, patience=patience, clock=clock, pause=clock.pause)
    return ArgoEngine(client, namespace="ml", template=TEMPLATE)


def ended(server: ArgoServer) -> None:
    for thread in server.threads:
        thread.join(20)


def test_a_run_is_submitted_once_by_the_name_of_its_plan_and_found_again(server: ArgoServer, clock: Clock) -> None:
    there = engine(server, clock)
    assert there.submit(PLAN) == RUN
    assert there.submit(PLAN) == RUN, "it is there already: it is followed"
    ended(server)
    assert there.submit(PLAN) == RUN, "nor is one that succeeded submitted again"
    assert len(server.runs) == 1
    assert server.bodies[0]["submitOptions"]["parameters"] == [f"plan={PLAN}"]
    seen = there.look(RUN)
    assert seen.phase is Phase.SUCCEEDED
    assert {name: step.state for name, step in seen.steps.items()} == {"fit": State.DONE, "end": State.DONE}
    assert server.problems == [], "requests and answers have the shapes that Hera knows"


def test_after_a_failed_run_the_plan_is_submitted_by_the_next_name(server: ArgoServer, clock: Clock) -> None:
    server.cluster.failing = {"fit": 1}
    there = engine(server, clock)
    run = there.submit(PLAN)
    ended(server)
    with pytest.raises(EngineRunFailed, match=f"the run {RUN} failed: fit"):
        follow(there, run, Silence(), pause=clock.pause)
    assert there.submit(PLAN) == f"{RUN}-2"
    ended(server)
    assert follow(there, f"{RUN}-2", Silence(), pause=clock.pause).phase is Phase.SUCCEEDED


def test_a_workflow_of_that_name_that_is_of_another_plan_is_not_followed(server: ArgoServer, clock: Clock) -> None:
    there = engine(server, clock)
    there.submit(PLAN)
    made, _ = server.runs[RUN]
    made["spec"]["arguments"]["parameters"][0]["value"] = "sha256:" + "2f" * 32
    with pytest.raises(EngineRefused, match="is not one of this plan"):
        there.submit(PLAN)


def test_a_busy_server_is_asked_again_when_it_says_so(server: ArgoServer, clock: Clock) -> None:
    server.faults = [Fault(429, {"Retry-After": "7"}), Fault(503), Fault(504, {"Retry-After": "Sun, 29 Nov 2026 01:00:00 GMT"})]
    assert engine(server, clock).submit(PLAN) == RUN
    assert clock.waits == [7.0, 2.0, 4.0]


def test_a_server_that_stays_busy_or_asks_for_too_much_is_left_with_a_clear_error(server: ArgoServer, clock: Clock) -> None:
    server.faults = [Fault(429, {"Retry-After": "3600"})]
    with pytest.raises(
        EngineUnreachable, match="no answer in 60 s, the last time: the Argo Server answered 429: later"
    ) as raised:
        engine(server, clock).submit(PLAN)
    assert "\x1b" not in raised.value.render()
    server.faults = [Fault(503)] * 50
    with pytest.raises(EngineUnreachable):
        engine(server, clock).submit(PLAN)
    assert clock.now <= 60


def test_a_submission_that_was_done_but_not_answered_is_followed(server: ArgoServer, clock: Clock) -> None:
    server.faults = [Fault(504, done=True)]
    assert engine(server, clock).submit(PLAN) == RUN
    assert len(server.runs) == 1
    assert [path.rpartition("/")[2] for _, path in server.asked] == ["submit", "submit", RUN]


def test_a_server_that_never_answers_is_left(server: ArgoServer, clock: Clock) -> None:
    server.faults = [Fault(None)] * 5
    with pytest.raises(EngineUnreachable, match="it took too long") as raised:
        engine(server, clock, timeout=0.1, patience=4.0).submit(PLAN)
    assert raised.value.retry
    assert len(server.asked) == 3


def test_a_server_that_is_not_there_is_waited_for(clock: Clock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    client = ArgoClient(f"http://127.0.0.1:{port}", TOKEN, patience=5.0, clock=clock, pause=clock.pause)
    with pytest.raises(EngineUnreachable, match="refused"):
        client.ask("GET", "/api/v1/workflows/ml/x")
    assert clock.waits == [1.0, 2.0]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(401), "answered 401"),
        (Fault(403), "answered 403: later"),
        (Fault(500), "answered 500"),
        (Fault(302, {"Location": "http://127.0.0.1:9/"}), "answered 302"),
        (Fault(200, body=b"<html>"), "is no Argo Server: no JSON"),
        (Fault(200, body=b"[" * 100_000), "is no Argo Server: no JSON"),
        (Fault(200, body=b"[]"), "is no Argo Server: no object"),
    ],
)
def test_an_answer_that_is_none_is_an_error_at_once(server: ArgoServer, clock: Clock, fault: Fault, message: str) -> None:
    server.faults = [fault]
    with pytest.raises(EngineRefused, match=message) as raised:
        engine(server, clock).submit(PLAN)
    assert TOKEN not in raised.value.render()
    assert clock.waits == []


def test_a_wrong_token_and_a_missing_template_are_named(server: ArgoServer, clock: Clock) -> None:
    with pytest.raises(EngineRefused, match="answered 401: token not valid"):
        engine(server, clock, token="another").submit(PLAN)
    server.cluster.library.clear()
    with pytest.raises(EngineRefused, match="no template points in the namespace ml") as raised:
        engine(server, clock).submit(PLAN)
    assert "kubectl apply -f deploy/argo" in (raised.value.mend or "")


def test_a_run_that_was_deleted_while_it_was_followed_is_said_to_be(server: ArgoServer, clock: Clock) -> None:
    there = engine(server, clock)
    run = there.submit(PLAN)
    ended(server)
    del server.runs[run]
    with pytest.raises(EngineRefused, match="is not there any more"):
        follow(there, run, Silence(), pause=clock.pause)


def test_a_run_is_stopped_and_one_that_has_ended_is_not(server: ArgoServer, clock: Clock) -> None:
    server.cluster.hold = threading.Event()
    there = engine(server, clock)
    assert there.stop(PLAN) is None
    run = there.submit(PLAN)
    assert there.look(run).phase is Phase.RUNNING
    assert there.stop(PLAN) == run
    server.cluster.hold.set()
    ended(server)
    with pytest.raises(EngineRunFailed, match="Stopped with strategy 'Terminate'"):
        follow(there, run, Silence(), pause=clock.pause)
    assert there.stop(PLAN) is None


@pytest.mark.parametrize(
    "address", ["", "ftp://x", "http://", "https://user:word@x", "https://x:99999", "https://x?y=1", "x y:1"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(EngineRefused, match="no address of a server"):
        ArgoClient(address, "")


def test_a_token_goes_nowhere_unencrypted() -> None:
    with pytest.raises(EngineRefused, match="ARGO_TOKEN would go over the network as it is") as raised:
        ArgoClient("http://argo.example.com:2746", TOKEN)
    assert TOKEN not in raised.value.render()
    assert ArgoClient("http://127.0.0.1:2746/", TOKEN).server == "http://127.0.0.1:2746"
    assert ArgoClient("argo.example.com:2746", f"Bearer {TOKEN}").server == "https://argo.example.com:2746"


class Told:
    """A report that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def started(self, step: str) -> None:
        self.lines.append(f"{step} ...")

    def cached(self, step: str) -> None:
        self.lines.append(f"{step}: cached")

    def skipped(self, step: str) -> None:
        self.lines.append(f"{step}: skipped")

    def finished(self, step: str, seconds: float) -> None:
        self.lines.append(f"{step}: {seconds:.1f} s")

    def note(self, text: str) -> None:
        self.lines.append(text)


class Script:
    """An engine that shows one look after another."""

    def __init__(self, *looks: EngineRun) -> None:
        self._looks = list(looks)

    def submit(self, plan: str) -> str:
        return plan

    def look(self, _run: str) -> EngineRun:
        return self._looks.pop(0)

    def stop(self, _plan: str) -> None: ...

    def place(self, run: str) -> str:
        return run


def test_each_step_is_told_of_as_on_this_machine_and_only_once(clock: Clock) -> None:
    running, done = StepSeen(State.RUNNING), StepSeen(State.DONE, 2.0)
    looks = [
        EngineRun(Phase.RUNNING),
        EngineRun(Phase.RUNNING, {"a": running}),
        EngineRun(Phase.RUNNING, {"a": running}),
        EngineRun(Phase.RUNNING, {"a": done, "b[0]": done, "c": StepSeen(State.SKIPPED)}),
        EngineRun(Phase.SUCCEEDED, {"a": done, "b[0]": done, "c": StepSeen(State.SKIPPED), "d": done}),
    ]
    told = Told()
    follow(Script(*looks), "run", told, pause=clock.pause)
    assert told.lines == ["a ...", "a: 2.0 s", "b[0] ...", "b[0]: 2.0 s", "c: skipped", "d ...", "d: 2.0 s"]
    assert clock.waits == [0.75, 0.5, 0.75, 0.5]


def test_a_step_that_failed_is_told_of_as_started_and_named_in_the_error(clock: Clock) -> None:
    told = Told()
    looks = [EngineRun(Phase.FAILED, {"a": StepSeen(State.FAILED)}, "child 'a' failed")]
    with pytest.raises(EngineRunFailed, match=r"the run r failed: a \(child 'a' failed\)"):
        follow(Script(*looks), "r", told, pause=clock.pause)
    assert told.lines == ["a ..."]


# from end to end, with real steps

STEPS = """
steps:
  reference: {when: good}
  kept: {each: {day: days}, retries: 1}
  bad: {group: gift}
  boxed: {group: gift}
  never: {when: bad}
"""
SOURCE = """

def good(seen: pl.DataFrame) -> bool:
    return seen.height > 10


def days(seen: pl.DataFrame) -> list[int]:
    return [1, 2]


def kept(seen: pl.DataFrame, day: int) -> int:
    return seen.filter(pl.col("day").dt.day() == day).height


def bad(good: bool) -> bool:
    return not good


def boxed(bad: bool) -> int:
    return 1


def never(bad: bool) -> int:
    return 1
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return real_steps(tmp_path, SOURCE, STEPS)


@pytest.fixture
def argo(project: Project, tmp_path: Path) -> Iterator[ArgoServer]:
    cluster = Cluster(project.root, SHIPWAY, project.environ, tmp_path / "pods")
    cluster.apply(yaml.safe_load(render_target("argo", project_subject(project.root))["points.yaml"]))
    with serving(cluster) as found:
        project.more |= {"ARGO_SERVER": found.url, "ARGO_TOKEN": TOKEN}
        yield found


@pytest.mark.slow
def test_a_run_on_argo_gives_what_a_run_here_gives_also_when_it_was_killed_while_following(
    project: Project, argo: ArgoServer, tmp_path: Path
) -> None:
    here = project.copy(tmp_path / "local").cli("run", "--json")
    assert here.code == 0, here.err
    argo.cluster.hold, argo.cluster.failing = threading.Event(), {"kept": 1}
    first = project.start("run", "--on", "argo")
    wait_for(lambda: argo.cluster.ran or argo.runs)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    argo.cluster.hold.set()
    done = project.cli("run", "--on", "argo", "--json")
    assert done.code == 0, done.err
    assert len(argo.runs) == 1, "the run goes on there, and is found again"
    assert argo.problems == []
    ran = [" ".join(words[2 : words.index("--plan")]) for words in argo.cluster.ran]
    assert sorted(ran.count(steps) for steps in ("kept --item 0", "kept --item 1", "bad boxed", "bad")) == [1, 1, 1, 2]
    document: Any = done.document
    assert document["on"] == {"engine": "argo", "run": next(iter(argo.runs))}
    assert all(step["cached"] for step in document["steps"]), "what ran there is found here"
    for key in ("pipeline", "skipped", "not_made"):
        assert document[key] == here.document[key], key
    assert document["models"]["above"]["digest"] == here.document["models"]["above"]["digest"]
    assert document["skipped"] == ["never"]
    assert len(lines(here.err)) > 10
    assert lines(done.err) == lines(here.err), "the same lines"
    assert TOKEN not in done.err + done.out

    stopped = project.ask("run", "--on", "argo", "--stop")
    assert (stopped["kind"], stopped["run"]) == ("run-stopped", None), "it has ended"


def test_what_makes_no_sense_together_is_refused(project: Project) -> None:
    for words in (("--stop",), ("--on", "argo", "--again"), ("--on", "argo")):
        done = project.cli("run", *words, "--json")
        assert done.code == 64, (words, done.err)
        assert json.loads(done.out)["error"]["mend"]
