"""The numbers of Evidently and NannyML, asked anew: how far ours are from theirs, and whether a verdict differs."""

import sys
import tempfile
from pathlib import Path

import polars as pl
from monitoring_setup import Row, figure

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "monitor"))
import evidently_help
import nannyml_help
from evidently_cases import cases

from shipway.monitor.evidently import DriftUnfit, evidently_drift


def measure() -> list[Row]:
    """The rows of this part."""
    return [_evidently(), *_nannyml()]


def _evidently() -> Row:
    """Every column of the test's cases that Evidently has a value of."""
    chosen = list(cases())
    said = evidently_help.ask(chosen)["cases"]
    worst, other, count = 0.0, 0, 0
    for case in chosen:
        for row in said[case.name]:
            if "preset" in row or "error" in row:
                continue
            column, asked = row["column"], row["asked"]
            sides = case.reference.select(column), case.current.select(column)
            kinds = {column: case.declared[column]} if case.declared else {}
            try:
                [found] = evidently_drift(*sides, methods={column: asked} if asked else {}, kinds=kinds).columns
            except DriftUnfit:
                other += 1
                continue
            same = (asked or found.method.shown, found.drifted) == (row["shown"], row["drifted"])
            worst, other, count = max(worst, abs(found.value - row["value"])), other + (not same), count + 1
    words = f"Evidently 0.7.23's drift, {count} pairs of columns, largest difference ({other} other methods or verdicts)"
    one = figure(words, "", worst, bar=1e-9)
    return {**one, "holds": bool(one["holds"]) and not other}


def _nannyml() -> list[Row]:
    """CBPE of yes and no and of classes by the largest difference, direct losses by their share."""
    found: dict[str, list[nannyml_help.Compared]] = {"binary": [], "classes": [], "number": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for data, said in nannyml_help.ask(folder, bundled=True)["sets"].items():
            if data in nannyml_help.own_rows():
                continue
            reference, analysis = (pl.read_parquet(folder / f"{data}.{side}.parquet") for side in ("reference", "analysis"))
            kind = "number" if "truth" in reference.columns else "binary" if "score" in reference.columns else "classes"
            found[kind].append(nannyml_help.compare(reference, analysis, said))
    words = {
        "binary": "CBPE on {sets} of its data sets, 7 metrics of {chunks} chunks, largest difference",
        "classes": "CBPE of several classes on its data set, 7 metrics of {chunks} chunks, largest difference",
        "number": "DLE on its data set, 6 losses of {chunks} chunks, largest difference as a share of the loss",
    }
    rows = []
    for kind, each in found.items():
        other, chunks = (sum(one[field] for one in each) for field in (1, 2))
        said = words[kind].format(sets=len(each), chunks=chunks)
        one = figure(f"NannyML 0.13.1's {said} ({other} other alerts)", "", max(one.worst for one in each), bar=1e-3)
        rows.append({**one, "holds": bool(one["holds"]) and not other})
    return rows
