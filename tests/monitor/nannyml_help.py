"""The real NannyML in its own environment, and what it once said of rows that are ours: `python nannyml_help.py` asks anew."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.monitor import encode_features, find_learner
from shipway.stats import (
    Losses,
    Performance,
    fit_class_confidence,
    fit_confidence,
    fit_direct_loss,
)

HERE = Path(__file__).parent
VECTORS = HERE / "nannyml_vectors.json"
PYTHON = Path(sys.prefix) / "nannyml" / "bin" / "python"  # made by make slow: two gigabytes are not ours


@cache
def own_rows() -> dict[str, tuple[pl.DataFrame, pl.DataFrame]]:
    """Reference and analysis: overconfident scores with ties that shift, and honest ones; classes; and a number."""
    return {
        "overconfident": (_rows(6000, 1.8, 0.0, 1), _rows(4500, 1.8, 0.7, 2)),
        "honest": (_rows(5003, 1.0, 0.0, 3), _rows(2600, 1, 0.5, 4)),
        "classes": (_classes(4000, 1.1, 5), _classes(2300, 0.8, 6)),
        "number": (_numbers(3000, 0.0, 7), _numbers(1700, 1.0, 8)),
    }


def _rows(rows: int, sure: float, shift: float, seed: int) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    logit = random.normal(-0.5 + shift, 1.2, rows)
    label = random.random(rows) < 1 / (1 + np.exp(-logit))
    score = (1 / (1 + np.exp(-sure * logit))).round(3 if sure > 1 else 9)
    return pl.DataFrame({"score": score, "predicted": (score >= 0.5).astype(np.int64), "label": label.astype(np.int64)})


def _classes(rows: int, apart: float, seed: int) -> pl.DataFrame:
    """Three classes that are easy to tell where they are far apart, overconfident scores of two decimals."""
    random = np.random.default_rng(seed)
    logits = random.normal([0.5, 0.0, 0.0], apart, (rows, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    label = (chances.cumsum(axis=1) < random.random((rows, 1))).sum(axis=1)
    sure = np.exp(1.7 * logits)
    scores = (sure / sure.sum(axis=1, keepdims=True)).round(2)
    scores[:, 2] = (1 - scores[:, :2].sum(axis=1)).clip(0).round(2)  # NannyML takes sums of 1 only
    scores[:, 0] = (1 - scores[:, 1:].sum(axis=1)).round(2)
    names = np.array(["amber", "blue", "cyan"])
    columns = {f"score.{name}": scores[:, at] for at, name in enumerate(names)}
    return pl.DataFrame({**columns, "predicted": names[scores.argmax(axis=1)], "label": names[label]})


def _numbers(rows: int, shift: float, seed: int) -> pl.DataFrame:
    """Prices whose error grows with a number and depends on a word; both are missing at times, one word is new."""
    random = np.random.default_rng(seed)
    size, word = (
        random.gamma(2.0 + shift, 1.0, rows),
        random.choice(["oak", "elm", "fir", "yew"], rows, p=[0.5, 0.3, 0.15, 0.05]),
    )
    truth = 10 + 3 * size + random.normal(size=rows) * np.where(word == "elm", 2.0, 0.5) * (0.3 + size / 4)
    known, named = random.random(rows) > 0.05, random.random(rows) > 0.05
    features = {"feature.size": np.where(known, size, np.nan), "feature.rooms": random.integers(1, 6, rows).astype(float)}
    words = pl.Series(word).set(pl.Series(~named), None)
    words = words.replace("yew", "box") if shift else words
    frame = pl.DataFrame({**features, "feature.wood": words, "prediction": 10 + 3 * size, "truth": np.maximum(truth, 1.0)})
    return frame.with_columns(pl.col("feature.size").fill_nan(None))


class Compared(NamedTuple):
    """worst: difference, of losses as a share of them; alerts: that differ; chunks: compared."""

    worst: float
    alerts: int
    chunks: int


def compare(reference: pl.DataFrame, analysis: pl.DataFrame, said: dict[str, Any]) -> Compared:
    """Our estimates of each chunk, and what NannyML said of it."""
    chunks = [slice(start, start + said["chunk"]) for start in range(0, reference.height, said["chunk"])]
    estimator: Any  # whose chunks are estimated alike, of whatever kind
    names: tuple[str, ...] = Performance._fields
    if "truth" in reference.columns:
        names = Losses._fields
        features = encode_features(reference, analysis, [name for name in reference.columns if name.startswith("feature.")])
        before = features.reference, reference["prediction"], reference["truth"]
        estimator = fit_direct_loss(*before, learner=find_learner(), categories=features.categories, chunks=chunks)
        now = features.current, analysis["prediction"].to_numpy()
    elif "score" in reference.columns:
        estimator = fit_confidence(*(reference[name].to_numpy() for name in ("score", "label", "predicted")), chunks=chunks)
        now = analysis["score"].to_numpy(), analysis["predicted"].to_numpy()
    else:
        classes = sorted(name.removeprefix("score.") for name in reference.columns if name.startswith("score."))
        scores, label, answer = _of_classes(reference, classes)
        estimator = fit_class_confidence(scores, label, answer, chunks=chunks)
        now = _of_classes(analysis, classes)[::2]
    worst, other, start = 0.0, 0, 0
    for place, end in enumerate(said["ends"]):
        found = estimator.estimate(*(part[start:end] for part in now))
        theirs = np.array([said["values"][metric][place] for metric in names])
        unit = theirs if names is Losses._fields else 1.0
        worst, start = max(worst, float(np.abs((np.array(found) - theirs) / unit).max())), end
        other += estimator.alerts(found) != tuple(said["alerts"][metric][place] for metric in names)
    return Compared(worst, other, len(said["ends"]))


def _of_classes(rows: pl.DataFrame, classes: list[str]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Scores, places of the labels where there are any, and of the answers."""
    scores = rows.select(f"score.{name}" for name in classes).to_numpy()
    label, answer = (
        np.searchsorted(classes, rows[name].to_list()) if name in rows.columns else np.zeros(0, np.int64)
        for name in ("label", "predicted")
    )
    return scores, label, answer


def ask(folder: Path, *, bundled: bool) -> dict[str, Any]:
    """What it estimates; the rows of its bundled sets are then in the folder, too."""
    assert PYTHON.exists(), "make .venv/nannyml/.made"
    for name, (reference, analysis) in own_rows().items():
        reference.write_parquet(folder / f"{name}.reference.parquet")
        analysis.drop("label", "truth", strict=False).write_parquet(folder / f"{name}.analysis.parquet")
    command = [str(PYTHON), str(HERE / "nannyml_driver.py"), str(folder), *(["bundled"] if bundled else [])]
    subprocess.run(command, capture_output=True, check=True)
    said: dict[str, Any] = json.loads((folder / "said.json").read_text())
    return said


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        found = {"made_by": "tests/monitor/nannyml_help.py", **ask(Path(name), bundled=False)}
    VECTORS.write_text(json.dumps(found, indent=1) + "\n")
