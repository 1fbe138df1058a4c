"""Reads the declared file as syntax: its steps are its public annotated functions. It is never imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from shipway.environment import Codec
from shipway.pipeline._codecs import POSSIBLE, Names, codec_of
from shipway.pipeline._imports import import_table, parse_source, read_source
from shipway.pipeline._types import Argument, Pipeline, PipelineMalformed, Step

_PRIVATE = "annotate it, or begin its name with _ when it is no step"


def read_pipeline(root: Path, entry: str) -> Pipeline:
    """The steps of the file `entry` below `root`, in its order. Raises PipelineMalformed at file and line."""
    if entry.endswith((".yaml", ".yml")):
        what = f"{entry} is a pipeline of DVC: its stages are commands, which only `shipway run` runs, on this machine"
        raise PipelineMalformed(what, where=entry, mend="for this, write the steps as functions in a file of Python")
    source = read_source(root, entry)
    module = parse_source(source, entry)
    names = Names(import_table(module), _aliases(module))
    steps = tuple(_Reader(entry, names).steps(module))
    if not steps:
        raise PipelineMalformed(f"{entry} has no step", where=entry, mend="a step is a public function with annotations")
    return Pipeline(root, entry, source, steps)


def _aliases(module: ast.Module) -> dict[str, ast.expr]:
    """Module-level `Name = expression`: an annotation may use a name that the file gave to a type."""
    return {
        target.id: statement.value
        for statement in module.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }


class _Reader:
    """Turns functions into steps; errors carry the file and the line of what they are about."""

    def __init__(self, entry: str, names: Names) -> None:
        self._entry, self._names = entry, names

    def steps(self, module: ast.Module) -> Iterator[Step]:
        """The steps of the module. Raises PipelineMalformed."""
        lines: dict[str, int] = {}
        for statement in module.body:
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) or statement.name.startswith("_"):
                continue
            if statement.name in lines:
                raise self._fail(
                    statement,
                    f"the step {statement.name} is there twice, first at line {lines[statement.name]}",
                    "rename one of the two",
                )
            lines[statement.name] = statement.lineno
            yield self._step(statement)

    def _step(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Step:
        if isinstance(function, ast.AsyncFunctionDef):
            raise self._fail(function, f"the step {function.name} is async", "a step is an ordinary function")
        arguments = tuple(self._arguments(function))
        if function.returns is None:
            raise self._fail(function, f"the step {function.name} does not say what it returns", _PRIVATE)
        codec = self._codec(function.returns, f"what the step {function.name} returns")
        return Step(function.name, arguments, codec, function.lineno)

    def _arguments(self, function: ast.FunctionDef) -> Iterator[Argument]:
        given = function.args
        for star in (given.vararg, given.kwarg):
            if star:
                raise self._fail(star, f"the step {function.name} takes *{star.arg}", "name every argument: a name is an edge")
        if given.posonlyargs:
            raise self._fail(given.posonlyargs[0], f"the step {function.name} has positional-only arguments", "remove the /")
        defaults: list[ast.expr | None] = [None] * (len(given.args) - len(given.defaults))
        optional = [*defaults, *given.defaults, *given.kw_defaults]
        for argument, default in zip([*given.args, *given.kwonlyargs], optional, strict=True):
            yield self._argument(function.name, argument, optional=default is not None)

    def _argument(self, step: str, argument: ast.arg, *, optional: bool) -> Argument:
        if argument.annotation is None:
            raise self._fail(argument, f"the argument {argument.arg} of the step {step} has no annotation", _PRIVATE)
        codec = self._codec(argument.annotation, f"the argument {argument.arg} of the step {step}")
        return Argument(argument.arg, codec, argument.lineno, optional)

    def _codec(self, annotation: ast.expr, what: str) -> Codec:
        codec = codec_of(annotation, self._names)
        if codec is None:
            raise self._fail(
                annotation,
                f"{what} is annotated {ast.unparse(annotation)}, which cannot be kept",
                f"possible: {POSSIBLE}",
            )
        return codec

    def _fail(self, node: ast.AST, what: str, mend: str) -> PipelineMalformed:
        return PipelineMalformed(what, where=f"{self._entry}:{getattr(node, 'lineno', 1)}", mend=mend)
