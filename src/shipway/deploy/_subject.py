"""What a compiler is given: a project as a machine that is not this one has to know it. Frozen, and made without I/O."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple, cast

from shipway.deploy._errors import CannotExpress
from shipway.kernel.canonical import Json
from shipway.kernel.digest import Digest
from shipway.pipeline import Graph, Node
from shipway.spec import DeploySpec, EnvironmentSpec, MonitorSpec, ScheduleSpec, Spec, StepSpec, TargetsSpec

CATALOGUE = "SHIPWAY_CATALOGUE"  # the secret without which nothing that runs elsewhere finds the store
UNPINNED = "sha256:" + "0" * 64  # the digest of no image: a placeholder that no registry has
MODELS = "shipway-models"  # the name of the last task; no step can have it, for Python has no such name
PLAN = "shipway-plan"  # of the first task of a run that nobody submitted


@dataclass(frozen=True, slots=True)
class Task:
    """A step as an engine sees it. needs: the steps that it comes after, those of arguments, `each` and `when`.

    elements: how many, when it is repeated over a list that is known before the run; None for a list that a step returns.
    """

    name: str
    needs: tuple[str, ...]
    options: StepSpec
    elements: int | None = None

    @property
    def repeated(self) -> bool:
        """Whether it runs once for each element of a list."""
        return self.options.each is not None

    @property
    def list_of(self) -> str | None:
        """The step whose list it is repeated over, when it is a step's."""
        return self.options.each.source if self.options.each and self.elements is None else None


@dataclass(frozen=True, slots=True)
class Workload:
    """The pipeline. tasks: each after those it needs; plan: the run plan that is the default, when one was made."""

    tasks: tuple[Task, ...]
    models: tuple[str, ...]
    schedule: ScheduleSpec | None = None
    plan: Digest | None = None


class Beside(NamedTuple):
    """Releases that answer beside the live one, as arms. deployment: the object that says which units are whose."""

    deployment: Digest
    releases: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """An application in an environment. release: what it serves; secrets: names of variables that it needs.

    previous: the release that was live there before, when there was one.

    kind: `predictor` serves a model, `gateway` answers a prompt; after: the environment that has to have it first; budgeted:
    whether what its calls cost is counted against a budget; grpc: whether it answers that at a second port; beside: its arms.
    """

    application: str
    environment: str
    kind: str
    release: Digest
    workers: int
    model: str | None = None
    after: str | None = None
    secrets: tuple[str, ...] = ()
    previous: Digest | None = None
    monitors: tuple[MonitorSpec, ...] = ()
    budgeted: bool = False
    grpc: bool = False
    beside: Beside | None = None

    @property
    def words(self) -> list[str]:
        """What is typed after `shipway` to serve it, whatever moves later: one release, or a deployment with its arms."""
        pinned = ["--deployment", self.beside.deployment] if self.beside else ["--release", self.release]
        return ["serve", self.name, *pinned]

    @property
    def name(self) -> str:
        """`application@environment`."""
        return f"{self.application}@{self.environment}"

    @property
    def ref(self) -> str:
        """The ref that says what is live."""
        return f"deploy/{self.name}"


@dataclass(frozen=True, slots=True)
class Subject:
    """A project for a compiler. image: `repository@sha256:...`; indexed: has indexes; lock: of its environment.

    sources: where documents of indexes are in S3, as in s3://BUCKET/PREFIX; embeds: an index, or what a semantic cache is
    asked, is embedded where it runs.

    data: where data sets lie, relative to the project; outside: name to path of those that lie elsewhere on this machine;
    environ: plain variables of every container.
    """

    project: str
    image: str
    targets: TargetsSpec
    workload: Workload | None = None
    services: tuple[Service, ...] = ()
    indexed: bool = False
    sources: tuple[str, ...] = ()
    embeds: bool = False
    lock: str | None = None
    python: str = "3.11"
    data: tuple[str, ...] = ()
    outside: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = (CATALOGUE,)
    environ: Mapping[str, str] = field(default_factory=dict)


