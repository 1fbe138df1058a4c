"""The states that our machines are made of, in the Amazon States Language with JSONPath."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shipway.deploy._fargate import FargateSize
from shipway.deploy._units import START_SECONDS
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.units import Seconds
from shipway.spec import Condition

MOST_AT_ONCE = 40  # elements of a Map; the limit of a Map that is not distributed
_NETWORK: JsonObject = {
    "AwsvpcConfiguration": {
        "Subnets": ["${subnet_a}", "${subnet_b}"],
        "SecurityGroups": ["${security_group}"],
        "AssignPublicIp": "DISABLED",
    }
}
_TYPES = {bool: "Boolean", int: "Numeric", float: "Numeric", str: "String"}
_OPERATORS = {"==": "Equals", "<": "LessThan", "<=": "LessThanEquals", ">": "GreaterThan", ">=": "GreaterThanEquals"}


@dataclass(frozen=True, slots=True)
class Control:
    """Where tasks write their step control: below `control/PLAN/` of the team's objects. prefix: empty, or ends with `/`."""

    bucket: str
    prefix: str

    def key(self, step: str) -> str:
        """The key, as an intrinsic function of the execution's plan."""
        return f"States.Format('{self.prefix}control/{{}}/{step}.json', $.plan)"

    def url(self, step: str) -> str:
        """The same as a URL."""
        return f"States.Format('s3://{self.bucket}/{self.prefix}control/{{}}/{step}.json', $.plan)"


class Chain:
    """States one after another. skip: the name of a state that ends the chain without doing anything, for choices."""

    def __init__(self, skip: str | None = None) -> None:
        self._states: dict[str, dict[str, Json]] = {}
        self._aside: dict[str, Json] = {}
        self._skip, self._open = skip, ""

    def __contains__(self, name: str) -> bool:
        return name in self._states

    def add(self, name: str, state: Mapping[str, Json], *, end: bool = False) -> None:
        """After the state before, which goes on here; end: nothing comes after it in this chain."""
        self._link(name)
        self._states[name] = dict(state)
        self._open = "" if end else name

    def aside(self, name: str, state: JsonObject) -> None:
        """A state that only a catch or a choice leads to."""
        self._aside[name] = state

    def extend(self, other: Chain) -> None:
        """All states of another chain after these; where it ends, or skips, this one goes on."""
        first = next(iter(other._states))
        self._link(first)
        if other._skip and other._skips():
            other.aside(other._skip, {"Type": "Pass"})
        self._states |= other._states
        for name, state in other._aside.items():
            assert isinstance(state, Mapping)
            if state.get("Type") == "Pass":
                self._states[name] = dict(state)
            else:
                self._aside[name] = state
        self._open = "*"

    def machine(self) -> JsonObject:
        """StartAt and States."""
        states = dict(self._states)
        if self._skip and self._skips():
            states[self._skip] = {"Type": "Pass"}
        for state in states.values():
            if state["Type"] not in ("Choice", "Fail") and "Next" not in state:
                state["End"] = True
        return {"StartAt": next(iter(states)), "States": {**states, **self._aside}}

    def _skips(self) -> bool:
        return any(state["Type"] == "Choice" for state in self._states.values())

    def _link(self, name: str) -> None:
        """Let what is open go on at `name`: a choice by its rule, the others by Next."""
        for known, state in self._states.items():
            if self._open not in (known, "*") or state["Type"] == "Fail":
                continue
            if state["Type"] == "Choice":
                rules = state["Choices"]
                assert isinstance(rules, list)
                state["Choices"] = [{**rule, "Next": rule.get("Next", name)} for rule in rules]
            else:
                state.setdefault("Next", name)


def command(*words: str, plan: str, item: str | None = None, control: str | None = None) -> str:
    """The words after `shipway` as an intrinsic function; plan and item are paths, control is a function."""
    parts = [f"'{word}'" for word in words] + ["'--plan'", plan]
    parts += ["'--item'", f"States.Format('{{}}', {item})"] if item else []
    parts += ["'--control'", control] if control else []
    return f"States.Array({', '.join(parts)})"


