"""What a predictor process costs: start, memory, the overlay on disk, and what a second one gains."""

import json
import socket
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from serving_setup import (
    PYTHON,
    Row,
    Work,
    ask,
    load,
    memory_mb,
    started,
    wait_until,
    write_config,
    write_golden,
)

from shipway.models import functions_blob

INFER = "/v2/models/delay/infer"
SLOW = """
import numpy as np


def work(columns):
    \"\"\"So many turns for each row: a model of five milliseconds that no batch makes cheaper.\"\"\"
    first = next(iter(columns.values()))
    for _ in range(len(first)):
        for turn in range(TURNS):
            pass
    return dict(columns)
"""
MILLISECONDS = 5.0


def measure_workers(work: Work) -> list[Row]:
    """Requests a second of two workers at one socket, against one."""
    given, folder = work.given, work.folder
    turns, file = _turns(), folder / "slow.json"
    file.write_bytes(functions_blob({"slow.py": SLOW.replace("TURNS", str(turns))}))
    golden = write_golden(folder / "few.json", given.rows[:16], given.answers[:16])  # each costs its five milliseconds
    config = write_config(folder / "slow", given.skops, golden, "skops", {}, (file, "slow.work"))
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(1 if work.quick else 3):
        for count, found in rates.items():
            found.append(_rate_of(work, count, config, 2 if work.quick else 4))
    one, two = (statistics.median(found) for found in rates.values())
    return [
        _row(
            "two workers, of one, for a model of 5 ms, 16 connections",
            "rows/s",
            two,
            one,
            "one worker",
            1.6,
            two / one,
            at_least=True,
        )
    ]


def _turns() -> int:
    """How many turns of an empty loop take five milliseconds here: the best of some, since load only adds."""
    best = float("inf")
    for _ in range(20):
        began = time.perf_counter()
        for _turn in range(100_000):
            pass
        best = min(best, time.perf_counter() - began)
    return int(MILLISECONDS / 1000 / best * 100_000)


def _rate_of(work: Work, count: int, config: Path, seconds: int) -> float:
    """Workers of one listening socket, as a group of `shipway serve` has it."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2048))
        fd, url = listener.fileno(), f"http://127.0.0.1:{listener.getsockname()[1]}{INFER}"
        outs = [work.folder / f"worker{place}.out" for place in range(count)]
        beside = stack.enter_context(tempfile.TemporaryDirectory())
        command = work.predictor(config, "--fd", str(fd), "--beside", beside)
        workers = [stack.enter_context(started(command, {}, out, (fd,))) for out in outs]
        for worker, out in zip(workers, outs, strict=True):
            wait_until(lambda out=out: _said_ready(out), worker)
        bodies = [_body(row.tolist()) for row in work.given.rows[:16]]
        return load(url, bodies, connections=16, seconds=seconds, pid=workers[0].pid).rate


def measure_start(work: Work) -> list[Row]:
    """From the command to ready, golden rows reproduced; the bare process loads the same model and answers one row."""
    given, rows = work.given, []
    for form, config in (("native", given.native), ("onnx", given.onnx)):
        times = [_start_seconds(work, config) for _ in range(2 if work.quick else 5)]
        size = (given.skops if form == "native" else given.onnx.parent.parent / "model.onnx").stat().st_size / 1e6
        figure = f"{form}: start to ready, a model of {size:.1f} MB"
        rows.append(_row(figure, "s", statistics.median(times), None, None, 1.5, None, at_least=False))
    return rows


def _start_seconds(work: Work, config: Path) -> float:
    out, began = work.folder / "start.out", time.perf_counter()
    with started(work.predictor(config, "--port", "0"), {}, out) as process:
        while b"ready" not in out.read_bytes():
            if process.poll() is not None:
                sys.exit(out.read_text())
            time.sleep(0.002)
        return time.perf_counter() - began


ASK = """
import numpy as np, time
for _ in range(1000):
    f(np.zeros((1, 20)))
print("ready", flush=True)
time.sleep(600)
"""
BARE = {
    "native": "import sys, skops.io as s; m = s.load(sys.argv[1], trusted=s.get_untrusted_types(file=sys.argv[1])); "
    "f = m.predict_proba",
    "onnx": "import sys, onnxruntime as o; s = o.InferenceSession(sys.argv[1]); "
    "f = lambda rows: s.run(None, {s.get_inputs()[0].name: rows.astype('f4')})",
}


def measure_memory(work: Work) -> list[Row]:
    """Proportional set size after a thousand rows, of ours and of a process with the bare model, both alive."""
    given, folder, rows = work.given, work.folder, []
    for form, config in (("native", given.native), ("onnx", given.onnx)):
        model = given.skops if form == "native" else folder / "model.onnx"
        code = f"{BARE[form]}\n{ASK}"
        out, bare_out = folder / "memory.out", folder / "bare.out"
        command = work.predictor(config, "--port", "0")
        with started(command, {}, out) as process, started([str(PYTHON), "-c", code, str(model)], {}, bare_out) as bare:
            for said, one in ((out, process), (bare_out, bare)):
                wait_until(lambda said=said: _said_ready(said), one)
            url = f"http://127.0.0.1:{json.loads(out.read_text().splitlines()[0])['port']}{INFER}"
            for row in given.rows[:200].tolist() * (1 if work.quick else 5):
                ask(url, _body(row))
            ours, theirs = memory_mb(process.pid), memory_mb(bare.pid)
        figure = f"{form}: memory of a worker (PSS) after a thousand rows, of a process with the bare model"
        rows.append(_row(figure, "MB", ours, theirs, "bare model", 1.5, ours / theirs, at_least=False))
    return rows


def measure_overlay(work: Work) -> list[Row]:
    """Installed size of what a predictor gets beside the project's own libraries, without bytecode."""
    files = (file for file in work.overlay.rglob("*") if file.is_file() and file.suffix != ".pyc")
    size = sum(file.stat().st_size for file in files) / 1e6
    return [_row("the serving overlay, installed", "MB", size, None, None, 60.0, None, at_least=False)]


def _said_ready(out: Path) -> None:
    if b"ready" not in out.read_bytes():
        raise OSError("not ready yet")


def _body(row: list[float]) -> object:
    return {"inputs": [{"name": "input", "shape": [1, len(row)], "datatype": "FP64", "data": row}]}


def _row(
    figure: str,
    unit: str,
    ours: float,
    peer: float | None,
    name: str | None,
    bar: float,
    ratio: float | None,
    *,
    at_least: bool,
) -> Row:
    counted = ours if ratio is None else ratio
    return {
        "figure": figure,
        "unit": unit,
        "ours": round(ours, 3),
        "peer": None if peer is None else round(peer, 3),
        "peer_name": name,
        "ratio": None if ratio is None else round(ratio, 2),
        "bar": bar,
        "bar_unit": unit if ratio is None else "x",
        "holds": counted >= bar if at_least else counted <= bar,
    }
