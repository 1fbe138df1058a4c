"""Ctrl-C while a child works. Here because this room waits for children, and polars lives in the same process."""

from __future__ import annotations

import signal


def hear_interrupts() -> None:
    """Let SIGINT end a blocking wait; call it right before one.

    Importing polars puts a handler before Python's with SA_RESTART: a read or waitpid then goes on as if nothing had
    happened, and Ctrl-C does nothing until the child says something (seen with polars 2.1 on Linux).
    """
    signal.siginterrupt(signal.SIGINT, True)