def run_task(words: str, *, size: FargateSize, retries: int, timeout: Seconds | None = None) -> JsonObject:
    """A task of the one task definition, followed to its end; what ECS itself cannot do now is tried again either way."""
    state: dict[str, Json] = {
        "Type": "Task",
        "Resource": "arn:aws:states:::ecs:runTask.sync",
        "Parameters": {
            "Cluster": "${cluster}",
            "TaskDefinition": "${task_definition}",
            "LaunchType": "FARGATE",
            "NetworkConfiguration": _NETWORK,
            "Overrides": {
                "Cpu": str(size.cpu),
                "Memory": str(size.memory),
                "ContainerOverrides": [{"Name": "shipway", "Command.$": words}],
            },
        },
        "Retry": [_retry(["ECS.AmazonECSException", "ECS.ThrottlingException", "ECS.ServerException"], 5)],
        "ResultPath": None,
    }
    if timeout:
        state["TimeoutSeconds"] = math.ceil(timeout) + START_SECONDS
    if retries:
        state["Retry"] = [*_listed(state["Retry"]), _retry(["States.TaskFailed", "States.Timeout"], retries)]
    return state


def run_job(words: str, *, job: str, definition: str, retries: int) -> JsonObject:
    """A job of AWS Batch, followed to its end. Its time limit is in its definition, and begins when it has a machine."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Parameters": {
            "JobName": job,
            "JobQueue": "${job_queue}",
            "JobDefinition": definition,
            "ContainerOverrides": {"Command.$": words},
            "RetryStrategy": {"Attempts": 1},  # the machine tries again
        },
        "Retry": [
            _retry(["Batch.BatchException", "Batch.ServerException", "Batch.SdkClientException"], 5),
            *([_retry(["States.TaskFailed"], retries)] if retries else []),
        ],
        "ResultPath": None,
    }


def _listed(value: Json) -> Sequence[Json]:
    assert isinstance(value, list)
    return value


def _retry(errors: list[Json], attempts: int) -> Json:
    return {"ErrorEquals": errors, "IntervalSeconds": 5, "BackoffRate": 2.0, "MaxAttempts": attempts, "MaxDelaySeconds": 300}


def read_control(control: Control, step: str | None, *, key: str | None = None) -> JsonObject:
    """The control of a step, as `$.control`."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Parameters": {"Bucket": control.bucket, "Key.$": key or control.key(step or "")},
        "ResultSelector": {"document.$": "States.StringToJson($.Body)"},
        "ResultPath": "$.read",
        "Retry": [_retry(["S3.SdkClientException", "S3.S3Exception"], 3)],
    }


def choice(condition: Condition, *, otherwise: str) -> JsonObject:
    """Goes on when the condition holds of `$.read.document`; a skipped step holds nothing."""
    kind = _TYPES[type(condition.literal)]
    value = "$.read.document.value"
    operator = _OPERATORS["==" if condition.operator == "!=" else condition.operator]
    rules: list[Json] = [{"Variable": value, f"Is{kind}": True}, {"Variable": value, f"{kind}{operator}": condition.literal}]
    rule: JsonObject = {"And": rules}
    if condition.operator == "!=":
        rule = {"Not": rule}
    there: JsonObject = {"Variable": "$.read.document.skipped", "BooleanEquals": False}
    return {"Type": "Choice", "Choices": [{"And": [there, rule]}], "Default": otherwise}


def repeat(name: str, state: JsonObject) -> JsonObject:
    """A Map over `$.read.document.items`, each with the plan and its number."""
    return {
        "Type": "Map",
        "ItemsPath": "$.read.document.items",
        "ItemSelector": {"plan.$": "$.plan", "item.$": "$$.Map.Item.Value"},
        "MaxConcurrency": MOST_AT_ONCE,
        "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": name, "States": {name: {**state, "End": True}}},
        "ResultPath": None,
    }


def parallel(branches: Sequence[JsonObject]) -> JsonObject:
    return {"Type": "Parallel", "Branches": list(branches), "ResultPath": None}


def fail(unit: str) -> JsonObject:
    return {"Type": "Fail", "Error": "StepFailed", "Cause": f"{unit} failed; the log of its task says why"}
