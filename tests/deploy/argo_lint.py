"""What a schema of Argo's objects cannot see: names that lead nowhere, circles, values that are not there when asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from argo_expression import KEYWORDS, NoExpression, parse

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,127}")
_OBJECT = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_TAG = re.compile(r"\{\{(.*?)\}\}")
_OUTPUT = re.compile(r"tasks(?:\.([\w-]+)|\['([^']+)'\])\.outputs\.parameters\.([\w-]+)")
_RESULTS = {"Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned"}
MOST_BYTES = 256 * 1024


def lint(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    """Problems of a set of objects that know each other; empty when there are none."""
    library = {made["metadata"]["name"]: made["spec"] for made in objects if made["kind"] == "WorkflowTemplate"}
    found: list[str] = []
    for made in objects:
        name = made["metadata"]["name"]
        if not _OBJECT.fullmatch(name) or len(name) > 63:
            found.append(f"{name} is no name of an object")
        spec = made["spec"] if made["kind"] == "WorkflowTemplate" else made["spec"]["workflowSpec"]
        found += [f"{name}: {problem}" for problem in _workflow(spec, library)]
    return found


def _workflow(spec: Mapping[str, Any], library: Mapping[str, Any]) -> Iterator[str]:
    names = [template["name"] for template in spec["templates"]]
    yield from (f"two templates {name}" for name in {name for name in names if names.count(name) > 1})
    templates = {template["name"]: template for template in spec["templates"]}
    entry = templates.get(spec.get("entrypoint"))
    if entry is None:
        yield f"no entrypoint {spec.get('entrypoint')}"
    else:
        given = {parameter["name"] for parameter in spec.get("arguments", {}).get("parameters", [])}
        yield from (f"the entrypoint is not given {name}" for name in inputs_of(entry) - given)
    used = {spec.get("entrypoint")}
    for template in spec["templates"]:
        if not _NAME.fullmatch(template["name"]):
            yield f"{template['name']} is no name"
        if "dag" in template:
            tasks = template["dag"]["tasks"]
            used |= {task.get("template") for task in tasks}
            yield from _dag(template, tasks, templates, library)
        else:
            yield from _pod(template)
    yield from (f"nothing runs {name}" for name in templates.keys() - used)


def _pod(template: Mapping[str, Any]) -> Iterator[str]:
    name, known = template["name"], inputs_of(template)
    if "container" not in template:
        yield f"{name} runs nothing"
        return
    for tag in tags_of(template):
        if not (tag.startswith("inputs.parameters.") and tag.removeprefix("inputs.parameters.") in known):
            yield f"{name} has no {tag}"
    words = " ".join(template["container"]["args"])
    yield from (f"{name} does not use {given}" for given in known if f"{{{{inputs.parameters.{given}}}}}" not in words)
    volumes = {volume["name"] for volume in template.get("volumes", [])}
    mounted = {mount["name"] for mount in template["container"].get("volumeMounts", [])}
    yield from (f"{name} mounts or keeps {volume} alone" for volume in volumes ^ mounted)
    paths = [mount["mountPath"] for mount in template["container"].get("volumeMounts", [])]
    for output in template.get("outputs", {}).get("parameters", []):
        path = output["valueFrom"]["path"]
        if not any(path.startswith(mount + "/") for mount in paths):
            yield f"{name} cannot write {path}"
        if path.rpartition("/")[0] + "/" not in words.split():
            yield f"{name} is not told to write {path}"


def _dag(
    template: Mapping[str, Any],
    tasks: Sequence[Mapping[str, Any]],
    templates: Mapping[str, Any],
    library: Mapping[str, Any],
) -> Iterator[str]:
    names = [task["name"] for task in tasks]
    yield from (f"two tasks {name}" for name in {name for name in names if names.count(name) > 1})
    by_name = {task["name"]: task for task in tasks}
    called = {task["name"]: _called(task, templates, library) for task in tasks}
    before: dict[str, set[str]] = {}
    for task in tasks:
        name = task["name"]
        if not _NAME.fullmatch(name) or name[0].isdigit() or name in KEYWORDS:
            yield f"{name} is no name that a task can come after"
        try:
            before[name] = depends_of(task)
        except NoExpression as problem:
            yield f"{name}: depends: {problem}"
            before[name] = set()
        yield from (f"{name} comes after {other}, which is none" for other in before[name] - by_name.keys())
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError as problem:
        yield f"a circle: {' '.join(problem.args[1])}"
        return
    above: dict[str, set[str]] = {}
    for name in order:
        above[name] = before.get(name, set()).union(*(above[other] for other in before.get(name, ())))
    for task in tasks:
        yield from _task(task, called, by_name, above[task["name"]], inputs_of(template))


def _task(
    task: Mapping[str, Any],
    called: Mapping[str, Mapping[str, Any] | None],
    by_name: Mapping[str, Mapping[str, Any]],
    above: set[str],
    inputs: set[str],
) -> Iterator[str]:
    name, template = task["name"], called[task["name"]]
    if template is None:
        yield f"{name} runs {task.get('template') or task.get('templateRef')}, which is none"
        return
    given = [parameter["name"] for parameter in task.get("arguments", {}).get("parameters", [])]
    wanted = inputs_of(template)
    yield from (f"{name} does not give {one}" for one in wanted - set(given))
    yield from (f"{name} gives {one}, which is not taken" for one in set(given) - wanted)
    repeated = [key for key in ("withItems", "withParam", "withSequence") if key in task]
    if len(repeated) > 1:
        yield f"{name} is repeated twice"
    for tag in tags_of(task):
        if tag == "item":
            if not repeated:
                yield f"{name} is not repeated and asks for an item"
        elif tag.startswith("inputs.parameters."):
            if tag.removeprefix("inputs.parameters.") not in inputs:
                yield f"{name} asks for {tag}"
        else:
            yield from _outputs(name, tag, called, by_name, above)


def _outputs(
    name: str,
    tag: str,
    called: Mapping[str, Mapping[str, Any] | None],
    by_name: Mapping[str, Mapping[str, Any]],
    above: set[str],
) -> Iterator[str]:
    """What a tag asks of other tasks: they come before, always run, run once, and tell it."""
    try:
        paths = list(parse(tag[1:]).paths()) if tag.startswith("=") else [tag]
    except NoExpression as problem:
        yield f"{name}: {problem}"
        return
    for path in paths:
        match = _OUTPUT.fullmatch(path)
        other = (match[1] or match[2]) if match else ""
        if match is None or other not in by_name:
            yield f"{name} asks for {path}"
            continue
        told = {output["name"] for output in (called[other] or {}).get("outputs", {}).get("parameters", [])}
        if other not in above:
            yield f"{name} asks {other}, which does not come before it"
        if match[3] not in told:
            yield f"{name} asks {other} for {match[3]}, which it does not tell"
        if "when" in by_name[other] or any(key in by_name[other] for key in ("withItems", "withParam", "withSequence")):
            yield f"{name} asks {other}, which may be skipped or is many"


def _called(task: Mapping[str, Any], templates: Mapping[str, Any], library: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if "templateRef" in task:
        spec = library.get(task["templateRef"]["name"], {"templates": []})
        templates = {template["name"]: template for template in spec["templates"]}
        return templates.get(task["templateRef"]["template"])
    found: Mapping[str, Any] | None = templates.get(task["template"])
    return found


def inputs_of(template: Mapping[str, Any]) -> set[str]:
    return {given["name"] for given in template.get("inputs", {}).get("parameters", []) if "value" not in given}


def depends_of(task: Mapping[str, Any]) -> set[str]:
    """The tasks that a task comes after. Raises NoExpression, also for a result that Argo has not."""
    found = set()
    for path in parse(task["depends"]).paths() if "depends" in task else ():
        name, _, result = path.partition(".")
        if result and result not in _RESULTS:
            raise NoExpression(path)
        found.add(name)
    return found


def tags_of(value: object) -> Iterator[str]:
    """The tags in all texts of a value."""
    if isinstance(value, str):
        yield from _TAG.findall(value)
        if value.count("{{") != len(_TAG.findall(value)):
            yield "{{"
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from tags_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from tags_of(one)
