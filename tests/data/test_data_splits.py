"""Splits of which it is known what is wrong with them; numbers against scikit-learn and plain Python."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.data import KeyMissing, SplitsAsked, measure_splits
from shipway.kernel.canonical import canonical_json
from shipway.kernel.check import Check, Verdict

START = datetime(2013, 1, 1)


def rows(count: int, *, seed: int, start: int = 0) -> pl.DataFrame:
    draw = random.Random(seed)
    late = [int(draw.random() < 0.3) for _ in range(count)]
    return pl.DataFrame(
        {
            "id": [start + n for n in range(count)],
            "at": [START + timedelta(minutes=start + n) for n in range(count)],
            "x": [draw.gauss(0, 1) + one for one in late],
            "told": [draw.gauss(0, 0.1) + 3 * one for one in late],
            "word": [draw.choice("abc") for _ in range(count)],
            "late": late,
        }
    )


def measured(train: pl.DataFrame, test: pl.DataFrame, asked: SplitsAsked | None = None) -> dict[str, Check]:
    checks = measure_splits(train.lazy(), test.lazy(), asked or SplitsAsked())
    canonical_json([check.to_json() for check in checks])
    return {check.name: check for check in checks}


def test_splits_that_share_nothing_pass_and_a_column_that_tells_the_answer_is_named() -> None:
    asked = SplitsAsked("late", ("id",), "at", shift=0.1)
    found = measured(rows(2000, seed=1), rows(1000, seed=2, start=2000), asked)
    assert {name for name, check in found.items() if check.verdict is Verdict.FAIL} == {"splits", "splits.leak.told"}
    assert "fail: leak.told" in found["splits"].text
    assert {name for name, check in found.items() if check.verdict is Verdict.PASS} >= {
        "splits.rows_in_both", "splits.keys_in_both", "splits.time_order", "splits.leak.x", "splits.leak.word",
        "splits.repeated.train", "splits.balance",
    }  # fmt: skip


def test_rows_and_keys_of_the_test_that_are_in_training_are_counted() -> None:
    train = rows(100, seed=1)
    test = pl.concat([rows(50, seed=2, start=100), train.head(7), train.slice(7, 3).with_columns(x=pl.lit(9.0))])
    found = measured(train, test, SplitsAsked(key=("id",), time="at"))
    assert [found[f"splits.{word}"].value for word in ("rows_in_both", "keys_in_both")] == [7 / 60, 10 / 60]
    assert found["splits.time_order"].value == 10 / 60
    allowed = measured(train, test, SplitsAsked(key=("id",), overlap=10 / 60))
    assert allowed["splits.keys_in_both"].verdict is Verdict.PASS


@settings(max_examples=40, deadline=None)
@given(
    one=st.lists(st.tuples(st.integers(0, 3), st.sampled_from([None, 0.0, -0.0, 1.5, float("nan")])), max_size=12),
    other=st.lists(st.tuples(st.integers(0, 3), st.sampled_from([None, 0.0, 1.5])), min_size=1, max_size=12),
)
def test_the_overlap_is_that_of_plain_python_whatever_the_width_of_the_types(
    one: list[tuple[int, float | None]], other: list[tuple[int, float | None]]
) -> None:
    train = pl.DataFrame(one, schema={"i": pl.Int8, "f": pl.Float64}, orient="row")
    test = pl.DataFrame(other, schema={"i": pl.Int64, "f": pl.Float32}, orient="row")
    plain = {(i, None if f is None or f != f else abs(f)) for i, f in one}
    found = measured(train, test)
    assert found["splits.rows_in_both"].value == sum(row in plain for row in other) / len(other)
    assert found["splits.repeated.test"].value == (len(other) - len(set(other))) / len(other)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), missing=st.sampled_from([0.0, 0.3]), step=st.sampled_from([0.01, 1.0]))
def test_the_auc_of_a_column_is_that_of_scikit_learn(seed: int, missing: float, step: float) -> None:
    from sklearn.metrics import roc_auc_score

    draw = random.Random(seed)
    late = [0, 1] + [draw.randint(0, 1) for _ in range(60)]
    x = [None if draw.random() < missing else round((draw.gauss(0, 1) + one) / step) * step for one in late]
    train = pl.DataFrame({"x": x, "late": late}, schema_overrides={"x": pl.Float64})
    check = measured(train, train, SplitsAsked("late"))["splits.leak.x"]
    auc = float(roc_auc_score(late, [-1e9 if value is None else value for value in x]))
    assert check.value == pytest.approx(max(auc, 1 - auc), abs=1e-12)
    assert check.low is not None
    assert check.high is not None
    assert check.low <= max(auc, 1 - auc) <= check.high


def test_a_text_is_judged_by_its_rate_in_training_on_the_rows_of_the_test() -> None:
    from sklearn.metrics import roc_auc_score

    draw = random.Random(3)
    late = [n % 2 for n in range(400)]
    train = pl.DataFrame({"name": [f"n{n}" for n in range(400)], "code": ["yn"[one] for one in late], "late": late})
    test = train.with_columns(name=pl.Series([f"m{n}" for n in range(400)]), code=pl.Series([draw.choice("yn") for _ in late]))
    found = measured(train, test, SplitsAsked("late"))
    assert found["splits.leak.name"].value == 0.5, "a value that was seen once proves nothing"
    auc = float(roc_auc_score(late, [code == "n" for code in test["code"]]))
    assert found["splits.leak.code"].value == pytest.approx(max(auc, 1 - auc))
    assert measured(train, train, SplitsAsked("late"))["splits.leak.code"].verdict is Verdict.FAIL


def test_what_an_interval_leaves_open_decides_nothing() -> None:
    train, test = (pl.DataFrame({"late": [1] * a + [0] * b}) for a, b in ((50, 50), (14, 6)))
    assert measured(train, test, SplitsAsked("late"))["splits.balance"].verdict is Verdict.INCONCLUSIVE
    wide, far = (pl.DataFrame({"late": [1] * a + [0] * b}) for a, b in ((5000, 5000), (9000, 1000)))
    check = measured(wide, far, SplitsAsked("late"))["splits.balance"]
    assert check.verdict is Verdict.FAIL
    assert check.value == pytest.approx(-0.4), "of the rarer label"
    # Newcombe (1998), method 10: 56 of 70 less 48 of 80 is 0.0524 to 0.3339
    some, few = (pl.DataFrame({"late": [0] * a + [1] * b}) for a, b in ((48, 32), (56, 14)))
    check = measured(some, few, SplitsAsked("late"))["splits.balance"]
    assert (round(-(check.high or 0), 4), round(-(check.low or 0), 4)) == (0.0524, 0.3339)
    many = measured(pl.DataFrame({"late": list("aabbc")}), pl.DataFrame({"late": list("aabbb")}), SplitsAsked("late"))
    assert many["splits.balance"].value == pytest.approx(0.2)
    assert many["splits.leak"].verdict is Verdict.INCONCLUSIVE


def test_what_is_asked_for_and_not_there_is_one_error() -> None:
    with pytest.raises(KeyMissing, match="test has no column late"):
        measure_splits(rows(3, seed=1).lazy(), rows(3, seed=2).drop("late").lazy(), SplitsAsked("late"))
    empty = measured(rows(3, seed=1), rows(0, seed=2), SplitsAsked("late", time="at"))
    assert empty["splits"].verdict is Verdict.INCONCLUSIVE
    alien = measured(pl.DataFrame({"a": [1]}), pl.DataFrame({"b": [1]}))
    assert alien["splits.rows_in_both"].verdict is Verdict.INCONCLUSIVE
