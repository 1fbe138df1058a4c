"""What AWS Lambda calls, started by its runtime client: `python -m awslambdaric shipway.cli.functions.sync`.

A function is opened anew for each event of a bucket: its connections do not outlive a pause in which AWS freezes it, and a
secret that changed is the new one. What it says goes to its log.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Protocol

from shipway.cli._function_project import open_function


class Context(Protocol):
    """What the runtime client tells of an invocation, as far as it is asked."""

    def get_remaining_time_in_millis(self) -> int: ...


def sync(event: object, context: Context) -> Mapping[str, object]:
    """Bring the indexes up to date whose documents an event of S3 names; the events may repeat and come in any order."""
    from shipway.cli._function_sync import sync_event

    project = open_function(dict(os.environ), directory=Path.cwd())
    with closing(project.store):
        return sync_event(project, event, left=lambda: context.get_remaining_time_in_millis() / 1000)
