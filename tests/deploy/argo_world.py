"""A small interpreter of the Argo objects that we emit, whose pods are processes: what a controller would do, as its source
has it, in the one order that is simplest. What it does not know it refuses.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from argo_expression import Value, parse
from argo_lint import depends_of

_TAG = re.compile(r"\{\{([^=}][^}]*)\}\}")
_DONE = ("Succeeded", "Failed", "Error", "Skipped", "Omitted")
_WORKFLOW = {
    "entrypoint", "arguments", "templates", "serviceAccountName", "podMetadata", "securityContext", "ttlStrategy", "podGC",
    "automountServiceAccountToken",
}  # fmt: skip
_TASK = {"name", "template", "templateRef", "arguments", "depends", "when", "withItems", "withParam", "withSequence"}

Spec = Mapping[str, Any]
Node = dict[str, Any]


class Unknown(Exception):
    """Something that this interpreter does not know, or that a controller would call an error."""


@dataclass
class Cluster:
    """Where pods run: processes in a folder. failing: by a step's name how many of its pods fail before one is let run.

    library: the specifications of the templates that were applied; ran: the words of every process, in order.
    """

    folder: Path
    shipway: str
    environ: Mapping[str, str]
    scratch: Path
    library: dict[str, Spec] = field(default_factory=dict)
    failing: dict[str, int] = field(default_factory=dict)
    ran: list[list[str]] = field(default_factory=list)
    hold: threading.Event | None = None  # pods wait for it before they start

    def apply(self, made: Spec) -> None:
        if made["kind"] == "WorkflowTemplate":
            self.library[made["metadata"]["name"]] = made["spec"]

    def run(self, spec: Spec, arguments: Mapping[str, str]) -> Run:
        """To its end."""
        run = Run(self, spec, arguments)
        run.execute()
        return run


class Run:
    """One workflow. status: as the API shows it."""

    def __init__(self, cluster: Cluster, spec: Spec, arguments: Mapping[str, str], *, name: str = "run") -> None:
        if unknown := spec.keys() - _WORKFLOW:
            raise Unknown(str(unknown))
        if spec.get("automountServiceAccountToken") is not True:
            raise Unknown("our service account mounts no token by itself, and without one no step's end is ever told")
        self._cluster, self._spec, self._name = cluster, spec, name
        self._given = {one["name"]: one.get("value") for one in spec.get("arguments", {}).get("parameters", [])}
        self._given |= arguments
        self._child: subprocess.Popen[str] | None = None
        self.stopped = False
        self.status: dict[str, Any] = {"phase": "Pending", "nodes": {}}

    def execute(self) -> None:
        self.status |= {"phase": "Running", "startedAt": _now()}
        entry = self._spec["entrypoint"]
        node = self._node(self._name, "DAG", entry)
        try:
            inputs = {name: value for name, value in self._given.items() if value is not None}
            self._dag(node, self._template(self._spec, entry), inputs, self._spec)
        except Unknown as problem:
            node |= {"phase": "Error", "message": str(problem), "finishedAt": _now()}
        if self.stopped:
            node |= {"phase": "Failed", "message": "Stopped with strategy 'Terminate'"}
        self.status |= {"phase": node["phase"], "message": node.get("message", ""), "finishedAt": _now()}

    def stop(self) -> None:
        self.stopped = True
        if self._child:
            self._child.kill()

    def phases(self) -> dict[str, str]:
        """By display name."""
        return {node["displayName"]: node["phase"] for node in self.status["nodes"].values()}

    def _template(self, spec: Spec, name: str) -> Spec:
        found = [template for template in spec["templates"] if template["name"] == name]
        if len(found) != 1:
            raise Unknown(f"{len(found)} templates {name}")
        template: Spec = found[0]
        return template

    def _node(self, name: str, kind: str, template: str) -> Node:
        shown = name.rpartition(".")[2]
        node: Node = {"id": f"{self._name}-{len(self.status['nodes'])}", "name": name, "displayName": shown, "type": kind}
        node |= {"templateName": template, "phase": "Running", "startedAt": _now(), "children": []}
        self.status["nodes"] = {**self.status["nodes"], node["id"]: node}  # as a whole: another thread looks at it
        return node

    def _dag(self, boundary: Node, template: Spec, inputs: Mapping[str, str], spec: Spec) -> None:
        tasks = {task["name"]: _with_inputs(task, inputs) for task in template["dag"]["tasks"]}
        nodes: dict[str, Node] = {}
        while len(nodes) < len(tasks):
            ready = [name for name, task in tasks.items() if name not in nodes and depends_of(task) <= nodes.keys()]
            if not ready:
                raise Unknown("a circle")
            for name in ready:
                nodes[name] = self._task(f"{boundary['name']}.{name}", tasks[name], nodes, spec)
                boundary["children"].append(nodes[name]["id"])
        needed = {need for task in tasks.values() for need in depends_of(task)}
        bad = [node for node in nodes.values() if node["phase"] in ("Failed", "Error")]
        leaves = [nodes[name]["phase"] for name in nodes if name not in needed]
        failed = bad and any(phase in ("Failed", "Error", "Omitted") for phase in leaves)
        boundary |= {"phase": "Failed" if failed else "Succeeded", "finishedAt": _now()}

    def _task(self, name: str, task: Spec, nodes: Mapping[str, Node], spec: Spec) -> Node:
        if unknown := task.keys() - _TASK:
            raise Unknown(str(unknown))
        if "templateRef" in task:
            spec = self._cluster.library[task["templateRef"]["name"]]
        template = self._template(spec, task.get("template") or task["templateRef"]["template"])
        if self.stopped or ("depends" in task and not parse(task["depends"]).value(lambda path: _result(path, nodes))):
            return self._ended(name, template, "Omitted", "depends condition not met")
        items = _items(task, nodes)
        if items is None:
            return self._single(name, task, template, nodes, spec, None)
        if not items:
            return self._ended(name, template, "Skipped", "Skipped, empty params")
        group = self._node(name, "TaskGroup", template["name"])
        for number, item in enumerate(items):
            child = self._single(f"{name}({number}:{item})", task, template, nodes, spec, item)
            group["children"].append(child["id"])
            group["phase"] = child["phase"] if child["phase"] in ("Failed", "Error") else group["phase"]
        if group["phase"] == "Running":
            group["phase"] = "Succeeded"
        group["finishedAt"] = _now()
        return group

    def _ended(self, name: str, template: Spec, phase: str, message: str) -> Node:
        node = self._node(name, "Skipped", template["name"])
        node |= {"phase": phase, "message": message, "finishedAt": _now()}
        return node

    def _single(self, name: str, task: Spec, template: Spec, nodes: Mapping[str, Node], spec: Spec, item: str | None) -> Node:
        if "when" in task and not _holds(task["when"], nodes):
            return self._ended(name, template, "Skipped", f"when '{task['when']}' evaluated false")
        given = {one["name"]: one["value"] for one in task.get("arguments", {}).get("parameters", [])}
        inputs = {key: _resolved(value, nodes, item) for key, value in given.items()}
        if "dag" in template:
            node = self._node(name, "DAG", template["name"])
            self._dag(node, template, inputs, spec)
            return node
        return self._retried(name, template, inputs)

    def _retried(self, name: str, template: Spec, inputs: Mapping[str, str]) -> Node:
        node = self._node(name, "Retry", template["name"])
        node["inputs"] = {"parameters": [{"name": key, "value": value} for key, value in inputs.items()]}
        strategy = template.get("retryStrategy", {"limit": 0, "retryPolicy": "OnFailure"})
        for attempt in range(strategy["limit"] + 1):
            pod = self._pod(f"{name}({attempt})", template, inputs)
            node["children"].append(pod["id"])
            if pod["phase"] == "Succeeded" or strategy["retryPolicy"] == "OnError":  # a pod that exits is no error
                break
        node |= {key: pod[key] for key in ("phase", "outputs", "message", "finishedAt") if key in pod}
        return node

    def _pod(self, name: str, template: Spec, inputs: Mapping[str, str]) -> Node:
        node = self._node(name, "Pod", template["name"])
        control = self._cluster.scratch / str(node["id"])
        control.mkdir(parents=True)
        words = [_filled(word, inputs) for word in template["container"]["args"]]
        code = self._process(words, control, template.get("activeDeadlineSeconds"))
        told = template.get("outputs", {}).get("parameters", [])
        if code == 0 and told:
            texts = {one["name"]: (control / Path(one["valueFrom"]["path"]).name).read_text() for one in told}
            shown = [{"name": key, "value": text.removesuffix("\n")} for key, text in texts.items()]
            node["outputs"] = {"parameters": shown}
        node |= {"phase": "Failed" if code else "Succeeded", "message": f"exit code {code}" if code else ""}
        return node | {"finishedAt": _now()}

    def _process(self, words: Sequence[str], control: Path, limit: float | None) -> int:
        cluster = self._cluster
        if cluster.hold:
            cluster.hold.wait(60)
        cluster.ran.append(list(words))
        step = words[2] if words[1] == "run" else words[1]
        if self.stopped or cluster.failing.get(step, 0) > 0:
            cluster.failing[step] = cluster.failing.get(step, 0) - 1
            return 1
        words = [f"{control}/" if word == "/var/control/" else word for word in words]
        log = (control / "log").open("w+")
        with log:
            self._child = subprocess.Popen(
                [cluster.shipway, *words], cwd=cluster.folder, env=dict(cluster.environ), stdout=log, stderr=log, text=True
            )
            try:
                return self._child.wait(limit)
            except subprocess.TimeoutExpired:
                self._child.kill()
                return self._child.wait()


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _with_inputs(task: Spec, inputs: Mapping[str, str]) -> Spec:
    """Inputs are put in before anything else is looked at, as text into the task's JSON."""
    text = json.dumps(task)
    for name, value in inputs.items():
        text = text.replace("{{inputs.parameters." + name + "}}", json.dumps(value)[1:-1])
    filled: Spec = json.loads(text)
    return filled


