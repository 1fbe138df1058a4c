"""Resolves the names of arguments to data sets, steps and parameters, and puts the steps in order. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial

from shipway.kernel.canonical import Json
from shipway.kernel.errors import nearest
from shipway.pipeline._codecs import JSON_CODEC, fits
from shipway.pipeline._options import check_options, given_by, needs_of
from shipway.pipeline._ordered import order_names
from shipway.pipeline._types import (
    Argument,
    Graph,
    Input,
    InputKind,
    InputMissing,
    Node,
    Pipeline,
    PipelineMalformed,
    Step,
)
from shipway.spec import StepSpec

_NO_OPTIONS: Mapping[str, StepSpec] = {}


def resolve(
    pipeline: Pipeline,
    *,
    data: Collection[str],
    parameters: Mapping[str, Json],
    wanted: Iterable[str] = (),
    options: Mapping[str, StepSpec] = _NO_OPTIONS,
) -> Graph:
    """The graph of the wanted steps (all when empty) and of those that they need; others need no data to be there.

    options: of steps by name. Raises PipelineMalformed (file and line) for a name that is nothing or two things, a value of
    the wrong form, options that do not fit their step, and a circle; InputMissing for a wanted step that does not exist and
    a parameter that no step takes.
    """
    steps = {step.name: step for step in pipeline.steps}
    _check_names(pipeline, data, parameters, options)
    check_options(pipeline, parameters, options)
    before = {name: needs_of(step, steps, options.get(name)) for name, step in steps.items()}
    needed = _needed(before, list(wanted))
    ordered = [name for name in order_names(before, partial(_circle, pipeline.entry, steps)) if name in needed]
    return Graph(tuple(_node(pipeline.entry, steps[name], steps, data, parameters, options.get(name)) for name in ordered))


def _check_names(
    pipeline: Pipeline, data: Collection[str], parameters: Mapping[str, Json], options: Mapping[str, StepSpec]
) -> None:
    for step in pipeline.steps:
        for names, what in ((data, "data set"), (parameters, "parameter")):
            if step.name in names:
                raise PipelineMalformed(
                    f"{step.name} is a step and a {what}",
                    where=f"{pipeline.entry}:{step.line}",
                    mend="rename one of the two",
                )
    sources = {option.each.source for option in options.values() if option.each}
    taken = sorted({argument.name for step in pipeline.steps for argument in step.arguments} | sources)
    for name in parameters:
        if name in data:
            raise InputMissing(f"{name} is a data set and a parameter", mend="rename one of the two")
        if name not in taken:
            raise InputMissing(f"no step of {pipeline.entry} takes the parameter {name}", mend=_mend(name, taken))


def _node(
    entry: str,
    step: Step,
    steps: Mapping[str, Step],
    data: Collection[str],
    parameters: Mapping[str, Json],
    option: StepSpec | None,
) -> Node:
    inputs: dict[str, Input] = {}
    for argument in step.arguments:
        where = f"{entry}:{argument.line}"
        if option and option.each and option.each.argument == argument.name:
            inputs[argument.name] = given_by(option.each, steps, parameters)
        elif argument.name in data:
            inputs[argument.name] = Input(InputKind.DATA, argument.name)
        elif argument.name in steps:
            _check_fit(step, argument, steps[argument.name], where)
            inputs[argument.name] = Input(InputKind.STEP, argument.name)
        elif argument.name in parameters:
            _check_plain(step, argument, where)
            inputs[argument.name] = Input(InputKind.PARAMETER, parameters[argument.name])
        elif not argument.optional:
            known = sorted({*data, *steps, *parameters} - {step.name})
            raise PipelineMalformed(
                f"the argument {argument.name} of the step {step.name} is no data set, step or parameter",
                where=where, mend=_mend(argument.name, known),
            )  # fmt: skip
    return Node(step, inputs, option)


def _mend(name: str, known: list[str]) -> str:
    close = nearest(name, known)
    return f"did you mean {close}?" if close else f"there is: {', '.join(known) or 'nothing'}"


def _check_fit(step: Step, argument: Argument, producer: Step, where: str) -> None:
    if not fits(producer.codec, argument.codec):
        raise PipelineMalformed(
            f"the step {step.name} takes {argument.name} as {argument.codec}, but it is kept as {producer.codec}",
            where=where, mend="make the two annotations agree",
        )  # fmt: skip


def _check_plain(step: Step, argument: Argument, where: str) -> None:
    if argument.codec != JSON_CODEC:
        raise PipelineMalformed(
            f"the parameter {argument.name} of the step {step.name} is annotated as {argument.codec}",
            where=where, mend="a parameter is a dict, list, str, int, float or bool",
        )  # fmt: skip


def _circle(entry: str, steps: Mapping[str, Step], path: tuple[str, ...]) -> PipelineMalformed:
    names = " -> ".join((*path, path[0]))
    return PipelineMalformed(
        f"steps need each other in a circle: {names}",
        where=f"{entry}:{steps[path[0]].line}",
        mend="an argument, `each` and `when` name what a step needs",
    )


def _needed(before: Mapping[str, list[str]], wanted: list[str]) -> set[str]:
    """The wanted steps and all that they need; every step when none is named. Raises InputMissing."""
    for name in wanted:
        if name not in before:
            raise InputMissing(f"there is no step {name}", mend=_mend(name, sorted(before)))
    waiting, found = list(wanted) or list(before), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += before[name]
    return found
