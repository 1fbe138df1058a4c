"""`run --on stepfunctions` against moto's Step Functions over HTTP, whose interpreter runs the machine: faults, a whole run."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asl_world import REGION, World, aws
from deploy_subjects import PLAN, project_subject
from engine_help import Clock, lines, real_steps, wait_for
from states_server import SECRET, Fault, StatesServer, serving

from shipway.deploy import render_target
from shipway.pipeline import (
    EngineRefused,
    EngineRunFailed,
    EngineUnreachable,
    Phase,
    Silence,
    State,
    StatesClient,
    StepFunctionsEngine,
    follow,
)
from shipway.pipeline._states_history import Event, steps_of, tasks_of

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # the small project that the command line is tested with

from cli_project import SHIPWAY, Project

RUN = f"points-{'2e' * 6}"
OBJECTS = 'targets: {objects: "s3://example-ml/shipway"}\n'


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: None) -> Iterator[World]:
    """An account with the machine of two steps whose tasks do nothing, successfully."""
    home = tmp_path / "pipeline"
    home.mkdir()
    (home / "steps.py").write_text("def fit() -> dict: ...\ndef end(fit: dict) -> dict: ...\n")
    (home / "shipway.yaml").write_text("project: points\npipeline: steps.py\n" + OBJECTS)
    with aws(monkeypatch, home, "/bin/true", {}) as found:
        found.machine("points", render_target("stepfunctions", project_subject(home))["points.asl.json"])
        with found.working():
            yield found


@pytest.fixture
def faulty(environ: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[StatesServer]:
    """A server of an account with nothing in it."""
    with serving() as found:
        for service in ("SFN", "STS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", found.url)
        yield found


@pytest.fixture
def server(world: World, faulty: StatesServer) -> StatesServer:
    return faulty


def engine(clock: Clock, *, machine: str = "points", timeout: float = 5.0, patience: float = 60.0) -> StepFunctionsEngine:
    client = StatesClient(
        machine, region=REGION, account="123456789012", timeout=timeout, patience=patience, clock=clock, pause=clock.pause
    )
    return StepFunctionsEngine(client)


def until_over(there: StepFunctionsEngine, run: str) -> None:
    wait_for(lambda: there.look(run).phase is not Phase.RUNNING)


def test_a_run_is_started_once_by_the_name_of_its_plan_found_again_and_read_page_by_page(
    server: StatesServer, world: World, clock: Clock
) -> None:
    server.page, world.hold = 3, threading.Event()
    there = engine(clock)
    assert there.submit(PLAN) == RUN
    assert engine(clock).submit(PLAN) == RUN, "it is there already: it is followed"
    wait_for(lambda: there.look(RUN).steps)
    assert {name: step.state for name, step in there.look(RUN).steps.items()} == {"fit": State.RUNNING}
    world.hold.set()
    until_over(there, RUN)
    assert there.submit(PLAN) == RUN, "nor is one that succeeded started again"
    assert [words[2] for words in world.ran] == ["fit", "end", "--plan"]
    assert world.ran[0][:5] == ["step", "run", "fit", "--plan", PLAN]
    for looked in (there, engine(clock)):
        seen = looked.look(RUN)
        assert seen.phase is Phase.SUCCEEDED
        assert {name: step.state for name, step in seen.steps.items()} == {"fit": State.DONE, "end": State.DONE}
        assert seen.steps["fit"].seconds > 0
    before = len(server.asked)
    there.look(RUN)
    assert server.actions()[before:] == ["DescribeExecution", "GetExecutionHistory"], "only what is new is read"


def test_after_a_failed_run_the_plan_is_started_by_the_next_name(server: StatesServer, world: World, clock: Clock) -> None:
    world.failing = {"end": 1}
    there = engine(clock)
    until_over(there, there.submit(PLAN))
    with pytest.raises(EngineRunFailed, match=rf"the run {RUN} failed: end \(StepFailed: end failed; the log") as raised:
        follow(there, RUN, Silence(), pause=clock.pause)
    assert f"https://console.aws.amazon.com/states/home?region={REGION}#" in raised.value.render()
    assert there.submit(PLAN) == f"{RUN}-2"
    until_over(there, f"{RUN}-2")
    assert follow(there, f"{RUN}-2", Silence(), pause=clock.pause).phase is Phase.SUCCEEDED


def test_an_execution_of_that_name_that_is_of_another_plan_is_not_followed(
    server: StatesServer, world: World, clock: Clock
) -> None:
    there = engine(clock)
    world.client("stepfunctions").start_execution(stateMachineArn=world.arn("points"), name=RUN, input='{"plan": "another"}')
    with pytest.raises(EngineRefused, match="is not one of this plan"):
        there.submit(PLAN)


def test_a_busy_aws_is_asked_again_and_a_start_that_was_not_answered_is_followed(
    server: StatesServer, world: World, clock: Clock
) -> None:
    server.faults = [
        Fault(400, "ThrottlingException"),
        Fault(429, "TooManyRequestsException", {"Retry-After": "7"}),
        Fault(503, "ServiceUnavailable", done=True),
    ]
    there = engine(clock)
    assert there.submit(PLAN) == RUN
    assert clock.waits == [1.0, 7.0, 4.0]
    assert server.actions() == ["StartExecution"] * 4
    until_over(there, RUN)
    assert [words[2] for words in world.ran] == ["fit", "end", "--plan"], "once"


def test_an_aws_that_stays_busy_or_never_answers_is_left_with_a_clear_error(faulty: StatesServer, clock: Clock) -> None:
    faulty.faults = [Fault(400, "ThrottlingException")] * 50
    with pytest.raises(EngineUnreachable, match="AWS gave no answer in 60 s, the last time: AWS answered Throttl") as raised:
        engine(clock).submit(PLAN)
    assert "\x1b" not in raised.value.render()
    assert clock.now <= 60
    faulty.faults, faulty.asked = [Fault(None)] * 5, []
    with pytest.raises(EngineUnreachable, match="Read timeout") as raised:
        engine(clock, timeout=0.1, patience=4.0).submit(PLAN)
    assert raised.value.retry
    assert len(faulty.asked) == 3, "and botocore asks no more often than we do"


def test_an_aws_that_is_not_there_is_waited_for(environ: None, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", f"http://127.0.0.1:{taken.getsockname()[1]}")
    with pytest.raises(EngineUnreachable, match="Could not connect"):
        engine(clock, patience=5.0).submit(PLAN)
    assert clock.waits == [1.0, 2.0]


def test_an_answer_that_is_none_is_an_error_at_once(faulty: StatesServer, clock: Clock) -> None:
    for fault, message, mend in (
        (Fault(400, "AccessDeniedException"), "answered AccessDeniedException: later", "may start, stop and describe"),
        (Fault(403, "ExpiredTokenException"), "answered ExpiredTokenException", "credentials"),
        (Fault(400, "StateMachineDoesNotExist"), f"no state machine points in {REGION}", "shipway render stepfunctions"),
        (Fault(400, "ExecutionLimitExceeded"), "answered ExecutionLimitExceeded", ""),
        (Fault(302, headers={"Location": "http://127.0.0.1:9/"}), "answered", ""),
    ):
        faulty.faults = [fault]
        with pytest.raises(EngineRefused, match=message) as raised:
            engine(clock).submit(PLAN)
        assert mend in (raised.value.mend or "")
        assert SECRET not in raised.value.render()
        assert "\x1b" not in raised.value.render()
    assert clock.waits == []


def test_what_is_no_step_functions_at_all_is_said_to_be_none(faulty: StatesServer, clock: Clock) -> None:
    there = engine(clock)
    for body in (b"<html>", b"{}", b"[]", b"[" * 100_000):
        faulty.faults = [Fault(200, body=body)]
        with pytest.raises(EngineRefused, match=r"no Step Functions|cannot be asked"):
            there.look(RUN)


def test_aws_may_know_late_of_a_run_that_was_started_and_forget_one(server: StatesServer, clock: Clock) -> None:
    there = engine(clock)
    there.submit(PLAN)
    gone = Fault(400, "ExecutionDoesNotExist")
    server.faults = [gone]
    assert there.look(RUN).phase is Phase.RUNNING
    until_over(there, RUN)
    server.faults = [gone]
    with pytest.raises(EngineRefused, match="is not there any more"):
        follow(there, RUN, Silence(), pause=clock.pause)


def test_a_run_is_stopped_and_one_that_has_ended_is_not(server: StatesServer, world: World, clock: Clock) -> None:
    world.hold = threading.Event()
    there = engine(clock)
    assert there.stop(PLAN) is None
    run = there.submit(PLAN)
    world.begun()  # moto trips over a stop that comes while it puts the task together
    assert there.stop(PLAN) == run
    assert server.asked[-1][1]["cause"] == "by shipway run --stop"
    world.hold.set()
    until_over(there, run)
    with pytest.raises(EngineRunFailed, match="stopped"):
        follow(there, run, Silence(), pause=clock.pause)
    assert there.stop(PLAN) is None
    assert there.submit(PLAN) == f"{RUN}-2"


def test_a_machine_is_named_or_given_whole_and_the_account_is_that_of_the_credentials(
    faulty: StatesServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert StatesClient("points", region=REGION).arn == f"arn:aws:states:{REGION}:123456789012:stateMachine:points"
    assert faulty.actions() == ["GetCallerIdentity"]
    whole = "arn:aws-cn:states:cn-north-1:210987654321:stateMachine:other"
    client = StatesClient(whole, region=REGION, account="123456789012")
    assert (client.arn, client.region, client.name) == (whole, "cn-north-1", "other")
    assert client.page("x").startswith("https://console.amazonaws.cn/")
    for wrong in ("", "a b", "x" * 81, "arn:aws:states:eu-west-1:1:stateMachine:x", f"{whole}:alias", "points\n"):
        with pytest.raises(EngineRefused, match="no state machine's name"):
            StatesClient(wrong, region=REGION)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(EngineRefused, match=r"nobody.*could not be found"):
        StatesClient("points", region=REGION)


def test_without_credentials_it_is_said_where_they_may_be(
    environ: None, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(EngineRefused, match="Unable to locate credentials") as raised:
        engine(clock).submit(PLAN)
    assert "AWS_PROFILE" in (raised.value.mend or "")


# histories as AWS writes them, where moto's differs or has none

MACHINE: Any = {
    "States": {
        "fit": {"Type": "Task", "Parameters": {"O": [{"Command.$": "States.Array('step', 'run', 'fit', '--plan', $.plan)"}]}},
        "each": {
            "Type": "Map",
            "ItemProcessor": {
                "States": {
                    "kept: element": {
                        "Type": "Task",
                        "Parameters": {"Command.$": "States.Array('step', 'run', 'kept', '--plan', $.plan, '--item', $.item)"},
                    }
                }
            },
        },
        "kept": {"Type": "Task", "Parameters": {"Command.$": "States.Array('step', 'run', 'kept', '--plan', $.plan)"}},
        "models": {"Type": "Task", "Parameters": {"Command.$": "States.Array('step', 'models', '--plan', $.plan)"}},
    }
}


def test_attempts_of_a_step_are_one_step_and_elements_are_told_of_by_their_number() -> None:
    assert sorted(tasks_of(MACHINE)) == ["fit", "kept", "kept: element"]
    events = [
        Event(1, 0, "ExecutionStarted", 0),
        Event(2, 1, "TaskStateEntered", 1, "fit"),
        Event(3, 2, "TaskScheduled", 1),
        Event(4, 3, "TaskFailed", 2),
        Event(5, 4, "TaskScheduled", 3),
        Event(6, 5, "TaskSucceeded", 4),
        Event(7, 6, "TaskStateExited", 5),
        Event(8, 7, "MapStateEntered", 5, "each"),
        Event(9, 8, "MapStateStarted", 5),
        Event(10, 9, "MapIterationStarted", 5, "each", 0),
        Event(11, 9, "MapIterationStarted", 5, "each", 1),
        Event(12, 11, "TaskStateEntered", 6, "kept: element"),
        Event(13, 10, "TaskStateEntered", 6, "kept: element"),
        Event(14, 13, "TaskScheduled", 6),
        Event(15, 12, "TaskScheduled", 6),
        Event(16, 14, "TaskSucceeded", 7),
        Event(17, 16, "TaskStateExited", 8),
        Event(18, 15, "TaskTimedOut", 9),
        Event(19, 18, "MapIterationFailed", 9, "each", 1),
        Event(20, 19, "MapStateFailed", 9),
        Event(21, 20, "MapStateExited", 9),
        Event(22, 21, "FailStateEntered", 9, "kept failed"),
    ]

    def told(count: int, *, over: bool = False) -> dict[str, str]:
        seen = steps_of(tasks_of(MACHINE), reversed(events[:count]), over=over)
        return {name: step.state.value for name, step in seen.items()}

    assert told(1) == {}
    assert told(4) == {"fit": "running"}, "there may be another attempt"
    assert told(4, over=True) == {"fit": "failed"}
    assert told(7) == {"fit": "done"}
    assert told(18) == {"fit": "done", "kept[1]": "running", "kept[0]": "done"}
    assert told(22, over=True) == {"fit": "done", "kept[1]": "failed", "kept[0]": "done", "kept": "failed"}
    assert steps_of(tasks_of(MACHINE), events, over=True)["fit"].seconds == 4


# from end to end, with real steps

STEPS = """
steps:
  reference: {when: good}
  kept: {each: {day: days}, retries: 1}
  total: {retries: 2, timeout: 10m}
  cheered: {when: total < 0}
  boxed: {group: gift}
  ribbon: {group: gift}
