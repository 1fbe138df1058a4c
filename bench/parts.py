"""One run of a bench that has parts: each gives rows, and those of the parts that were not asked for stay as they are."""

import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

Row = dict[str, object]


def run_parts(results: Path, parts: Mapping[str, Callable[[], Iterable[Row]]], *, width: int) -> None:
    """Measure the parts that the command names, all without a name; write and print their rows, figures as wide as said.

    parts: in the order of the page; their rows have no machine. Ends with 1 when a bar does not hold.
    """
    wanted = sys.argv[1:] or list(parts)
    known = json.loads(results.read_text()) if results.exists() else []
    kept = {part: [row for row in known if row.get("part") == part] for part in parts}
    for part in wanted:
        kept[part] = [{"part": part, **row, "machine": machine()} for row in parts[part]()]
    rows = [row for part in parts for row in kept[part]]
    results.write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        print("{figure:<{width}} {ours:>8} {unit}  {peer!s:>8}  bar {bar!s:<6}  holds {holds}".format(width=width, **row))
    sys.exit(0 if all(row["holds"] for row in rows) else 1)


def machine() -> str:
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, files in memory, load {load:.1f}"
