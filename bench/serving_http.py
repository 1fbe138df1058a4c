"""Requests of one row: ours, an empty handler on the same server, and each peer, round after round."""

import statistics
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from serving_peers import Server, servers
from serving_setup import Given, Load, Row, Work, ask, load, memory_mb, started, wait_until

CONNECTIONS = (16, 64)
NATIVE, ONNX, LIMIT = "native", "onnx", "limit"
BARS = {NATIVE: {16: 3.0, 64: 8.0}, ONNX: {16: 10.0, 64: 15.0}}  # times each peer
OF_THE_LIMIT = 0.30
ROWS = 64  # bodies that are sent in turn


class Running(NamedTuple):
    """A server that has answered right."""

    server: Server
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}{self.server.path}"


Loads = dict[tuple[str, int], list[Load]]


def measure(work: Work) -> list[Row]:
    """Rows of the results."""
    given, (rounds, seconds) = work.given, (2, 2) if work.quick else (5, 10)
    loads: Loads = {}
    with ExitStack() as stack:
        chosen = [server for server in servers(work) if work.only is None or server.name in work.only]
        running = [found for server in chosen if (found := _start(stack, server, given, work.folder))]
        for _ in range(rounds):
            for connections in CONNECTIONS:
                for one in running:
                    _load(one, given, connections, seconds, loads)
        wrong = [one.server.name for one in running if not _right(one, given)]
        memory = {one.server.name: memory_mb(one.pid) for one in running}
    for (name, connections), found in loads.items():
        print(f"{name:<9} {connections:>2} connections  {_said(found)}  {memory[name]:.0f} MB", flush=True)
    return _rows(loads, [server.name for server in chosen], wrong)


def _start(stack: ExitStack, server: Server, given: Given, folder: Path) -> Running | None:
    """The server once it answers as the model does; None, told, when it does not."""
    out = folder / f"{server.name}.out"
    process = stack.enter_context(started(server.command, server.environ, out))
    one = Running(server, process.pid)
    try:
        wait_until(lambda: ask(one.url, server.body(given.rows[0].tolist())), process)
    except OSError as problem:
        print(f"{server.name} does not serve: {problem}\n{out.read_text()[-1500:]}", file=sys.stderr)
        return None
    return one if _right(one, given) else None


def _right(one: Running, given: Given) -> bool:
    """Whether 16 callers at once get the model's own answers."""
    server = one.server
    if server.name == LIMIT:
        return True

    def farther(place: int) -> bool:
        answer = server.read(ask(one.url, server.body(given.rows[place].tolist())))
        return not abs(answer - float(given.answers[place])) <= server.within

    try:
        with ThreadPoolExecutor(16) as pool:
            wrong = sum(pool.map(farther, range(ROWS)))
    except (OSError, ValueError, LookupError, TypeError) as problem:
        print(f"{server.name} does not answer any more: {problem}", file=sys.stderr)
        return False
    if wrong:
        print(f"{server.name}: {wrong} of {ROWS} answers are not the model's", file=sys.stderr)
    return not wrong


def _load(one: Running, given: Given, connections: int, seconds: int, loads: Loads) -> None:
    """One cell; a server that fails under load keeps the cells that it has."""
    bodies = [one.server.body(row.tolist()) for row in given.rows[:ROWS]]
    try:
        found = load(one.url, bodies, connections=connections, seconds=seconds, pid=one.pid)
    except (OSError, ValueError, subprocess.SubprocessError) as problem:
        print(f"{one.server.name} at {connections}: {problem}", file=sys.stderr)
        return
    loads.setdefault((one.server.name, connections), []).append(found)


def _said(found: Sequence[Load]) -> str:
    rates = sorted(load.rate for load in found)
    middle = {name: statistics.median(getattr(load, name) for load in found) for name in ("p50", "p99", "cpu")}
    errors = sum(load.errors for load in found)
    return (
        f"{statistics.median(rates):>9,.0f}/s ({rates[0]:,.0f} to {rates[-1]:,.0f})  p50 {middle['p50']:.2f} ms  "
        f"p99 {middle['p99']:.2f} ms  {middle['cpu']:.0f} us of processor a request  {errors} errors"
    )


def _rows(loads: Loads, names: Sequence[str], wrong: Sequence[str]) -> list[Row]:
    def middle(name: str, connections: int, what: str) -> float | None:
        found = loads.get((name, connections))
        return statistics.median(getattr(load, what) for load in found) if found else None

    ours, peers = (
        [name for name in (NATIVE, ONNX) if name in names],
        [name for name in names if name not in (NATIVE, ONNX, LIMIT)],
    )
    rows = []
    for form in ours:
        for connections in CONNECTIONS:
            rate = middle(form, connections, "rate")
            for peer in peers:
                rows.append(_times(form, connections, rate, middle(peer, connections, "rate"), peer))
    if ONNX in ours and LIMIT in names:
        rows += [_of_limit(middle(ONNX, c, "rate"), middle(LIMIT, c, "rate"), c) for c in CONNECTIONS]
    for form in ours:
        slow, p50s = middle(form, 16, "p99"), {peer: middle(peer, 16, "p50") for peer in peers}
        known = {peer: p50 for peer, p50 in p50s.items() if p50 is not None}
        if known and slow is not None:
            quickest = min(known, key=lambda peer: known[peer])
            rows.append(
                _row(
                    f"{form}: p99, against the quickest peer's p50, 16 connections",
                    "ms",
                    slow,
                    known[quickest],
                    quickest,
                    known[quickest],
                    slow < known[quickest],
                )
            )
    errors = {form: sum(load.errors for c in CONNECTIONS for load in loads.get((form, c), [])) for form in ours}
    for form in ours:
        rows.append(
            _row(
                f"{form}: requests without the model's answer",
                "",
                errors[form] + (form in wrong),
                None,
                None,
                0,
                not errors[form] and form not in wrong,
            )
        )
    return rows


def _times(form: str, connections: int, rate: float | None, theirs: float | None, peer: str) -> Row:
    """A peer that gave no figure leaves the cell open: the bar is not shown to hold."""
    bar, ratio = BARS[form][connections], rate / theirs if rate and theirs else None
    figure = f"{form}: rows a second, {connections} connections, times {peer}"
    return _row(figure, "rows/s", rate, theirs, peer, bar, ratio is not None and ratio >= bar, ratio)


def _of_limit(rate: float | None, limit: float | None, connections: int) -> Row:
    ratio = rate / limit if rate and limit else None
    figure = f"onnx: rows a second, {connections} connections, of an empty handler on the same server"
    return _row(
        figure, "rows/s", rate, limit, "empty handler", OF_THE_LIMIT, ratio is not None and ratio >= OF_THE_LIMIT, ratio
    )


def _row(
    figure: str,
    unit: str,
    ours: float | None,
    peer: float | None,
    name: str | None,
    bar: float,
    holds: bool,
    ratio: float | None = None,
) -> Row:
    return {
        "figure": figure,
        "unit": unit,
        "ours": None if ours is None else round(ours, 3),
        "peer": None if peer is None else round(peer, 3),
        "peer_name": name,
        "ratio": None if ratio is None else round(ratio, 2),
        "bar": round(bar, 3),
        "bar_unit": "x" if ratio is not None or unit == "rows/s" else unit,
        "holds": holds,
    }
