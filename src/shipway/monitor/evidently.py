"""Evidently's data drift without Evidently: the same method, value and verdict for each column, and its JSON.

For teams whose thresholds and dashboards are Evidently's. Held against the real tool (0.7.23) to 1e-9 in the tests. Texts,
times and lists have no value here; they are named as left out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.errors import ShipwayError
from shipway.monitor._evidently_columns import Kind, kind_of, numbers_of, words_of
from shipway.monitor._evidently_methods import (
    FOR_CATEGORIES,
    FOR_NUMBERS,
    METHODS,
    Method,
    category_method,
    category_value,
    numeric_method,
    numeric_value,
)

__all__ = ["DRIFT_SHARE", "ColumnDrift", "DriftUnfit", "EvidentlyDrift", "Kind", "Method", "evidently_drift"]

DRIFT_SHARE = 0.5  # of the columns, from which Evidently calls the data set drifted
_TYPE = "evidently:metric_v2:"
_CLASS = "evidently.metrics.column_statistics."


class DriftUnfit(ShipwayError):
    """A drift method that is none, or that does not go with a column."""

    code = "monitor.drift-unfit"


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """value: a distance or a p-value, as the method goes; asked: method and threshold that the caller named."""

    column: str
    kind: Kind
    method: Method
    threshold: float
    value: float
    asked: tuple[tuple[str, str | float], ...] = ()

    @property
    def drifted(self) -> bool:
        return self.method.drifted(self.value, self.threshold)

    def to_json(self) -> JsonObject:
        """Its entry among Evidently's metrics."""
        shown = dict(self.asked).get("method", self.method.shown)
        config: JsonObject = {
            "type": f"{_TYPE}ValueDrift",
            "column": self.column,
            "method": shown,
            "threshold": self.threshold,
        }
        name = f"ValueDrift(column={self.column},method={shown},threshold={self.threshold})"
        identity = _id("ValueDrift", (("column", self.column), *self.asked))
        value = self.value if math.isfinite(self.value) else None
        return {"id": identity, "metric_name": name, "config": config, "value": value}


@dataclass(frozen=True, slots=True)
class EvidentlyDrift:
    """Columns as Evidently orders them, numbers first; left_out: the others, each with the reason."""

    columns: tuple[ColumnDrift, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    drift_share: float = DRIFT_SHARE

    @property
    def drifted(self) -> int:
        """Columns that drifted."""
        return sum(column.drifted for column in self.columns)

    @property
    def share(self) -> float:
        """Of the columns that have a value, 0 when there is none."""
        return self.drifted / len(self.columns) if self.columns else 0.0

    @property
    def dataset_drifted(self) -> bool:
        return self.share >= self.drift_share

    def to_json(self) -> JsonObject:
        """What `Report([DataDriftPreset()]).run(current, reference).json()` holds."""
        asked = () if self.drift_share == DRIFT_SHARE else (("drift_share", self.drift_share),)
        count: JsonObject = {
            "id": _id("DriftedColumnsCount", asked),
            "metric_name": f"DriftedColumnsCount(drift_share={self.drift_share})",
            "config": {"type": f"{_TYPE}DriftedColumnsCount", "drift_share": self.drift_share},
            "value": {"count": float(self.drifted), "share": self.share},
        }
        metrics: list[Json] = [count, *(column.to_json() for column in self.columns)]
        return {"metrics": metrics, "tests": []}


def evidently_drift(
    reference: pl.DataFrame | pl.LazyFrame,
    current: pl.DataFrame | pl.LazyFrame,
    *,
    methods: Mapping[str, str] | None = None,
    thresholds: Mapping[str, float] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    drift_share: float = DRIFT_SHARE,
) -> EvidentlyDrift:
    """Drift of every column that both tables have, as Evidently 0.7 measures it. Of lazy tables one column is held at a time.

    methods: by column one of wasserstein, jensenshannon, psi, ks, chisquare, z; thresholds, kinds: by column; its own choice
    without. A column without any value in one of the tables is left out, where Evidently ends with an error. Raises DriftUnfit.
    """
    asked_methods, asked_thresholds, asked_kinds = methods or {}, thresholds or {}, kinds or {}
    names, others = current.lazy().collect_schema().names(), reference.lazy().collect_schema().names()
    _known({**asked_methods, **asked_thresholds, **asked_kinds}, names, others)
    found: list[ColumnDrift] = []
    left_out: dict[str, str] = {}
    for name in names:
        if name not in others:
            left_out[name] = "not in the reference"
            continue
        before, now = _taken(reference, name), _taken(current, name)
        kind = asked_kinds.get(name) or kind_of(now)
        one = _column(before, now, kind, asked_methods.get(name), asked_thresholds.get(name))
        if isinstance(one, str):
            left_out[name] = one
        else:
            found.append(one)
    left_out |= {name: "not in the current data" for name in others if name not in names}
    found.sort(key=lambda column: column.kind != "numeric")
    return EvidentlyDrift(tuple(found), left_out, drift_share)


def _taken(table: pl.DataFrame | pl.LazyFrame, name: str) -> pl.Series:
    return table[name] if isinstance(table, pl.DataFrame) else table.select(name).collect()[name]


def _column(
    reference: pl.Series, current: pl.Series, kind: Kind | None, method: str | None, threshold: float | None
) -> ColumnDrift | str:
    """The drift of one column, or why it has none."""
    name = current.name
    if kind is None or kind == "text":
        return "text" if kind else f"of type {current.dtype}"
    asked: list[tuple[str, str | float]] = [("method", method)] if method else []
    asked += [] if threshold is None else [("threshold", threshold)]
    chosen = _method(name, method) if method else None
    try:
        if kind == "numeric":
            if chosen and chosen.name in FOR_CATEGORIES:
                raise _unfit(name, chosen, "numbers")
            numbers = numbers_of(reference, current)
            if numbers is None:
                return "no finite number in one of the tables"
            chosen = chosen or numeric_method(numbers)
            value = numeric_value(chosen, numbers)
        else:
            if chosen and chosen.name in FOR_NUMBERS:
                raise _unfit(name, chosen, "categories")
            words = words_of(reference, current)
            if words is None:
                return "no value in one of the tables"
            chosen = chosen or category_method(words)
            value = category_value(chosen, words)
    except TypeError:
        return f"numbers in one table, {reference.dtype} in the reference"
    return ColumnDrift(name, kind, chosen, chosen.threshold if threshold is None else threshold, value, tuple(asked))


def _unfit(name: str, method: Method, kind: str) -> DriftUnfit:
    return DriftUnfit(
        f"{method.name} is not for {kind}, which {name} holds", where=name, mend="another method, or another kind"
    )


def _method(name: str, method: str) -> Method:
    if method not in METHODS:
        raise DriftUnfit(f"no drift method {method!r}", where=name, mend=f"one of {', '.join(METHODS)}")
    return METHODS[method]


def _known(asked: Mapping[str, object], names: Sequence[str], others: Sequence[str]) -> None:
    for name in asked:
        if name not in names or name not in others:
            raise DriftUnfit(f"no column {name!r} in both tables", where=name, mend="name a column that both have")


def _id(kind: str, asked: tuple[tuple[str, str | float], ...]) -> str:
    """Evidently's own id of a metric: that of its class and of what was asked of it."""
    return hashlib.md5(f"{_CLASS}{kind}{asked}".encode(), usedforsecurity=False).hexdigest()
