"""What is asked of a database, and how it is quoted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

_END = re.compile(r";\s*(--[^\n'\"]*\s*)*$")  # with a quote it may be inside of a text


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT, and the columns that say which row is which (key) or which came later (watermark): one of the two.

    where: the file of the text, for errors.
    """

    text: str
    key: tuple[str, ...] = ()
    watermark: tuple[str, ...] = ()
    where: str = "the query"

    @property
    def order(self) -> tuple[str, ...]:
        return self.key or self.watermark


@dataclass(frozen=True, slots=True)
class Past:
    """What a snapshot has already. after: the last place of the order, nothing to read all rows; types: of its columns."""

    after: tuple[object, ...] = ()
    types: Mapping[str, pl.DataType] = field(default_factory=dict)


def quoted(name: str) -> str:
    """A column's name as SQL has it; the three databases agree.

    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def selected(text: str, columns: str = "*") -> str:
    """A SELECT from the query, whatever ends its text.

    >>> selected("SELECT 1 AS id;  -- all")
    'SELECT * FROM (\\nSELECT 1 AS id\\n) AS asked'
    """
    return f"SELECT {columns} FROM (\n{_END.sub('', text.strip())}\n) AS asked"


def ordered(columns: Sequence[str], *, after: Sequence[str]) -> str:
    """The rest of a SELECT: in the order of these columns (expressions), only rows after those places when there are some."""
    row = ", ".join(columns)
    later = f" WHERE ({row}) > ({', '.join(after)})" if after else ""
    return f"{later} ORDER BY {row}"
