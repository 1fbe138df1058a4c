"""docs/benchmarks.md from bench/results/*.json: the figures that were measured, with the machine named."""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEAD = """# Benchmarks

Rendered from `bench/results/*.json` by `make bench`; do not edit. A figure is the median of several rounds, ours and the
peer's measured in turn in one run. A bar that is missed stays here, shown as missed.
"""


def main() -> None:
    """Write the page."""
    parts = [HEAD]
    for path in sorted((HERE / "results").glob("*.json")):
        rows = json.loads(path.read_text())
        if not isinstance(rows, list):
            continue  # flights.json: docs/monitoring.md has it
        parts.append(f"\n## {path.stem}: `make bench-{path.stem}`\n\nMachine: {rows[0]['machine']}.\n")
        parts.append("\n| figure | ours | peer | ratio | bar | holds |\n| --- | --- | --- | --- | --- | --- |\n")
        parts += [_line(row) for row in rows]
    (HERE.parent / "docs" / "benchmarks.md").write_text("".join(parts))


def _line(row: dict[str, object]) -> str:
    bar = "none" if row["bar"] is None else f"{row['bar']} {row.get('bar_unit', row['unit'])}"
    peer = "" if row["peer_name"] is None else f"{row['peer_name']} did not serve"
    peer = peer if row["peer"] is None else f"{row['peer']} {row['unit']} ({row['peer_name']})"
    ratio = "" if row["ratio"] is None else row["ratio"]
    ours = "not measured" if row["ours"] is None else f"{row['ours']} {row['unit']}"
    holds = "" if row["bar"] is None else "yes" if row["holds"] else "MISSED"
    return f"| {row['figure']} | {ours} | {peer} | {ratio} | {bar} | {holds} |\n"


if __name__ == "__main__":
    main()
