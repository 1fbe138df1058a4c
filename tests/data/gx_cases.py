"""Generated tables and suites: every expectation that is judged stands here, with the kwargs that it is asked with.

To judge another one is to add a line: a test compares the names with those that we say we know.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import polars as pl
from gx_help import FORMATS, suite_of
from hypothesis import strategies as st

Case = tuple[str, dict[str, Any]]
of = st.sampled_from

SMALL = st.integers(-4, 9)
FLOATS = of([None, float("nan"), -2.5, 0.0, 0.5, 1.0, 3.0, 7.25])
WORDS = of(["", "a", "ab", "b1", "B 2", "é", "2013-01-31", '{"a": 1}', "[1]", "nan", "x\n", "5 pm", "a%", "a_b"])
REGEXES = of(
    ["a", "^a", "b$", r"\d", "[0-9]+", "^$", "(?i)b", "a(?=b)", "[a-b]1", r"^\[1\]", "a*b+", "a|b", "x$", "^B 2", "é?"]
)
LIMITS = of([None, -2, 0, 1, 2.5, 4])
MOSTLY = of([0.0, 0.3, 0.5, 0.75, 1.0])
DAYS = st.dates(date(2019, 12, 30), date(2020, 1, 3))
MOMENTS = of(["2020-01-01T10:00:00", "2020-01-01T10:30:00", "2020-03-01T00:00:00"])
DATES = of(["2019-12-31", "2020-01-01", "2020-01-02"])
TIMES = of([datetime(2020, 1, 1), datetime(2020, 1, 1, 10, 30), datetime(2020, 1, 2, 0, 0, 0, 5), datetime(2020, 3, 1)])
BOOLS = st.booleans()
COLUMNS = list("iknfstedugw")
NUMBER, TEXT, ANY = of("iknfe"), of("st"), of(COLUMNS)


@st.composite
def tables(draw: st.DrawFn, *, least: int = 0) -> pl.DataFrame:
    rows = draw(st.integers(least, 20))
    some: dict[str, tuple[Any, Any]] = {
        "i": (SMALL, pl.Int64),
        "k": (SMALL, pl.Int64),
        "n": (st.none() | SMALL, pl.Int64),
        "f": (FLOATS, pl.Float64),
        "s": (st.none() | WORDS, pl.String),
        "t": (WORDS, pl.String),
        "e": (st.none() if draw(BOOLS) else FLOATS, pl.Float64),
        "d": (st.none() | DAYS, pl.Date),
        "u": (st.none() | TIMES, pl.Datetime("us")),
        "g": (BOOLS, pl.Boolean),
        "w": (st.none() | TIMES, pl.Datetime("us")),
    }
    kinds = {name: kind for name, (_, kind) in some.items()}
    return pl.DataFrame({name: draw(st.lists(one, min_size=rows, max_size=rows)) for name, (one, _) in some.items()}, kinds)


@st.composite
def forms(draw: st.DrawFn) -> dict[str, Any]:
    """A result format that is an object."""
    more = {
        "partial_unexpected_count": draw(of([0, 1, 3, 20])),
        "unexpected_index_column_names": draw(of([["k"], ["t", "i"]])),
        "return_unexpected_index_query": draw(BOOLS),
        "include_unexpected_rows": draw(BOOLS),
        "exclude_unexpected_values": draw(BOOLS),
    }
    kept = draw(st.lists(of(list(more)), unique=True))
    return {"result_format": draw(of(FORMATS)), **{name: more[name] for name in kept}}


@st.composite
def conditions(draw: st.DrawFn) -> Any:
    name, value = draw(of([("i", 1), ("f", 0.5), ("n", 2), ("s", "a")]))
    words = ["==", "!=", *([] if name == "s" else ["<", "<=", ">", ">="])]
    one = {"type": "comparison", "column": {"name": name}, "operator": draw(of(words)), "parameter": value}
    among = {"type": "comparison", "column": {"name": "k"}, "operator": draw(of(["IN", "NOT_IN"]))}
    other = {"type": "nullity", "column": {"name": "n"}, "is_null": draw(BOOLS)}
    both = {"type": draw(of(["and", "or"])), "conditions": [one, other]}
    return draw(of([one, other, both, among | {"parameter": [1, 2, 3, -1]}]))


QUERIES = of(
    [
        "i > 1 and f < 5", "i>1 & k<5 | n == 2", 's == "a" or n.isnull()', "not i > 1", "~(k >= 2) and f.notnull()",
        "1 < i <= 4", "s in ['a', 'ab']", 's not in ["a"]', "n != f", "i >= k", "`i` == 2", "-1 < i", "k in [1, 2, 3]",
        "k != [1, 2]", "g",
        "not g and i > 0", "g == True", 'u > "2020-01-01 10:00:00"', "u <= '2020-01-01'", "t > 'a'", "s != t", "n.isna()",
        "k.isin([1, 2])", "s == 3", "i == 'a'", "f == f", "i != i and k > 1",
    ]
)  # fmt: skip


def limits(draw: st.DrawFn, strategy: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Bounds, of which one may be missing."""
    low, high = sorted(draw(st.lists(strategy, min_size=2, max_size=2)))
    ends = {"min_value": low, "max_value": high, "strict_min": draw(BOOLS), "strict_max": draw(BOOLS)}
    left_out = draw(of(["min_value", "max_value", ""]))
    return {name: value for name, value in ends.items() if name != left_out}


