"""The command line: one thin command a file, and the only place that reads settings, opens the store and starts servers."""

from __future__ import annotations

import gc

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit."""
    gc.disable()  # until a command begins: nothing that an import makes is ever dead
    from shipway.cli._main import run_and_exit

    run_and_exit()
