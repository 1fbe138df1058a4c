"""A contract for a person to edit, from rows that are there: what they keep to, rounded outwards, with the reason beside it.

Only proposes: nothing is in force until a person has put it into the spec. It holds on the rows that it was made from.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import cast

import polars as pl

from shipway.data._contract_rules import type_of
from shipway.data._errors import DataEmpty, DataUnreadable
from shipway.kernel.canonical import JsonObject
from shipway.spec import parse_contract

_FEW = 12  # values that a person still reads
_ROWS_FOR_FEW = 10  # rows for each of the values, before they are called all
_NEARLY = 0.75  # the sketch was off by 11 % on 3,000 values; what it lets through is counted exactly
_ROWS_FOR_KEY = 20  # of fewer rows any column may be unique by chance
_MOST_PAIRED = 8  # columns that are looked at for a key of two
_SHARES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_SAFE = 2**53 - 1
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_TEXT = frozenset({"null", "true", "false", "~"})


@dataclass(frozen=True, slots=True)
class Proposal:
    """rows: that were seen; text: the contract as a file of its own, with comments; contract: the object it means."""

    rows: int
    text: str
    contract: JsonObject


@dataclass(frozen=True, slots=True)
class _Seen:
    """Of one column: cells without a value, and of the others the ends and how many differ (about)."""

    kind: pl.DataType
    nulls: int
    distinct: int
    low: object = None
    high: object = None


def infer_contract(frame: pl.LazyFrame) -> Proposal:
    """Propose a contract for the rows of a table; it holds on them. Reads them twice, in a stream.

    Proposed: types; nulls (`none` where there is none, else the next of 0.1, 1, 2, 5, 10, 20, 50 %); ranges of numbers, rounded
    outwards; the values of a column that has up to 12, each ten times on the average; columns that name a row, alone or by two;
    half of the rows. Raises DataEmpty for no rows, DataUnreadable.
    """
    try:
        schema = frame.collect_schema()
        rows, seen = _look(frame, schema)
        if not rows:
            raise DataEmpty("the table has no rows", mend="a contract is proposed from rows that are there")
        keys, values = _keys(frame, seen, rows), _values(frame, seen, rows)
    except pl.exceptions.PolarsError as problem:
        reason = str(problem).split("\n")[0]
        raise DataUnreadable(f"the table cannot be read: {reason}", mend="see that every row fits the header") from problem
    text = "\n".join(_lines(rows, seen, keys, values)) + "\n"
    return Proposal(rows, text, parse_contract(text, path="proposal.yaml").to_json())


def _look(frame: pl.LazyFrame, schema: pl.Schema) -> tuple[int, dict[str, _Seen]]:
    asked: dict[str, pl.Expr] = {"rows": pl.len()}
    for place, (name, kind) in enumerate(schema.items()):
        column = pl.col(name).fill_nan(None) if kind.is_float() else pl.col(name)
        asked[f"{place} nulls"] = column.null_count()
        if type_of(kind) in ("string", "integer", "number", "boolean", "date", "timestamp"):
            asked[f"{place} distinct"] = column.drop_nulls().approx_n_unique()
        if _ordered(kind):
            asked |= {f"{place} low": column.min(), f"{place} high": column.max()}
    found = frame.select(**asked).collect(engine="streaming").row(0, named=True)
    seen = {
        name: _Seen(kind, found[f"{place} nulls"], found.get(f"{place} distinct", 0), found.get(f"{place} low"),
                    found.get(f"{place} high"))
        for place, (name, kind) in enumerate(schema.items())
    }  # fmt: skip
    return found["rows"], seen


def _ordered(kind: pl.DataType) -> bool:
    return type_of(kind) in ("integer", "number", "date", "timestamp")


def _keys(frame: pl.LazyFrame, seen: Mapping[str, _Seen], rows: int) -> list[tuple[str, ...]]:
    """The columns that are each unique; else the first two that are together. None of few rows."""
    able = [
        name for name, one in seen.items() if not one.nulls and not one.kind.is_float() and one.distinct and _nameable(name)
    ]
    if rows < _ROWS_FOR_KEY:
        return []
    single = [name for name in able if seen[name].distinct >= _NEARLY * rows]
    if unique := _unique(frame, [(name,) for name in single], rows):
        return unique
    pairs = [pair for pair in combinations(able[:_MOST_PAIRED], 2) if seen[pair[0]].distinct * seen[pair[1]].distinct >= rows]
    return _unique(frame, pairs, rows)[:1]


def _unique(frame: pl.LazyFrame, keys: Sequence[tuple[str, ...]], rows: int) -> list[tuple[str, ...]]:
    if not keys:
        return []
    counts = [(pl.struct(key) if len(key) > 1 else pl.col(key[0])).n_unique().alias(str(n)) for n, key in enumerate(keys)]
    found = frame.select(counts).collect(engine="streaming").row(0)
    return [key for key, count in zip(keys, found, strict=True) if count == rows]


def _values(frame: pl.LazyFrame, seen: Mapping[str, _Seen], rows: int) -> dict[str, list[int | str]]:
    """All values of the texts that have few, and of the whole numbers that have two, such as 0 and 1."""
    few = [name for name, one in seen.items() if _few(one, rows)]
    if not few:
        return {}
    texts = [
        pl.col(name)
        .cast(pl.String if type_of(seen[name].kind) == "string" else pl.Int64)
        .unique()
        .drop_nulls()
        .sort()
        .implode()
        for name in few
    ]
    found = frame.select(texts).collect(engine="streaming").row(0, named=True)
    return {name: list(values) for name, values in found.items() if values and all(map(_writable, values))}


def _few(one: _Seen, rows: int) -> bool:
    most = {"string": _FEW, "integer": 2}.get(type_of(one.kind) or "", 0)
    ends = not isinstance(one.low, int) or (abs(one.low) <= _SAFE and abs(cast("int", one.high)) <= _SAFE)
    return 0 < one.distinct <= min(most, (rows - one.nulls) / _ROWS_FOR_FEW) and ends


def _writable(value: int | str) -> bool:
    return isinstance(value, int) or (value.isprintable() and len(value) <= 60)


def _nameable(name: str) -> bool:
    return bool(name.strip()) and name.isprintable()


def _lines(
    rows: int, seen: Mapping[str, _Seen], keys: list[tuple[str, ...]], values: Mapping[str, list[int | str]]
) -> Iterator[str]:
    yield f"# Proposed from {rows:,} rows. What is below held on all of them; whether it must is yours to say."
    least = _down(rows / 2)
    yield f"rows: {{at_least: {least}}}  # {rows:,} seen; half of them, rounded down. at_most: what would be too many?"
    if keys:
        sets = ", ".join("[" + ", ".join(_text(name) for name in key) + "]" for key in keys)
        yield f"unique: [{sets}]  # no value came twice"
    written = {name: one for name, one in seen.items() if _nameable(name)}
    if written:
        yield "columns:"
    alone = {key[0] for key in keys if len(key) == 1}
    for name, one in written.items():
        rules, why = _rules(one, rows, values.get(name), key=name in alone)
        yield f"  {_text(name)}: {{{', '.join(rules)}}}" + (f"  # {'; '.join(why)}" if why else "")
    if len(written) < len(seen):
        yield f"# {len(seen) - len(written)} columns have a name that YAML cannot hold"


def _rules(one: _Seen, rows: int, values: list[int | str] | None, *, key: bool) -> tuple[list[str], list[str]]:
    kind = type_of(one.kind)
    rules, why = ([f"type: {kind}"] if kind else []), ([] if kind else [f"{one.kind} has no type here"])
    word, reason = _nulls(one.nulls, rows)
    rules.append(f"nulls: {word}")
    why += reason
    if values:
        rules.append("one_of: [" + ", ".join(_text(value) for value in values) + "]")
        why.append(f"all values of {rows - one.nulls:,} rows")
    elif kind in ("integer", "number") and one.low is not None and not key:
        ends = _outwards(one.low, one.high, whole=kind == "integer")
        if ends:
            rules.append(f"between: [{ends[0]!r}, {ends[1]!r}]")
        why.append(f"seen {one.low} to {one.high}" + (", rounded outwards" if ends else ", which has no range here"))
    elif one.low is not None:
        why.append(
            f"seen {one.low} to {one.high}; " + ("a key grows" if key else "new rows have later times") + ", so no range"
        )
    return rules, why


def _nulls(nulls: int, rows: int) -> tuple[str, list[str]]:
    if not nulls:
        return "none", []
    most = next((share for share in _SHARES if nulls <= math.floor(share * rows)), None)
    told = f"{nulls:,} of {rows:,} without a value"
    return ("any", [told]) if most is None else (f"at most {most * 100:g}%", [f"{told}, rounded up"])


def _outwards(low: object, high: object, *, whole: bool) -> tuple[int | float, int | float] | None:
    """Both ends on a grid of a tenth of the way between them, or coarser; None for what JSON or a double cannot hold."""
    lowest, highest = float(cast("float", low)), float(cast("float", high))
    if not (math.isfinite(lowest) and math.isfinite(highest)) or max(abs(lowest), abs(highest)) > _SAFE / 4:
        return None
    wide = highest - lowest or abs(highest) or 1.0
    if wide < 1e-300:
        return None
    step = 10.0 ** math.floor(math.log10(wide) - (0 if wide < 10 and whole else 1))
    step = max(step, 1.0) if whole else step
    first, last = math.floor(lowest / step), math.ceil(highest / step)
    bottom, top = _at(first, step), _at(last, step)
    while bottom > lowest:
        first -= 1
        bottom = _at(first, step)
    while top < highest:
        last += 1
        top = _at(last, step)
    return (int(bottom), int(top)) if whole else (bottom, top)


def _at(place: int, step: float) -> float:
    """A place of the grid, without the dust of a product of doubles: 3 times 0.1 is 0.3."""
    return place * step if step >= 1 else place / round(1 / step) if step > 1e-15 else place * step


def _down(number: float) -> int:
    """To one digit: 617 is 600."""
    if number < 10:
        return int(number)
    unit = int(10 ** (len(str(int(number))) - 1))
    return int(number) // unit * unit


def _text(value: int | str) -> str:
    """A scalar of YAML that reads as this value."""
    if isinstance(value, int):
        return str(value)
    return value if _PLAIN.fullmatch(value) and value.lower() not in _NO_TEXT else json.dumps(value, ensure_ascii=False)
