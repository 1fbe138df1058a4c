"""`python -m shipway.llm.local --weights NAME_OR_PATH --model NAME --port N`: one local model behind an OpenAI address.

llama.cpp's server on loopback, one thread, no browser origin allowed. One JSON line goes to --ready-fd or stdout: {"ready":
true, "port", "pid", "model", "weights"} once it answers, or {"ready": false, "error": {"code", "what", "where", "mend"}},
with exit code 1. SIGTERM ends it with exit code 0.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from shipway.kernel.child import end_with_parent, say_ready
from shipway.kernel.errors import ShipwayError
from shipway.llm._weights import LocalModelMissing, find_weights, weights_digest

_LOOPBACK = "127.0.0.1"


class LocalModelFailed(ShipwayError):
    """A local model did not start: its file is no model, it does not fit into memory, or its port is taken."""

    code = "llm.local-model-failed"


def main(arguments: list[str]) -> int:
    """Serves until SIGTERM; the exit code."""
    options = _parser().parse_args(arguments)
    if options.die_with_parent is not None and not end_with_parent(options.die_with_parent):
        return 0
    try:
        weights = find_weights(options.weights)
        server, port = _serve(weights, options)
    except ShipwayError as problem:
        error = {"code": problem.code, "what": problem.what, "where": problem.where, "mend": problem.mend}
        say_ready({"ready": False, "error": error}, options.ready_fd)
        sys.stderr.write(problem.render() + "\n")
        return 1
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)  # whichever thread the kernel gives the signal to
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    digest = weights_digest(weights)
    say_ready({"ready": True, "port": port, "pid": os.getpid(), "model": options.model, "weights": digest}, options.ready_fd)
    os.read(told, 1)  # until one of them comes
    del server  # stops accepting and joins its threads
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shipway.llm.local")
    parser.add_argument("--weights", required=True, help="smollm2, smollm2-q8, gemma3-270m or the path of a .gguf file")
    parser.add_argument("--model", default="local", help="the name that it answers to")
    parser.add_argument("--port", type=int, default=0, help=f"a port of {_LOOPBACK}; 0 takes a free one")
    parser.add_argument("--context", type=int, default=2048, help="tokens of prompt and answer together")
    kept = "read what two prompts begin with alike once; answers then depend on what was asked before"
    parser.add_argument("--keep-prompts", action="store_true", help=kept)
    parser.add_argument("--ready-fd", type=int, help="where to say that it answers; stdout when left out")
    bound = "end when the starting thread ends (Linux); PID: that of the process which should be the parent"
    parser.add_argument("--die-with-parent", nargs="?", type=int, const=0, metavar="PID", help=bound)
    return parser


def _serve(weights: Path, options: argparse.Namespace) -> tuple[object, int]:
    """The running server and its port; raises LocalModelMissing or LocalModelFailed."""
    model, port, context = options.model, options.port, options.context
    try:
        from xllamacpp import CommonParams, Server
    except ImportError as problem:
        mend = "pip install 'shipway[local]'"
        raise LocalModelMissing(
            "xllamacpp, which runs local models, is not installed", where="xllamacpp", mend=mend
        ) from problem
    if port and not _free(port):  # it would end the process itself, without a word on the pipe
        raise LocalModelFailed(f"port {port} is taken", where=f"{_LOOPBACK}:{port}", mend="give another --port, or 0")
    with weights.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise LocalModelFailed("this file is no GGUF model", where=str(weights))
    wanted = CommonParams()
    wanted.model.path, wanted.model_alias = str(weights), {model}
    wanted.hostnames, wanted.port, wanted.cors_origins = [_LOOPBACK], port, ""
    wanted.n_ctx, wanted.n_parallel = context, 1
    # facts: threads that spin while others work made an answer take 4 to 37 s instead of 0.5
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = 1
    wanted.cpuparams.poll = wanted.cpuparams_batch.poll = 0
    wanted.use_jinja, wanted.warmup, wanted.endpoint_metrics, wanted.ui, wanted.verbosity = True, False, True, False, 1
    wanted.offline = True
    # what is kept of a long prompt was computed in other batches than that of a short one: it turned 7 of 8 greedy answers
    wanted.cache_prompt = options.keep_prompts
    try:
        server = Server(wanted)
    except Exception as problem:
        raise LocalModelFailed(f"the local model did not start: {problem}", where=str(weights)) from problem
    return server, int(urlsplit(str(server.listening_address)).port or 0)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
