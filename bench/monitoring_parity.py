"""The numbers of Evidently and NannyML, asked anew: how far ours are from theirs, and whether a verdict differs."""

import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from monitoring_setup import Row, figure

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "monitor"))
import evidently_help
import nannyml_help
from evidently_cases import cases

from shipway.monitor.evidently import DriftUnfit, evidently_drift
from shipway.stats import Performance, fit_confidence


def measure() -> list[Row]:
    """The rows of this part."""
    return [_evidently(), _nannyml()]


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


def _nannyml() -> Row:
    worst, other, chunks = 0.0, 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for data, said in nannyml_help.ask(folder, bundled=True)["sets"].items():
            if data in nannyml_help.own_rows():
                continue
            reference, analysis = (pl.read_parquet(folder / f"{data}.{side}.parquet") for side in ("reference", "analysis"))
            score, label, predicted = (reference[column].to_numpy() for column in ("score", "label", "predicted"))
            spans = [slice(at, at + said["chunk"]) for at in range(0, reference.height, said["chunk"])]
            estimator, start = fit_confidence(score, label, predicted, chunks=spans), 0
            for place, end in enumerate(said["ends"]):
                rows, start = analysis[start:end], end
                found = estimator.estimate(rows["score"].to_numpy(), rows["predicted"].to_numpy())
                theirs = [said["values"][metric][place] for metric in Performance._fields]
                alerts = tuple(said["alerts"][metric][place] for metric in Performance._fields)
                worst = max(worst, float(np.abs(np.array(found) - theirs).max()))
                other, chunks = other + (estimator.alerts(found) != alerts), chunks + 1
    words = (
        f"NannyML 0.13.1's CBPE on 4 of its data sets, 7 metrics of {chunks} chunks, largest difference ({other} other alerts)"
    )
    one = figure(words, "", worst, bar=1e-3)
    return {**one, "holds": bool(one["holds"]) and not other}