def make_subject(
    spec: Spec,
    *,
    image: str,
    graph: Graph | None = None,
    plan: Digest | None = None,
    releases: Mapping[str, Digest] | None = None,
    previous: Mapping[str, Digest] | None = None,
    beside: Mapping[str, Beside] | None = None,
) -> Subject:
    """The subject of a spec. graph: of its pipeline; releases: by `application@environment`; one without is left out.

    previous: what was live there before, by the same names; beside: arms, by the same names.
    """
    known, before = releases or {}, previous or {}
    secrets = (CATALOGUE, *secrets_of(spec))
    variables = {"SHIPWAY_PROJECT": spec.project}
    files = [data for data in spec.data.values() if data.query is None and data.place is None]
    if spec.targets.objects:
        variables["SHIPWAY_OBJECTS"] = spec.targets.objects
    return Subject(
        project=spec.project,
        image=image,
        targets=spec.targets,
        workload=_workload(spec, graph, plan) if graph else None,
        services=tuple(
            _service(spec, deploy, known[name], before.get(name), (beside or {}).get(name))
            for name, deploy in spec.deploy.items()
            if name in known
        ),
        indexed=bool(spec.indexes),
        sources=tuple(sorted({index.source for index in spec.indexes.values() if index.source.startswith("s3://")})),
        embeds=spec.gateway.semantic_errors is not None
        or any(index.embedder not in spec.providers for index in spec.indexes.values()),
        lock=(spec.environment or EnvironmentSpec()).lock if spec.pipeline else None,
        python=(spec.environment.python if spec.environment else None) or "3.11",
        data=tuple(data.path for data in files if not _outside(data.path)),
        outside={data.name: data.path for data in files if _outside(data.path)},
        secrets=secrets,
        environ=variables,
    )


def check_inside(subject: Subject, *, target: str) -> None:
    """Raises CannotExpress for a data set that is mounted nowhere: it does not lie in the project's folder."""
    for name, path in subject.outside.items():
        what = f"{target} has no place for the data set {name}: {path} is a path of this machine"
        raise CannotExpress(what, mend="keep it below the project's folder, where its claim is mounted")


def _outside(path: str) -> bool:
    """
    >>> [_outside(path) for path in ("/mnt/a", "~/a", "../a", "data/../../a", "data/a", "..data")]
    [True, True, True, True, False, False]
    """
    return path.startswith(("/", "~")) or posixpath.normpath(path).split("/")[0] == ".."


def _workload(spec: Spec, graph: Graph, plan: Digest | None) -> Workload:
    tasks = tuple(_task(node, spec.steps.get(node.step.name), spec.parameters) for node in graph.nodes)
    return Workload(_ordered(tasks), tuple(spec.models), spec.schedule, plan)


def _task(node: Node, options: StepSpec | None, parameters: Mapping[str, Json]) -> Task:
    options = options or StepSpec(name=node.step.name)
    needs = dict.fromkeys(node.needs)
    elements = None
    if options.each:
        source = options.each.source
        if source in parameters:
            elements = len(cast("list[Json]", parameters[source]))
        else:
            needs[source] = None
    if options.when:
        needs[options.when.step] = None
    return Task(node.step.name, tuple(needs), options, elements)


def _ordered(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Each after those it needs: `when` and `each` add edges that the arguments have not. Raises CannotExpress for a circle."""
    by_name = {task.name: task for task in tasks}
    try:
        order = list(TopologicalSorter({name: task.needs for name, task in by_name.items()}).static_order())
    except CycleError as problem:
        circle = " -> ".join(reversed(problem.args[1]))
        raise CannotExpress(f"steps need each other in a circle: {circle}", mend="correct `when` and `each`") from problem
    return tuple(by_name[name] for name in order if name in by_name)


def _service(spec: Spec, deploy: DeploySpec, release: Digest, previous: Digest | None, beside: Beside | None = None) -> Service:
    gateway = deploy.target == "gateway" or (not spec.models and bool(spec.prompts))
    models = [name for name in spec.models if not deploy.uses or name in deploy.uses or f"model/{name}" in deploy.uses]
    return Service(
        application=deploy.application,
        environment=deploy.environment,
        kind="gateway" if gateway else "predictor",
        release=release,
        workers=deploy.workers,
        model=models[0] if models and not gateway else None,
        after=deploy.after,
        secrets=tuple(secrets_of(spec)) if gateway else (),
        previous=previous,
        monitors=tuple(deploy.monitors.values()),
        grpc=deploy.grpc and not gateway,
        beside=beside,
        budgeted=gateway and any((spec.gateway.budget, *(key.budget for key in spec.gateway.keys.values()))),
    )


def secrets_of(spec: Spec) -> list[str]:
    """The variables that `secret://env/NAME` of the spec names, each once, in order of their names."""
    given = [provider.key for provider in spec.providers.values()]
    given += [index.url for index in spec.indexes.values()]
    given += [key.key for key in spec.gateway.keys.values()]
    prefix = "secret://env/"
    return sorted({text.removeprefix(prefix) for text in given if text and text.startswith(prefix)})
