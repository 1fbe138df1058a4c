"""Every rule passing and failing on a real file, its counts and samples against a count in plain Python."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.data import ContractResult, DataUnreadable, Sample, measure_contract, render_contract
from shipway.data._contract_rules import among, increasing
from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.check import Check, Verdict
from shipway.spec import SpecMalformed, parse_contract

Cell = int | float | str | bool | date | datetime | None


def contract(text: str) -> JsonObject:
    return parse_contract(text, path="contract.yaml").to_json()


def measure(folder: Path, text: str, columns: Mapping[str, object]) -> ContractResult:
    """The contract on a real Parquet file with these columns."""
    pl.DataFrame(columns).write_parquet(folder / "table.parquet")
    return measure_contract(contract(text), pl.scan_parquet(folder / "table.parquet"))


def check_of(result: ContractResult, name: str) -> Check:
    return next(check for check in result.checks if check.name == name)


def assert_broken(result: ContractResult, rule: str, places: Sequence[int], values: Sequence[Json]) -> None:
    """The rule is broken by exactly the rows at `places`, whose `values` are its first samples; or by none."""
    check = check_of(result, rule)
    found = [violation for violation in result.violations if violation.rule == rule]
    if not places:
        assert check.verdict is Verdict.PASS
        assert found == []
        return
    assert check.verdict is Verdict.FAIL
    assert [violation.rows for violation in found] == [len(places)]
    assert found[0].samples == tuple(Sample(row, value) for row, value in list(zip(places, values, strict=True))[:3])


TYPES: dict[str, list[pl.Series]] = {
    "string": [pl.Series(["a", None]), pl.Series(["a"], dtype=pl.Categorical), pl.Series(["a"], dtype=pl.Enum(["a"]))],
    "integer": [pl.Series([1, None]), pl.Series([1], dtype=pl.UInt8), pl.Series([2**63], dtype=pl.UInt64)],
    "number": [pl.Series([1.5, None]), pl.Series([1.5], dtype=pl.Float32), pl.Series(["1.5"]).cast(pl.Decimal(9, 2))],
    "boolean": [pl.Series([True, None])],
    "date": [pl.Series([date(2013, 1, 1), None])],
    "timestamp": [pl.Series([datetime(2013, 1, 1)]), pl.Series([datetime(2013, 1, 1, tzinfo=UTC), None])],
}
SAMPLES: Mapping[str, Json] = {
    "string": "a", "integer": 1, "number": 1.5, "boolean": True, "date": "2013-01-01", "timestamp": "2013-01-01T00:00:00"
}  # fmt: skip


@pytest.mark.parametrize("asked", TYPES)
@pytest.mark.parametrize("given_type", TYPES)
def test_a_type_accepts_its_own_columns_and_refuses_the_others_with_samples(
    tmp_path: Path, asked: str, given_type: str
) -> None:
    text = f"columns: {{x: {{type: {asked}}}}}"
    for column in TYPES[given_type]:
        result = measure(tmp_path, text, {"x": column})
        fits = asked == given_type or (asked, given_type) == ("number", "integer")
        if fits or column is TYPES[given_type][0]:
            assert_broken(result, "contract.x.type", [] if fits else [0], [] if fits else [SAMPLES[given_type]])
        assert check_of(result, "contract.x.type").verdict is (Verdict.PASS if fits else Verdict.FAIL)


def test_a_column_without_any_value_is_of_every_type_but_breaks_nulls(tmp_path: Path) -> None:
    text = "columns: {x: {type: integer, nulls: at most 50%, between: [0, 1], one_of: [1]}}"
    result = measure(tmp_path, text, {"x": pl.Series([None, None], dtype=pl.Null), "y": [1, 2]})
    assert [violation.rule for violation in result.violations] == ["contract.x.nulls"]
    assert_broken(result, "contract.x.nulls", [0, 1], [None, None])


@pytest.mark.parametrize(("nulls", "holds"), [("none", False), ("at most 28%", False), ("at most 29%", True), ("any", True)])
def test_nulls_are_none_any_or_a_share_and_nan_is_null(tmp_path: Path, nulls: str, holds: bool) -> None:
    values = [1.0] * 71 + [None] * 20 + [math.nan] * 9
    result = measure(tmp_path, f"columns: {{x: {{nulls: {nulls}}}}}", {"x": values})
    if nulls == "any":
        assert [check.name for check in result.checks] == ["contract", "contract.x.exists"]
        return
    assert_broken(result, "contract.x.nulls", [] if holds else list(range(71, 100)), [] if holds else [None] * 29)
    assert check_of(result, "contract.x.nulls").value == pytest.approx(0.29)


def test_a_nan_is_shown_as_such(tmp_path: Path) -> None:
    assert_broken(measure(tmp_path, "columns: {x: {nulls: none}}", {"x": [math.nan]}), "contract.x.nulls", [0], ["nan"])


def test_a_range_includes_its_ends_and_says_nothing_about_nulls(tmp_path: Path) -> None:
    text = "columns: {i: {between: [0, 10]}, f: {between: [0, 10]}}"
    i, f = [0, 10, -1, 11, None, 5], [0.0, 10.0, 10.000001, math.inf, math.nan, None]
    result = measure(tmp_path, text, {"i": i, "f": f})
    assert_broken(result, "contract.i.between", [2, 3], [-1, 11])
    assert_broken(result, "contract.f.between", [2, 3], [10.000001, "inf"])


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_a_range_of_times_that_ends_with_a_day_holds_all_of_it(tmp_path: Path, zone: str | None) -> None:
    moments = [datetime(2013, 1, 1), datetime(2013, 1, 31, 23, 59, 59), datetime(2013, 2, 1), datetime(2012, 12, 31, 23)]
    column = pl.Series(moments).dt.replace_time_zone("UTC")
    column = column.dt.convert_time_zone(zone) if zone else column.dt.replace_time_zone(None)
    result = measure(tmp_path, "columns: {t: {type: timestamp, between: [2013-01-01, 2013-01-31]}}", {"t": column})
    assert_broken(result, "contract.t.between", [2, 3], [column[2].isoformat(), column[3].isoformat()])


def test_dates_have_ranges_and_values_too(tmp_path: Path) -> None:
    text = "columns: {d: {type: date, between: [2013-01-01, 2013-01-31], one_of: [2013-01-01, 2013-02-01]}}"
    result = measure(tmp_path, text, {"d": [date(2013, 1, 1), date(2013, 1, 31), date(2013, 2, 1), None]})
    assert_broken(result, "contract.d.between", [2], ["2013-02-01"])
    assert_broken(result, "contract.d.one_of", [1], ["2013-01-31"])


def test_values_are_compared_in_the_type_of_the_column(tmp_path: Path) -> None:
    text = """
    columns:
      i: {one_of: [1, 2]}
      f: {one_of: [1, 2.5]}
      b: {one_of: [true]}
      s: {one_of: [A, B]}
      u: {one_of: [1]}
    """
    columns = {
        "i": [1, 2, 3, None],
        "f": [1.0, 2.5, math.nan, 2.0],
        "b": [True, False, None, True],
        "s": ["A", None, "a", "B"],
        "u": pl.Series([1, 2**63, None, 1], dtype=pl.UInt64),
    }
    result = measure(tmp_path, text, columns)
    assert_broken(result, "contract.i.one_of", [2], [3])
    assert_broken(result, "contract.f.one_of", [3], [2.0])
    assert_broken(result, "contract.b.one_of", [1], [False])
    assert_broken(result, "contract.s.one_of", [2], ["a"])
    assert_broken(result, "contract.u.one_of", [1], [2**63])


def test_a_value_that_cannot_be_compared_breaks_the_rule(tmp_path: Path) -> None:
    text = "columns: {s: {between: [0, 10], one_of: [1, 2]}, i: {one_of: [A, 2]}}"
    result = measure(tmp_path, text, {"s": ["5", None], "i": [1, 2]})
    assert_broken(result, "contract.s.between", [0], ["5"])
    assert_broken(result, "contract.s.one_of", [0], ["5"])
    assert_broken(result, "contract.i.one_of", [0], [1])


def test_unique_over_several_columns_shows_all_of_them_and_leaves_nulls_out(tmp_path: Path) -> None:
    columns = {"carrier": ["UA", "UA", "AA", "UA", None, None], "flight": [1, 2, 1, 1, 7, 7]}
    result = measure(tmp_path, "unique: [[carrier, flight], [flight]]", columns)
    twice: Json = {"carrier": "UA", "flight": 1}
    assert_broken(result, "contract.carrier+flight.unique", [0, 3], [twice, twice])
    assert_broken(result, "contract.flight.unique", [0, 2, 3, 4, 5], [1, 1, 1, 7, 7])
    assert_broken(measure(tmp_path, "unique: [flight]", {"flight": [1, 2, None, None]}), "contract.flight.unique", [], [])


NUMBERS = st.lists(st.integers(-9, 9) | st.none(), max_size=9)
RISING = st.lists(st.integers(-40, 40), max_size=12, unique=True).map(sorted)


@pytest.mark.parametrize("polars", ["of today", "of before"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=RISING | RISING.map(lambda rising: [*rising, *rising[-1:]]) | NUMBERS)
def test_values_that_rise_are_known_over_all_parts_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, polars: str, values: list[int | None]
) -> None:
    pl.DataFrame({"x": pl.Series(values, dtype=pl.Int64)}).write_parquet(tmp_path / "x.parquet", row_group_size=2)
    with monkeypatch.context() as patched:
        if polars == "of before":
            patched.delattr(pl.Expr, "is_sorted")
        found = pl.scan_parquet(tmp_path / "x.parquet").select(increasing(pl.col("x"))).collect(engine="streaming").item()
    there = [value for value in values if value is not None]
    rises = all(one < other for one, other in pairwise(there))
    assert (found is True) == rises or not there


@pytest.mark.parametrize("size", [1, 8, 9])
def test_members_are_those_of_the_set_however_many_it_has(size: int) -> None:
    members = pl.Series([2**63 + place for place in range(size)], dtype=pl.Int128)
    frame = pl.LazyFrame({"x": pl.Series([2**63, 5, None, 2**63 + 8], dtype=pl.UInt64)})
    found = frame.select(among(pl.col("x").cast(pl.Int128), members)).collect().to_series().to_list()
    assert found == [True, False, None, size == 9]


def test_unique_by_a_column_that_is_missing_fails(tmp_path: Path) -> None:
    result = measure(tmp_path, "unique: [[x, y, z]]", {"x": [1]})
    assert result.check.verdict is Verdict.FAIL
    assert check_of(result, "contract.x+y+z.unique").text == "the table has no column y, z"


@pytest.mark.parametrize(("rows", "broken"), [(1, "at_least"), (2, None), (3, None), (5, "at_most")])
def test_the_number_of_rows_has_both_ends(tmp_path: Path, rows: int, broken: str | None) -> None:
    result = measure(tmp_path, "rows: {at_least: 2, at_most: 3}", {"x": [1] * rows})
    assert [violation.rule for violation in result.violations] == ([f"contract.rows.{broken}"] if broken else [])
    assert all((check.value, check.n) == (rows, rows) for check in result.checks[1:])


def test_a_missing_column_fails_and_its_rules_are_inconclusive(tmp_path: Path) -> None:
    result = measure(tmp_path, "columns: {gone: {type: string, nulls: none, one_of: [a]}}", {"x": [1]})
    assert check_of(result, "contract.gone.exists").verdict is Verdict.FAIL
    others = [check for check in result.checks if check.name.startswith("contract.gone.") and check.name[14:] != "exists"]
    assert [(check.name[14:], check.verdict) for check in others] == [
        (rule, Verdict.INCONCLUSIVE) for rule in ("type", "nulls", "one_of")
    ]
    assert (result.check.verdict, result.check.value) == (Verdict.FAIL, 1)


def test_columns_that_the_contract_does_not_name_are_allowed(tmp_path: Path) -> None:
    result = measure(tmp_path, "columns: {x: {type: integer}}", {"x": [1], "other": ["?"]})
    assert result.check == Check("contract", Verdict.PASS, 0, threshold=0, n=1, text="2 rules hold in 1 rows")


def test_a_table_without_rows_keeps_every_promise_but_the_number_of_rows(tmp_path: Path) -> None:
    text = "rows: {at_least: 1}\nunique: [x]\ncolumns: {x: {type: integer, nulls: at most 5%, between: [0, 1]}}"
    result = measure(tmp_path, text, {"x": pl.Series([], dtype=pl.Int64)})
    assert [violation.rule for violation in result.violations] == ["contract.rows.at_least"]


CELLS = st.one_of(st.none(), st.integers(-5, 15), st.just(2**40))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(CELLS, st.sampled_from([None, math.nan, math.inf, -1.0, 0.0, 3.5]), st.sampled_from("abcd")), max_size=30
    )
)
def test_counts_and_samples_are_those_of_a_loop_over_the_rows(rows: list[tuple[int | None, float | None, str]]) -> None:
    text = """
    unique: [[i, s]]
    columns:
      i: {nulls: at most 10%, between: [0, 10], one_of: [1, 2, 3, 15]}
      f: {nulls: none, between: [-0.5, 3.5]}
      s: {one_of: [a, b]}
    """
    names = {"i": pl.Int64, "f": pl.Float64, "s": pl.String}
    frame = pl.DataFrame(rows, schema=names, orient="row", strict=False)
    result = measure_contract(contract(text), frame.lazy())
    i, f, s = ([row[place] for row in rows] for place in range(3))
    pairs = Counter((a, c) for a, _, c in rows)

    def assert_as_loop(rule: str, breaks: Callable[[int], bool], values: Sequence[object]) -> None:
        places = [row for row in range(len(rows)) if breaks(row)]
        assert_broken(result, rule, places, [_json(values[row]) for row in places])

    nulls = sum(cell is None for cell in i)
    assert_as_loop("contract.i.nulls", lambda row: nulls * 10 > len(rows) and i[row] is None, i)
    assert_as_loop("contract.f.nulls", lambda row: f[row] is None or math.isnan(float(str(f[row]))), f)
    assert_as_loop("contract.i.between", lambda row: i[row] is not None and not 0 <= int(str(i[row])) <= 10, i)
    assert_as_loop("contract.f.between", lambda row: f[row] in (math.inf, -1.0), f)
    assert_as_loop("contract.i.one_of", lambda row: i[row] not in (None, 1, 2, 3, 15), i)
    assert_as_loop("contract.s.one_of", lambda row: s[row] not in ("a", "b"), s)
    keys = [{"i": a, "s": c} for a, _, c in rows]
    assert_as_loop("contract.i+s.unique", lambda row: i[row] is not None and pairs[rows[row][0], rows[row][2]] > 1, keys)
    assert result.check.value == len(result.violations)


def _json(value: object) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    assert value is None or isinstance(value, int | float | str | dict)
    return value


def test_a_person_reads_which_rule_how_many_rows_and_three_samples(tmp_path: Path) -> None:
    text = "unique: [[s, i]]\ncolumns: {s: {one_of: [UA], nulls: at most 20%}, i: {type: string}}"
    columns = {"s": ["UA", "EV" * 50, None, None, "MQ", "9E", "UA"], "i": [1, 1, 1, 2, 3, 4, 1]}
    assert render_contract(measure(tmp_path, text, columns)) == "\n".join(
        [
            "contract: 4 of 6 rules violated in 7 rows",
            "  contract.s.nulls: 2 of 7 rows are null (at most 20 % allowed)",
            "    row 2: null, row 3: null",
            "  contract.s.one_of: 3 of 7 rows are not one of UA",
            f"    row 1: {'EV' * 28}E..., row 4: MQ, row 5: 9E",
            "  contract.i.type: the column is Int64, not string",
            "    row 0: 1, row 1: 1, row 2: 1",
            "  contract.i+s.unique: 2 of 7 rows are not unique by i, s",
            "    row 0: {i: 1, s: UA}, row 6: {i: 1, s: UA}",
        ]
    )


def test_a_result_is_one_canonical_json_record(tmp_path: Path) -> None:
    columns = {"d": [date(2013, 1, 1)], "f": [math.nan], "b": [b"\xff"], "l": [[1, 2]]}
    result = measure(tmp_path, "columns: {d: {one_of: [x]}, f: {nulls: none}, b: {one_of: [x]}, l: {one_of: [1]}}", columns)
    assert len(result.violations) == 4
    canonical_json(result.to_json())


def test_what_is_no_contract_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecMalformed):
        measure_contract({"kind": "contract", "version": 2}, pl.LazyFrame({"x": [1]}))


def test_a_table_that_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pl.DataFrame({"x": range(5_000)}).write_parquet(path, compression="uncompressed")
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * 200 + data[204:])
    with pytest.raises(DataUnreadable, match="the table cannot be read"):
        measure_contract(contract("columns: {x: {between: [0, 1]}}"), pl.scan_parquet(path))
