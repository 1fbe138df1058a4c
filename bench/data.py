"""Data against the tools that teams use for it: every part writes rows of bench/results/data.json, and can be run alone.

`python bench/data.py` runs all parts, `python bench/data.py snapshots` one of them; rows of the other parts stay as they are.
"""

import json
import os
import platform
import sys
from pathlib import Path

import data_contract
import data_diff
import data_snapshots

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "data.json"
# each gives rows without a machine, in the order of the page
PARTS = {"snapshots": data_snapshots.measure, "diff": data_diff.measure, "contract": data_contract.measure}


def main() -> None:
    """Measure the parts that are named, all without a name."""
    wanted = sys.argv[1:] or list(PARTS)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    kept = {part: [row for row in known if row.get("part") == part] for part in PARTS}
    for part in wanted:
        kept[part] = [{"part": part, **row, "machine": machine()} for row in PARTS[part]()]
    rows = [row for part in PARTS for row in kept[part]]
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        print("{figure:<78} {ours:>8} {unit}  {peer!s:>8}  bar {bar!s:<6}  holds {holds}".format(**row))
    sys.exit(0 if all(row["holds"] for row in rows) else 1)


def machine() -> str:
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, files in memory, load {load:.1f}"


if __name__ == "__main__":
    main()
