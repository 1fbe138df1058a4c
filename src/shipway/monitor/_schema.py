"""Columns of the log that are new, lost or of another type than their release began with, one alert each.

What a release expects is its reference and its first day. What each day had is noted in the foot of the table that its
records become, for in the table a column that some records lack is null, and numbers beside words are words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from shipway.data import NumericProfile, Profile
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.monitor._deployments import SHADOW, deployment_ref
from shipway.monitor._faults import past_unreadable
from shipway.monitor._limits import limits_of
from shipway.monitor._tables import PREDICTION_COLUMNS, SCORE, WEIGHT, input_column, list_tables
from shipway.monitor._verdict import Finding, Severity
from shipway.spec import MonitorSpec
from shipway.store import Store

NOTES = "shipway.columns"  # the key in the foot of a table of predictions
_IDENTITY = ("release", "deployment", "arm", "day")
_OURS = {*PREDICTION_COLUMNS, SCORE, WEIGHT}
_NUMBERS, _WORDS, _FLAGS, _TIMES = "numbers", "words", "yes or no", "times"
_SCHEMA = dict.fromkeys((*_IDENTITY, "name", "kind"), pl.String()) | {"day": pl.Date(), "rows": pl.Int64(), "held": pl.Int64()}

Kinds = Mapping[str, frozenset[str]]
"""The kinds of each column that a day's records had; no kind for one without a value."""


class DayColumns(NamedTuple):
    """Of each release and day what its records had; first: the first day of each release that is known."""

    days: Mapping[tuple[Digest, date], Kinds]
    first: Mapping[Digest, date]

    def began(self, release: Digest, day: date) -> Kinds | None:
        """What the release began with; None on that day itself."""
        first = self.first.get(release)
        return None if first is None or first >= day else self.days.get((release, first))


def column_table(frame: pl.DataFrame) -> pl.DataFrame:
    """A row for each column, release, deployment, arm and day of a table whose records had the same columns.

    rows: of that day; held: of them those with a value, which NaN is none.
    """
    names = [name for name in frame.columns if name not in _OURS]
    held = [_held(frame.schema[name], name).alias(f"held.{number}") for number, name in enumerate(names)]
    counted = frame.group_by(_IDENTITY).agg(pl.len().cast(pl.Int64).alias("rows"), *held)
    kinds = {f"held.{number}": (name, _kind(frame.schema[name])) for number, name in enumerate(names)}
    long = counted.unpivot([*kinds], index=[*_IDENTITY, "rows"], variable_name="place", value_name="held")
    named = pl.DataFrame([{"place": place, "name": name, "kind": kind} for place, (name, kind) in kinds.items()],
                         schema={"place": pl.String(), "name": pl.String(), "kind": pl.String()})  # fmt: skip
    return long.join(named, on="place", how="left").select(pl.col(name).cast(dtype) for name, dtype in _SCHEMA.items())


def column_notes(noted: Sequence[pl.DataFrame]) -> dict[str, str]:
    """The notes of several tables as one, for the foot of the table that they become; nothing of nothing."""
    held = [table for table in noted if table.height]
    if not held:
        return {}
    summed = pl.concat(held).group_by(*_IDENTITY, "name", "kind", maintain_order=True).agg(pl.sum("rows", "held"))
    rows = summed.with_columns(pl.col("day").cast(pl.String)).select(*_SCHEMA).rows()
    return {NOTES: msgspec.json.encode({"kind": "columns", "version": 1, "columns": rows}).decode()}


def read_column_notes(path: Path) -> pl.DataFrame:
    """What the foot of a table says of its columns, as column_table; nothing of a table without."""
    said = pl.read_parquet_metadata(path).get(NOTES)
    rows = msgspec.json.decode(said)["columns"] if said else []
    table = pl.DataFrame(rows, schema=_SCHEMA | {"day": pl.String()}, orient="row")
    return table.with_columns(pl.col("day").str.to_date("%Y-%m-%d"))


