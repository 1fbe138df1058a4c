"""AWS Step Functions: the pipeline as a state machine that starts one ECS task a step, and EventBridge Scheduler's schedule.

A step with a GPU is a job of AWS Batch.

JSONPath, not JSONata. Nothing but the digest of the run plan travels from state to state; what a condition or a list is decided
by is the step control that a task has written to the team's objects. `${name}` is filled in by Terraform's `templatefile`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import cast

from shipway.deploy._asl import Chain, Control, choice, command, fail, parallel, read_control, repeat, run_job, run_task
from shipway.deploy._aws_schedule import aws_expression
from shipway.deploy._batch import blank_of, gpus_of, job_names
from shipway.deploy._errors import CannotExpress, NothingToRender
from shipway.deploy._fargate import fargate_size
from shipway.deploy._names import label_names
from shipway.deploy._subject import Subject, Workload
from shipway.deploy._text import Files, json_text
from shipway.deploy._units import Unit, levels_of, units_of
from shipway.kernel.canonical import Json, JsonObject

TARGET = "stepfunctions"
MOST_BYTES = 1_000_000  # of a definition; AWS takes 1 MiB


def state_machine_name(project: str) -> str:
    """The name of a project's state machine, as the Terraform modules give it. Raises CannotExpress."""
    return label_names([project], target=TARGET, what="project")[project]


def compile_stepfunctions(subject: Subject) -> Files:
    """The state machine, and with a schedule the one that makes a plan first and the schedule itself.

    Raises NothingToRender, NamesCollide, CannotExpress (a size that Fargate has not, a schedule, no `targets.objects`).
    """
    workload = subject.workload
    if workload is None:
        raise NothingToRender(f"{subject.project} has no pipeline", mend="pipeline: FILE.py")
    name = state_machine_name(subject.project)
    control = _control(subject)
    files = {f"{name}.asl.json": _definition(subject.project, _machine(workload, control))}
    if workload.schedule:
        files[f"{name}-scheduled.asl.json"] = json_text(_scheduled(control))
        files["schedule.json"] = json_text(
            {
                "Name": name,
                "ScheduleExpression": aws_expression(workload.schedule, target=TARGET),
                "ScheduleExpressionTimezone": workload.schedule.timezone,
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": "${scheduled_state_machine}", "RoleArn": "${scheduler_role}", "Input": "{}"},
            }
        )
    return files


def _definition(project: str, machine: JsonObject) -> str:
    text = json_text(machine)
    if len(text) > MOST_BYTES:
        what = f"the pipeline of {project} is larger than a state machine may be: {len(text):,} bytes"
        raise CannotExpress(what, mend="put steps into groups, which are one task each")
    return text


def _control(subject: Subject) -> Control:
    objects = subject.targets.objects
    if not objects or not objects.startswith("s3://"):
        raise CannotExpress(f"{TARGET} has no place where tasks find the store", mend="targets: {objects: s3://BUCKET/PREFIX}")
    bucket, _, prefix = objects.removeprefix("s3://").partition("/")
    return Control(bucket, f"{prefix}/" if prefix else "")


def _machine(workload: Workload, control: Control) -> JsonObject:
    chain = Chain()
    units = units_of(workload.tasks, target=TARGET)
    jobs = job_names(units, target=TARGET)
    for number, level in enumerate(levels_of(units), 1):
        branches = [_unit(unit, control, jobs) for unit in level]
        if len(branches) == 1:
            chain.extend(branches[0])
        else:
            chain.add(f"Level {number}", parallel([branch.machine() for branch in branches]))
    models = command("step", "models", plan="$.plan")
    chain.add("Models", run_task(models, size=fargate_size(None, None, what="the models"), retries=2))
    return {"Comment": 'Input: the digest of a run plan, {"plan": "sha256:..."}', **chain.machine()}


def _unit(unit: Unit, control: Control, jobs: Mapping[str, str]) -> Chain:
    """Conditions first; then the elements, where it is repeated; then the task itself, whose failure names it."""
    chain = Chain(skip=f"{unit.name} skipped")
    for condition in unit.conditions:
        read = f"{unit.name}: read {condition.step}"
        while read in chain:
            read += " again"
        chain.add(read, read_control(control, condition.step))
        chain.add(f"{unit.name}: {condition.text}?", choice(condition, otherwise=f"{unit.name} skipped"))
    start = _starter(unit, jobs)
    (first, *more) = unit.tasks
    if first.repeated and not more:
        _elements(chain, unit, control, start)
    words = command("step", "run", *[task.name for task in unit.tasks], plan="$.plan", control=control.url(unit.tasks[-1].name))
    failed = f"{unit.name} failed"
    chain.add(unit.name, {**start(words), **_caught(failed)}, end=True)
    chain.aside(failed, fail(unit.name))
    return chain


def _starter(unit: Unit, jobs: Mapping[str, str]) -> Callable[[str], JsonObject]:
    """The state that starts a unit with given words: an ECS task, or with a GPU a job."""
    if gpus_of(unit):
        job = jobs[unit.name]
        return partial(run_job, job=job, definition=blank_of(job), retries=unit.retries)
    size = fargate_size(unit.cpu, unit.memory, what=f"step {unit.name}")
    return partial(run_task, size=size, retries=unit.retries, timeout=unit.timeout)


def _caught(failed: str) -> JsonObject:
    return {"Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": failed}]}


def _elements(chain: Chain, unit: Unit, control: Control, start: Callable[[str], JsonObject]) -> None:
    """A Map over the numbers of the elements: known ones as they are, those of a step's list from its control."""
    (task,) = unit.tasks
    item = command("step", "run", task.name, plan="$.plan", item="$.item")
    states = start(item)
    if task.elements is not None:
        numbers: Sequence[Json] = list(range(task.elements))
        chain.add(
            f"{unit.name}: elements", {"Type": "Pass", "Result": {"document": {"items": numbers}}, "ResultPath": "$.read"}
        )
    else:
        chain.add(f"{unit.name}: elements", read_control(control, cast("str", task.list_of)))
    failed = f"{unit.name} failed"
    chain.add(f"{unit.name}: each", {**repeat(f"{unit.name}: element", states), **_caught(failed)})


def _scheduled(control: Control) -> JsonObject:
    """Make a plan of the data as they are now, then let the machine run it, and end as it ends."""
    key = f"{control.prefix}control/scheduled/{{}}.json"
    words = f"States.Array('step', 'plan', '--control', States.Format('s3://{control.bucket}/{key}', $$.Execution.Name))"
    chain = Chain()
    chain.add("Plan", run_task(words, size=fargate_size(None, None, what="the plan"), retries=2))
    chain.add("Read the plan", read_control(control, None, key=f"States.Format('{key}', $$.Execution.Name)"))
    chain.add(
        "Run it",
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Parameters": {
                "StateMachineArn": "${state_machine}",
                "Input": {"plan.$": "$.read.document.plan", "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID.$": "$$.Execution.Id"},
            },
            "ResultPath": None,
        },
        end=True,
    )
    return {"Comment": "Input: nothing", **chain.machine()}
