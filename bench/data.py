"""Data against the tools that teams use for it: every part writes rows of bench/results/data.json, and can be run alone.

`python bench/data.py` runs all parts, `python bench/data.py snapshots` one of them; rows of the other parts stay as they are.
"""

from pathlib import Path

import data_contract
import data_diff
import data_snapshots
from parts import run_parts

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "data.json"
# each gives rows without a machine, in the order of the page
PARTS = {"snapshots": data_snapshots.measure, "diff": data_diff.measure, "contract": data_contract.measure}

if __name__ == "__main__":
    run_parts(RESULTS, PARTS, width=78)
