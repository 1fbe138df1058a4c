"""The real NannyML in its own environment, and what it once said of rows that are ours: `python nannyml_help.py` asks anew."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

HERE = Path(__file__).parent
VECTORS = HERE / "nannyml_vectors.json"
PYTHON = Path(sys.prefix) / "nannyml" / "bin" / "python"  # made by make slow: two gigabytes are not ours


def own_rows() -> dict[str, tuple[pl.DataFrame, pl.DataFrame]]:
    """Reference and analysis: overconfident scores with ties that shift, and honest ones."""
    return {
        "overconfident": (_rows(6000, 1.8, 0.0, 1), _rows(4500, 1.8, 0.7, 2)),
        "honest": (_rows(5003, 1.0, 0.0, 3), _rows(2600, 1, 0.5, 4)),
    }


def _rows(rows: int, sure: float, shift: float, seed: int) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    logit = random.normal(-0.5 + shift, 1.2, rows)
    label = random.random(rows) < 1 / (1 + np.exp(-logit))
    score = (1 / (1 + np.exp(-sure * logit))).round(3 if sure > 1 else 9)
    return pl.DataFrame({"score": score, "predicted": (score >= 0.5).astype(np.int64), "label": label.astype(np.int64)})


def ask(folder: Path, *, bundled: bool) -> dict[str, Any]:
    """What it estimates; the rows of its bundled sets are then in the folder, too."""
    assert PYTHON.exists(), "make .venv/nannyml/.made"
    for name, (reference, analysis) in own_rows().items():
        reference.write_parquet(folder / f"{name}.reference.parquet")
        analysis.drop("label").write_parquet(folder / f"{name}.analysis.parquet")
    command = [str(PYTHON), str(HERE / "nannyml_driver.py"), str(folder), *(["bundled"] if bundled else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        found = {"made_by": "tests/monitor/nannyml_help.py", **ask(Path(name), bundled=False)}
    VECTORS.write_text(json.dumps(found, indent=1) + "\n")
