"""Looks for a regular expression in texts: `PYTHON _search.py < request > answer`, in a process that can be stopped.

Python's `re` may take longer than anybody lives, and a thread that runs it cannot be ended. Only the standard library here.
The request is {"pattern", "values", "seconds"}: of this process's own time; the answer {"found": "0110"} or, when the time is
over, {"slow": place}.
"""

from __future__ import annotations

import json
import re
import signal
import sys


class _TimeUp(Exception):
    pass


def _ring(_signal: int, _frame: object) -> None:
    raise _TimeUp


def main() -> None:
    request = json.load(sys.stdin)
    search, found = re.compile(request["pattern"]).search, []
    signal.signal(signal.SIGVTALRM, _ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, request["seconds"])
    try:
        for value in request["values"]:
            found.append("0" if search(value) is None else "1")
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        answer: dict[str, object] = {"found": "".join(found)}
    except _TimeUp:
        answer = {"slow": len(found)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
