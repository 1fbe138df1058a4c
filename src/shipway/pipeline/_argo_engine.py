"""Runs of a WorkflowTemplate on Argo: submitted, looked at, stopped; a run's name is that of its plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import cast
from urllib.parse import quote

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest
from shipway.pipeline._argo_client import ArgoClient
from shipway.pipeline._attempts import run_names, running, submit_once
from shipway.pipeline._engine import EngineRefused, EngineRun, Phase, State, StepSeen

_PHASES = {"Succeeded": Phase.SUCCEEDED, "Failed": Phase.FAILED, "Error": Phase.FAILED}
_STATES = {"Succeeded": State.DONE, "Skipped": State.SKIPPED, "Failed": State.FAILED, "Error": State.FAILED}
_STEP = "{{inputs.parameters.step}}"


class ArgoEngine:
    """An Argo Server as an Engine. template: the name of the WorkflowTemplate that `shipway render argo` made."""

    def __init__(self, client: ArgoClient, *, namespace: str, template: str) -> None:
        self._client, self._namespace, self._template = client, namespace, template

    def submit(self, plan: Digest) -> str:
        """A run that is there already is followed; one that failed is followed by one of the next name."""
        create = partial(self._create, plan=plan)
        return submit_once(
            run_names(self._template, plan), create, lambda run: _phase(self._workflow(run, plan)), place=self.place
        )

    def look(self, run: str) -> EngineRun:
        """Steps as far as they have been started or skipped; what puts elements together is not told of."""
        found = self._workflow(run)
        status = _mapping(found.get("status"))
        message = status.get("message")
        return EngineRun(_phase(found), dict(_steps(found)), message if isinstance(message, str) else "")

    def stop(self, plan: Digest) -> str | None:
        """The newest run of the plan, unless it has ended."""
        newest = running(run_names(self._template, plan), partial(self._phase_if_there, plan=plan))
        if newest:
            body: JsonObject = {"name": newest, "namespace": self._namespace}
            self._client.ask("PUT", f"{self._path}/{newest}/terminate", body)
        return newest

    def place(self, run: str) -> str:
        return f"{self._client.server}/workflows/{self._namespace}/{run}"

    @property
    def _path(self) -> str:
        return f"/api/v1/workflows/{quote(self._namespace, safe='')}"

    def _phase_if_there(self, run: str, plan: Digest) -> Phase | None:
        try:
            return _phase(self._workflow(run, plan))
        except EngineRefused as answer:
            if answer.status == 404:
                return None
            raise

    def _create(self, run: str, plan: Digest) -> bool:
        """Whether there was none of this name. Asked twice because no answer came, the second answer says that there is one."""
        body: JsonObject = {
            "namespace": self._namespace,
            "resourceKind": "WorkflowTemplate",
            "resourceName": self._template,
            "submitOptions": {
                "name": run,
                "parameters": [f"plan={plan}"],
                "labels": "app.kubernetes.io/managed-by=shipway",
            },
        }
        try:
            self._client.ask("POST", f"{self._path}/submit", body)
        except EngineRefused as answer:
            if answer.status == 409:
                return False
            if answer.status == 404:
                what = f"Argo has no template {self._template} in the namespace {self._namespace}"
                mend = "shipway render argo --image ..., then kubectl apply -f deploy/argo"
                raise EngineRefused(what, where=self._client.server, mend=mend) from answer
            raise
        return True

    def _workflow(self, run: str, plan: Digest | None = None) -> JsonObject:
        """Raises EngineRefused for a workflow of this name that is of another plan, or gone."""
        try:
            found = self._client.ask("GET", f"{self._path}/{run}")
        except EngineRefused as answer:
            if answer.status == 404 and plan is None:
                mend = "the same command submits it again: what has been made is cached"
                raise EngineRefused(f"the run {run} is not there any more", where=self.place(run), mend=mend) from answer
            raise
        if plan and plan not in _parameters(_mapping(found.get("spec")).get("arguments")).values():
            mend = "delete it there, if nobody needs it"
            raise EngineRefused(f"the workflow {run} is not one of this plan", where=self.place(run), mend=mend)
        return found


def _phase(workflow: JsonObject) -> Phase:
    """One that no controller has looked at yet has no phase, and runs as far as we are concerned."""
    return _PHASES.get(str(_mapping(workflow.get("status")).get("phase")), Phase.RUNNING)


def _steps(workflow: JsonObject) -> Iterator[tuple[str, StepSeen]]:
    """In the order in which they began. A node of ours is a retry; one that was skipped has no retry."""
    status = _mapping(workflow.get("status"))
    spec = _mapping(status.get("storedWorkflowTemplateSpec")) or _mapping(workflow.get("spec"))
    templates = {str(one.get("name")): one for one in _mappings(spec.get("templates"))}
    tasks = {str(task.get("name")): task for one in templates.values() for task in _tasks(one)}
    repeated = {name.removesuffix("-each") for name in tasks if name.endswith("-each")}
    nodes = sorted(_mappings(list(_mapping(status.get("nodes")).values())), key=lambda node: str(node.get("startedAt")))
    for node in nodes:
        label, _, item = str(node.get("displayName")).partition("(")
        task, seen = tasks.get(label), _seen(node)
        if task is None or seen is None or label.endswith("-told"):
            continue
        given = {**_parameters(task.get("arguments")), **_parameters(node.get("inputs"))}
        for step in _words(templates.get(str(task.get("template")), {}), given):
            if label.endswith("-each") and item:
                number = given.get("item") or item.partition(":")[0]
                yield f"{step}[{number}]", seen
            elif label not in repeated or seen.state in (State.SKIPPED, State.FAILED):
                yield step, seen


def _words(template: JsonObject, given: Mapping[str, str]) -> list[str]:
    """The steps that a template runs: `step run STEP... --plan`."""
    args = _mapping(template.get("container")).get("args")
    words = [str(word) for word in args] if isinstance(args, list) else []
    if words[:2] != ["step", "run"] or "--plan" not in words:
        return []
    ends = next(number for number, word in enumerate(words) if word.startswith("--"))
    return [given.get("step", "") if word == _STEP else word for word in words[2:ends]]


def _seen(node: JsonObject) -> StepSeen | None:
    """What a node says of its steps; None for a pod of several attempts, for groups, and for what is not started."""
    kind, phase = node.get("type"), str(node.get("phase"))
    if kind not in ("Retry", "Skipped") or phase in ("Pending", "Omitted"):
        return None
    if _parameters(node.get("outputs")).get("kind") == "skipped":
        return StepSeen(State.SKIPPED)
    return StepSeen(_STATES.get(phase, State.RUNNING), _seconds(node))


def _seconds(node: JsonObject) -> float:
    try:
        began, ended = (datetime.fromisoformat(str(node.get(name))) for name in ("startedAt", "finishedAt"))
    except ValueError:
        return 0.0
    return max(0.0, (ended - began).total_seconds())


def _parameters(value: Json) -> dict[str, str]:
    found = _mappings(_mapping(value).get("parameters"))
    return {str(one.get("name")): str(one.get("value", "")) for one in found}


def _tasks(template: JsonObject) -> Sequence[JsonObject]:
    return _mappings(_mapping(template.get("dag")).get("tasks"))


def _mapping(value: Json) -> JsonObject:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Json) -> Sequence[JsonObject]:
    return [cast("JsonObject", one) for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
