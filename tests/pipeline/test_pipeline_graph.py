"""Names resolve to data, steps and parameters; any graph without a circle gets an order, any circle is told."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.environment import Codec
from shipway.kernel.canonical import Json
from shipway.pipeline import Argument, Graph, InputKind, InputMissing, Pipeline, PipelineMalformed, Step, resolve

NAMES = [f"s{number}" for number in range(7)]


def pipeline(needs: Mapping[str, list[str]], *, codec: Codec = "json", optional: bool = False) -> Pipeline:
    """A pipeline whose steps, one a line, take these names."""
    steps = [
        Step(name, tuple(Argument(taken, codec, line, optional) for taken in takes), codec, line)
        for line, (name, takes) in enumerate(needs.items(), start=1)
    ]
    return Pipeline(Path(), "steps.py", "", tuple(steps))


def names(graph: Graph) -> list[str]:
    return [node.step.name for node in graph.nodes]


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Up to seven steps in any order of the file, each taking any of them: with circles and without."""
    steps = draw(st.permutations(NAMES[: draw(st.integers(1, len(NAMES)))]))
    return {step: draw(st.lists(st.sampled_from(steps), unique=True, max_size=3)) for step in steps}


@given(graphs())
def test_each_step_comes_once_and_after_those_it_needs_or_a_real_circle_is_named(needs: dict[str, list[str]]) -> None:
    try:
        list(TopologicalSorter(needs).static_order())
    except CycleError:
        with pytest.raises(PipelineMalformed, match="circle") as caught:
            resolve(pipeline(needs), data=(), parameters={})
        around = caught.value.what.rpartition(": ")[2].split(" -> ")
        assert len(around) > 1
        assert around[0] == around[-1]
        assert all(needed in needs[step] for step, needed in pairwise(around))
        return
    ordered = names(resolve(pipeline(needs), data=(), parameters={}))
    assert sorted(ordered) == sorted(needs)
    assert all(ordered.index(needed) < ordered.index(step) for step in needs for needed in needs[step])
    assert ordered == names(resolve(pipeline(needs), data=(), parameters={}))


@given(graphs(), st.data())
def test_the_wanted_steps_bring_those_they_need_and_no_others(needs: dict[str, list[str]], data: st.DataObject) -> None:
    try:
        whole = resolve(pipeline(needs), data=(), parameters={})
    except PipelineMalformed:
        return
    wanted = data.draw(st.lists(st.sampled_from(sorted(needs)), min_size=1))
    part = resolve(pipeline(needs), data=(), parameters={}, wanted=wanted)
    expected = set(wanted)
    while more := {needed for step in expected for needed in needs[step]} - expected:
        expected |= more
    assert names(part) == [name for name in names(whole) if name in expected]


def test_a_name_is_a_data_set_a_step_a_parameter_or_its_default() -> None:
    graph = resolve(pipeline({"a": ["d"], "b": ["a", "p"]}), data={"d"}, parameters={"p": [1]})
    assert {name: (given.kind, given.value) for name, given in graph.node("b").inputs.items()} == {
        "a": (InputKind.STEP, "a"),
        "p": (InputKind.PARAMETER, [1]),
    }
    assert graph.node("a").reads == ("d",)
    assert resolve(pipeline({"a": ["d"]}, optional=True), data=(), parameters={}).node("a").inputs == {}


def test_an_unknown_name_is_told_with_the_nearest_one_at_its_line() -> None:
    with pytest.raises(PipelineMalformed, match="the argument flihgts of the step b is no data set") as caught:
        resolve(pipeline({"a": [], "b": ["flihgts"]}), data={"flights"}, parameters={})
    assert (caught.value.where, caught.value.mend) == ("steps.py:2", "did you mean flights?")


@pytest.mark.parametrize(
    ("data", "parameters", "error", "words"),
    [
        ({"a"}, {}, PipelineMalformed, "a is a step and a data set"),
        ((), {"a": 1, "p": 1}, PipelineMalformed, "a is a step and a parameter"),
        ({"p"}, {"p": 1}, InputMissing, "p is a data set and a parameter"),
        ((), {"p": 1, "pp": 1}, InputMissing, "no step of steps.py takes the parameter pp"),
    ],
)
def test_a_name_that_is_two_things_or_none_is_refused(
    data: set[str], parameters: dict[str, Json], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        resolve(pipeline({"a": ["p"]}), data=data, parameters=parameters)


def test_a_wanted_step_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputMissing, match="no step trian") as caught:
        resolve(pipeline({"train": []}), data=(), parameters={}, wanted=["trian"])
    assert caught.value.mend == "did you mean train?"


def test_values_reach_only_arguments_that_can_take_them() -> None:
    table = Step("table", (), "polars.frame", 1)
    for codec, fits in (("polars.lazy", True), ("arrow.table", True), ("path", True), ("json", False)):
        taker = Step("taker", (Argument("table", codec, 2, False),), "json", 2)  # type: ignore[arg-type]
        both = Pipeline(Path(), "steps.py", "", (table, taker))
        if fits:
            assert resolve(both, data=(), parameters={}).node("taker").needs == ("table",)
        else:
            with pytest.raises(PipelineMalformed, match=r"takes table as json, but it is kept as polars\.frame"):
                resolve(both, data=(), parameters={})
    with pytest.raises(PipelineMalformed, match=r"parameter p of the step a is annotated as polars\.frame"):
        resolve(pipeline({"a": ["p"]}, codec="polars.frame"), data=(), parameters={"p": 1})


def test_a_line_of_two_thousand_steps_is_put_in_order() -> None:
    needs = {f"s{number}": [f"s{number + 1}"] for number in range(1999)} | {"s1999": []}
    assert names(resolve(pipeline(needs), data=(), parameters={}))[:2] == ["s1999", "s1998"]
