"""What was so in each month of 2013, by definitions made before any monitor was asked. Nothing of Shipway is in here.

    python truth.py --data DIR --out truth.json

The models are made anew from `flights.py`, January's and for each later month the challenger of the month before, and every
flight is scored outside of any server. Intervals are 95 %, by the delete-a-day jackknife: days are left out one at a time, and
Student's t has one degree of freedom less than there are days. A month is *wrong* in a respect when the number of all its
flights is beyond the threshold, else *right*; *surely* so when the whole interval is:

    base_rate    predicted minus realised share, 0.05 on either side
    calibration  mean distance of ten bins of equal count from what came true, less its bias, 0.05
    performance  AUC of the reference (22 to 31 January) minus AUC of the month, 0.1

    skill        Brier skill against the month's own rate, below 0: worse than a constant

`dead`: days on which a feature is all null.
"""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import flights as pipeline
import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

MONTHS = range(1, 13)
BEYOND = {"base_rate": 0.05, "calibration": 0.05, "performance": 0.1}
BINS = 10
Floats = NDArray[np.float64]


class Day(NamedTuple):
    """Scores of two models and what came true, a row a flight."""

    live: Floats
    challenger: Floats
    late: Floats


Statistic = Callable[[Day], float]


class Interval(NamedTuple):
    """value: less its jackknife bias where `spread` was asked for that."""

    value: float
    low: float
    high: float
    error: float
    days: int


def spread(days: Sequence[Day], statistic: Statistic, *, debias: bool = False) -> Interval:
    """The statistic of all days, its error by leaving out each. Source: Efron and Stein (1981)."""
    count, whole = len(days), statistic(together(days))
    without = np.array([statistic(together([*days[:day], *days[day + 1 :]])) for day in range(count)])
    value = count * whole - (count - 1) * float(without.mean()) if debias else whole
    error = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    return interval(value, error, count)


def interval(value: float, error: float, days: int) -> Interval:
    half = float(student.ppf(0.975, days - 1)) * error
    return Interval(value, value - half, value + half, error, days)


def together(days: Sequence[Day]) -> Day:
    return Day(*(np.concatenate(parts) for parts in zip(*days, strict=True)))


def auc(day: Day) -> float:
    return float(roc_auc_score(day.late, day.live))


def brier(day: Day) -> float:
    return float(((day.live - day.late) ** 2).mean())


def skill(day: Day) -> float:
    rate = day.late.mean()
    return 1 - brier(day) / float(rate * (1 - rate))


def base_rate(day: Day) -> float:
    return float((day.live - day.late).mean())


def calibration(days: Sequence[Day]) -> Statistic:
    """The error over ten bins whose edges are those of the whole month."""
    edges = np.quantile(together(days).live, np.linspace(0, 1, BINS + 1)[1:-1])

    def error(day: Day) -> float:
        gaps = np.bincount(np.searchsorted(edges, day.live), weights=day.live - day.late, minlength=BINS)
        return float(np.abs(gaps).sum() / day.live.size)

    return error


def auc_gain(day: Day) -> float:
    return float(roc_auc_score(day.late, day.challenger)) - auc(day)


def brier_change(day: Day) -> float:
    return float(((day.challenger - day.late) ** 2).mean()) - brier(day)


def word(found: Interval, limit: float) -> str:
    """right or wrong, and whether surely; an error has two bad sides, or only the upper one where it cannot be negative."""
    nearest = 0.0 if found.low <= 0 <= found.high else min(abs(found.low), abs(found.high))
    sure = nearest > limit or max(abs(found.low), abs(found.high)) <= limit
    return f"{'surely ' * sure}{'wrong' if abs(found.value) > limit else 'right'}"


def one_sided(found: Interval) -> Interval:
    """Below 0 is as good as 0."""
    return found._replace(value=max(found.value, 0.0), low=max(found.low, 0.0), high=max(found.high, 0.0))


def judge(days: Sequence[Day], reference: Interval) -> dict[str, Any]:
    """What was so in a month."""
    said = {name: spread(days, what) for name, what in (("auc", auc), ("brier", brier), ("skill", skill))}
    said["base_rate"] = spread(days, base_rate)
    said["calibration"] = spread(days, calibration(days), debias=True)
    ranked = said["auc"]
    fewest = min(reference.days, ranked.days)
    said["performance"] = interval(reference.value - ranked.value, math.hypot(reference.error, ranked.error), fewest)
    words = {name: word(one_sided(said[name]), BEYOND[name]) for name in ("calibration", "performance")}
    words["base_rate"] = word(said["base_rate"], BEYOND["base_rate"])
    words["skill"] = word(one_sided(_negative(said["skill"])), 0.0)
    whole = together(days)
    rates = {"rows": whole.late.size, "predicted": float(whole.live.mean()), "realised": float(whole.late.mean())}
    return {**rates, "words": words, **{name: _numbers(found) for name, found in said.items()}}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="folder written by get_data.py")
    parser.add_argument("--out", type=Path, required=True, help="the JSON")
    options = parser.parse_args()
    tables = {month: _examples(options.data, month) for month in MONTHS}
    models = {month: pipeline.delay(pipeline.train(table)) for month, table in tables.items()}
    held = _days(pipeline.reference(tables[1]), models[1], models[1])
    reference = spread(held, auc)
    found = []
    for month in MONTHS[1:]:
        days = _days(tables[month], models[1], models[month - 1])
        record = {"month": f"2013-{month:02d}", **judge(days, reference), "dead": _dead(tables[month])}
        if month > 2:  # February's challenger is the live model itself
            record["gain"] = {"auc": _numbers(spread(days, auc_gain)), "brier": _numbers(spread(days, brier_change))}
        found.append(record)
    options.out.write_text(json.dumps({"reference": _numbers(reference), "beyond": BEYOND, "months": found}, indent=1) + "\n")


def _examples(data: Path, month: int) -> pl.DataFrame:
    """The rows of a month, as the pipeline makes them when it is the latest."""
    flights = pl.read_parquet(data / "flights" / f"2013-{month:02d}.parquet")
    weather = pl.read_parquet(data / "weather" / "*.parquet").filter(pl.col("month") <= month)
    return pipeline.examples(flights, weather, pl.read_parquet(data / "planes" / "*.parquet"))


def _days(rows: pl.DataFrame, live: Any, challenger: Any) -> list[Day]:
    inputs = rows.drop(pipeline.NOT_FEATURES).to_numpy()
    scores = [model.predict_proba(inputs)[:, 1] for model in (live, challenger)]
    late, day = rows["late"].to_numpy().astype(np.float64), rows["scheduled"].dt.day().to_numpy()
    return [Day(*(column[day == number] for column in (*scores, late))) for number in np.unique(day)]


def _dead(rows: pl.DataFrame) -> dict[str, list[str]]:
    """Day -> features without a value on it."""
    by_day = rows.group_by(day=pl.col("scheduled").dt.date(), maintain_order=True)
    nulls = by_day.agg(pl.col(pipeline.FEATURES).is_null().all())
    found = {str(row["day"]): [name for name in pipeline.FEATURES if row[name]] for row in nulls.iter_rows(named=True)}
    return {day: names for day, names in found.items() if names}


def _negative(found: Interval) -> Interval:
    return found._replace(value=-found.value, low=-found.high, high=-found.low)


def _numbers(found: Interval) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}


if __name__ == "__main__":
    main()
