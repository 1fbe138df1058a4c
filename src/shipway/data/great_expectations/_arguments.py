"""The arguments that an expectation has: one that it has not would be read by nobody, and what it meant be lost."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NoReturn

from shipway.data._errors import SuiteMalformed
from shipway.data.great_expectations._suite import Expectation
from shipway.kernel.canonical import Json
from shipway.kernel.errors import nearest

# of every expectation, and of no meaning here: what is told of it, and how a run of before 1.0 went
_TOLD = {
    "batch_id", "catch_exceptions", "description", "id", "meta", "notes", "rendered_content", "result_format", "severity",
    "windows", "auto", "include_config", "profiler_config",
}  # fmt: skip
_DEEPEST = 100
_LARGEST = int(sys.float_info.max)
_SCOPE = {"row_condition", "condition_parser"}
_BOUNDS = {"min_value", "max_value", "strict_min", "strict_max"}
_TIMES = {"parse_strings_as_datetimes"}
_COLUMN = {"column", "mostly", *_SCOPE}
_PAIR = {"column_A", "column_B", "ignore_row_if", "mostly", *_SCOPE}
_RECORD = {"column_list", "ignore_row_if", "mostly", *_SCOPE}
_NUMBER = {"column", *_BOUNDS, *_SCOPE}
_SET = {"column", "value_set", *_SCOPE, *_TIMES}

_OWN: Mapping[str, set[str]] = {
    "column_values_to_be_between": _COLUMN | _BOUNDS | _TIMES,
    "column_values_to_not_be_null": _COLUMN,
    "column_values_to_be_null": _COLUMN,
    "column_values_to_be_unique": _COLUMN,
    "column_values_to_be_in_set": _COLUMN | _SET,
    "column_values_to_not_be_in_set": _COLUMN | _SET,
    "column_values_to_match_regex": _COLUMN | {"regex"},
    "column_values_to_not_match_regex": _COLUMN | {"regex"},
    "column_values_to_match_regex_list": _COLUMN | {"regex_list", "match_on"},
    "column_values_to_not_match_regex_list": _COLUMN | {"regex_list"},
    "column_values_to_match_like_pattern": _COLUMN | {"like_pattern", "escape"},
    "column_values_to_not_match_like_pattern": _COLUMN | {"like_pattern", "escape"},
    "column_values_to_match_like_pattern_list": _COLUMN | {"like_pattern_list", "escape", "match_on"},
    "column_values_to_not_match_like_pattern_list": _COLUMN | {"like_pattern_list", "escape"},
    "column_value_lengths_to_be_between": _COLUMN | _BOUNDS,
    "column_value_lengths_to_equal": _COLUMN | {"value"},
    "column_values_to_be_increasing": _COLUMN | {"strictly"} | _TIMES,
    "column_values_to_be_decreasing": _COLUMN | {"strictly"} | _TIMES,
    "column_value_z_scores_to_be_less_than": _COLUMN | {"threshold", "double_sided"},
    "column_values_to_not_be_outliers": _COLUMN | {"method", "multiplier"},
    "column_values_to_match_strftime_format": _COLUMN | {"strftime_format"},
    "column_values_to_be_dateutil_parseable": _COLUMN,
    "column_values_to_be_json_parseable": _COLUMN,
    "column_values_to_match_json_schema": _COLUMN | {"json_schema"},
    "column_values_to_be_of_type": _COLUMN | {"type_"},
    "column_values_to_be_in_type_list": _COLUMN | {"type_list"},
    "column_pair_values_to_be_equal": _PAIR,
    "column_pair_values_a_to_be_greater_than_b": _PAIR | {"or_equal"},
    "column_pair_values_to_be_in_set": _PAIR | {"value_pairs_set"},
    "compound_columns_to_be_unique": _RECORD,
    "select_column_values_to_be_unique_within_record": _RECORD,
    "multicolumn_sum_to_equal": _RECORD | {"sum_total"},
    "multicolumn_values_to_be_equal": _RECORD,
    **{f"column_{name}_to_be_between": _NUMBER for name in ("mean", "median", "stdev", "sum", "unique_value_count")},
    **{f"column_proportion_of_{name}_values_to_be_between": _NUMBER for name in ("unique", "non_null")},
    **{f"column_{name}_to_be_between": _NUMBER | _TIMES for name in ("min", "max")},
    "column_quantile_values_to_be_between": {"column", "quantile_ranges", "allow_relative_error", *_SCOPE},
    **{f"column_distinct_values_to_{name}": _SET for name in ("be_in_set", "equal_set", "contain_set")},
    "column_most_common_value_to_be_in_set": {"column", "value_set", "ties_okay", *_SCOPE},
    "column_kl_divergence_to_be_less_than": {
        "column", "partition_object", "threshold", "tail_weight_holdout", "internal_weight_holdout", "bucketize_data",
        "min_value", "max_value", *_SCOPE,
    },
    "column_to_exist": {"column", "column_index"},
    "column_type_to_be": {"column", "type_"},
    "table_row_count_to_be_between": _BOUNDS | _SCOPE,
    "table_row_count_to_equal": {"value"} | _SCOPE,
    "table_row_count_to_equal_other_table": {"other_table_name"} | _SCOPE,
    "table_column_count_to_be_between": {"min_value", "max_value"},
    "table_column_count_to_equal": {"value"},
    "table_columns_to_match_ordered_list": {"column_list"},
    "table_columns_to_match_set": {"column_set", "exact_match"},
}  # fmt: skip
ARGUMENTS: Mapping[str, set[str]] = {
    **{f"expect_{name}": own for name, own in _OWN.items()},
    "unexpected_rows_expectation": {"unexpected_rows_query"},
}


def check_arguments(expectation: Expectation) -> None:
    """Raises SuiteMalformed for an argument that is not its own, as Great Expectations does; one that is null says nothing."""
    _check_value(expectation, expectation.kwargs, 0)
    known = ARGUMENTS[expectation.type]
    given = {name for name, value in expectation.kwargs.items() if value is not None}
    for odd in sorted(given - known - _TOLD):
        near = nearest(odd, sorted(known))
        mend = f"did you mean {near}?" if near else f"it has {', '.join(sorted(known))}"
        raise SuiteMalformed(f"{expectation.type} has no argument {odd}", where=expectation.where, mend=mend)


def _check_value(expectation: Expectation, value: Json, depth: int) -> None:
    """What no column can hold and no message show: depth without end, a number larger than a double, half a letter."""
    if depth > _DEEPEST:
        _refuse(expectation, f"is deeper than {_DEEPEST}")
    if isinstance(value, int) and abs(value) > _LARGEST:
        _refuse(expectation, "has a number larger than a double")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            _refuse(expectation, "has half of a surrogate pair")
    parts = [*value, *value.values()] if isinstance(value, Mapping) else value if isinstance(value, list) else []
    for part in parts:
        _check_value(expectation, part, depth + 1)


def _refuse(expectation: Expectation, what: str) -> NoReturn:
    raise SuiteMalformed(f"{expectation.type} {what}", where=expectation.where, mend="correct the suite")
