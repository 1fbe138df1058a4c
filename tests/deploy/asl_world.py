"""AWS as moto has it, with its interpreter of state machines, and tasks that really run what they are told to.

moto 5.2 has lost the lines that turn the parameters of an optimised integration into those of the API; they are put back here
with botocore's shapes. Nor does it look at a task's exit code, which AWS does: one that ends with another than 0 has failed.
Its dictionaries are no place for two threads at once, as the branches of a machine are: its requests wait for one another here.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore.loaders
import botocore.model
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_ecs import StateTaskServiceEcs
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

REGION = "eu-west-1"
BUCKET = "example-ml"
PAUSE = 0.1  # between two questions to moto, which cost as much CPU as a task when they are asked at every moment
MODELS = botocore.loaders.Loader()  # it remembers what it has read


def _shapes(service: Any, boto_service: str | None, action: str | None) -> botocore.model.OperationModel:
    name = {"states": "stepfunctions"}.get(service.resource.api_name, service.resource.api_name)
    loaded = MODELS.load_service_model(boto_service or name, "service-2")
    model = botocore.model.ServiceModel(loaded)
    wanted = (action or service.resource.api_action).replace("_", "").lower()
    return model.operation_model(next(known for known in model.operation_names if known.lower() == wanted))


def _requests(
    self: Any, parameters: dict[str, Any], boto_service_name: str | None = None, service_action_name: str | None = None
) -> None:
    self._to_boto_request(parameters, _shapes(self, boto_service_name, service_action_name).input_shape)


def _responses(self: Any, response: Any, boto_service_name: str | None = None, service_action_name: str | None = None) -> None:
    self._from_boto_response(response, _shapes(self, boto_service_name, service_action_name).output_shape)


def _synced(self: Any, *, env: Any, sync_resolver: Any, **_others: Any) -> Any:
    """Ask until it has ended. moto asks a token's endpoint too, closed for good by a first failed attempt."""
    while env.is_running():
        if (ended := sync_resolver()) is not None:
            return ended
        time.sleep(PAUSE)
    return None


@functools.cache
def _session() -> boto3.Session:
    """It keeps the descriptions of services that it has read."""
    return boto3.Session()


ONE_AT_A_TIME = threading.RLock()  # what moto asks of itself meanwhile comes from the thread that holds it
_ASK = BotocoreStubber.__call__


def _in_turn(self: BotocoreStubber, *args: Any, **kwargs: Any) -> Any:
    with ONE_AT_A_TIME:
        return _ASK(self, *args, **kwargs)


