"""Columns that are profiled by descriptors: which they are, and the numbers that stand for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shipway.data._columns import Numbers
from shipway.data._errors import ProfileMismatch
from shipway.data._text import TEXT_NAMES, TextRule, is_text, reference_texts, text_from_json
from shipway.data._vectors import VECTOR_NAMES, VectorRule, reference_vectors, vector_from_json
from shipway.kernel.canonical import JsonObject
from shipway.kernel.errors import nearest

if TYPE_CHECKING:
    import polars as pl

    from shipway.data._columns import Table

Rule = TextRule | VectorRule
"""What a reference fixes for a column that is profiled by its descriptors."""


def described_name(source: str, descriptor: str) -> str:
    """What a descriptor of a column is called among the columns of a profile.

    >>> described_name("review", "length")
    'review.length'
    """
    return f"{source}.{descriptor}"


def rule_from_json(record: JsonObject) -> Rule:
    """The inverse of a rule's to_json. Raises KeyError, TypeError, ValueError."""
    return vector_from_json(record) if record["type"] == "vector" else text_from_json(record)


def is_vector(kind: pl.DataType) -> bool:
    """Whether a column of this type holds lists of numbers."""
    import polars as pl

    return isinstance(kind, pl.List | pl.Array) and isinstance(kind.inner, pl.DataType) and kind.inner.is_numeric()


def reference_described(table: Table, texts: Collection[str]) -> Iterator[tuple[str, Rule | None, Mapping[str, Numbers]]]:
    """Every column of a reference that is described: its rule and its own descriptors. texts: columns that are, in any case.

    A column stays one of words where a descriptor would have the name of another column. One of lists has no rule where
    none of them is a vector, or such a name is taken: it has no profile.
    """
    names = list(table.keys() if isinstance(table, Mapping) else table.columns)
    if missing := sorted(set(texts) - set(names)):
        close = nearest(missing[0], names)
        mend = f"did you mean {close}?" if close else "name columns of the table"
        raise ProfileMismatch(f"there is no column {missing[0]}", where=missing[0], mend=mend)
    for name in names:
        if (vectors := _vectors(table[name])) is not None:
            found = None if _taken(name, VECTOR_NAMES, names) else reference_vectors(vectors)
            yield (name, None, {}) if found is None else (name, *found)
            continue
        series = _words(table[name], declared=name in texts)
        if series is None and name in texts:
            raise ProfileMismatch(f"column {name} holds no texts", where=name, mend="name columns of words as texts")
        if series is not None and not _taken(name, TEXT_NAMES, names) and (name in texts or is_text(series)):
            yield name, *reference_texts(series)


def _taken(name: str, descriptors: Collection[str], names: Collection[str]) -> bool:
    return bool({described_name(name, descriptor) for descriptor in descriptors} & {*names})


def measure_described(table: Table, rules: Mapping[str, Rule]) -> Iterator[tuple[str, Numbers]]:
    """The descriptors of the columns that the reference describes, under their names in a profile. Raises ProfileMismatch."""
    for source, rule in rules.items():
        if source in (table if isinstance(table, Mapping) else table.columns):
            column = table[source]
            series = _words(column, declared=True) if isinstance(rule, TextRule) else _vectors(column, declared=True)
            if series is None:
                what = "texts" if isinstance(rule, TextRule) else "lists of numbers"
                raise ProfileMismatch(f"column {source} holds no {what}, and the reference does", where=source)
            for descriptor, numbers in rule.measure(series).items():
                yield described_name(source, descriptor), numbers


def _vectors(column: pl.Series | NDArray[np.generic], *, declared: bool = False) -> pl.Series | None:
    """A column of lists of numbers; None of any other. declared: a column without a value is one, too."""
    if isinstance(column, np.ndarray):
        return None
    import polars as pl

    fits = is_vector(column.dtype) or (declared and column.dtype == pl.Null)
    return column.cast(pl.List(pl.Float64)) if fits else None


def _words(column: pl.Series | NDArray[np.generic], *, declared: bool) -> pl.Series | None:
    """A column of words as strings; None of any other. declared: a column without a value is one of words, too."""
    if isinstance(column, np.ndarray) and column.dtype.kind not in "OUST":
        empty = declared and column.dtype.kind == "f" and bool(np.isnan(column).all())
        return _strings([None] * column.size) if empty else None
    if isinstance(column, np.ndarray):
        return _strings(column.tolist())
    import polars as pl

    if column.dtype in (pl.String, pl.Categorical, pl.Enum) or (declared and column.dtype == pl.Null):
        return column.cast(pl.String)
    return None


def _strings(values: list[object]) -> pl.Series:
    """Text and bytes as text; what is neither, and NaN, as none."""
    import polars as pl

    found = [
        value if isinstance(value, str) else value.decode("utf-8", "replace") if isinstance(value, bytes) else None
        for value in values
    ]
    return pl.Series([text and text.encode("utf-8", "replace").decode() for text in found], dtype=pl.String)
