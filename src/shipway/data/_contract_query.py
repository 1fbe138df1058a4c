"""The queries behind every rule on rows, ours or a foreign suite's: one counts what breaks them, one fetches examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from shipway.data._contract_rules import Rule


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
    """For each rule its first broken rows (all without `most`), in one query; none where the rule is about no row."""
    columns: list[pl.Expr] = []
    for place, rule in enumerate(rules):
        if rule is not None and rule.mask is not None:
            value = pl.struct(rule.columns) if len(rule.columns) > 1 else pl.col(rule.columns[0])
            rows, values = rule.mask.arg_true(), value.filter(rule.mask)
            columns.append((rows if most is None else rows.head(most)).implode().alias(f"{place} rows"))
            columns.append((values if most is None else values.head(most)).implode().alias(f"{place} values"))
    if not columns:
        return [Examples((), ()) for _ in rules]
    found = frame.select(columns).collect().row(0, named=True)
    return [Examples(found.get(f"{place} rows", ()), found.get(f"{place} values", ())) for place in range(len(rules))]
