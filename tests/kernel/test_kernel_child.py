"""A process that another started: bound to it, and heard once."""

from __future__ import annotations

import os
import subprocess
import sys

BOUND = "import sys; from shipway.kernel.child import end_with_parent; print(end_with_parent(int(sys.argv[1])))"
SAYS = "import sys; from shipway.kernel.child import say_ready; say_ready({'ready': True, 'port': 1}, int(sys.argv[1]) or None)"


def run(code: str, argument: int, *, pass_fds: tuple[int, ...] = ()) -> str:
    command = [sys.executable, "-c", code, str(argument)]
    return subprocess.run(command, capture_output=True, text=True, check=True, pass_fds=pass_fds).stdout


def test_a_process_is_bound_to_who_started_it_and_to_no_other() -> None:
    assert run(BOUND, 0) == run(BOUND, os.getpid()) == "True\n"
    assert run(BOUND, os.getppid()) == "False\n", "who should be the parent has gone"


def test_the_line_goes_to_stdout_or_to_a_pipe_that_ends_with_it() -> None:
    assert run(SAYS, 0) == '{"ready": true, "port": 1}\n'
    told, tell = os.pipe()
    run(SAYS, tell, pass_fds=(tell,))
    os.close(tell)
    with os.fdopen(told) as pipe:
        assert pipe.read() == '{"ready": true, "port": 1}\n'