def of_one_column(draw: st.DrawFn) -> list[Case]:
    ends = limits(draw, of([-2, 0, 1, 2.5, 4]))
    sizes = {"min_value": 0, **draw(of([{}, {"max_value": 2}, {"max_value": 3.0, "strict_max": True}]))}
    texts, numbers = draw(st.lists(WORDS, max_size=4)), draw(st.lists(SMALL | st.just(0.5), max_size=4))
    written = of("stidufg")  # what has a text
    return [
        ("values_to_be_between", {"column": draw(NUMBER), **ends}),
        ("values_to_be_between", {"column": "d", **limits(draw, DATES)}),
        ("values_to_be_between", {"column": "u", **limits(draw, MOMENTS)}),
        ("values_to_be_between", {"column": draw(of("du")), "min_value": draw(of([1, "2020-01-01T10:30:00"]))}),
        ("values_to_be_between", {"column": draw(of("ig")), "min_value": draw(of([1, "1", "0.5", True]))}),
        ("values_to_not_be_null", {"column": draw(ANY)}),
        ("values_to_be_null", {"column": draw(ANY)}),
        ("values_to_be_unique", {"column": draw(ANY)}),
        ("values_to_be_in_set", {"column": draw(TEXT), "value_set": texts}),
        ("values_to_be_in_set", {"column": draw(NUMBER), "value_set": numbers}),
        ("values_to_be_in_set", {"column": "g", "value_set": draw(of([[True], [1], [0, 1], [False, True], []]))}),
        ("values_to_be_in_set", {"column": draw(of("du")), "value_set": draw(of([["2020-01-01"], []]))}),
        ("values_to_not_be_in_set", {"column": draw(TEXT), "value_set": texts}),
        ("values_to_not_be_in_set", {"column": draw(of("iknfeg")), "value_set": numbers}),
        ("values_to_match_regex", {"column": draw(written), "regex": draw(REGEXES | of(["2020", "10:3", "^T", r"\.5"]))}),
        ("values_to_not_match_regex", {"column": draw(written), "regex": draw(REGEXES)}),
        ("values_to_match_regex_list",
         {"column": draw(TEXT), "regex_list": draw(st.lists(REGEXES, min_size=1)), "match_on": draw(of(["any", "all"]))}),
        ("values_to_not_match_regex_list", {"column": draw(TEXT), "regex_list": draw(st.lists(REGEXES, min_size=1))}),
        ("value_lengths_to_be_between", {"column": draw(written), **sizes}),
        ("value_lengths_to_equal", {"column": draw(written), "value": draw(of([0, 1, 2, 10, 19]))}),
        ("values_to_be_increasing", {"column": draw(of("iknfedu")), "strictly": draw(BOOLS)}),
        ("values_to_be_decreasing", {"column": draw(of("iknfedu")), "strictly": draw(BOOLS)}),
        ("value_z_scores_to_be_less_than",
         {"column": draw(NUMBER), "threshold": draw(of([0.51, 1.03, 2.1])), "double_sided": draw(BOOLS)}),
        ("values_to_not_be_outliers",
         {"column": draw(NUMBER), "method": draw(of(["iqr", "std"])), "multiplier": draw(of([0.0, 0.51, 1.5]))}),
        ("values_to_match_strftime_format", {"column": draw(TEXT), "strftime_format": draw(of(["%Y-%m-%d", "%Y"]))}),
        ("values_to_be_json_parseable", {"column": draw(TEXT)}),
        ("values_to_be_dateutil_parseable", {"column": draw(TEXT)}),
    ]  # fmt: skip


