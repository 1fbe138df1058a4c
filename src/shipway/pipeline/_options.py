"""The options of steps beside the file that has the steps: whether they fit, and what comes before a step. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.errors import nearest
from shipway.pipeline._codecs import JSON_CODEC, TABLES
from shipway.pipeline._types import Input, InputKind, Pipeline, PipelineMalformed, Step
from shipway.spec import Condition, Each, StepSpec

MOST_ITEMS = 10_000  # elements of a list: each is a process, and Argo passes a list of numbers on in 256 KB


def check_options(pipeline: Pipeline, parameters: Mapping[str, Json], options: Mapping[str, StepSpec]) -> None:
    """Raises PipelineMalformed for options of no step, and for `each` and `when` that cannot be followed."""
    steps = {step.name: step for step in pipeline.steps}
    for name, option in options.items():
        if name not in steps:
            raise PipelineMalformed(
                f"steps: has options of {name}, and {pipeline.entry} has no such step",
                where=pipeline.entry, mend=_mend(name, sorted(steps)),
            )  # fmt: skip
        where = f"{pipeline.entry}:{steps[name].line}"
        if option.each:
            _check_each(steps[name], option.each, steps, parameters, where)
        if option.when:
            _check_when(steps[name], option.when, steps, where)


def needs_of(step: Step, steps: Mapping[str, Step], option: StepSpec | None) -> list[str]:
    """The steps that come before a step, in the order of its arguments, the one that its condition asks last."""
    each = option.each if option else None
    names = [each.source if each and argument.name == each.argument else argument.name for argument in step.arguments]
    asked = [option.when.step] if option and option.when else []
    return [name for name in (*names, *asked) if name in steps]


def given_by(each: Each, steps: Mapping[str, Step], parameters: Mapping[str, Json]) -> Input:
    """The list that a step is repeated over: the value of a step, or a parameter's."""
    if each.source in steps:
        return Input(InputKind.STEP, each.source)
    return Input(InputKind.PARAMETER, parameters[each.source])


def option_record(option: StepSpec | None) -> JsonObject:
    """What a pipeline object keeps of a step's options: those that decide what it is given and whether it is run."""
    record: dict[str, Json] = {}
    if option and option.each:
        record["each"] = {"argument": option.each.argument, "source": option.each.source}
    if option and option.when:
        record["when"] = {"step": option.when.step, "operator": option.when.operator, "literal": option.when.literal}
    return record


def _check_each(step: Step, each: Each, steps: Mapping[str, Step], parameters: Mapping[str, Json], where: str) -> None:
    argument = next((argument for argument in step.arguments if argument.name == each.argument), None)
    if argument is None:
        names = sorted(argument.name for argument in step.arguments)
        what = f"the step {step.name} is repeated over {each.argument}, which it does not take"
        raise PipelineMalformed(what, where=where, mend=_mend(each.argument, names))
    if argument.codec != JSON_CODEC:
        what = f"the step {step.name} is repeated over {argument.name}, which is annotated as {argument.codec}"
        raise PipelineMalformed(what, where=where, mend="an element is a dict, list, str, int, float or bool")
    if step.codec != JSON_CODEC and step.codec not in TABLES:
        what = f"the step {step.name} is repeated and kept as {step.codec}, of which many make no whole"
        raise PipelineMalformed(what, where=where, mend="return a plain value or a table")
    if each.source in steps:
        if steps[each.source].codec != JSON_CODEC:
            what = f"the step {step.name} is repeated over {each.source}, which is kept as {steps[each.source].codec}"
            raise PipelineMalformed(what, where=where, mend=f"annotate {each.source} as a list")
    elif each.source not in parameters:
        what = f"the step {step.name} is repeated over {each.source}, which is no step and no parameter"
        raise PipelineMalformed(what, where=where, mend=_mend(each.source, sorted({*steps, *parameters} - {step.name})))
    elif not isinstance(parameters[each.source], list):
        what = f"the step {step.name} is repeated over the parameter {each.source}, which is no list"
        raise PipelineMalformed(what, where=where, mend=f"{each.source}: [FIRST, SECOND]")


def _check_when(step: Step, when: Condition, steps: Mapping[str, Step], where: str) -> None:
    if when.step not in steps:
        what = f"the step {step.name} is run when {when.text}, and there is no step {when.step}"
        raise PipelineMalformed(what, where=where, mend=_mend(when.step, sorted(set(steps) - {step.name})))
    if steps[when.step].codec != JSON_CODEC:
        what = f"the step {step.name} is run when {when.text}, and {when.step} is kept as {steps[when.step].codec}"
        raise PipelineMalformed(what, where=where, mend=f"annotate {when.step} as bool, int, float or str")


def _mend(name: str, known: list[str]) -> str:
    close = nearest(name, known)
    return f"did you mean {close}?" if close else f"there is: {', '.join(known) or 'nothing'}"
