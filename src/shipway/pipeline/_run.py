"""Runs a pipeline: what is not cached runs in one child in the project's Python, on code and data out of the store.

A result is recorded only when its output is whole in the store, so a run may be killed at any moment; the next one
takes up what is recorded. The user's working files are never touched or read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from shipway.data import verify_snapshot
from shipway.environment import StepCall, StepFile, StepInput
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Descriptor, Digest, digest_bytes
from shipway.pipeline._actions import Cached, action_key, find_result, input_record, record_first, record_result
from shipway.pipeline._child import Child
from shipway.pipeline._closure import Closures
from shipway.pipeline._code import checkout_code
from shipway.pipeline._codecs import JSON_CODEC
from shipway.pipeline._graph import resolve
from shipway.pipeline._items import COLLECTOR, element_node, json_value, put_collector, read_items, schema_problem
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
from shipway.pipeline._types import Argument, Graph, Input, InputKind, InputMissing, Node, Pipeline, StepValueUnusable
from shipway.pipeline._values import data_input, keep_value, parameter_input, step_input
from shipway.pipeline._work import open_work
from shipway.store import Edge, Store, while_working


@while_working
def run_pipeline(
    store: Store, request: RunRequest, *, cache: Path, report: Report, environ: Mapping[str, str], reuse: bool = True
) -> RunResult:
    """Runs the wanted steps and those they need. environ: the child's; reuse: take cached results.

    A step whose condition does not hold is skipped, and so is what needs it. Raises StepFailed, RunnerDied and StepTimedOut
    (a step, after its retries), StepValueUnusable (a value that another step is repeated over or run by), PipelineMalformed
    and InputMissing (before anything runs), ObjectDamaged and ObjectMissing (an input, named as the user names it),
    EnvironmentFailed (also for a runner that this Shipway has not), StoreFull.
    """
    with _open_run(store, request, cache=cache, report=report, environ=environ, reuse=reuse) as run:
        outcomes = [outcome for node in run.graph.nodes if (outcome := run.outcome(node))]
        record = pipeline_object(run.pipeline.entry, run.graph, run.request, outcomes)
        return RunResult(tuple(outcomes), store.put(record), tuple(run.skipped))


@dataclass(frozen=True, slots=True)
class StepsRun:
    """What a task of a run plan did: the wanted steps and those before them in order, and those that were skipped.

    Of a task that made one element of a repeated step, the element is the last outcome, named `step[N]`.
    """

    steps: tuple[StepOutcome, ...]
    skipped: tuple[str, ...]


@while_working
def run_steps(
    store: Store,
    request: RunRequest,
    *,
    item: int | None = None,
    cache: Path,
    report: Report,
    environ: Mapping[str, str],
) -> StepsRun:
    """Runs the wanted steps as run_pipeline does, for an engine that runs the others elsewhere; what they need is cached, or
    is made here when its bytes are gone. item: of one wanted step that is repeated, make only this element.

    Raises what run_pipeline raises, and InputMissing for an element that is not.
    """
    with _open_run(store, request, cache=cache, report=report, environ=environ, reuse=True) as run:
        *before, last = run.graph.nodes if item is not None else (*run.graph.nodes, None)
        outcomes = [outcome for node in before if node and (outcome := run.outcome(node))]
        if last is not None and item is not None and (made := run.element(last, item)):
            outcomes.append(made)
        return StepsRun(tuple(outcomes), tuple(run.skipped))


@contextmanager
def _open_run(
    store: Store, request: RunRequest, *, cache: Path, report: Report, environ: Mapping[str, str], reuse: bool
) -> Iterator[_Run]:
    request = replace(request, parameters=locked_parameters(request.parameters))
    with open_work(cache) as work, ExitStack() as stack:
        code = work / "code"
        pipeline = read_pipeline(code, checkout_code(store, request.code, code))
        graph = resolve(
            pipeline, data=request.data, parameters=request.parameters, wanted=request.wanted, options=request.options
        )
        child = Child(store, request.environment, cache=cache, environ=environ, report=report, stack=stack)
        yield _Run(store, request, pipeline, graph, child, work=work, report=report, reuse=reuse)


def pipeline_behind(store: Store, result: RunResult, steps: Iterable[str]) -> Digest:
    """Puts the pipeline object of these steps and of what went into them alone: another step of the file changes nothing.

    Raises InputMissing for a step that the run has not.
    """
    names = [name for name in steps if result.output(name)]
    return store.put(steps_behind(store.get(result.pipeline, "pipeline"), names))


class _Run:
    """One run: steps that come one after another, each after those it needs."""

    def __init__(
        self,
        store: Store,
        request: RunRequest,
        pipeline: Pipeline,
        graph: Graph,
        child: Child,
        *,
        work: Path,
        report: Report,
        reuse: bool,
    ) -> None:
        self.request, self.pipeline, self.graph = request, pipeline, graph
        self.skipped: list[str] = []
        self._store, self._request, self._child = store, request, child
        self._work, self._report, self._reuse = work, report, reuse
        self._outputs: dict[str, Descriptor] = {}
        self._sources, self._closures = Closures(pipeline), dict[str, Digest]()
        self._verified: set[str] = set()

    def outcome(self, node: Node) -> StepOutcome | None:
        """The step's value, from the cache or made now; None when it is skipped."""
        name = node.step.name
        if self._is_skipped(node):
            self.skipped.append(name)
            self._report.skipped(name)
            return None
        outcome = self._whole(node) if node.each else self._single(node, name)
        self._outputs[name] = outcome.output
        return outcome

    def element(self, node: Node, number: int) -> StepOutcome | None:
        """One element of a repeated step; None when the step is skipped. Raises InputMissing."""
        name = node.step.name
        if node.each is None:
            raise InputMissing(f"the step {name} is not repeated, so it has no element {number}", mend="leave out --item")
        if self._is_skipped(node):
            self.skipped.append(name)
            self._report.skipped(name)
            return None
        items = self._items(node)
        if not 0 <= number < len(items):
            what = f"the step {name} is repeated over {len(items)} elements, and there is no element {number}"
            raise InputMissing(what, mend="elements are counted from 0")
        return self._single(element_node(node, items[number]), f"{name}[{number}]")

    def _is_skipped(self, node: Node) -> bool:
        """Whether a step before it was skipped, or its condition does not hold. Raises StepValueUnusable."""
        if any(name in self.skipped for name in node.after):
            return True
        if node.when is None:
            return False
        value = json_value(self._store, node.when.step, self._outputs[node.when.step])
        if not isinstance(value, bool | int | float | str):
            what = f"the step {node.step.name} is run when {node.when.text}, and {node.when.step} gave no plain scalar"
            raise StepValueUnusable(what, mend=f"return true, false, a number or a text from {node.when.step}")
        return not node.when.holds(value)

    def _items(self, node: Node) -> list[Json]:
        """The elements that a step is repeated over. Raises StepValueUnusable."""
        assert node.each is not None
        given = node.inputs[node.each.argument]
        source = node.each.source
        value = json_value(self._store, source, self._outputs[source]) if given.kind is InputKind.STEP else given.value
        return read_items(node.step.name, source, value)

    def _whole(self, node: Node) -> StepOutcome:
        """The values of a repeated step in the order of its elements, as one value."""
        assert node.each is not None
        name, argument = node.step.name, node.each.argument
        made = [self._single(element_node(node, item), f"{name}[{n}]") for n, item in enumerate(self._items(node))]
        values: list[Json] = [outcome.output.digest for outcome in made]
        inputs: dict[str, JsonObject] = {**self._inputs(node), argument: {"items": values}}
        action = self._action(node, inputs)
        if found := self._found(action):
            self._report.cached(name)
            return StepOutcome(name, action, found.output, True, found.seconds)
        outputs = [outcome.output for outcome in made]
        if node.step.codec == JSON_CODEC:
            parts = b",".join(self._store.objects.get(output.digest) for output in outputs)
            output, seconds = self._store.put_bytes(b"[" + parts + b"]", media.JSON), 0.0
        else:
            output, seconds = self._collected(node, outputs)
        sources = {output.digest for output in outputs} | {self._outputs[step].digest for step in node.needs}
        self._store.add_edges([Edge(source, output.digest, "input") for source in sorted(sources - {output.digest})])
        return self._recorded(name, action, output, seconds + sum(outcome.seconds for outcome in made))

    def _collected(self, node: Node, outputs: list[Descriptor]) -> tuple[Descriptor, float]:
        """One table with the rows of all, in order, made by the project's own library. Raises StepValueUnusable."""
        name = node.step.name
        paths = [self._store.objects.verify(output.digest) for output in outputs]
        if problem := schema_problem(name, paths):
            raise StepValueUnusable(problem, mend="give each element the same columns with the same types, and one at least")
        work = self._work / "collect" / name
        files = [StepFile(path, f"{name}-{number}.parquet") for number, path in enumerate(paths)]
        given = StepInput(node.step.codec, files)
        folder = put_collector(work / "code")
        call = StepCall(COLLECTOR, f"{COLLECTOR}.py", folder, {"values": given}, node.step.codec, work / "out")
        result = self._child.run(call)
        return keep_value(self._store, result), result.seconds

    def _single(self, node: Node, label: str) -> StepOutcome:
        """A value that one call gives, from the cache or made now."""
        action = self._action(node, self._inputs(node))
        if found := self._found(action):
            self._report.cached(label)
            return StepOutcome(label, action, found.output, True, found.seconds)
        self._report.started(label)
        result = self._child.run(self._call(node, self._work / "steps" / label), node.options)
        output = keep_value(self._store, result)
        self._store.add_edges(self._edges(node, output.digest))
        outcome = self._recorded(label, action, output, result.seconds)
        self._report.finished(label, result.seconds)
        return outcome

    def _found(self, action: Digest) -> Cached | None:
        return find_result(self._store, action) if self._reuse else None

    def _recorded(self, label: str, action: Digest, output: Descriptor, seconds: float) -> StepOutcome:
        """The value that is remembered: of two processes that make it at once the first one's, unless asked to make it anew."""
        if self._reuse:
            output, seconds = record_first(self._store, action, step=label, output=output, seconds=seconds)
        else:
            record_result(self._store, action, step=label, output=output, seconds=seconds)
        return StepOutcome(label, action, output, False, seconds)

    def _inputs(self, node: Node) -> dict[str, JsonObject]:
        data, outputs = self._request.data, self._outputs
        return {name: input_record(given, data=data, outputs=outputs) for name, given in node.inputs.items()}

    def _action(self, node: Node, inputs: Mapping[str, JsonObject]) -> Digest:
        name = node.step.name
        if name not in self._closures:
            self._closures[name] = digest_bytes(self._sources.bytes_of(node.step))
        return action_key(
            node.step,
            closure=self._closures[name],
            inputs=inputs,
            environment=self._request.environment,
            runner=self._child.version,
        )

    def _call(self, node: Node, work: Path) -> StepCall:
        given = [argument for argument in node.step.arguments if argument.name in node.inputs]
        return StepCall(
            function=node.step.name,
            file=self.pipeline.entry,
            root=self.pipeline.root,
            inputs={
                argument.name: self._given(argument, node.inputs[argument.name], work / "in" / argument.name)
                for argument in given
            },
            codec=node.step.codec,
            directory=work / "out",
        )

    def _given(self, argument: Argument, given: Input, work: Path) -> StepInput:
        codec, name = argument.codec, argument.name
        if given.kind in (InputKind.PARAMETER, InputKind.ITEM):
            return parameter_input(given.value, codec=codec, work=work)
        if given.kind is InputKind.STEP:
            return step_input(self._store, name, self._outputs[name], codec=codec, work=work)
        if name not in self._verified:
            self._bring(name)
            verify_snapshot(self._store, self._request.data[name], name=name)
            self._verified.add(name)
        return data_input(self._store, name, self._request.data[name], codec=codec, work=work)

    def _bring(self, name: str) -> None:
        """Data in place are brought here when the first step wants their bytes, not before."""
        from shipway.data.in_place import bring_files

        came = bring_files(self._store, self._request.data[name])
        if came and came.files:
            self._report.note(f"brought {came.files:,} files of {name}, {came.bytes:,} bytes")

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
