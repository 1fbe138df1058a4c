"""Progress of long work on stderr: a line for each thing that starts and one when it is done."""

from __future__ import annotations

import sys
import time

from shipway.cli._output import Output

REDRAW_SECONDS = 0.1


class RunReport:
    """Tells how a run goes, a line a step."""

    def __init__(self, out: Output) -> None:
        self._out = out

    def started(self, step: str) -> None:
        self._out.note(f"  {step} ...")

    def cached(self, step: str) -> None:
        self._out.note(f"  {step}: cached")

    def skipped(self, step: str) -> None:
        self._out.note(f"  {step}: skipped")

    def finished(self, step: str, seconds: float) -> None:
        self._out.note(f"  {step}: {seconds:.1f} s")

    def note(self, text: str) -> None:
        self._out.note(f"  {text}")


class FileReport:
    """A line on stderr that counts files and bytes while they are read; nothing when stderr is no terminal."""

    def __init__(self, name: str) -> None:
        self._name, self._files, self._bytes, self._shown = name, 0, 0, 0.0
        self._live = sys.stderr.isatty()

    def file(self, _path: str, size: int) -> None:
        """One file more."""
        self._files += 1
        self._bytes += size
        if self._live and time.monotonic() - self._shown > REDRAW_SECONDS:
            self._shown = time.monotonic()
            sys.stderr.write(f"\r{self._name}: {self._files:,} files, {self._bytes / 1e6:,.1f} MB ")

    def __enter__(self) -> FileReport:
        return self

    def __exit__(self, *_problem: object) -> None:
        if self._shown:
            sys.stderr.write("\r\033[K")


class ByteReport:
    """A line on stderr that counts bytes of a known whole; nothing when stderr is no terminal. Several threads may call it."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total, self._done, self._shown = name, total, 0, 0.0
        self._began, self._live = time.monotonic(), sys.stderr.isatty()

    def bytes(self, size: int) -> None:
        """So many bytes more."""
        self._done += size
        now = time.monotonic()
        if self._live and now - self._shown > REDRAW_SECONDS:
            self._shown = now
            rate = self._done / 1e6 / max(now - self._began, REDRAW_SECONDS)
            sys.stderr.write(f"\r{self._name}{self._bar()} {self._done / 1e6:,.0f} MB, {rate:,.0f} MB/s ")

    def _bar(self) -> str:
        """Nothing where it is not known how much there is."""
        if not self._total:
            return ""
        share = min(1.0, self._done / self._total)
        return f" [{'#' * int(share * 30):<30}] {share:4.0%}"

    def __enter__(self) -> ByteReport:
        return self

    def __exit__(self, *_problem: object) -> None:
        if self._shown:
            sys.stderr.write("\r\033[K")
