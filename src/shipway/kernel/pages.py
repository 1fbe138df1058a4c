"""Metrics pages of processes that share one address: whoever of them is asked answers for all.

A scrape meets any one of them. Each keeps its page in a folder that they share, and the one that is asked adds them up. What a
process that has ended has counted stays counted: a counter that falls is one that began anew, as Prometheus reads it. Pages are
text (exposition format 0.0.4) whose families come with their TYPE.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

KEEP_SECONDS = 1.0  # what a process that is killed counted since is lost
_PAST, _LOCK = "past.page", "lock"
_PARTS = ("_bucket", "_sum", "_count")  # of a histogram
Number = int | float


class SharedPages:
    """The page of this process among those in a folder. summed: gauges that are added; lowest: those whose smallest counts; of
    the other gauges the largest does.
    """

    def __init__(self, folder: Path, *, summed: Collection[str] = (), lowest: Collection[str] = ()) -> None:
        self._folder, self._summed, self._lowest = folder, frozenset(summed), frozenset(lowest)
        name = f"{os.getpid()}-{time.time_ns()}"  # never that of another one, which may have ended
        self._own, self._waits = folder / f"{name}.page", False
        self._alive = _hold(folder / f"{name}.alive")

    def keep(self, page: str) -> None:
        """The page of this process is this one now."""
        _put(self._own, page)

    def keep_soon(self, render: Callable[[], str]) -> None:
        """Keeps what it renders, a second from now; in the loop that runs. Once at a time."""
        if self._waits:
            return
        self._waits = True

        def keep() -> None:
            self._waits = False
            self.keep(render())

        asyncio.get_running_loop().call_later(KEEP_SECONDS, keep)

    def whole(self, page: str) -> str:
        """The page of all of them, of which this is the newest of this process. Alone, where the folder is gone."""
        self.keep(page)
        if not self._own.exists():
            return page
        with _locked(self._folder / _LOCK):
            past, here, ended = [_text(self._folder / _PAST)], [page], []
            for alive in sorted(self._folder.glob("*.alive")):
                other = alive.with_suffix(".page")
                if other == self._own:
                    continue
                if _held(alive):
                    here.append(_text(other))
                else:
                    past.append(_text(other))
                    ended.append(alive)
            kept = merge_pages(past, [], template=page)
            if ended:
                _put(self._folder / _PAST, kept)
                for alive in ended:
                    alive.with_suffix(".page").unlink(missing_ok=True)
                    alive.unlink()
        return merge_pages([kept], here, template=page, summed=self._summed, lowest=self._lowest)


def merge_pages(
    ended: Sequence[str],
    running: Sequence[str],
    *,
    template: str,
    summed: Collection[str] = (),
    lowest: Collection[str] = (),
) -> str:
    """One page of several: counters and histograms are added, of the ended ones these alone; gauges as in SharedPages.

    template: a page of the same families, whose headings are taken.

    >>> page = "# TYPE a_total counter\\na_total {}\\n# TYPE b gauge\\nb {}\\n"
    >>> print(merge_pages([page.format(1, 9)], [page.format(2, 3), page.format(4, 5)], template=page), end="")
    # TYPE a_total counter
    a_total 7
    # TYPE b gauge
    b 5
    """
    kinds = _kinds(template)
    found: dict[str, dict[str, Number]] = {family: {} for family in kinds}
    for page in ended:
        _add(found, page, kinds, {family: _sum for family, kind in kinds.items() if kind != "gauge"})
    ways = {family: _way(family, kind, summed, lowest) for family, kind in kinds.items()}
    for page in running:
        _add(found, page, kinds, ways)
    lines: list[str] = []
    for line in template.splitlines():
        if line.startswith("#"):
            lines.append(line)
        if line.startswith("# TYPE "):
            lines += [f"{key} {value}" for key, value in found[line.split(" ")[2]].items()]
    return "".join(f"{line}\n" for line in lines)


Way = Callable[[Number, Number], Number]


def _sum(one: Number, other: Number) -> Number:
    return one + other


def _way(family: str, kind: str, summed: Collection[str], lowest: Collection[str]) -> Way:
    if kind != "gauge" or family in summed:
        return _sum
    return min if family in lowest else max


def _kinds(page: str) -> dict[str, str]:
    return {words[2]: words[3] for line in page.splitlines() if line.startswith("# TYPE ") and (words := line.split(" "))}


def _add(found: Mapping[str, dict[str, Number]], page: str, kinds: Mapping[str, str], ways: Mapping[str, Way]) -> None:
    for key, value in _samples(page):
        name = key.partition("{")[0]
        family = name if name in kinds else next((name.removesuffix(end) for end in _PARTS if name.endswith(end)), name)
        if family in ways:
            series = found[family]
            series[key] = ways[family](series[key], value) if key in series else value


def _samples(page: str) -> Iterator[tuple[str, Number]]:
    for line in page.splitlines():
        key, _, value = line.rpartition(" ")
        if key and not line.startswith("#"):
            yield key, int(value) if value.isdigit() else float(value)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _put(path: Path, page: str) -> None:
    """Whole or not at all. A folder that is gone belongs to somebody who has ended."""
    fresh = path.with_suffix(f".{os.getpid()}")
    try:
        fresh.write_text(page)
        fresh.replace(path)
    except FileNotFoundError:
        return


def _hold(path: Path) -> int:
    """A file that is locked as long as this process lives; never closed by us."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _held(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
