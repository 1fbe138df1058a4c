"""Where a command line begins and ends, and the one place where errors become text and an exit code."""

from __future__ import annotations

import _thread
import atexit
import gc
import os
import sys
from typing import TYPE_CHECKING

from shipway.cli._exit import DONE, FAILED, INTERRUPTED, USAGE

if TYPE_CHECKING:
    from click import ClickException


def run_and_exit() -> None:
    code = _run()
    if "click" not in sys.modules and _thread._count() == 0:
        _leave(code)
    gc.freeze()  # else the interpreter looks through all that lives for what is dead, a sixth of a short command, to no end
    sys.exit(code)


def _leave(code: int) -> None:
    """End a quick command here and now: nothing of it needs the interpreter to take itself apart, which is 2 to 6 ms.

    What was registered for the end is done, and what was written is flushed.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # it is where the shell closed it
                stream.flush()
        except OSError:  # nobody reads, or no room
            code = FAILED
    os._exit(code)


def _run() -> int:
    from shipway.cli._quick import run_quickly

    try:
        code = None if "_SHIPWAY_COMPLETE" in os.environ else run_quickly(sys.argv[1:])
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        return _unheard()
    except Exception as problem:
        return _fail(problem)
    return _run_parsed() if code is None else code


def _run_parsed() -> int:
    import click

    from shipway.cli._commands import group

    try:
        return int(group.main(standalone_mode=False) or DONE)  # outside standalone mode click returns the code of an Exit
    except click.Abort:
        return _interrupted()
    except click.ClickException as problem:
        return _misused(problem)
    except Exception as problem:
        if "--debug" in sys.argv:
            raise
        return _fail(problem)


def _interrupted() -> int:
    from shipway.cli._output import echo

    echo("interrupted", err=True)
    return INTERRUPTED


def _unheard() -> int:
    """Nobody reads what is said. What is not written yet would be told as an error at the very end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def _misused(problem: ClickException) -> int:
    problem.show()
    if "--json" in sys.argv:
        from shipway.cli._output import Misused, show_document

        show_document(Misused(problem.format_message(), mend="shipway --help"))
    return USAGE


def _fail(problem: Exception) -> int:
    from shipway.cli._output import Unexpected, show_error
    from shipway.kernel.errors import ShipwayError

    if not isinstance(problem, ShipwayError):
        said = (str(problem).splitlines() or [""])[0]
        problem = Unexpected(f"unexpected {type(problem).__name__}: {said}", mend="run it again with: shipway --debug ...")
    return show_error(problem, as_json="--json" in sys.argv)
