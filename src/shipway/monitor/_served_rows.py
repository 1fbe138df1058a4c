"""What the logs say of requests, hour by hour: latencies of answers, and how many were refused, failed, and took what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.kernel.split import LIVE
from shipway.monitor._calls import calls_of_ref, scan_calls
from shipway.monitor._cost import _ANSWERED, _UNPRICED
from shipway.monitor._deployments import deployment_ref
from shipway.monitor._faults import past_unreadable
from shipway.monitor._tables import INSTANT, WEIGHT, WEIGHT_COLUMNS, _scan, list_tables
from shipway.store import Store

_KEY = ("arm", "release", "hour")
Ints = NDArray[np.int64]


class ServedRows(NamedTuple):
    """answered: arm, release, hour, latencies in microseconds, how many answers each; counted: numbers of Served by name."""

    answered: list[tuple[str, str, datetime, Ints, Ints]]
    counted: list[tuple[str, str, datetime, Mapping[str, Any]]]


def served_rows(store: Store, ref: str, since: datetime | None) -> ServedRows:
    """Of a ref from an instant on. Reads no feature and no answer."""
    answered: list[tuple[str, str, datetime, Ints, Ints]] = []
    counted: list[tuple[str, str, datetime, Mapping[str, Any]]] = []
    if paths := list_tables(store, "predictions"):
        frame = _scan(paths, schema=WEIGHT_COLUMNS, missing_columns="insert", extra_columns="ignore")
        first = frame.filter(pl.col("id").str.ends_with(":0"))  # a request of many rows was answered once
        answered += _latencies(_of_ref(store, first, ref, since))
    if paths := list_tables(store, "failures"):
        failed = _of_ref(store, pl.scan_parquet(paths, glob=False, hive_partitioning=False), ref, since)
        counted += _counts(failed, _outcomes(pl.col("status")))
    if paths := list_tables(store, "work"):
        work = _of_ref(store, pl.scan_parquet(paths, glob=False, hive_partitioning=False), ref, since)
        usd = pl.col("usd").filter(pl.col("usd") >= 0)
        sums = [pl.sum("rows"), pl.sum("cpu_us"), _nano(usd), (pl.col("usd") < 0).sum().alias("unpriced")]
        counted += _counts(work, sums)
    if list_tables(store, "calls"):
        calls = calls_of_ref(store, scan_calls(store), ref).with_columns(arm=pl.lit(LIVE), weight=pl.lit(None, pl.Float64))
        calls = _since(calls.filter(pl.col("release") != ""), since)
        answered += _latencies(calls.filter(_ANSWERED).rename({"weight": WEIGHT}))
        failed = calls.filter(~_ANSWERED)
        counted += _counts(failed, _outcomes(pl.col("status")))
        counted += _counts(calls, [_ANSWERED.sum().alias("rows"), _nano(pl.col("usd")), _UNPRICED.sum().alias("unpriced")])
    return ServedRows(_merged(answered), counted)


def _outcomes(status: pl.Expr) -> list[pl.Expr]:
    refused = status.is_between(400, 499)
    return [refused.sum().alias("refused"), (~refused).sum().alias("failed")]


def _nano(usd: pl.Expr) -> pl.Expr:
    """Whole thousand-millionths of a dollar, each record rounded for itself, so that any order of adding gives the same."""
    return (usd * 1e9).round().cast(pl.Int64).sum().alias("nano_usd")


def _of_ref(store: Store, frame: pl.LazyFrame, ref: str, since: datetime | None) -> pl.LazyFrame:
    recent, ours = _since(frame, since), []
    for name in recent.select("deployment").unique().collect()["deployment"].to_list():
        with past_unreadable():
            ours += [name] if deployment_ref(store, name) == ref else []
    return recent.filter(pl.col("deployment").is_in(ours))


def _since(frame: pl.LazyFrame, since: datetime | None) -> pl.LazyFrame:
    recent = frame if since is None else frame.filter(pl.col("recorded") >= pl.lit(since, dtype=INSTANT))
    return recent.with_columns(pl.col("recorded").dt.truncate("1h").alias("hour"))


def _latencies(frame: pl.LazyFrame) -> Iterator[tuple[str, str, datetime, Ints, Ints]]:
    """Equal latencies of an hour together. A weight is rounded so that an hour's are within one of what they add up to."""
    weight = pl.col(WEIGHT).fill_null(1.0).sum().alias("weight")
    summed = frame.group_by(*_KEY, pl.col("latency_us").cast(pl.Int64)).agg(weight).sort(*_KEY, "latency_us").collect()
    for key, part in summed.group_by(_KEY, maintain_order=True):
        ends = np.floor(np.cumsum(part["weight"].to_numpy()) + 0.5).astype(np.int64)
        arm, release, hour = key
        assert isinstance(hour, datetime)
        yield str(arm), str(release), hour, part["latency_us"].to_numpy(), np.diff(ends, prepend=0)


def _counts(frame: pl.LazyFrame, sums: list[pl.Expr]) -> Iterator[tuple[str, str, datetime, Mapping[str, Any]]]:
    for row in frame.group_by(*_KEY).agg(sums).collect().iter_rows(named=True):
        arm, release, hour = (row.pop(name) for name in _KEY)
        yield arm, release, hour, {name: int(value or 0) for name, value in row.items()}


def _merged(parts: list[tuple[str, str, datetime, Ints, Ints]]) -> list[tuple[str, str, datetime, Ints, Ints]]:
    """An hour once, of predictors and of a gateway."""
    found: dict[tuple[str, str, datetime], tuple[Ints, Ints]] = {}
    for arm, release, hour, latencies, counts in parts:
        key = arm, release, hour
        before = found.get(key)
        found[key] = (
            (latencies, counts)
            if before is None
            else (np.concatenate([before[0], latencies]), np.concatenate([before[1], counts]))
        )
    return [(*key, *pair) for key, pair in found.items()]
