"""Resolves the names of arguments to data sets, steps and parameters, and puts the steps in order. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from shipway.kernel.canonical import Json
from shipway.kernel.errors import nearest
from shipway.pipeline._codecs import JSON_CODEC, fits
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


def resolve(pipeline: Pipeline, *, data: Collection[str], parameters: Mapping[str, Json], wanted: Iterable[str] = ()) -> Graph:
    """The graph of the wanted steps (all when empty) and of those that they need.

    Raises PipelineMalformed (file and line) for a name that is nothing or two things, a value of the wrong form and a
    circle; InputMissing for a wanted step that does not exist and a parameter that no step takes.
    """
    steps = {step.name: step for step in pipeline.steps}
    _check_names(pipeline, data, parameters)
    nodes = {step.name: _node(pipeline.entry, step, steps, data, parameters) for step in pipeline.steps}
    ordered = _ordered(pipeline.entry, nodes)
    return Graph(tuple(node for node in ordered if node.step.name in _needed(nodes, list(wanted))))


def _check_names(pipeline: Pipeline, data: Collection[str], parameters: Mapping[str, Json]) -> None:
    for step in pipeline.steps:
        for names, what in ((data, "data set"), (parameters, "parameter")):
            if step.name in names:
                raise PipelineMalformed(
                    f"{step.name} is a step and a {what}",
                    where=f"{pipeline.entry}:{step.line}",
                    mend="rename one of the two",
                )
    taken = sorted({argument.name for step in pipeline.steps for argument in step.arguments})
    for name in parameters:
        if name in data:
            raise InputMissing(f"{name} is a data set and a parameter", mend="rename one of the two")
        if name not in taken:
            raise InputMissing(f"no step of {pipeline.entry} takes the parameter {name}", mend=_mend(name, taken))


def _node(entry: str, step: Step, steps: Mapping[str, Step], data: Collection[str], parameters: Mapping[str, Json]) -> Node:
    inputs: dict[str, Input] = {}
    for argument in step.arguments:
        where = f"{entry}:{argument.line}"
        if argument.name in data:
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
    return Node(step, inputs)


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


def _ordered(entry: str, nodes: Mapping[str, Node]) -> list[Node]:
    """Each node after those it needs, otherwise in the file's order. Raises PipelineMalformed for a circle."""
    done: dict[str, Node] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in done:
            return
        if name in path:
            raise _circle(entry, nodes, path[path.index(name) :])
        for needed in nodes[name].needs:
            visit(needed, (*path, name))
        done[name] = nodes[name]

    for name in nodes:
        visit(name, ())
    return list(done.values())


def _circle(entry: str, nodes: Mapping[str, Node], path: tuple[str, ...]) -> PipelineMalformed:
    names = " -> ".join((*path, path[0]))
    return PipelineMalformed(
        f"steps need each other in a circle: {names}",
        where=f"{entry}:{nodes[path[0]].step.line}",
        mend="an argument names what it needs",
    )


def _needed(nodes: Mapping[str, Node], wanted: list[str]) -> set[str]:
    """The wanted steps and all that they need; every step when none is named. Raises InputMissing."""
    for name in wanted:
        if name not in nodes:
            raise InputMissing(f"there is no step {name}", mend=_mend(name, sorted(nodes)))
    waiting, found = list(wanted) or list(nodes), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += nodes[name].needs
    return found
