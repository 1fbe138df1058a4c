"""The nouns of this room: a step, its arguments, the pipeline of one file, and the graph that names resolve to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shipway.environment import Codec
from shipway.kernel.canonical import Json
from shipway.kernel.errors import ShipwayError
from shipway.spec import Condition, Each, StepSpec


class PipelineMalformed(ShipwayError):
    """The declared file is no pipeline: a name, an annotation or a circle that a person has to mend."""

    code = "pipeline.malformed"


class InputMissing(ShipwayError):
    """A run was asked for without something that a step needs, or with something that none takes."""

    code = "pipeline.input-missing"


class StepValueUnusable(ShipwayError):
    """A step's value is not what another step's `when` or `each` needs, or the values of a repeated step make no whole."""

    code = "pipeline.step-value-unusable"


class InputKind(StrEnum):
    """What the name of an argument stands for; an item is one element of the list that a step is repeated over."""

    DATA = "data"
    STEP = "step"
    PARAMETER = "parameter"
    ITEM = "item"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a step: its codec (how the value reaches it), its line, whether it has a default."""

    name: str
    codec: Codec
    line: int
    optional: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A public annotated function; codec says how its value is kept, line is that of its `def`."""

    name: str
    arguments: tuple[Argument, ...]
    codec: Codec
    line: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps of one file in the file's order; `source` is the text that was read, `entry` its path below `root`."""

    root: Path
    entry: str
    source: str
    steps: tuple[Step, ...]

    def step(self, name: str) -> Step:
        """Raises KeyError."""
        return next(step for step in self.steps if step.name == name)


@dataclass(frozen=True, slots=True)
class Input:
    """What an argument is given: the name of a data set or of a step, or the value of a parameter."""

    kind: InputKind
    value: Json


@dataclass(frozen=True, slots=True)
class Node:
    """A step with every argument that it will be given; arguments left to their default are not among them.

    options: how it is run. The argument that it is repeated over is given the whole list here, one element when it is run.
    """

    step: Step
    inputs: Mapping[str, Input]
    options: StepSpec | None = None

    @property
    def each(self) -> Each | None:
        """What it is repeated over."""
        return self.options.each if self.options else None

    @property
    def when(self) -> Condition | None:
        """The condition without which it is skipped."""
        return self.options.when if self.options else None

    @property
    def after(self) -> tuple[str, ...]:
        """The steps that come before it: those it needs, and the one that its condition asks."""
        asked = (self.when.step,) if self.when else ()
        return tuple(dict.fromkeys((*self.needs, *asked)))

    @property
    def needs(self) -> tuple[str, ...]:
        """The steps whose values it takes, in the order of its arguments."""
        return tuple(str(given.value) for given in self.inputs.values() if given.kind is InputKind.STEP)

    @property
    def reads(self) -> tuple[str, ...]:
        """The data sets it reads, in the order of its arguments."""
        return tuple(str(given.value) for given in self.inputs.values() if given.kind is InputKind.DATA)


@dataclass(frozen=True, slots=True)
class Graph:
    """The steps in an order in which each comes after those it needs; the same file gives the same order."""

    nodes: tuple[Node, ...]

    def node(self, name: str) -> Node:
        """Raises KeyError."""
        for node in self.nodes:
            if node.step.name == name:
                return node
        raise KeyError(name)
