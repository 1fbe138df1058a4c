"""Serving against the servers that teams use: one run, every server in turn. Writes rows of bench/results/serving.json.

`python bench/serving.py` runs all parts, `--part http` one of them (rows of the others stay); `--quick` is for development. One
worker each, one thread, one row a request; our log, metrics and checks of the signature are on. Peers come from environments of
their own, which `make bench-serving` makes; one that does not start is shown without figures.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import serving_batch
import serving_http
import serving_process
import serving_replaced
from serving_setup import PYTHON, Row, Work, make_model

from shipway.environment import ensure_overlay

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "serving.json"
# each gives rows without a machine, in the order of the page
PARTS = {
    "http": serving_http.measure,
    "batch": serving_batch.measure,
    "workers": serving_process.measure_workers,
    "start": serving_process.measure_start,
    "memory": serving_process.measure_memory,
    "replaced": serving_replaced.measure_replaced,
    "overlay": serving_process.measure_overlay,
}


def main() -> None:
    """Measure, print, write; 1 when a bar does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", action="append", choices=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="a tenth of the time; nothing is written")
    parser.add_argument("--servers", default=None, help="of part http, by their names; nothing is written")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    if not shutil.which("wrk"):
        sys.exit("the load is made by wrk: apt-get install wrk")
    kept = {part: [row for row in known if row.get("part") == part] for part in PARTS}
    chosen = tuple(options.servers.split(",")) if options.servers else None
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as folder:
        overlay = ensure_overlay(PYTHON, cache=Path(folder) / "cache", report=print)
        work = Work(make_model(Path(folder)), overlay, Path(folder), options.quick, chosen)
        for part in options.part or PARTS:
            measured = PARTS[part](work)
            kept[part] = [{"part": part, **row, "machine": machine()} for row in measured]
            for row in kept[part]:
                print(_line(row), flush=True)
    rows = [row for part in PARTS for row in kept[part]]
    if not options.quick and not chosen:
        RESULTS.write_text(json.dumps(rows, indent=2) + "\n")
    sys.exit(0 if all(row["holds"] for row in rows) else 1)


def _line(row: Row) -> str:
    return "{figure:<72} {ours!s:>9} {unit:<10} {peer!s:>9} {peer_name!s:<24} bar {bar!s:<6} holds {holds}".format(**row)


def machine() -> str:
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, load {load:.1f}"


if __name__ == "__main__":
    main()
