"""Which columns of somebody else's table are meant: those that a person names, else those whose name or type says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from shipway.data import DataUnreadable
from shipway.kernel.errors import ShipwayError, nearest

IDS = ("id", "prediction_id", "inference_id", "event_id", "request_id", "trace_id")
TIMES = ("time", "timestamp", "ts", "event_time", "prediction_ts", "datetime", "date")
LABELS = ("label", "actual", "target", "y_true", "outcome", "ground_truth", "actual_label")
SCORES = ("probability", "score", "prediction_score", "y_pred_proba", "y_score", "proba", "prediction", "y_pred")
_ENTITIES = ("entity", "entity_id")
_VALUES = ("value", *LABELS)
_OUTCOME_TIMES = ("outcome_time", "outcome_ts", "label_time", *TIMES)


class ColumnUnknown(ShipwayError):
    """A table has not the column that was named, or none that could be meant."""

    code = "monitor.column-unknown"


class OutcomeColumns(NamedTuple):
    """What a person says about a table of outcomes: columns by their names, and a name and unit for all of its rows."""

    id: str | None = None
    name: str | None = None
    value: str | None = None
    time: str | None = None
    unit: str | None = None
    entity: str | None = None


def find_column(columns: Sequence[str], given: str | None, guesses: Sequence[str], *, what: str, where: str) -> str | None:
    """The column that was named, or the first of the guesses that is there, whatever its capitals; None without either.

    Raises ColumnUnknown for one that was named and is not there.

    >>> find_column(["ID", "y"], None, IDS, what="the id", where="a.csv")
    'ID'
    """
    if given is not None:
        if given in columns:
            return given
        meant = nearest(given, list(columns))
        mend = f"it has: {', '.join(columns[:12])}" + (f"; meant {meant}?" if meant else "")
        raise ColumnUnknown(f"{what} is in no column called {given}", where=where, mend=mend)
    known = {name.lower(): name for name in reversed(columns)}
    return next((known[guess] for guess in guesses if guess in known), None)


def collect_given(frame: pl.LazyFrame, what: str) -> pl.DataFrame:
    """The rows of a table that somebody gave. Raises DataUnreadable where the file is broken further in than its columns."""
    try:
        return frame.collect()
    except (pl.exceptions.ComputeError, OSError) as problem:
        reason = str(problem).partition("\n")[0][:200]
        raise DataUnreadable(f"{what} cannot be read: {reason}", mend="write this file again, it may be cut") from problem


def check_named(columns: Sequence[str], named: Sequence[str], *, where: str) -> None:
    """Raises ColumnUnknown for the first of the named that is none of the columns."""
    for name in named:
        find_column(columns, name, (), what="what was named", where=where)


def need_column(
    columns: Sequence[str], given: str | None, guesses: Sequence[str], *, what: str, where: str, option: str
) -> str:
    """As find_column; raises ColumnUnknown where no column can be meant, naming the option that says it."""
    found = find_column(columns, given, guesses, what=what, where=where)
    if found is None:
        mend = f"{option} COLUMN; it has: {', '.join(columns[:12])}"
        raise ColumnUnknown(f"no column could be {what}", where=where, mend=mend)
    return found


def pick_outcomes(frame: pl.LazyFrame, chosen: OutcomeColumns, *, where: str) -> pl.DataFrame:
    """The columns id or entity, name, value and, if there are any, time and unit of a table of outcomes; others are left out.

    Where an entity is named and no id, an `id` is the table's own.

    A table with a column `name` holds outcomes of many names; of any other all rows are of one, `chosen.name` or that of the
    column of values. Raises ColumnUnknown; what the rows hold is looked at by who records them.
    """
    columns = frame.collect_schema().names()
    value_guesses = (chosen.name.lower(), *_VALUES) if chosen.name else _VALUES
    owners = _owners(columns, chosen, where=where)
    value = need_column(columns, chosen.value, value_guesses, what="the value", where=where, option="--value")
    time = find_column(columns, chosen.time, _OUTCOME_TIMES, what="the time", where=where)
    named = chosen.name is None and "name" in columns
    picked = {
        **owners,
        "name": pl.col("name") if named else pl.lit(chosen.name or value),
        "value": pl.col(value),
    }
    if time is not None:
        picked["time"] = pl.col(time)
    if chosen.unit is not None or "unit" in columns:
        picked["unit"] = pl.lit(chosen.unit) if chosen.unit is not None else pl.col("unit")
    return collect_given(frame.select(**picked), where)


def _owners(columns: Sequence[str], chosen: OutcomeColumns, *, where: str) -> dict[str, pl.Expr]:
    """What outcomes are of: predictions by id, entities, or some of either."""
    entity = find_column(columns, chosen.entity, _ENTITIES, what="the entity", where=where)
    named_alone = chosen.entity is not None and chosen.id is None
    id_ = None if named_alone else find_column(columns, chosen.id, IDS, what="the id of the prediction", where=where)
    if entity is None and id_ is None:
        need_column(columns, None, (), what="the id of the prediction", where=where, option="--id")
    found = {"id": id_, "entity": entity}
    return {name: pl.col(column) for name, column in found.items() if column is not None}
