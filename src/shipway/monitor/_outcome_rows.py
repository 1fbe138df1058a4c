"""What an outcome is: checked row by row as it comes over a wire, or column by column as it comes in a table.

Both refuse the same things with the same words. Pure: nothing here writes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import polars as pl

from shipway.kernel.clock import parse_instant
from shipway.kernel.errors import ShipwayError, nearest
from shipway.monitor._tables import INSTANT, parse_instants

FIELDS = ("id", "name", "value", "time", "unit", "entity")
_KNOWN = frozenset(FIELDS)
_BOTH = "an outcome is of a prediction (id) or of an entity, not of both"
_TIMELESS = "an outcome of an entity has a time: it joins the predictions before it"
_ISO = "%Y-%m-%dT%H:%M:%S%.6f"  # UTC, and the form that is read fastest


class OutcomeMalformed(ShipwayError):
    """A row that is no outcome; nothing of its request was recorded."""

    code = "monitor.outcome-malformed"

    def __init__(self, problem: str, *, line: int, field: str) -> None:
        mend = 'a row is {"id": "REQUEST:ROW", "name": "late", "value": 1, "time": "2013-02-01T09:15:00"}, time, unit optional'
        mend += "; with an entity instead of an id the time is not"
        super().__init__(problem, where=f"line {line}, field {field}", mend=mend)
        self.line, self.field = line, field


class OutcomeRow(NamedTuple):
    """One outcome: of which prediction, under which name, its number, when it happened if that is known, and its unit.

    entity: of whom it is where no prediction is named: the id is empty then, and the time known.
    """

    id: str
    name: str
    value: float
    time: str | None
    unit: str | None
    entity: str | None = None


def parse_outcome(row: Mapping[str, object], *, line: int, latest: datetime) -> OutcomeRow:
    """The outcome in a row of JSON; raises OutcomeMalformed, for a time after `latest` too. true and false are 1 and 0."""
    if type(row) is not dict and not isinstance(row, Mapping):  # nearly all are, and the second question is a slow one
        raise OutcomeMalformed(f"a row is a JSON object, not {type(row).__name__}", line=line, field="-")
    if not row.keys() <= _KNOWN:
        key = str(next(key for key in row if key not in _KNOWN))
        meant = nearest(key, list(FIELDS))
        raise OutcomeMalformed(f"unknown field{f', meant {meant}?' if meant else ''}", line=line, field=key)
    unit = None if row.get("unit") is None else _text(row, "unit", line)
    entity = row.get("entity")
    id_ = _text(row, "id", line) if entity is None else ""
    name, value, time = _text(row, "name", line), _number(row, line), _time(row, line, latest)
    if entity is None:
        return OutcomeRow(id_, name, value, time, unit)
    if row.get("id") is not None:
        raise OutcomeMalformed(_BOTH, line=line, field="entity")
    if time is None:
        raise OutcomeMalformed(_TIMELESS, line=line, field="time")
    return OutcomeRow(id_, name, value, time, unit, _text(row, "entity", line))


def parse_outcome_table(table: pl.DataFrame, *, latest: datetime, line: int = 1) -> pl.DataFrame:
    """The outcomes in a table with the columns FIELDS, all as text but the double `value`; time is ISO text.

    time and unit may be missing, and one of id and entity; the id is empty where an entity is named. Whole numbers are taken
    for ids, dates and datetimes for times (those without a zone as UTC). line: that of the first row. Raises OutcomeMalformed
    for the first row that is none.
    """
    for field in table.columns:
        if field not in FIELDS:
            raise OutcomeMalformed("unknown field", line=line, field=field)
    times = _times(table, line, latest)
    id_, entity = _owners(table, times, line)
    name, numbers = _text_column(table, "name", line), _numbers(table, line)
    unit = pl.lit(None, pl.String) if "unit" not in table.columns else _text_column(table, "unit", line, optional=True)
    return table.select(id=id_, name=name, value=numbers, time=times, unit=unit, entity=entity)


def _owners(table: pl.DataFrame, times: pl.Series, line: int) -> tuple[pl.Series, pl.Series]:
    """Ids, empty where an entity is named, and entities."""
    nothing = pl.repeat(None, table.height, dtype=pl.String, eager=True)
    if "entity" not in table.columns or table["entity"].dtype == pl.Null:
        return _text_column(table, "id", line), nothing
    entity = _text_column(table, "entity", line, optional=True)
    id_ = _text_column(table, "id", line, optional=True) if "id" in table.columns else nothing
    _refuse_first(id_.is_not_null() & entity.is_not_null(), table, "entity", _BOTH, line, sign=": ")
    _refuse_first(id_.is_null() & entity.is_null(), table, "entity", "id or entity is text", line)
    _refuse_first(times.is_null() & entity.is_not_null(), table, "entity", _TIMELESS, line, sign=": ")
    return id_.fill_null(""), entity


def _text(row: Mapping[str, object], field: str, line: int) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value:
        raise OutcomeMalformed(f"{field} is text, not {_shown(row, field)}", line=line, field=field)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise OutcomeMalformed(f"{field} is text of Unicode, not half a pair", line=line, field=field) from None
    return value


def _number(row: Mapping[str, object], line: int) -> float:
    value = row.get("value")
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:  # an integer beyond every float; its digits help nobody
        raise OutcomeMalformed("value is a number below 1.8e308", line=line, field="value") from None
    if not math.isfinite(number):
        raise OutcomeMalformed(f"value is a finite number, not {_shown(row, 'value')}", line=line, field="value")
    return number


def _time(row: Mapping[str, object], line: int, latest: datetime) -> str | None:
    value = row.get("time")
    if value is None:
        return None
    try:
        moment = parse_instant(str(value))
    except ValueError:
        problem = f"time is an ISO 8601 instant, not {_shown(row, 'time')}"
        raise OutcomeMalformed(problem, line=line, field="time") from None
    if moment > latest:  # it has not happened, and would drive the clock that days are judged by
        raise OutcomeMalformed(f"time is more than a day from now: {_shown(row, 'time')}", line=line, field="time")
    return str(value)


def _shown(row: Mapping[str, object], field: str) -> str:
    return repr(row[field])[:60] if field in row else "missing"


def _text_column(table: pl.DataFrame, field: str, line: int, *, optional: bool = False) -> pl.Series:
    if field not in table.columns:
        raise OutcomeMalformed(f"{field} is text, not missing", line=line, field=field)
    column = table[field]
    if column.dtype.is_integer():
        column = column.cast(pl.String)
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.Null:
        column = column.cast(pl.String)
    if column.dtype != pl.String:
        raise OutcomeMalformed(f"{field} is text, not {column.dtype}", line=line, field=field)
    odd = column == "" if optional else column.is_null() | (column == "")
    _refuse_first(odd, table, field, f"{field} is text", line)
    return column


def _numbers(table: pl.DataFrame, line: int) -> pl.Series:
    if "value" not in table.columns:
        raise OutcomeMalformed("value is a finite number, not missing", line=line, field="value")
    column = table["value"]
    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
        raise OutcomeMalformed(f"value is a finite number, not {column.dtype}", line=line, field="value")
    number = column.cast(pl.Float64)
    _refuse_first(~number.is_finite().fill_null(value=False), table, "value", "value is a finite number", line)
    return number


def _times(table: pl.DataFrame, line: int, latest: datetime) -> pl.Series:
    if "time" not in table.columns or table["time"].dtype == pl.Null:
        return pl.repeat(None, table.height, dtype=pl.String, eager=True)
    column = table["time"]
    if column.dtype == pl.String:
        instants = parse_instants(column)
    elif column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        zoned = isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None
        plain = column.cast(pl.Datetime("us", "UTC")) if zoned else column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        instants = plain
    else:
        raise OutcomeMalformed(f"time is an ISO 8601 instant, not {column.dtype}", line=line, field="time")
    _refuse_first(instants.is_null() & column.is_not_null(), table, "time", "time is an ISO 8601 instant", line)
    ahead = (instants > pl.Series([latest], dtype=INSTANT)).fill_null(value=False)
    _refuse_first(ahead, table, "time", "time is more than a day from now", line, sign=": ")
    return column if column.dtype == pl.String else instants.dt.strftime(_ISO)


def _refuse_first(odd: pl.Series, table: pl.DataFrame, field: str, rule: str, line: int, sign: str = ", not ") -> None:
    at = odd.fill_null(value=False).arg_max() if odd.any() else None
    if at is not None:
        shown = repr(table[field][at])[:60]
        raise OutcomeMalformed(f"{rule}{sign}{shown}", line=line + at, field=field)
