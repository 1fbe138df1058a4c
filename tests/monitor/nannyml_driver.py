"""Runs in NannyML's own environment: its estimates without labels, by chunk.

`python nannyml_driver.py FOLDER [bundled]` estimates on NAME.reference.parquet and NAME.analysis.parquet in FOLDER, where it
puts its bundled sets first when told, and writes said.json: of every set and metric the value and the alert of each chunk. Its
columns say what a set is: score, predicted, label; or score.CLASS for each class; or prediction, truth and the features.
"""

import json
import os
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]  # of the other environment

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.filterwarnings("ignore")
pd.set_option("future.infer_string", False)  # it fails on words as pandas 3 holds them
METRICS = ["roc_auc", "average_precision", "f1", "precision", "recall", "specificity", "accuracy"]
LOSSES = ["mae", "mape", "mse", "rmse", "msle", "rmsle"]
CHUNK = 5000


def main(folder: Path, bundled: bool) -> None:
    """Estimate and write."""
    if bundled:
        write_bundled(folder)
    names = sorted(path.name.removesuffix(".reference.parquet") for path in folder.glob("*.reference.parquet"))
    versions = {name: version(name) for name in ("nannyml", "pandas", "numpy", "scikit-learn", "lightgbm")}
    found = {"versions": versions, "sets": {name: estimated(folder, name) for name in names}}
    (folder / "said.json").write_text(json.dumps(found, default=float))  # LightGBM speaks on stdout


def write_bundled(folder: Path) -> None:
    """Its four binary data sets whose scores it brings, the one of several classes and the one of a number."""
    import nannyml

    sets = {
        "synthetic": (nannyml.load_synthetic_binary_classification_dataset, "work_home_actual", "y_pred_proba", "y_pred"),
        "car loan": (nannyml.load_synthetic_car_loan_dataset, "repaid", "y_pred_proba", "y_pred"),
        "employment": (nannyml.load_us_census_ma_employment_data, "employed", "predicted_probability", "prediction"),
        "housing": (nannyml.load_modified_california_housing_dataset, "clf_target", "y_pred_proba", "y_pred"),
    }
    for name, (load, label, score, predicted) in sets.items():
        columns = {score: "score", predicted: "predicted", label: "label"}
        write(folder, name, load(), columns, {"predicted": int, "label": int})
    scores = {f"y_pred_proba_{kind}": f"score.{kind}" for kind in ("highstreet_card", "prepaid_card", "upmarket_card")}
    cards = nannyml.load_synthetic_multiclass_classification_dataset()
    write(folder, "cards", cards, {**scores, "y_pred": "predicted", "y_true": "label"}, {})
    features = ("car_age", "km_driven", "price_new", "accident_count", "door_count", "fuel", "transmission")
    named = {name: f"feature.{name}" for name in features}
    cars = nannyml.load_synthetic_car_price_dataset()
    write(folder, "car price", cars, {**named, "y_pred": "prediction", "y_true": "truth"}, {})


def write(folder: Path, name: str, frames: tuple[Any, ...], columns: dict[str, str], kinds: dict[str, type]) -> None:
    """Reference and analysis, the latter without what became true."""
    for side, frame in zip(("reference", "analysis"), frames, strict=False):
        kept = frame[[column for column in columns if column in frame]].rename(columns=columns)
        if side == "analysis":
            kept = kept.drop(columns=["label", "truth"], errors="ignore")
        kinds_here = {column: kind for column, kind in kinds.items() if column in kept}
        kept.astype(kinds_here).to_parquet(folder / f"{name}.{side}.parquet", index=False)


def estimated(folder: Path, name: str) -> dict[str, object]:
    """One data set."""
    import nannyml

    reference, analysis = (pd.read_parquet(folder / f"{name}.{side}.parquet") for side in ("reference", "analysis"))
    chunk, metrics = min(CHUNK, len(reference) // 10), METRICS
    columns: dict[str, Any] = {"y_pred": "predicted", "y_true": "label"}
    scores = {column.removeprefix("score."): column for column in reference if column.startswith("score.")}
    if "truth" in reference:
        columns, metrics = {"y_pred": "prediction", "y_true": "truth"}, LOSSES
        features = [column for column in reference if column.startswith("feature.")]
        estimator = nannyml.DLE(features, **columns, metrics=metrics, chunk_size=chunk)
    else:
        kind = "classification_multiclass" if scores else "classification_binary"
        columns["y_pred_proba"] = scores or "score"
        estimator = nannyml.CBPE(**columns, problem_type=kind, metrics=metrics, chunk_size=chunk)
    said = estimator.fit(reference).estimate(analysis).filter(period="analysis").to_df()
    values = {metric: said[(metric, "value")].tolist() for metric in metrics}
    alerts = {metric: [bool(one) for one in said[(metric, "alert")]] for metric in metrics}
    ends = [int(end) + 1 for end in said[("chunk", "end_index")]]
    calibrated = bool(getattr(estimator, "needs_calibration", False))
    return {"chunk": chunk, "ends": ends, "calibrated": calibrated, "values": values, "alerts": alerts}


main(Path(sys.argv[1]), "bundled" in sys.argv[2:])
