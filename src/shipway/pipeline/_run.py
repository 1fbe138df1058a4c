"""Runs a pipeline: what is not cached runs in one child in the project's Python, on code and data out of the store.

A result is recorded only when its output is whole in the store, so a run may be killed at any moment; the next one
takes up what is recorded. The user's working files are never touched or read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from shipway.data import verify_snapshot
from shipway.environment import Runner, StepCall, StepInput, check_runner
from shipway.kernel.digest import Descriptor, Digest
from shipway.pipeline._actions import action_key, find_result, input_record, record_result
from shipway.pipeline._closure import closure
from shipway.pipeline._code import checkout_code
from shipway.pipeline._environment import open_environment
from shipway.pipeline._graph import resolve
from shipway.pipeline._interrupt import hear_interrupts
from shipway.pipeline._read import read_pipeline
from shipway.pipeline._report import Report
from shipway.pipeline._request import (
    RunRequest,
    RunResult,
    StepOutcome,
    locked_parameters,
    pipeline_object,
    steps_behind,
)
from shipway.pipeline._types import Argument, Input, InputKind, Node, Pipeline
from shipway.pipeline._values import data_input, keep_value, parameter_input, step_input
from shipway.pipeline._work import open_work
from shipway.store import Edge, Store


def run_pipeline(
    store: Store, request: RunRequest, *, cache: Path, report: Report, environ: Mapping[str, str], reuse: bool = True
) -> RunResult:
    """Runs the wanted steps and those they need. environ: the child's; reuse: take cached results.

    Raises StepFailed and RunnerDied (a step), PipelineMalformed and InputMissing (before anything runs), ObjectDamaged
    and ObjectMissing (an input, named as the user names it), EnvironmentFailed (also for a runner that this Shipway has
    not), StoreFull.
    """
    request = replace(request, parameters=locked_parameters(request.parameters))
    with open_work(cache) as work, ExitStack() as stack:
        code = work / "code"
        pipeline = read_pipeline(code, checkout_code(store, request.code, code))
        graph = resolve(pipeline, data=request.data, parameters=request.parameters, wanted=request.wanted)
        child = _Child(store, request.environment, cache=cache, environ=environ, report=report, stack=stack)
        run = _Run(store, request, pipeline, child, work=work, report=report, reuse=reuse)
        outcomes = [run.outcome(node) for node in graph.nodes]
    record = pipeline_object(pipeline.entry, graph, request, outcomes)
    return RunResult(tuple(outcomes), store.put(record))


def pipeline_behind(store: Store, result: RunResult, steps: Iterable[str]) -> Digest:
    """Puts the pipeline object of these steps and of what went into them alone: another step of the file changes nothing.

    Raises InputMissing for a step that the run has not.
    """
    names = [name for name in steps if result.output(name)]
    return store.put(steps_behind(store.get(result.pipeline, "pipeline"), names))


class _Child:
    """The one child of a run, made with its environment when a step first needs it."""

    def __init__(
        self,
        store: Store,
        environment: Digest,
        *,
        cache: Path,
        environ: Mapping[str, str],
        report: Report,
        stack: ExitStack,
    ) -> None:
        self._store, self._record = store, store.get(environment, "environment")
        self._digest, self._cache, self._environ, self._report, self._stack = environment, cache, environ, report, stack
        self._runner: Runner | None = None
        check_runner(self.version)

    @property
    def version(self) -> str:
        """The version of the runner that the environment names."""
        return str(self._record["runner"])

    def runner(self) -> Runner:
        """The running child. Raises EnvironmentFailed."""
        if self._runner is None:
            python = open_environment(self._store, self._digest, cache=self._cache, report=self._report.note)
            self._runner = self._stack.enter_context(Runner(python, environ=self._environ, version=self.version))
        return self._runner


class _Run:
    """One run: steps that come one after another, each after those it needs."""

    def __init__(
        self,
        store: Store,
        request: RunRequest,
        pipeline: Pipeline,
        child: _Child,
        *,
        work: Path,
        report: Report,
        reuse: bool,
    ) -> None:
        self._store, self._request, self._pipeline, self._child = store, request, pipeline, child
        self._work, self._report, self._reuse = work, report, reuse
        self._outputs: dict[str, Descriptor] = {}
        self._verified: set[str] = set()

    def outcome(self, node: Node) -> StepOutcome:
        """The step's value, from the cache or made now."""
        action = self._action(node)
        found = find_result(self._store, action) if self._reuse else None
        if found:
            self._report.cached(node.step.name)
            outcome = StepOutcome(node.step.name, action, found.output, True, found.seconds)
        else:
            outcome = self._make(node, action)
        self._outputs[node.step.name] = outcome.output
        return outcome

    def _action(self, node: Node) -> Digest:
        return action_key(
            node.step,
            closure=closure(self._pipeline, node.step),
            inputs={
                name: input_record(given, data=self._request.data, outputs=self._outputs) for name, given in node.inputs.items()
            },
            environment=self._request.environment,
            runner=self._child.version,
        )

    def _make(self, node: Node, action: Digest) -> StepOutcome:
        name = node.step.name
        self._report.started(name)
        hear_interrupts()
        result = self._child.runner().run(self._call(node))
        output = keep_value(self._store, result)
        self._store.add_edges(self._edges(node, output.digest))
        record_result(self._store, action, step=name, output=output, seconds=result.seconds)
        self._report.finished(name, result.seconds)
        return StepOutcome(name, action, output, False, result.seconds)

    def _call(self, node: Node) -> StepCall:
        work = self._work / "steps" / node.step.name
        given = [argument for argument in node.step.arguments if argument.name in node.inputs]
        return StepCall(
            function=node.step.name,
            file=self._pipeline.entry,
            root=self._pipeline.root,
            inputs={
                argument.name: self._given(argument, node.inputs[argument.name], work / "in" / argument.name)
                for argument in given
            },
            codec=node.step.codec,
            directory=work / "out",
        )

    def _given(self, argument: Argument, given: Input, work: Path) -> StepInput:
        codec, name = argument.codec, argument.name
        if given.kind is InputKind.PARAMETER:
            return parameter_input(given.value, codec=codec, work=work)
        if given.kind is InputKind.STEP:
            return step_input(self._store, name, self._outputs[name], codec=codec, work=work)
        if name not in self._verified:
            verify_snapshot(self._store, self._request.data[name], name=name)
            self._verified.add(name)
        return data_input(self._store, name, self._request.data[name], codec=codec, work=work)

    def _edges(self, node: Node, output: Digest) -> list[Edge]:
        sources = {
            *(self._request.data[name] for name in node.reads),
            *(self._outputs[name].digest for name in node.needs),
        }
        made_by = {"code": self._request.code, "environment": self._request.environment}
        return [
            *(Edge(source, output, "input") for source in sorted(sources - {output})),
            *(Edge(source, output, role) for role, source in made_by.items()),
        ]