def of_one_record(draw: st.DrawFn) -> list[Case]:
    pair = {"column_A": draw(of("ikn")), "column_B": "f"}
    pair |= {"ignore_row_if": draw(of(["both_values_are_missing", "either_value_is_missing", "neither"]))}
    many = {"ignore_row_if": draw(of(["all_values_are_missing", "any_value_is_missing", "never"]))}
    columns = draw(st.permutations(["i", "k", "n", "f"]))
    return [
        ("column_pair_values_to_be_equal", pair),
        ("column_pair_values_to_be_equal", {**pair, "column_A": "u", "column_B": "w"}),
        ("column_pair_values_a_to_be_greater_than_b", {**pair, "column_A": "u", "column_B": "w", "or_equal": draw(BOOLS)}),
        ("column_pair_values_a_to_be_greater_than_b", {**pair, "or_equal": draw(BOOLS)}),
        (
            "compound_columns_to_be_unique",
            {"column_list": [columns[0], draw(of("kdug")) if columns[0] != "k" else "s", "t"], **many},
        ),
        ("select_column_values_to_be_unique_within_record", {"column_list": columns[:3], **many}),
        ("multicolumn_sum_to_equal", {"column_list": columns[:2], "sum_total": draw(of([0, 2, 3.5])), **many}),
        ("multicolumn_values_to_be_equal", {"column_list": columns[:2], **many}),
    ]


def of_a_number(draw: st.DrawFn) -> list[Case]:
    ends = limits(draw, of([-2, 0, 1, 2.5, 4]))
    shares = {"min_value": 0, **draw(of([{}, {"max_value": 2}, {"max_value": 3.0, "strict_max": True}]))}
    quantiles = draw(st.lists(of([0, 0.1, 0.25, 0.5, 0.75, 1]), min_size=1))
    ranges = {"quantiles": quantiles, "value_ranges": [[draw(LIMITS), 5] for _ in quantiles]}
    return [
        *((f"column_{name}_to_be_between", {"column": draw(NUMBER), **ends})
          for name in ("min", "max", "mean", "median", "stdev", "sum")),
        *((f"column_{name}_to_be_between", {"column": "g", **ends}) for name in ("mean", "median", "stdev", "sum")),
        *((f"column_{name}_to_be_between", {"column": draw(ANY), **shares})
          for name in ("unique_value_count", "proportion_of_unique_values", "proportion_of_non_null_values")),
        *((f"column_{name}_to_be_between", {"column": "d", **limits(draw, DATES)})
          for name in ("min", "max")),
        *((f"column_{name}_to_be_between", {"column": draw(of("ugst")), **draw(of([{}, {"max_value": 1}]))})
          for name in ("min", "max")),
        ("column_max_to_be_between", {"column": "u", "max_value": draw(MOMENTS)}),
        ("column_quantile_values_to_be_between",
         {"column": draw(of("ikn")), "quantile_ranges": ranges,
          "allow_relative_error": draw(of([False, "nearest", "lower", "higher", "midpoint", "linear"]))}),
    ]  # fmt: skip


