"""Progress of long work on stderr: a line for each thing that starts and one when it is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

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


def progress_words(done: int, total: int | None, seconds: float) -> str:
    """Bytes so far, how many a second, and how long what is left takes at that rate; total: None where nobody knows.

    >>> progress_words(30_000_000, 90_000_000, 2.0)
    '30 MB of 90 MB, 15 MB/s, 4 s left'
    >>> progress_words(30_000_000, None, 2.0)
    '30 MB, 15 MB/s'
    """
    rate = done / max(seconds, REDRAW_SECONDS)
    whole = f" of {total / 1e6:,.0f} MB" if total else ""
    left = f", {_span(max(0, total - done) / rate)} left" if total and rate else ""
    return f"{done / 1e6:,.0f} MB{whole}, {rate / 1e6:,.0f} MB/s{left}"


def _span(seconds: float) -> str:
    """Whole seconds, minutes above two of them, hours above two of those."""
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"


class FileReport:
    """A line on stderr that counts files and bytes while they are read; nothing when stderr is no terminal.

    total: asked for the bytes of all files, where that is worth a look at them; only when there is somebody to tell.
    """

    def __init__(self, name: str, total: Callable[[], int] | None = None) -> None:
        self._name, self._files, self._bytes, self._shown = name, 0, 0, 0.0
        self._live = sys.stderr.isatty()
        self._total = total() if total and self._live else None
        self._began = time.monotonic()

    @property
    def each(self) -> Callable[[str, int], None] | None:
        """Whom to tell of each file: nobody where nobody looks, as of a hundred thousand files that costs time."""
        return self.file if self._live else None

    def file(self, _path: str, size: int) -> None:
        """One file more."""
        self._files += 1
        self._bytes += size
        if self._live and time.monotonic() - self._shown > REDRAW_SECONDS:
            self._shown = time.monotonic()
            words = progress_words(self._bytes, self._total, self._shown - self._began)
            sys.stderr.write(f"\r{self._name}: {self._files:,} files, {words}\033[K")

    def __enter__(self) -> FileReport:
        return self

    def __exit__(self, *_problem: object) -> None:
        if self._shown:
            sys.stderr.write("\r\033[K")


class ByteReport:
    """A line on stderr that counts bytes of a known whole; nothing when stderr is no terminal. Several threads may call it.

    total: asked where it is worth a look, only when there is somebody to tell; quiet: there is nobody.
    """

    def __init__(self, name: str, total: int | Callable[[], int], *, quiet: bool = False) -> None:
        self._live = sys.stderr.isatty() and not quiet
        self._total = total if isinstance(total, int) else total() if self._live else 0
        self._name, self._done, self._shown, self._began = name, 0, 0.0, time.monotonic()

    @property
    def each(self) -> Callable[[int], None] | None:
        """Whom to tell: nobody where nobody looks."""
        return self.bytes if self._live else None

    def bytes(self, size: int) -> None:
        """So many bytes more."""
        self._done += size
        now = time.monotonic()
        if self._live and now - self._shown > REDRAW_SECONDS:
            self._shown = now
            words = progress_words(self._done, self._total or None, now - self._began)
            sys.stderr.write(f"\r{self._name}{self._bar()} {words}\033[K")

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


class RowReport:
    """A line on stderr that counts rows; nothing when stderr is no terminal. quiet: there is nobody to tell."""

    def __init__(self, name: str, *, quiet: bool = False) -> None:
        self._name, self._first, self._last, self._shown = name, -1, -1, 0.0
        self._began, self._live = time.monotonic(), sys.stderr.isatty() and not quiet

    @property
    def each(self) -> Callable[[int, int | None], None] | None:
        """Whom to tell: nobody where nobody looks."""
        return self.rows if self._live else None

    def rows(self, done: int, total: int | None) -> None:
        """So many are done; total None: nobody knows of how many. Those that were done before count for the bar and not for the
        rate. Fewer than before: other work has begun.
        """
        now = time.monotonic()
        if self._first < 0 or done < self._last:
            self._first, self._began = done, now if self._last >= 0 else self._began
        self._last = done
        if not self._live or (now - self._shown <= REDRAW_SECONDS and done != total):
            return
        self._shown = now
        rate = (done - self._first) / max(now - self._began, REDRAW_SECONDS)
        said = f"{done:,} rows" if total is None else f"[{'#' * int(done / max(total, 1) * 30):<30}] {done:,} of {total:,} rows"
        said += f", {rate:,.0f}/s" if rate else ""
        said += f", {_span(max(0, total - done) / rate)} left" if rate and total is not None else ""
        sys.stderr.write(f"\r{self._name} {said}\033[K")

    def __enter__(self) -> RowReport:
        return self

    def __exit__(self, *_problem: object) -> None:
        if self._shown:
            sys.stderr.write("\r\033[K")


class PartReport(RunReport):
    """A bar on stderr over parts of which each takes long, with what is at work; a line a part when stderr is no terminal."""

    def __init__(self, out: Output, name: str) -> None:
        super().__init__(out)
        self._name, self._bar, self._began, self._live = name, "", time.monotonic(), sys.stderr.isatty()

    def part(self, done: int, total: int, words: str) -> None:
        """So many are done, and the next begins."""
        if not self._live:
            self.note(f"{self._name} {done + 1} of {total}: {words}")
            return
        took = time.monotonic() - self._began
        left = f", {_span(took / done * (total - done))} left" if done else ""
        self._bar = f"{self._name} [{'#' * int(done / total * 30):<30}] {done + 1} of {total}: {words}{left}"
        sys.stderr.write(f"\r{self._bar}\033[K")

    def note(self, text: str) -> None:
        """A line above the bar."""
        if self._bar:
            sys.stderr.write("\r\033[K")
        super().note(text)
        sys.stderr.write(self._bar)

    def __enter__(self) -> PartReport:
        return self

    def __exit__(self, *_problem: object) -> None:
        if self._bar:
            sys.stderr.write("\r\033[K")
