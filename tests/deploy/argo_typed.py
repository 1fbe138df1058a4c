"""Argo's objects by Hera's typed models: what they do not know, at any depth, is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError


def typed_problems(made: Mapping[str, Any]) -> list[str]:
    """Problems of an object; empty when there are none. The models drop what they do not know: what is dropped is a problem."""
    from hera.workflows.models import CronWorkflow, Workflow, WorkflowTemplate

    return _problems(
        {"WorkflowTemplate": WorkflowTemplate, "CronWorkflow": CronWorkflow, "Workflow": Workflow}[made["kind"]], made
    )


def submit_problems(made: Mapping[str, Any]) -> list[str]:
    """The same for the body of a request to submit a workflow."""
    from hera.workflows.models import WorkflowSubmitRequest

    return _problems(WorkflowSubmitRequest, made)


def _problems(model: Any, made: Mapping[str, Any]) -> list[str]:
    try:
        kept = model.model_validate(made).model_dump(by_alias=True, exclude_none=True, mode="json")
    except ValidationError as problem:
        return [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in problem.errors()]
    return list(_dropped(made, kept, ""))


def _dropped(made: object, kept: object, path: str) -> Iterator[str]:
    if isinstance(made, Mapping) and isinstance(kept, Mapping):
        yield from (f"{path}.{name}: no such field" for name in made.keys() - kept.keys())
        for name in made.keys() & kept.keys():
            yield from _dropped(made[name], kept[name], f"{path}.{name}")
    elif isinstance(made, list) and isinstance(kept, list) and len(made) == len(kept):
        for number, (one, other) in enumerate(zip(made, kept, strict=True)):
            yield from _dropped(one, other, f"{path}[{number}]")
    elif str(made) != str(kept):
        yield f"{path}: {made!r} would be {kept!r}"