def of_a_distribution(draw: st.DrawFn) -> list[Case]:
    texts, numbers = draw(st.lists(WORDS, max_size=4)), draw(st.lists(SMALL | st.just(0.5), max_size=4))
    days = ["2020-01-01", "2020-01-02", "2021-05-05"]
    halves = {"values": ["a", "ab"], "weights": [0.25, 0.75]}
    whole = {"values": [1, 2, 0.5, -3], "weights": [0.25, 0.5, 0.25, 0]}
    bins = draw(
        of(
            [
                {"bins": [-5, 0, 1, 4, 9], "weights": [0.25, 0, 0.5, 0.25]},
                {"bins": [0, 1, 2.5], "weights": [0.3, 0.5], "tail_weights": [0.1, 0.1]},
                {"bins": [-float("inf"), 0, 2], "weights": [0.5, 0.5]},
                {"bins": [0, 2, float("inf")], "weights": [0.5, 0.5]},
                {"bins": [-float("inf"), 0, 2, float("inf")], "weights": [0.25, 0.25, 0.5]},
            ]
        )
    )
    held = {name: draw(of([0, 0.1])) for name in ("tail_weight_holdout", "internal_weight_holdout")}
    return [
        *((f"distinct_values_to_{word}", {"column": draw(TEXT), "value_set": [*texts, "a"]})
          for word in ("be_in_set", "equal_set", "contain_set")),
        *((f"distinct_values_to_{word}", {"column": draw(of("du")), "value_set": draw(of([days[:1], days]))})
          for word in ("be_in_set", "equal_set", "contain_set")),
        ("distinct_values_to_be_in_set", {"column": draw(of("ikn")), "value_set": [*numbers, 1]}),
        ("distinct_values_to_equal_set", {"column": "g", "value_set": draw(of([[True], [True, False]]))}),
        ("most_common_value_to_be_in_set", {"column": draw(of("iknst")), "value_set": ["a", 1], "ties_okay": draw(BOOLS)}),
        ("most_common_value_to_be_in_set",
         {"column": draw(of("dug")), "value_set": [True, "2020-01-01"], "ties_okay": draw(BOOLS)}),
        *(("kl_divergence_to_be_less_than",
           {"column": draw(column), "partition_object": one, "threshold": draw(of([0.1, 1, 5, None])),
            "tail_weight_holdout": draw(of([0, 0.1]))}) for column, one in ((TEXT, halves), (of("ike"), whole))),
        ("kl_divergence_to_be_less_than",
         {"column": draw(of("iknfe")), "partition_object": bins, "threshold": draw(of([0.1, 1])), **held}),
    ]  # fmt: skip


def of_the_table(draw: st.DrawFn) -> list[Case]:
    """And what stands no row condition there: under one, Great Expectations 1.24.1 raises where it should answer."""
    kind = {"type_": draw(of(["int64", "float64", "str", "int", "float", "bool"]))}
    dtype = draw(of(["int64", "float", "str", "string", "bool", "object", "datetime64", "datetime64[us]", "Int64", "category"]))
    pair = {"column_A": draw(of("ikn")), "column_B": draw(of("ft"))}
    pair |= {"ignore_row_if": draw(of(["both_values_are_missing", "either_value_is_missing", "neither"]))}
    named = draw(of([COLUMNS, list("kiq"), [*COLUMNS, "z"]]))
    return [
        ("column_pair_values_to_be_in_set",
         {**pair, "value_pairs_set": [[1, 0.5], [2, None], [None, "a"], [0, "b1"], [3, 3]], "mostly": draw(MOSTLY)}),
        ("table_row_count_to_be_between", {"min_value": 3, "max_value": draw(of([None, 9]))}),
        ("table_row_count_to_equal", {"value": draw(st.integers(1, 9))}),
        ("table_column_count_to_be_between", {"min_value": 1, "max_value": draw(of([3, 10]))}),
        ("table_column_count_to_equal", {"value": draw(of([3, 10]))}),
        ("table_columns_to_match_ordered_list", {"column_list": named}),
        ("table_columns_to_match_set",
         {"column_set": draw(of([COLUMNS[::-1], list("kiq"), list("ik")])), "exact_match": draw(BOOLS)}),
        ("column_to_exist", {"column": draw(of("iqk")), "column_index": draw(of([None, 0, 1, 9]))}),
        ("column_values_to_be_of_type", {"column": draw(of("iknfest")), **kind}),
        ("column_values_to_be_in_type_list", {"column": draw(NUMBER), "type_list": ["int64", draw(of(["float64", "str"]))]}),
        ("column_type_to_be", {"column": draw(ANY), "type_": dtype}),
        ("column_values_to_be_between", {"column": "missing", "min_value": 1}),
        ("column_max_to_be_between", {"column": "missing", "min_value": 1}),
    ]  # fmt: skip


