"""Makes prediction and outcome logs through the real writers, from a seed: days share an effect, as real days do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.kernel.digest import Digest, digest_bytes
from shipway.models import encode_columns
from shipway.store import OutcomeRecord, PredictionRecord, SegmentWriter, Store, encode_record, open_store

RELEASE = digest_bytes(b"first release")
OTHER_RELEASE = digest_bytes(b"second release")
REF = "deploy/delay@prod"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
FIRST_DAY = date(2013, 2, 1)
Arrays = Mapping[str, NDArray[Any]]


class FakeClock:
    """Moves only when told."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class Day(NamedTuple):
    """One day's rows: the inputs, the model's probability, what became true."""

    day: date
    columns: Arrays
    score: NDArray[np.float64]
    label: NDArray[np.float64]


def new_store(folder: Path, clock: FakeClock | None = None) -> Store:
    return open_store(folder, "test", create=True, clock=clock or FakeClock())


def time_column(_release: Digest) -> str:
    return "scheduled"


def make_days(
    seed: int,
    *,
    days: int = 60,
    rows: int = 300,
    shift: float = 0.0,
    from_day: int = 0,
    effect: float = 0.2,
    features: int = 3,
) -> list[Day]:
    """A calibrated model under day effects (s.d. in logits); from from_day on the true rate is higher by `shift`."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(days):
        day = FIRST_DAY + timedelta(days=number)
        logit = random.normal(-1.2, 0.6, rows)
        score = 1 / (1 + np.exp(-logit))
        truth = 1 / (1 + np.exp(-(logit + random.normal(0, effect)))) + (shift if number >= from_day else 0.0)
        label = (random.random(rows) < truth).astype(np.float64)
        made.append(Day(day, _inputs(random, day, rows, features), score, label))
    return made


def reference_frame(seed: int = 1, *, rows: int = 2000, features: int = 3) -> pl.DataFrame:
    """Inputs as make_days makes them, with score and label."""
    (day,) = make_days(seed, days=1, rows=rows, features=features, effect=0.0)
    inputs = {name: array.tolist() if array.dtype == object else array for name, array in day.columns.items()}
    return pl.DataFrame({**inputs, "probability": day.score, "late": day.label})


def log_predictions(
    store: Store,
    days: list[Day],
    *,
    writer: str = "predictor",
    release: Digest = RELEASE,
    deployment: str = REF,
    arm: str = "live",
    batch: int = 100,
    rotate_bytes: int = 1 << 20,
    weight: float | None = None,
) -> None:
    """Requests `<day>-<n>` of `batch` rows, sealed. weight: how many requests each stands for, of a log that keeps a share."""
    log = SegmentWriter(store.log_folder("predictions"), writer, rotate_bytes=rotate_bytes, capacity_bytes=1 << 30)
    for day in days:
        for number, start in enumerate(range(0, len(day.score), batch)):
            columns = {name: array[start : start + batch] for name, array in day.columns.items()}
            record = prediction(
                f"{day.day}-{number}",
                columns,
                day.score[start : start + batch],
                release=release,
                deployment=deployment,
                arm=arm,
                weight=weight,
            )
            assert log.append(encode_record(record), record.rows)
    log.close()


def prediction(
    request: str,
    columns: Arrays,
    score: NDArray[np.float64],
    *,
    release: Digest = RELEASE,
    deployment: str = REF,
    arm: str = "live",
    recorded: datetime = NOW,
    weight: float | None = None,
) -> PredictionRecord:
    return PredictionRecord(
        request=request,
        release=release,
        deployment=deployment,
        arm=arm,
        recorded=microseconds(recorded),
        rows=len(score),
        columns=encode_columns(columns),
        outputs=encode_columns({"probability": score}),
        latency_us=1234,
        weight=msgspec.UNSET if weight is None else weight,
    )


def log_outcomes(store: Store, days: list[Day], *, writer: str = "outcomes", batch: int = 100, name: str = "late") -> None:
    """What became true of log_predictions with the same batch, a day after the event; sealed."""
    log = SegmentWriter(store.log_folder("outcomes"), writer)
    for day in days:
        rows = range(len(day.label))
        when = f"{day.day + timedelta(days=1)}T12:00:00"
        record = OutcomeRecord(
            recorded=microseconds(NOW),
            rows=len(rows),
            ids=[f"{day.day}-{row // batch}:{row % batch}" for row in rows],
            names=[name] * len(rows),
            values=day.label.tolist(),
            times=[when] * len(rows),
        )
        log.append_durable(encode_record(record), record.rows)
    log.close()


def microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _inputs(random: np.random.Generator, day: date, rows: int, features: int) -> Arrays:
    hours = np.sort(random.integers(0, 24 * 60, rows))
    names = np.array(["AA", "B6", "UA"], dtype=object)
    inputs: dict[str, NDArray[Any]] = {
        "flight": np.array([f"{day} {row}" for row in range(rows)], dtype=object),
        "scheduled": np.array([f"{day}T{minute // 60:02}:{minute % 60:02}:00" for minute in hours], dtype=object),
        "carrier": names[random.integers(0, 3, rows)],
    }
    return inputs | {f"x{number}": random.normal(size=rows) for number in range(features - 1)}
