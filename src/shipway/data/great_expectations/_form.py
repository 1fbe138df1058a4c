"""How much a result says: one of four words, or Great Expectations' object of them with more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from shipway.data._errors import SuiteMalformed
from shipway.kernel.canonical import Json, JsonObject

ResultFormat = Literal["BOOLEAN_ONLY", "BASIC", "SUMMARY", "COMPLETE"]
WORDS: tuple[str, ...] = get_args(ResultFormat)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """most: of the partial lists; index: columns that name a row; query: whether one is told that fetches the rows.

    rows: the whole unexpected rows too, as many as most; values: whether unexpected values are told.
    """

    level: ResultFormat = "SUMMARY"
    most: int = 20
    index: tuple[str, ...] = ()
    query: bool | None = None
    rows: bool = False
    values: bool = True

    def to_json(self) -> Json:
        """As Great Expectations takes it: the word alone where no more is said."""
        more: dict[str, Json] = {}
        if self.most != 20:
            more["partial_unexpected_count"] = self.most
        if self.index:
            more["unexpected_index_column_names"] = list(self.index)
        if self.query is not None:
            more["return_unexpected_index_query"] = self.query
        if self.rows:
            more["include_unexpected_rows"] = True
        if not self.values:
            more["exclude_unexpected_values"] = True
        return {"result_format": self.level, **more} if more else self.level


def parse_form(text: str) -> Form:
    """A word, or the JSON of an object. Raises SuiteMalformed."""
    if text in WORDS:
        return Form(level=cast("ResultFormat", text))
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise SuiteMalformed(
            f"{text[:60]!r} is no result format", where="result format", mend=f"{', '.join(WORDS)}, or an object"
        )
    return read_form(body)


def read_form(body: JsonObject) -> Form:
    """The object of a result format; raises SuiteMalformed."""
    known = {"result_format", "partial_unexpected_count", "unexpected_index_column_names", "return_unexpected_index_query",
             "include_unexpected_rows", "exclude_unexpected_values"}  # fmt: skip
    if odd := sorted(set(body) - known):
        raise SuiteMalformed(f"a result format has no {odd[0]}", where="result format", mend=", ".join(sorted(known)))
    level, most, query = (
        body.get("result_format", "SUMMARY"),
        body.get("partial_unexpected_count", 20),
        body.get("return_unexpected_index_query"),
    )
    if level not in WORDS:
        _wrong(f"result_format is one of {', '.join(WORDS)}")
    if type(most) is not int or not 0 <= most <= 1_000_000:
        _wrong("partial_unexpected_count is a number of values, a million at most")
    flags = {word: body.get(word, False) for word in ("include_unexpected_rows", "exclude_unexpected_values")}
    if not all(isinstance(flag, bool) for flag in flags.values()) or not isinstance(query, bool | None):
        _wrong("its switches are true or false")
    return Form(
        level=cast("ResultFormat", level), most=cast("int", most), index=_columns(body), query=cast("bool | None", query),
        rows=flags["include_unexpected_rows"] is True, values=flags["exclude_unexpected_values"] is False,
    )  # fmt: skip


def _columns(body: Mapping[str, Json]) -> tuple[str, ...]:
    names = body.get("unexpected_index_column_names") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        _wrong("unexpected_index_column_names is a list of columns")
    return tuple(cast("list[str]", names))


def _wrong(what: str) -> None:
    raise SuiteMalformed(what, where="result format", mend="correct it")
