"""`python -m shipway.protocols.predictor --config serving.json --fd N | --port P [--grpc-fd N | --grpc-port P]`: a predictor.

Runs in the project's Python under the serving overlay. One JSON line goes to --ready-fd or stdout: {"ready": true, "port",
"pid", "release"} (and "grpc", its port, where there is one) once it answers, or {"ready": false, "error": {"code", "what",
"where", "mend"}}, with the error on stderr and exit code 1. SIGTERM drains: no new connections, answers to what is in flight,
log sealed, exit code 0.
"""

from __future__ import annotations

import argparse
import os
import sys

from shipway.kernel.child import end_with_parent

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def main(arguments: list[str]) -> int:
    """Serves until SIGTERM; the exit code."""
    options = _parser().parse_args(arguments)
    if options.die_with_parent is not None and not end_with_parent(options.die_with_parent):
        return 0
    for name in _ONE_THREAD:  # facts: with two threads on a busy small machine one prediction took 190 times as long
        os.environ.setdefault(name, "1")
    from shipway.protocols._server import Place, run  # numeric libraries read the variables when they are imported

    http, grpc = Place(options.fd, options.port), Place(options.grpc_fd, options.grpc_port)
    return run(options.config, http, grpc, ready_fd=options.ready_fd, beside=options.beside, turn_fd=options.turn_fd)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shipway.protocols.predictor")
    parser.add_argument("--config", required=True, help="serving.json")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--fd", type=int, help="an inherited listening socket")
    where.add_argument("--port", type=int, help="a port of 127.0.0.1; 0 takes a free one")
    second = parser.add_mutually_exclusive_group()
    second.add_argument("--grpc-fd", type=int, help="an inherited listening socket for gRPC; none of it when left out")
    second.add_argument("--grpc-port", type=int, help="or a port of 127.0.0.1; 0 takes a free one")
    parser.add_argument("--ready-fd", type=int, help="where to say that it answers; stdout when left out")
    parser.add_argument("--beside", help="where other processes of the same address keep their pages of metrics")
    parser.add_argument("--turn-fd", type=int, help="an inherited socket on which it is told to step aside and to come back")
    bound = "drain when the starting thread ends (Linux); PID: that of the process which should be the parent"
    parser.add_argument("--die-with-parent", nargs="?", type=int, const=0, metavar="PID", help=bound)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
