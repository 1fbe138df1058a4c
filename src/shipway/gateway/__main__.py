"""`python -m shipway.gateway --config FILE --fd N | --port P`: one gateway process.

One JSON line goes to --ready-fd or stdout: {"ready": true, "port", "pid", "open", "releases"} once it answers, or {"ready":
false, "error": {"code", "what", "where", "mend"}}, with the error on stderr and exit code 1. SIGTERM drains: no new
connections, answers to what is in flight, budgets settled, log sealed, exit code 0.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from shipway.kernel.child import end_with_parent

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def main(arguments: list[str]) -> int:
    """Serves until SIGTERM; the exit code."""
    options = _parser().parse_args(arguments)
    if options.die_with_parent is not None and not end_with_parent(options.die_with_parent):
        return 0
    for name in _ONE_THREAD:  # facts: threads that spin on a busy small machine made an answer fifty times as slow
        os.environ.setdefault(name, "1")
    from shipway.gateway import run_gateway  # numeric libraries read the variables when they are imported

    where = Path(options.beside) if options.beside else None
    return run_gateway(Path(options.config), fd=options.fd, port=options.port, ready_fd=options.ready_fd, beside=where)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shipway.gateway")
    parser.add_argument("--config", required=True, help="gateway.json")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--fd", type=int, help="an inherited listening socket")
    where.add_argument("--port", type=int, help="a port of 127.0.0.1; 0 takes a free one")
    parser.add_argument("--ready-fd", type=int, help="where to say that it answers; stdout when left out")
    parser.add_argument("--beside", help="where other processes of the same address keep their pages of metrics")
    bound = "drain when the starting thread ends (Linux); PID: that of the process which should be the parent"
    parser.add_argument("--die-with-parent", nargs="?", type=int, const=0, metavar="PID", help=bound)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
