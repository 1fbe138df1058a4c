"""What AWS Lambda calls, started by its runtime client: `python -m awslambdaric shipway.cli.functions.sync`.

For each event of a bucket a project is opened anew: its connections do not outlive a pause in which AWS freezes it, and a
secret that changed is the new one. What answers calls stays open. What they say goes to their log.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from shipway.cli._function_project import FunctionProject, open_function

if TYPE_CHECKING:
    from shipway.cli._function_answer import Answering


class Context(Protocol):
    """What the runtime client tells of an invocation, as far as it is asked."""

    def get_remaining_time_in_millis(self) -> int: ...


def sync(event: object, context: Context) -> Mapping[str, object]:
    """Bring the indexes up to date whose documents an event of S3 names; the events may repeat and come in any order."""
    from shipway.cli._function_sync import sync_event

    project = _project()
    with closing(project.store):
        return sync_event(project, event, left=lambda: context.get_remaining_time_in_millis() / 1000)


def answer(event: object, context: Context) -> Mapping[str, object]:
    """Answer a call of the application that the function's variables name, as its gateway does."""
    return _answering()(event, context)


def gate(event: object, context: Context) -> Mapping[str, object]:  # noqa: ARG001 - as Lambda calls
    """Say to ECS whether the release of a lifecycle hook may start, or get traffic."""
    from shipway.cli._function_gate import gate_event

    return gate_event(_project, event)


def _project() -> FunctionProject:
    return open_function(dict(os.environ), directory=Path.cwd())


@cache
def _answering() -> Answering:
    from shipway.cli._function_answer import Answering

    return Answering(_project)
