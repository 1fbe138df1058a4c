"""Whatever stands in a suite, the answer is a result or one clear error that is ours."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from gx_help import suite_of
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.data.great_expectations import EXPECTATIONS, measure_suite, parse_form, parse_suite
from shipway.data.great_expectations._arguments import ARGUMENTS
from shipway.kernel.errors import ShipwayError

TABLE = pl.LazyFrame(
    {
        "i": [1, 2, None],
        "s": ["a", "b", None],
        "f": [0.5, float("nan"), float("inf")],
        "d": [date(2020, 1, 1), None, date(9999, 12, 31)],
        "t": [datetime(2020, 1, 1), None, datetime(1, 1, 1)],
        "b": [True, None, False],
        "l": [[1], None, []],
        "n": [None, None, None],
    }
)
COLUMNS = st.sampled_from([*TABLE.collect_schema().names(), "zz", ""])
of = st.sampled_from
ODD = of(
    [10**400, -(10**30), 2**63, 1e308, -0.0, float("inf"), float("nan"), "", "\0", "\ud800", "2020-02-30", "0001-01-01",
     "9999-12-31T23:59:59", "(" * 200, "%", "{batch}", "{", "%Y%Q", "nan", "1e999", "`i` > 1", "i > 99999999999999999999999",
     "not", "i ==", {"$PARAMETER": "x"}, {"type": "comparison"}, {"type": "and", "conditions": [{}]}, {"$ref": "#"},
     {"weights": [1], "values": ["a"]}, {"bins": [0, 1], "weights": [1]},
     {"quantiles": [0.5], "value_ranges": [[None, None]]}]
)  # fmt: skip
ANY = st.recursive(
    ODD | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | COLUMNS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)

SCALAR = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(width=16) | of(["a", "2020-01-01", "1", "", "x" * 9])
LISTED = st.lists(SCALAR, max_size=3)
NUMBERS = st.lists(st.floats(width=16) | of([0, 0.25, 0.5, 1]), min_size=1, max_size=3)
PAIR = st.lists(SCALAR, min_size=2, max_size=2)
TEXTS = of(["a", "(", "[a", "(?P<x>a)(?(x)b|c)", r"\1", "a{99999}", r"(?a)\d", "%%", "_!", "%Y-%m", "%", "é$", "(?i)A", "\n"])
WORDS = of([*"isfdtbln", "zz", "and", "or", "not", "(", ")", ">", "==", "in", "[1, 'a']", "'a'", "1", "&", "~", ".isnull()"])
COMPARED = of(["==", "!=", "<", ">=", "IN", "NOT_IN", "?"])
CONDITIONS = st.lists(WORDS, min_size=1, max_size=6).map(" ".join) | st.builds(
    lambda name, word, value: {"type": "comparison", "column": {"name": name}, "operator": word, "parameter": value},
    COLUMNS,
    COMPARED,
    SCALAR | LISTED,
)
SCHEMAS = st.dictionaries(
    of(["type", "pattern", "$ref", "items", "anyOf", "minimum", "$defs", "enum", "properties"]),
    of(["object", "#", "#/$defs/x", "(", "number", {}, {"$ref": "#"}]) | SCALAR | LISTED,
    max_size=3,
)
SELECTS = ["select * from {batch}", "select l, t, d from {batch};", "select 1 from {batch} -- x", "{{}}"]
QUERIES = of([*SELECTS, "select * from {batch}) union (select 1"])


def partition(word: str, values: list[Any], more: dict[str, Any]) -> dict[str, Any]:
    weights = len(values) - (word == "bins")
    return {word: values, "weights": [1 / max(weights, 1)] * weights, **more}


FITTING: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(["min_value", "max_value", "threshold", "multiplier", "value", "sum_total", "column_index"], SCALAR),
    **dict.fromkeys(["value_set", "type_list", "column_set"], LISTED),
    **dict.fromkeys(["regex", "like_pattern", "strftime_format", "escape", "type_"], TEXTS),
    **dict.fromkeys(["regex_list", "like_pattern_list"], st.lists(TEXTS, max_size=2)),
    **dict.fromkeys(["strict_min", "strict_max", "strictly", "or_equal", "ties_okay"], st.booleans()),
    **dict.fromkeys(["tail_weight_holdout", "internal_weight_holdout"], of([0, 0.5, 1, float("nan")])),
    "parse_strings_as_datetimes": st.booleans(),
    "row_condition": CONDITIONS,
    "json_schema": SCHEMAS,
    "value_pairs_set": st.lists(PAIR, max_size=2),
    "quantile_ranges": st.builds(lambda q, r: {"quantiles": q, "value_ranges": [r for _ in q]}, NUMBERS, PAIR),
    "partition_object": st.builds(
        partition, of(["bins", "values"]), NUMBERS.map(sorted) | LISTED, of([{}, {"tail_weights": [0, 0]}])
    ),
    "unexpected_rows_query": QUERIES,
}


@st.composite
def hostile(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    kind = draw(st.sampled_from(EXPECTATIONS))
    kwargs: dict[str, Any] = {}
    for name in sorted(ARGUMENTS[kind]):
        if name in ("column", "column_A", "column_B"):
            kwargs[name] = draw(COLUMNS)
        elif name == "column_list":
            kwargs[name] = draw(st.lists(COLUMNS, max_size=3) | ANY)
        elif name in FITTING and draw(st.integers(0, 9)):
            if name not in ("row_condition", "parse_strings_as_datetimes") or not draw(st.integers(0, 4)):
                kwargs[name] = draw(FITTING[name])
        elif not draw(st.integers(0, 4)):
            kwargs[name] = draw(ANY)
    return f"!{kind}", kwargs


def answer(asked: tuple[str, dict[str, Any]]) -> str:
    """The result as JSON, or what the one error says."""
    try:
        suite = parse_suite(json.dumps(suite_of(asked)), path="s.json")
        return json.dumps(measure_suite(suite, TABLE, form=parse_form("COMPLETE")))
    except ShipwayError as problem:
        return problem.what


@settings(max_examples=150, deadline=None)
@given(hostile())
def test_an_expectation_of_anything_is_a_result_or_one_error(asked: tuple[str, dict[str, Any]]) -> None:
    assert "\n" not in answer(asked)


@pytest.mark.slow
@settings(max_examples=20_000, deadline=None)
@given(hostile())
def test_it_is_so_for_very_many(asked: tuple[str, dict[str, Any]]) -> None:
    assert "\n" not in answer(asked)
