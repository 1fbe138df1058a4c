"""Rows to a profile: the reference fixes the edges, every later window is measured over them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from shipway.data._category import measure_category, reference_category
from shipway.data._columns import Numbers, Words, columns_of, rows_of
from shipway.data._described import Rule, described_name, measure_described, reference_described
from shipway.data._errors import ProfileMismatch
from shipway.data._histogram import BINS
from shipway.data._numeric import NumericProfile, measure_numeric, numeric_edges
from shipway.data._profile import ColumnProfile, Profile
from shipway.data._scores import calibration_edges, measure_outcome, measure_score, probabilities_of

if TYPE_CHECKING:
    from shipway.data._columns import Table


def reference_profile(
    table: Table, *, score: ArrayLike | None = None, label: ArrayLike | None = None, texts: Collection[str] = ()
) -> Profile:
    """The profile of the reference rows; its edges and categories are those of every profile measured against it.

    table: arrays or a polars frame of the features, numbers or words; score: (n,) probabilities, NaN for none;
    label: (n,) 0, 1 or NaN, needs score; texts: columns that are texts, beside those that look like it, which are profiled by
    descriptors, as lists of numbers are (a column without a usable one is left out). A reference is time-ordered: rows after
    those a model was trained on.
    Raises ProfileMismatch for times and other lists, unequal lengths, a score outside 0..1, another label.
    """
    rows = rows_of(table)
    rules, columns = dict[str, Rule | None](), dict[str, ColumnProfile]()
    for source, rule, parts in reference_described(table, texts):
        rules[source] = rule
        for name, part in parts.items():
            columns[described_name(source, name)] = _reference_column(part, rule.bins if rule else BINS)
    described = {source: rule for source, rule in rules.items() if rule is not None}
    known = (table.keys() if isinstance(table, Mapping) else set(table.columns)) - rules.keys()
    columns = {name: _reference_column(column) for name, column in columns_of(table, known=known)} | columns
    if score is None:
        return Profile(rows or 0, columns, described=described)
    scores = probabilities_of(score)
    outcomes = measure_outcome(scores, label if label is not None else scores * float("nan"), calibration_edges(scores))
    return Profile(_same_rows(rows, scores.size), columns, measure_score(scores), outcomes, described=described)


def measure_profile(
    reference: Profile, table: Table, *, score: ArrayLike | None = None, label: ArrayLike | None = None
) -> Profile:
    """The profile of a window over the edges of the reference; arguments as there, unknown columns are left out.

    Features and scores count every row, outcomes those with a label. Raises ProfileMismatch as reference_profile, and
    for a column that has turned from numbers to words or back.
    """
    known, rows = reference.columns, rows_of(table)
    plain = set(reference.plain) if reference.described else known
    columns = {name: _column(name, known[name], column) for name, column in columns_of(table, known=plain)}
    for name, part in measure_described(table, reference.described):
        columns[name] = _column(name, known[name], part)
    if score is None:
        return Profile(rows or 0, columns)
    scores = probabilities_of(score)
    outcomes = measure_outcomes(reference, score=scores, label=label).outcomes if label is not None else None
    return Profile(_same_rows(rows, scores.size), columns, measure_score(scores), outcomes)


def measure_outcomes(reference: Profile, *, score: ArrayLike, label: ArrayLike) -> Profile:
    """The outcomes alone of predictions whose rows were measured before; merge it with their profile.

    score, label: (n,) as in reference_profile; each prediction once, when its label is known. Raises ProfileMismatch.
    """
    if reference.outcomes is None:
        raise ProfileMismatch(
            "the reference was profiled without scores", mend="make the reference profile with score and label"
        )
    return Profile(0, {}, None, measure_outcome(probabilities_of(score), label, reference.outcomes.edges))


def _reference_column(column: Numbers | Words, bins: int = BINS) -> ColumnProfile:
    if isinstance(column, Words):
        return reference_category(column.counts, column.nulls)
    low, high = numeric_edges(column.values)
    return measure_numeric(column.values, column.nulls, low=low, high=high, bins=bins)


def _column(name: str, reference: ColumnProfile, column: Numbers | Words) -> ColumnProfile:
    if isinstance(reference, NumericProfile):
        numbers = _as_numbers(name, column)
        return measure_numeric(numbers.values, numbers.nulls, low=reference.low, high=reference.high, bins=reference.size)
    words = _as_words(name, column)
    return measure_category(reference, words.counts, words.nulls)


def _as_numbers(name: str, column: Numbers | Words) -> Numbers:
    """A column without any value fits both types."""
    if isinstance(column, Numbers):
        return column
    if column.counts:
        raise ProfileMismatch(f"column {name} holds words, and numbers in the reference", where=name)
    return Numbers(np.empty(0), column.nulls)


def _as_words(name: str, column: Numbers | Words) -> Words:
    if isinstance(column, Words):
        return column
    if not np.isnan(column.values).all():
        raise ProfileMismatch(f"column {name} holds numbers, and words in the reference", where=name)
    return Words({}, column.nulls + column.values.size)


def _same_rows(rows: int | None, scores: int) -> int:
    if rows is not None and rows != scores:
        raise ProfileMismatch(f"{scores:,} scores for {rows:,} rows", mend="pass the score of every row, NaN for none")
    return scores
