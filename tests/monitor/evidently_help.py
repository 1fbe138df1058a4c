"""The real Evidently in its own environment, and what it once said, kept as vectors.

`python evidently_help.py` makes the vectors anew.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from evidently_cases import METHODS, Case, cases

HERE = Path(__file__).parent
VECTORS = HERE / "evidently_vectors.json"
PYTHON = Path(sys.prefix) / "evidently" / "bin" / "python"  # made by make slow: pandas is not ours
_KEPT = ("column", "asked", "shown", "threshold", "value", "drifted", "error")


def digest_of(case: Case) -> str:
    """Of the bytes of both tables, as text: numbers in full."""
    return hashlib.sha256((case.reference.write_csv() + case.current.write_csv()).encode()).hexdigest()


def ask(chosen: list[Case]) -> dict[str, Any]:
    """What the real tool says of these pairs of tables."""
    assert PYTHON.exists(), "make .venv/evidently/.made"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in chosen:
            case.reference.write_parquet(folder / f"{case.name}.reference.parquet")
            case.current.write_parquet(folder / f"{case.name}.current.parquet")
        told = [{"name": c.name, "declared": c.declared, "forced": c.forced, "methods": METHODS} for c in chosen]
        (folder / "cases.json").write_text(json.dumps(told))
        command = [str(PYTHON), str(HERE / "evidently_driver.py"), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def make_vectors(said: dict[str, Any]) -> str:
    """One line a column; NaN as null."""
    lines = []
    for case in cases():
        rows = [row for row in said["cases"][case.name] if "preset" not in row]
        presets = [row["preset"] for row in said["cases"][case.name] if "preset" in row]
        body = ",\n  ".join(json.dumps([_plain(row.get(key)) for key in _KEPT]) for row in rows)
        preset = f',\n "preset": {json.dumps(presets[0])}' if presets and "1000 870" in case.name else ""
        lines.append(f'"{case.name}": {{\n "digest": "{digest_of(case)}",\n "rows": [\n  {body}]{preset}}}')
    head = f'"made_by": "tests/monitor/evidently_help.py", "versions": {json.dumps(said["versions"])}'
    return f'{{{head}, "fields": {json.dumps(_KEPT)}, "cases": {{\n' + ",\n".join(lines) + "\n}}\n"


def _plain(value: Any) -> Any:
    return None if value != value else value.split(":")[0] if isinstance(value, str) and "Error" in value else value


if __name__ == "__main__":
    VECTORS.write_text(make_vectors(ask(list(cases()))))
