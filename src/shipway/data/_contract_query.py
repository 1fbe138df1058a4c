"""The queries behind every rule on rows, ours or a foreign suite's: one counts what breaks them, one fetches examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from shipway.data._contract_rules import Rule

_ROW, _VALUE = "\0row", "\0value"
_TEXT_SCANS = ("Csv SCAN", "NDJson SCAN")


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one rule: the rows it is about, those of them without a value, those that break it."""

    rows: int
    missing: int
    broken: int


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows that break a rule: their numbers in the table, from 0, and what stands there."""

    rows: Sequence[int]
    values: Sequence[object]


@dataclass(frozen=True, slots=True)
class Held:
    """A number of the values of a column, which are held until all are there. once: each of them one time, in no order."""

    values: pl.Expr
    number: Callable[[pl.Series], object]
    once: bool = False


def count_rules(
    frame: pl.LazyFrame, rules: Sequence[Rule], numbers: Mapping[str, pl.Expr | Held] | None = None
) -> tuple[int, list[Counts], dict[str, object]]:
    """Rows of the table, what each rule finds, and other numbers (an expression gives one value): one streaming pass.

    A second pass counts for the rules whose `unbroken` was not true.
    """
    frame = _read_once(frame)
    total, found, values = _look(frame, rules, numbers or {})
    again = {
        place: rule.mask for place, rule in enumerate(rules) if rule.mask is not None and found[place]["unbroken"] is False
    }
    broken = pl.collect_all([frame.select(mask.sum()) for mask in again.values()], engine="streaming")
    for place, answer in zip(again, broken, strict=True):
        found[place]["broken"] = answer.item()
    return total, [Counts(one["scope"], one["missing"], one["broken"]) for one in found], values


def _look(
    frame: pl.LazyFrame, rules: Sequence[Rule], numbers: Mapping[str, pl.Expr | Held]
) -> tuple[int, list[dict[str, int]], dict[str, object]]:
    """The first pass. What waits for its last row is a query of its own: beside it Polars would hold every column."""
    apart = {place: _counts(rule) for place, rule in enumerate(rules) if rule.apart}
    plain = {place: _counts(rule) for place, rule in enumerate(rules) if not rule.apart}
    named = {f"{place} {word}": count for place, counts in plain.items() for word, count in counts.items()}
    asked = [frame.select(pl.len().alias("rows"), **named), *(frame.select(**counts) for counts in apart.values())]
    asked += [_values(frame, number) for number in numbers.values()]
    first, *answers = pl.collect_all(asked, engine="streaming")
    whole = first.row(0, named=True)
    found = {place: {word: whole[f"{place} {word}"] for word in counts} for place, counts in plain.items()}
    found |= {place: answer.row(0, named=True) for place, answer in zip(apart, answers, strict=False)}
    values = zip(numbers.items(), answers[len(apart) :], strict=True)
    told = {name: _number(number, answer) for (name, number), answer in values}
    return whole["rows"], [found[place] for place in range(len(rules))], told


def _read_once(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Text is parsed once for all queries. Of other formats each reads its own columns, so that none waits for another."""
    plan = frame.explain(optimized=False)
    return frame.cache() if any(scan in plan for scan in _TEXT_SCANS) else frame


def _counts(rule: Rule) -> dict[str, pl.Expr]:
    broken = None if rule.unbroken is not None else rule.mask
    return {
        "scope": pl.len() if rule.scope is None else rule.scope.sum(),
        "missing": pl.lit(0) if rule.missing is None else rule.missing.sum(),
        "broken": pl.lit(0) if broken is None else broken.sum(),
        "unbroken": pl.lit(value=True) if rule.unbroken is None else rule.unbroken.fill_null(value=False),
    }


def _values(frame: pl.LazyFrame, number: pl.Expr | Held) -> pl.LazyFrame:
    if isinstance(number, pl.Expr):
        return frame.select(number)
    values = frame.select(number.values)
    return values.unique() if number.once else values


def _number(number: pl.Expr | Held, answer: pl.DataFrame) -> object:
    return answer.row(0)[0] if isinstance(number, pl.Expr) else number.number(answer.to_series())


def fetch_examples(frame: pl.LazyFrame, rules: Sequence[Rule | None], *, most: int | None) -> list[Examples]:
    """For each rule its first broken rows (all without `most`), none where the rule is about no row.

    All rules in one pass over the table, which ends where the last of them has enough.
    """
    numbered = (_read_once(frame) if len(rules) > 1 else frame).with_row_index(_ROW)
    asked = {
        place: _broken_rows(numbered, rule, rule.mask, most)
        for place, rule in enumerate(rules)
        if rule and rule.mask is not None
    }
    found = dict(zip(asked, pl.collect_all(list(asked.values()), engine="streaming"), strict=True))
    return [
        Examples(found[place][_ROW].to_list(), found[place][_VALUE].to_list()) if place in found else Examples((), ())
        for place in range(len(rules))
    ]


def _broken_rows(numbered: pl.LazyFrame, rule: Rule, mask: pl.Expr, most: int | None) -> pl.LazyFrame:
    value = pl.struct(rule.columns) if len(rule.columns) > 1 else pl.col(rule.columns[0])
    broken = numbered.filter(mask)
    return (broken if most is None else broken.head(most)).select(pl.col(_ROW), value.alias(_VALUE))