"""
SOURCE = """

def good(seen: pl.DataFrame) -> bool:
    return seen.height > 10


def days(seen: pl.DataFrame) -> list[int]:
    return [1, 2]


def kept(seen: pl.DataFrame, day: int) -> int:
    return seen.filter(pl.col("day").dt.day() == day).height


def total(kept: list) -> int:
    return sum(kept)


def cheered(total: int) -> str:
    return f"only {total}"


def repeated(cheered: str) -> str:
    return cheered * 2


def boxed(total: int) -> dict:
    return {"rows": total}


def ribbon(boxed: dict) -> dict:
    return {"ribbon": boxed}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return real_steps(tmp_path, SOURCE, OBJECTS + STEPS)


@pytest.mark.slow
def test_a_run_on_step_functions_gives_what_a_run_here_gives_also_when_it_was_killed_while_following(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: None
) -> None:
    here = project.copy(tmp_path / "local").cli("run", "--json")
    assert here.code == 0, here.err
    definition = render_target("stepfunctions", project_subject(project.root))["points.asl.json"]
    with aws(monkeypatch, project.root, SHIPWAY, project.environ) as world, serving() as server:
        world.machine("points", definition.replace('"IntervalSeconds": 5', '"IntervalSeconds": 1'))
        world.failing, world.hold = {"total": 2}, threading.Event()
        project.more |= server.environ
        with world.working():
            first = project.start("run", "--on", "stepfunctions")
            wait_for(lambda: "GetExecutionHistory" in server.actions())
            first.send_signal(signal.SIGKILL)
            first.communicate()
            world.hold.set()
            done = project.cli("run", "--on", "stepfunctions", "--json")
            assert done.code == 0, done.err
        (run,) = world.client("stepfunctions").list_executions(stateMachineArn=world.arn("points"))["executions"]
        entered = world.entered(run["executionArn"])
    steps = [words[2] for words in world.ran if words[1] == "run" and "--item" not in words]
    assert steps.count("total") == 3, "two failures and a success"
    assert sorted(words[words.index("--item") + 1] for words in world.ran if "--item" in words) == ["0", "1"]
    assert "cheered skipped" in entered
    assert not {"cheered", "repeated"} & set(steps)
    assert ["step", "run", "boxed", "ribbon"] in [words[:4] for words in world.ran]
    assert steps.index("days") < steps.index("kept") < steps.index("total") < steps.index("boxed")
    document: Any = done.document
    assert document["on"] == {"engine": "stepfunctions", "run": run["name"]}
    assert all(step["cached"] for step in document["steps"]), "what ran there is found here"
    for key in ("pipeline", "skipped", "not_made"):
        assert document[key] == here.document[key], key
    assert document["models"]["above"]["digest"] == here.document["models"]["above"]["digest"]
    assert document["skipped"] == ["cheered", "repeated"]
    assert len(lines(here.err)) > 10
    assert lines(done.err) == lines(here.err), "the same lines"
    assert SECRET not in done.err + done.out
