"""Runs in Evidently's own environment: what it says of pairs of tables.

`python evidently_driver.py FOLDER` reads cases.json and Parquet files there and prints JSON: versions, and of every case a list
of column, method asked for, shown method, threshold, value, drifted, error.
"""

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]  # of the other environment
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift
from evidently.presets import DataDriftPreset

warnings.filterwarnings("ignore")


def main(folder: Path) -> None:
    """Measure and print."""
    found = {case["name"]: measured(folder, case) for case in json.loads((folder / "cases.json").read_text())}
    versions = {name: version(name) for name in ("evidently", "pandas", "numpy", "scipy")}
    json.dump({"versions": versions, "cases": found}, sys.stdout, default=float)


def measured(folder: Path, case: dict[str, Any]) -> list[dict[str, Any]]:
    """All columns of a case, each by itself: one that cannot be measured ends a report."""
    reference, current = (pd.read_parquet(folder / f"{case['name']}.{side}.parquet") for side in ("reference", "current"))
    rows = []
    for column in current.columns:
        kind = case["declared"].get(column)
        for method in case["methods"][kind] if case["forced"] else [None]:
            rows.append(
                {"column": column, "asked": method, **one(reference[[column]], current[[column]], column, kind, method)}
            )
    if not case["declared"]:
        rows.append({"preset": json.loads(Report([DataDriftPreset()]).run(current, reference).json())})
    return rows


def one(reference: pd.DataFrame, current: pd.DataFrame, column: str, kind: str | None, method: str | None) -> dict[str, Any]:
    """What a report with this metric alone says."""
    definition = {"numeric": {"numerical_columns": [column]}, "category": {"categorical_columns": [column]}}.get(kind or "", {})
    try:
        sets = [Dataset.from_pandas(frame, DataDefinition(**definition)) for frame in (current, reference)]
        said = Report([ValueDrift(column=column, method=method)], include_tests=True).run(*sets).dict()
    except Exception as problem:
        return {"error": f"{type(problem).__name__}: {problem}"[:120]}
    metric = said["metrics"][0]
    config = metric["config"]
    status = said["tests"][0]["status"]
    return {
        "shown": config["method"],
        "threshold": config["threshold"],
        "value": float(metric["value"]),
        "drifted": getattr(status, "value", status) == "FAIL",
        "id": metric["id"],
        "name": metric["metric_name"],
    }


main(Path(sys.argv[1]))
