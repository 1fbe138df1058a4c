"""Runs in NannyML's own environment: its estimates without labels, by chunk.

`python nannyml_driver.py FOLDER [bundled]` estimates on NAME.reference.parquet and NAME.analysis.parquet (score, predicted,
label) in FOLDER, where it puts its bundled binary sets first when told, and prints JSON: of every set and metric the value and
the alert of each chunk.
"""

import json
import os
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import pandas as pd  # type: ignore[import-untyped]  # of the other environment

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.filterwarnings("ignore")
METRICS = ["roc_auc", "average_precision", "f1", "precision", "recall", "specificity", "accuracy"]
CHUNK = 5000


def main(folder: Path, bundled: bool) -> None:
    """Estimate and print."""
    if bundled:
        write_bundled(folder)
    names = sorted(path.name.removesuffix(".reference.parquet") for path in folder.glob("*.reference.parquet"))
    versions = {name: version(name) for name in ("nannyml", "pandas", "numpy", "scikit-learn")}
    json.dump({"versions": versions, "sets": {name: estimated(folder, name) for name in names}}, sys.stdout, default=float)


def write_bundled(folder: Path) -> None:
    """Its four binary data sets whose scores it brings."""
    import nannyml

    sets = {
        "synthetic": (nannyml.load_synthetic_binary_classification_dataset, "work_home_actual", "y_pred_proba", "y_pred"),
        "car loan": (nannyml.load_synthetic_car_loan_dataset, "repaid", "y_pred_proba", "y_pred"),
        "employment": (nannyml.load_us_census_ma_employment_data, "employed", "predicted_probability", "prediction"),
        "housing": (nannyml.load_modified_california_housing_dataset, "clf_target", "y_pred_proba", "y_pred"),
    }
    for name, (load, label, score, predicted) in sets.items():
        reference, analysis, _ = load()
        for side, frame in (("reference", reference), ("analysis", analysis)):
            kept = pd.DataFrame({"score": frame[score], "predicted": frame[predicted].astype(int)})
            if side == "reference":
                kept["label"] = frame[label].astype(int)
            kept.to_parquet(folder / f"{name}.{side}.parquet", index=False)


def estimated(folder: Path, name: str) -> dict[str, object]:
    """One data set."""
    import nannyml

    reference, analysis = (pd.read_parquet(folder / f"{name}.{side}.parquet") for side in ("reference", "analysis"))
    chunk = min(CHUNK, len(reference) // 10)
    columns = {"y_pred_proba": "score", "y_pred": "predicted", "y_true": "label"}
    estimator = nannyml.CBPE(**columns, problem_type="classification_binary", metrics=METRICS, chunk_size=chunk).fit(reference)
    said = estimator.estimate(analysis).filter(period="analysis").to_df()
    values = {metric: said[(metric, "value")].tolist() for metric in METRICS}
    alerts = {metric: [bool(one) for one in said[(metric, "alert")]] for metric in METRICS}
    ends = [int(end) + 1 for end in said[("chunk", "end_index")]]
    return {"chunk": chunk, "ends": ends, "calibrated": bool(estimator.needs_calibration), "values": values, "alerts": alerts}


main(Path(sys.argv[1]), "bundled" in sys.argv[2:])
