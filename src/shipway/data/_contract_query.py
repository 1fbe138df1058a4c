"""The queries behind every rule on rows, ours or a foreign suite's: one counts what breaks them, one fetches examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from shipway.data._contract_rules import Rule

_ROW, _VALUE = "\0row", "\0value"


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


def count_rules(
    frame: pl.LazyFrame, rules: Sequence[Rule], numbers: Mapping[str, pl.Expr] | None = None
) -> tuple[int, list[Counts], dict[str, object]]:
    """Rows of the table, what each rule finds, and other numbers (each an expression of one value): one streaming query.

    A second one counts for the rules whose `unbroken` was not true.
    """
    asked: dict[str, pl.Expr] = {"rows": pl.len()}
    for place, rule in enumerate(rules):
        masks = (("scope", rule.scope), ("missing", rule.missing), ("broken", None if rule.unbroken is not None else rule.mask))
        asked |= {f"{place} {word}": mask.sum() for word, mask in masks if mask is not None}
        if rule.unbroken is not None:
            asked[f"{place} unbroken"] = rule.unbroken
    asked |= {f"= {name}": number for name, number in (numbers or {}).items()}
    found = frame.select(**asked).collect(engine="streaming").row(0, named=True)
    again = {f"{place} broken": rule.mask.sum() for place, rule in enumerate(rules)
             if rule.mask is not None and found.get(f"{place} unbroken", True) is not True}  # fmt: skip
    if again:
        found |= frame.select(**again).collect(engine="streaming").row(0, named=True)
    counts = [
        Counts(found.get(f"{place} scope", found["rows"]), found.get(f"{place} missing", 0), found.get(f"{place} broken", 0))
        for place in range(len(rules))
    ]
    return found["rows"], counts, {name: found[f"= {name}"] for name in numbers or {}}


def fetch_examples(frame: pl.LazyFrame, rules: Sequence[Rule | None], *, most: int | None) -> list[Examples]:
    """For each rule its first broken rows (all without `most`), none where the rule is about no row.

    All rules in one pass over the table, which ends where the last of them has enough.
    """
    numbered = frame.with_row_index(_ROW)
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
