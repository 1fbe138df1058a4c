"""What `up` and `serve` share: signals, the predictors' environment, a free port."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping

# what a predictor's process takes over from ours; everything else, secrets among it, stays out
PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
TRACING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
)

_ENDING = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = "signals"  # the thread that hears them; it waits in the kernel as long as the process lives


def predictor_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that a predictor gets."""
    return {name: environ[name] for name in (*PASSED, *TRACING) if name in environ}


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set, whatever the main thread is at. Call it there.

    A handler in Python runs in the main thread, once that runs Python again: one that waits without a time limit may not for
    ever, and one in the midst of the event's own lock would wait for itself. So the handler does nothing, and a thread reads
    what the interpreter writes in the signal's own moment.
    """
    stop = threading.Event()
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    for number in _ENDING:
        signal.signal(number, lambda *_: None)
    threading.Thread(target=_pass_on, args=(told, stop), name=_SIGNALS, daemon=True).start()
    return stop


def _pass_on(told: int, stop: threading.Event) -> None:
    while number := os.read(told, 1):
        if number[0] in _ENDING:
            stop.set()


def leave_threads(before: Collection[threading.Thread], note: Callable[[str], None], *, seconds: float) -> None:
    """Return once no thread has come since `before` that still runs; end the process when one does after some seconds.

    The interpreter would wait for it without end, or, where it is a daemon in native code, may crash or hang as it goes: the
    process ends without it then, with exit code 0, and says whom it did not wait for.
    """
    end = time.monotonic() + seconds
    for thread in _come(before):
        thread.join(max(0.0, end - time.monotonic()))
    left = sorted(thread.name for thread in _come(before))
    if not left:
        return
    note(f"ended without waiting any longer for: {', '.join(left)}")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _come(before: Collection[threading.Thread]) -> list[threading.Thread]:
    known = {*before, threading.current_thread()}
    return [thread for thread in threading.enumerate() if thread not in known and thread.name != _SIGNALS]


def free_port(wanted: int) -> int:
    """`wanted` when it is free on loopback, else any other."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(sock.getsockname()[1])
    raise AssertionError("no free port on loopback")
