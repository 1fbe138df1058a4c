"""`python -m shipway.models.forks FORMAT...`: answers what `python -m shipway.models` is asked, each time in a fork.

Libraries are imported once, models are loaded in forks alone. One line of JSON is a question, `{"arguments", "stdout",
"stderr", "directory", "environ"}`, and one line an answer, `{"code"}`: how the fork ended, as subprocess has it. The process
ends with its stdin, or when nobody has asked for a while.
"""

from __future__ import annotations

import gc
import json
import os
import select
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

from shipway.models.__main__ import main as answer
from shipway.models._skops import import_skops

IDLE_SECONDS = 60.0
# what takes long to import and starts no thread but an allocator's, which knows of forks; by the format that needs it
_LIBRARIES: dict[str, Callable[[], object]] = {
    "skops": import_skops,
    **{name: partial(import_module, name) for name in ("xgboost", "lightgbm", "torch")},
}


def main(formats: list[str]) -> int:
    for name in formats:
        with suppress(Exception):  # the fork will tell
            _LIBRARIES.get(name, lambda: None)()
    gc.collect()
    gc.freeze()
    while select.select([0], [], [], IDLE_SECONDS)[0] and (line := sys.stdin.buffer.readline()):
        question = json.loads(line)
        child = os.fork()
        if child == 0:
            _answer(question)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps({"code": os.waitstatus_to_exitcode(status)}) + "\n")
        sys.stdout.flush()
    return 0


def _answer(question: Mapping[str, Any]) -> None:
    """In the fork, which ends here: as if it had been started for this question alone."""
    code = 1
    try:
        streams = (
            (os.devnull, os.O_RDONLY),
            *((question[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for name in ("stdout", "stderr")),
        )
        for number, (path, flags) in enumerate(streams):
            opened = os.open(path, flags, 0o600)
            os.dup2(opened, number)
            os.close(opened)
        os.chdir(question["directory"])
        os.environ.clear()
        os.environ.update(question["environ"])
        if "numpy" in sys.modules:
            import_module("numpy.random").seed()  # else all forks would draw the same
        code = answer(question["arguments"])
    except SystemExit as problem:
        code = problem.code if isinstance(problem.code, int) else 1
    except BaseException:  # the fork must not return into the loop
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