@dataclass
class World:
    """One account. Tasks run `shipway` words in a folder; `failing`: how often each step fails before it may succeed."""

    folder: Path
    shipway: str
    environ: Mapping[str, str]
    failing: dict[str, int] = field(default_factory=dict)
    ran: list[list[str]] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None  # no task ends before it is set

    def client(self, name: str) -> Any:
        return boto3.client(name, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")

    def found(self) -> None:
        """A bucket, a cluster, a task definition, two subnets."""
        self.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        ecs, ec2 = self.client("ecs"), self.client("ec2")
        ecs.create_cluster(clusterName="ml")
        container = {"name": "shipway", "image": "example", "essential": True, "cpu": 512, "memory": 1024}
        ecs.register_task_definition(
            family="steps", networkMode="awsvpc", cpu="512", memory="1024", containerDefinitions=[container],
            requiresCompatibilities=["FARGATE"],
        )  # fmt: skip
        subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]]
        group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
        self.names = {
            "cluster": "ml", "task_definition": "steps", "subnet_a": subnets[0], "subnet_b": subnets[1],
            "security_group": group,
        }  # fmt: skip

    def machine(self, name: str, definition: str) -> str:
        """Its ARN. `${name}` is filled in as Terraform does."""
        role = "arn:aws:iam::123456789012:role/steps"
        filled = re.sub(r"\$\{(\w+)\}", lambda match: self.names[match[1]], definition)
        arn: str = self.client("stepfunctions").create_state_machine(name=name, definition=filled, roleArn=role)[
            "stateMachineArn"
        ]
        return arn

    def arn(self, name: str) -> str:
        return f"arn:aws:states:{REGION}:123456789012:stateMachine:{name}"

    def execute(self, machine: str, given: Mapping[str, Any], *, seconds: float = 240.0) -> Any:
        """Start, let its tasks run, and describe how it ended."""
        states = self.client("stepfunctions")
        arn = states.start_execution(stateMachineArn=machine, input=json.dumps(given))["executionArn"]
        with self.working():
            deadline = time.monotonic() + seconds
            while (done := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
                assert time.monotonic() < deadline, self.ran
                time.sleep(PAUSE)
        return done

    @contextmanager
    def working(self) -> Iterator[None]:
        """Tasks that are started are run meanwhile, one after another."""
        stop = threading.Event()
        worker = threading.Thread(target=self._work, args=(stop,))
        worker.start()
        try:
            yield
        finally:
            stop.set()
            if self.hold:
                self.hold.set()
            worker.join()

    def begun(self) -> None:
        """Wait until a task was started."""
        ecs, deadline = self.client("ecs"), time.monotonic() + 120
        while not any(ecs.list_tasks(cluster="ml", desiredStatus=state)["taskArns"] for state in ("RUNNING", "STOPPED")):
            assert time.monotonic() < deadline
            time.sleep(PAUSE)

    def errors(self, execution: str) -> list[Any]:
        """What its states failed with, in order."""
        pages = self.client("stepfunctions").get_execution_history(executionArn=execution, maxResults=1000)["events"]
        return [told for event in pages for name, told in event.items() if "FailedEventDetails" in name]

    def entered(self, execution: str) -> list[str]:
        """The names of the states that were entered, in order."""
        pages = self.client("stepfunctions").get_execution_history(executionArn=execution, maxResults=1000)["events"]
        return [event["stateEnteredEventDetails"]["name"] for event in pages if "stateEnteredEventDetails" in event]

    def _work(self, stop: threading.Event) -> None:
        ecs, seen = self.client("ecs"), set(self.codes)
        while not stop.is_set():
            states = ("RUNNING", "STOPPED")
            known = [arn for state in states for arn in ecs.list_tasks(cluster="ml", desiredStatus=state)["taskArns"]]
            waiting = [arn for arn in known if arn not in seen]
            for arn in waiting:
                seen.add(arn)
                (task,) = ecs.describe_tasks(cluster="ml", tasks=[arn])["tasks"]
                self.codes[arn] = self._run(task["overrides"]["containerOverrides"][0]["command"])
                ecs.stop_task(cluster="ml", task=arn)
            time.sleep(PAUSE)

    def _run(self, words: list[str]) -> int:
        """What the container would: the words after `shipway`. The control goes where the word after --control says."""
        if self.hold:
            self.hold.wait(60)
        self.ran.append(words)
        step = words[2] if words[1] == "run" else words[1]
        if self.failing.get(step, 0) > 0 and "--item" not in words:
            self.failing[step] -= 1
            return 1
        words, target = list(words), ""
        if "--control" in words:
            place = words.index("--control") + 1
            target, words[place] = words[place], str(self.folder.parent / "control.json")
        done = subprocess.run([self.shipway, *words], cwd=self.folder, env=dict(self.environ), capture_output=True, text=True)
        if done.returncode == 0 and target and (told := Path(words[place])).exists():
            key = target.removeprefix(f"s3://{BUCKET}/")
            self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=told.read_bytes())
            told.unlink()
        if done.returncode:
            print(done.stderr)
        return done.returncode


@contextmanager
def aws(monkeypatch: Any, folder: Path, shipway: str, environ: Mapping[str, str]) -> Iterator[World]:
    """The account, for as long as the test takes."""
    world = World(folder, shipway, environ)
    resolve = StateTaskServiceEcs._build_sync_resolver

    def checked(self: Any, env: Any, *args: Any, **kwargs: Any) -> Any:
        arn = env.stack[-1]["Tasks"][0]["TaskArn"]
        inner = resolve(self, env, *args, **kwargs)

        def look() -> Any:
            if arn not in world.codes:  # moto lets tasks stop by themselves after a while; ours stop when they are done
                return None
            ended = inner() if inner else None
            if ended is not None and world.codes.get(arn):
                told = TaskFailedEventDetails(
                    error="States.TaskFailed", cause="exit 1", resource="runTask.sync", resourceType="ecs"
                )
                details = EventDetails(taskFailedEventDetails=told)
                name = StatesErrorName(typ=StatesErrorNameType.StatesTaskFailed)
                raise FailureEventException(
                    FailureEvent(env=env, error_name=name, event_type=HistoryEventType.TaskFailed, event_details=details)
                )
            return ended

        return look

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setattr(BotocoreStubber, "__call__", _in_turn)
    monkeypatch.setattr(StateTaskService, "_normalise_parameters", _requests)
    monkeypatch.setattr(StateTaskService, "_normalise_response", _responses)
    monkeypatch.setattr(StateTaskServiceCallback, "_eval_sync", _synced)
    monkeypatch.setattr(StateTaskServiceEcs, "_build_sync_resolver", checked)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", _session())  # which moto has just taken away, with all it had read
        world.found()
        yield world
