"""What a command says: text for people on stdout, or with --json one versioned document there and the text on stderr.

The last line for people is the next command worth typing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from shipway.cli._exit import FAILED, INCONCLUSIVE, USAGE
from shipway.kernel.errors import ShipwayError
from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.cli._options import PORT, json_option

__all__ = ["PORT", "Misused", "Output", "Unexpected", "echo", "json_option", "show_document", "show_error"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports("shipway.cli", {"_options": ["PORT", "json_option"]})


def echo(text: str, *, err: bool = False) -> None:
    """A line, at once. Where click parsed the words it writes: it leaves colours out where nobody sees them."""
    if "click" in sys.modules:
        import click

        click.echo(text, err=err)
    else:
        stream = sys.stderr if err else sys.stdout
        stream.write(f"{text}\n")
        stream.flush()


class Output:
    """Collects nothing: says lines at once, and ends with the document or the next command."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def say(self, text: str = "") -> None:
        echo(text, err=self.as_json)

    def note(self, text: str) -> None:
        """Progress and remarks: always on stderr."""
        echo(text, err=True)

    def end(self, kind: str, document: Mapping[str, object], *, then: str | None = None) -> None:
        if self.as_json:
            echo(json.dumps({"kind": kind, "version": 1, **document}, ensure_ascii=False))
        elif then:
            echo(f"next: {then}")


class Misused(ShipwayError):
    """A command, an option or an argument that does not exist or does not fit."""

    code = "cli.misused"


class Unexpected(ShipwayError):
    """An error that Shipway has no words for: a fault of ours, or of the machine's."""

    code = "cli.unexpected"


def show_error(problem: ShipwayError, *, as_json: bool) -> int:
    """Print an error and give its exit code: 2 where a gate could not decide, 64 for words that do not fit, else 1."""
    echo(problem.render(), err=True)
    if as_json:
        show_document(problem)
    if isinstance(problem, Misused):
        return USAGE
    return INCONCLUSIVE if getattr(problem, "inconclusive", False) else FAILED


def show_document(problem: ShipwayError) -> None:
    """The error as the one document on stdout."""
    fields = {
        "code": problem.code,
        "what": problem.what,
        "where": problem.where,
        "mend": problem.mend,
        "retry": problem.retry,
    }
    sys.stdout.write(json.dumps({"kind": "error", "version": 1, "error": fields}) + "\n")
