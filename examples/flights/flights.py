"""Will a flight from New York arrive more than 15 minutes late? Asked before it departs.

Every public function is a step: its arguments name data sets (`flights`, `weather`, `planes`) or other steps, and its
return annotation says how the value is kept. The data grow by a month at a time; a model is trained on the latest.
"""

import os

import numpy as np
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

LATE_MINUTES = 15
TRAIN_DAYS = 21  # of the latest month; the days after them are the reference, which no model has seen

CATEGORIES = ["carrier", "origin", "dest"]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
FEATURES = [*CATEGORIES, "weekday", "distance", "departure", "arrival", "plane_age", "seats", *WEATHER]
NOT_FEATURES = ["flight", "scheduled", "late"]  # the key, the event time and the outcome

MODEL = {"max_iter": 80, "learning_rate": 0.06, "max_leaf_nodes": 15, "l2_regularization": 50.0}


def examples(flights: pl.DataFrame, weather: pl.DataFrame, planes: pl.DataFrame) -> pl.DataFrame:
    """The latest month's flights that arrived, with what was known before departure and whether they were late."""
    month = pl.date("year", "month", 1)
    flights = flights.filter(month == month.max(), pl.col("arr_delay").is_not_null())
    late = (flights["arr_delay"] > LATE_MINUTES).cast(pl.Int8).alias("late")
    return _features(flights, weather, planes).with_columns(late).sort("scheduled", "flight")


def train(examples: pl.DataFrame) -> pl.DataFrame:
    """The first three weeks of the month."""
    return examples.filter(pl.col("scheduled").dt.day() <= TRAIN_DAYS)


def reference(examples: pl.DataFrame) -> pl.DataFrame:
    """The rest of the month: what the model is measured on, and what later days are compared with."""
    return examples.filter(pl.col("scheduled").dt.day() > TRAIN_DAYS)


def delay(train: pl.DataFrame) -> Pipeline:
    """The model: a matrix of FEATURES, in that order, to the probability of not late and late."""
    names = range(len(CATEGORIES))
    model = Pipeline([
        ("columns", ColumnTransformer([("categories", _codes(), list(names))], remainder="passthrough")),
        ("trees", HistGradientBoostingClassifier(
            **MODEL, categorical_features=list(names), early_stopping=False, random_state=0)),
    ])  # fmt: skip
    inputs, late = train.drop(NOT_FEATURES).to_numpy(), train["late"].to_numpy()
    model.fit(inputs, late)
    _log_training(late, model.predict_proba(inputs)[:, 1])
    return model


def _features(flights: pl.DataFrame, weather: pl.DataFrame, planes: pl.DataFrame) -> pl.DataFrame:
    """One row per flight, in the order given: its key, its scheduled departure (local time) and FEATURES.

    All of it is known before departure: the weather is that of the hour before the scheduled one.
    """
    hour_before = weather.select("origin", *WEATHER, time_hour=pl.col("time_hour") + pl.duration(hours=1))
    aircraft = planes.select("tailnum", "seats", built="year")
    scheduled = pl.datetime("year", "month", "day", "hour", "minute")
    return (
        flights.join(hour_before, on=["origin", "time_hour"], how="left", maintain_order="left")
        .join(aircraft, on="tailnum", how="left", maintain_order="left")
        .with_columns(
            flight=pl.format("{} {}{} {}", scheduled.dt.date(), "carrier", "flight", "origin"),
            scheduled=scheduled,
            weekday=scheduled.dt.weekday().cast(pl.Int64),
            departure=pl.col("hour") + pl.col("minute") / 60,
            arrival=pl.col("sched_arr_time") // 100 + pl.col("sched_arr_time") % 100 / 60,
            plane_age=(pl.col("year") - pl.col("built")).cast(pl.Float64),
            seats=pl.col("seats").cast(pl.Float64),
        )
        .select("flight", "scheduled", *FEATURES)
    )


def _codes() -> OrdinalEncoder:
    """A number per known name; an airline or airport never seen in training counts as missing."""
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def _log_training(late: np.ndarray, predicted: np.ndarray) -> None:
    """Parameters and training metrics to MLflow, when there is a server to log to."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return
    import mlflow

    mlflow.set_experiment("flights")
    with mlflow.start_run():
        mlflow.log_params({**MODEL, "late_minutes": LATE_MINUTES, "train_days": TRAIN_DAYS})
        mlflow.log_metrics({
            "train_rows": late.size,
            "train_base_rate": float(late.mean()),
            "train_log_loss": float(log_loss(late, predicted)),
            "train_roc_auc": float(roc_auc_score(late, predicted)),
        })  # fmt: skip
