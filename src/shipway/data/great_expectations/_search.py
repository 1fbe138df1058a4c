"""Looks for a regular expression in texts: `PYTHON _search.py < request > answer`, in a process that can be stopped.

Python's `re` may take longer than anybody lives, and a thread that runs it cannot be ended. Only the standard library here,
and jsonschema where it is asked for. The request is {"pattern" or "schema", "values", "seconds"}: of this process's own time;
the answer {"found": "0110"} or, when the time is over, {"slow": place}.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


class _TimeUp(Exception):
    pass


def _ring(_signal: int, _frame: object) -> None:
    raise _TimeUp


def schema_judge(schema: Any) -> Callable[[str], bool]:
    """Whether a text is JSON that fits; a reference to another document is never fetched. Raises ValueError for no schema."""
    judge = import_module("jsonschema.validators").validator_for(schema)
    try:
        judge.check_schema(schema)
    except (Exception, RecursionError) as problem:  # of a library that may not be there
        raise ValueError(f"{str(problem).splitlines()[0][:200]}") from problem
    checks = judge(schema, registry=import_module("referencing").Registry())

    def fits(value: str) -> bool:
        try:
            return bool(checks.is_valid(json.loads(value)))
        except _TimeUp:
            raise
        except Exception:  # no JSON, a reference that leads nowhere, a depth that ends nowhere
            return False

    return fits


def _judge(request: dict[str, Any]) -> Callable[[str], object]:
    return schema_judge(request["schema"]) if "schema" in request else re.compile(request["pattern"]).search


def main() -> None:
    request = json.load(sys.stdin)
    holds, found = _judge(request), []
    signal.signal(signal.SIGVTALRM, _ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, request["seconds"])
    try:
        for value in request["values"]:
            found.append("1" if holds(value) else "0")
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        answer: dict[str, object] = {"found": "".join(found)}
    except _TimeUp:
        answer = {"slow": len(found)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