JSONS = of(["{}", '{"a": 1}', '{"a": "x", "b": [1, 2]}', "[1]", "3", "null", '"abc"', '{"a": {"b": 2}}', "[[]]"])
SCHEMAS = of(
    [
        {"type": "object"}, {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 1}}},
        {"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "number"}}]}, {"type": "string", "pattern": "^a"}, {},
        {"$ref": "#/$defs/one", "$defs": {"one": {"type": "number"}}}, {"type": 3},
    ]
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> tuple[pl.DataFrame, dict[str, Any]]:
    """A table of JSON, since Great Expectations judges no schema where one text is none."""
    texts = draw(st.lists(st.none() | JSONS, min_size=1, max_size=12))
    table = pl.DataFrame({"j": texts, **{name: range(len(texts)) for name in "kti"}}, schema_overrides={"j": pl.String})
    asked = [("column_values_to_match_json_schema", {"column": "j", "json_schema": draw(SCHEMAS), "mostly": draw(MOSTLY)})]
    return table, suite_of(*asked)


EXPRESSIONS = st.recursive(
    of(["a", "b_2", "3", "0.5", "0", "1e1", "PI", "t", "nope"]),
    lambda inner: (
        st.builds("".join, st.tuples(inner, of(["+", " - ", "*", " / "]), inner))
        | inner.map(lambda one: f"({one})")
        | st.builds("{}{}".format, of(["-", "+", "- ", "--"]), inner)
        | st.builds("{}({})".format, of(["abs", "round", "trunc", "sgn", "exp", "cos"]), inner)
        | st.builds("{}^{}".format, inner, of(["2", "-1", "0.5", " 3"]))
    ),
    max_leaves=4,
)


def with_shares(draw: st.DrawFn, cases: Sequence[Case]) -> list[Case]:
    return [(name, {**kwargs, "mostly": draw(MOSTLY)}) for name, kwargs in cases]


@st.composite
def suites(draw: st.DrawFn) -> dict[str, Any]:
    """Every expectation that Great Expectations judges with pandas, and the missing column."""
    rows = [(f"column_{name}", kwargs) for name, kwargs in of_one_column(draw)]
    sets = [(f"column_{name}", kwargs) for name, kwargs in of_a_distribution(draw)]
    asked = [*with_shares(draw, rows), *with_shares(draw, of_one_record(draw)), *of_a_number(draw), *sets]
    under = (
        {"row_condition": draw(conditions())} if draw(BOOLS) else {"row_condition": draw(QUERIES), "condition_parser": "pandas"}
    )
    asked = [(name, {**kwargs, **under} if draw(BOOLS) else kwargs) for name, kwargs in asked]
    return suite_of(*asked, *of_the_table(draw))


PATTERNS = of(["a%", "%", "_", "a_b", "%1", "a!%", "%!_%", "", "ab", "%a%"])


@st.composite
def databases(draw: st.DrawFn) -> dict[str, Any]:
    """What it asks only databases: small letters, since SQLite's LIKE takes large ones for them."""
    one = {"column": draw(TEXT), **draw(of([{}, {"escape": "!"}]))}
    patterns = draw(st.lists(PATTERNS, min_size=1, max_size=3))
    asked: list[Case] = [
        ("column_values_to_match_like_pattern", {**one, "like_pattern": patterns[0]}),
        ("column_values_to_not_match_like_pattern", {**one, "like_pattern": patterns[0]}),
        (
            "column_values_to_match_like_pattern_list",
            {**one, "like_pattern_list": patterns, "match_on": draw(of(["any", "all"]))},
        ),
        ("column_values_to_not_match_like_pattern_list", {**one, "like_pattern_list": patterns}),
    ]
    query = draw(of(["i > 2", "s = t", "i > k and f is null", "missing > 1", "i in (select max(k) from other)"]))
    return suite_of(
        *with_shares(draw, asked),
        ("table_row_count_to_equal_other_table", {"other_table_name": "other"}),
        (
            "!unexpected_rows_expectation",
            {"unexpected_rows_query": f"select i, s from {{batch}} where {query} order by i, s nulls first;"},
        ),
    )