def load_columns(store: Store, ref: str, days: Collection[date]) -> DayColumns:
    """What the records of a ref had on these days, and on the first day of each release."""
    feet = [read_column_notes(path) for path in list_tables(store, "predictions")]
    if not feet:
        return DayColumns({}, {})
    noted = pl.concat(feet).filter(pl.col("arm") != SHADOW)
    ours = []
    for name in noted["deployment"].unique().to_list():
        with past_unreadable():
            ours += [name] if deployment_ref(store, name) == ref else []
    mine = noted.filter(pl.col("deployment").is_in(ours))
    begun = mine.group_by("release").agg(pl.min("day"))
    first = {Digest(release): day for release, day in begun.iter_rows()}
    wanted = mine.filter(pl.col("day").is_in([*{*days, *first.values()}]))
    summed = wanted.group_by("release", "day", "name", "kind").agg(pl.sum("held"))
    found: dict[tuple[Digest, date], dict[str, frozenset[str]]] = {}
    for release, day, name, kind, held in summed.iter_rows():
        kinds = found.setdefault((Digest(release), day), {})
        kinds[name] = kinds.get(name, frozenset()) | ({kind} if held else set())
    return DayColumns(found, first)


def check_schema(
    monitor: MonitorSpec, reference: Profile | None, columns: DayColumns, release: Digest, day: date
) -> list[Finding]:
    """A finding `schema.<column>` for each change, or `schema` that passes; none for a day of which nothing was noted.

    A new column breaks nothing: it is a ticket.
    """
    now, began = columns.days.get((release, day)), columns.began(release, day)
    if now is None:
        return []
    loud, limit = limits_of(monitor)[0]
    found = []
    for name, words, severity in _changes(_expected(reference, began or {}), now, known=began is not None):
        check = Check(f"{monitor.name}.{name}", Verdict.FAIL, 1.0, threshold=limit, text=f"column {name} {words}")
        found.append(Finding(severity if loud is Severity.PAGE else loud, check))
    return found or [Finding(loud, Check(monitor.name, Verdict.PASS, 0.0, threshold=limit, n=len(now)))]


def _expected(reference: Profile | None, began: Kinds) -> dict[str, frozenset[str]]:
    """Of a column of the reference its type counts, whatever the first day had; words may be yes or no."""
    expected = dict(began)
    for name in reference.sources if reference else ():
        column = reference.columns.get(name) if reference else None  # none of a column that is described: texts
        kinds = {_NUMBERS} if isinstance(column, NumericProfile) else {_WORDS, _FLAGS} if column else {_WORDS}
        expected[input_column(name)] = frozenset(kinds)
    return expected


def _changes(expected: Kinds, now: Kinds, *, known: bool) -> Iterator[tuple[str, str, Severity]]:
    """known: whether there was a day before, without which nothing can be new."""
    for name in sorted({*expected, *now}):
        before, after = expected.get(name), now.get(name)
        if before is None:
            if known and after:
                yield name, f"is new: {_listed(after)}", Severity.TICKET
        elif after is None:
            yield name, f"is lost; it had {_listed(before)}" if before else "is lost", Severity.PAGE
        elif before and after - before:
            yield name, f"has another type: {_listed(after)} where {_listed(before)} were", Severity.PAGE


def _held(dtype: pl.DataType, name: str) -> pl.Expr:
    there = pl.col(name).is_not_null()
    return ((there & ~pl.col(name).is_nan()) if dtype.is_float() else there).sum().cast(pl.Int64)


def _listed(kinds: frozenset[str]) -> str:
    return " and ".join(sorted(kinds))


def _kind(dtype: pl.DataType) -> str:
    if dtype == pl.Boolean:
        return _FLAGS
    if dtype.is_numeric():
        return _NUMBERS
    return _TIMES if dtype.is_temporal() else _WORDS