def _filled(word: str, inputs: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1].removeprefix("inputs.parameters.")
        if name not in inputs:
            raise Unknown(f"unresolved {match[0]}")
        return inputs[name]

    return _TAG.sub(value, word)


def _resolved(value: str, nodes: Mapping[str, Node], item: str | None) -> str:
    def found(match: re.Match[str]) -> str:
        if match[1] == "item" and item is not None:
            return item
        return str(_output(match[1], nodes))

    return _TAG.sub(found, value)


def _output(path: str, nodes: Mapping[str, Node]) -> str:
    match = re.fullmatch(r"tasks(?:\.([\w-]+)|\['([^']+)'\])\.outputs\.parameters\.([\w-]+)", path)
    node = nodes.get(match[1] or match[2]) if match else None
    told = {one["name"]: one["value"] for one in (node or {}).get("outputs", {}).get("parameters", [])}
    if match is None or match[3] not in told:
        raise Unknown(f"failed to resolve {path}")
    return str(told[match[3]])


def _holds(when: str, nodes: Mapping[str, Node]) -> bool:
    if not (when.startswith("{{=") and when.endswith("}}")):
        raise Unknown(when)
    return parse(when[3:-2]).value(lambda path: _output(path, nodes)) is True


def _result(path: str, nodes: Mapping[str, Node]) -> Value:
    name, _, result = path.partition(".")
    phase = nodes[name]["phase"]
    return phase in ("Succeeded", "Skipped") if not result else phase == {"Errored": "Error"}.get(result, result)


def _items(task: Spec, nodes: Mapping[str, Node]) -> list[str] | None:
    if "withItems" in task:
        return list(task["withItems"])
    if "withSequence" in task:
        return [str(number) for number in range(int(task["withSequence"]["count"]))]
    if "withParam" in task:
        return [str(item) for item in json.loads(_resolved(task["withParam"], nodes, None))]
    return None
