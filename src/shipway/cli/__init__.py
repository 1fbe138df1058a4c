"""The command line: one thin command a file, and the only place that reads settings, opens the store and starts servers."""

from shipway.cli._main import main

__all__ = ["main"]
