"""Columns that give a target of two classes away alone: the AUC of each, with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from shipway.data._contract_rules import type_of
from shipway.kernel.check import Check, Verdict
from shipway.stats import auc_interval

_MOST_ROWS = 200_000  # an interval of an AUC is then about 0.002 wide; more rows decide nothing more


def leak_checks(
    train: pl.LazyFrame, test: pl.LazyFrame, *, target: str, left_out: Sequence[str], threshold: float, level: float
) -> Iterator[Check]:
    """`splits.leak.COLUMN` for each column of both, the target and those left out apart; value: AUC, 0.5 and above.

    Fails when the whole interval (DeLong) is at or above the threshold. Numbers and times are judged on the training rows, a
    missing value below all others; a text by the target's rate of its value in training, judged on the test rows, so that a
    value that was seen once proves nothing.
    Of more than 200,000 rows evenly spaced ones. One check, inconclusive, without two classes.
    """
    one, other = train.collect_schema(), test.collect_schema()
    names = [name for name in one if name in other and name != target and name not in left_out and type_of(one[name])]
    seen, new = _some(train, [*names, target], target), _some(test, [*names, target], target)
    classes = sorted(set(seen[target].unique().to_list()))
    if len(classes) != 2 or not set(new[target].unique().to_list()) <= set(classes):
        yield Check("splits.leak", Verdict.INCONCLUSIVE, text=f"{target} has {len(classes)} values in training; two are judged")
        return
    labels, judged = (frame[target] == classes[1] for frame in (seen, new))
    for name in names:
        if type_of(one[name]) in ("string", "boolean"):
            scores, of = _rates(seen[name], labels, new[name]), judged
        else:
            scores, of = seen[name].rank("dense").fill_null(0), labels
        yield _judge(name, scores, of, threshold, level)


def label_of(target: str, schema: pl.Schema) -> pl.Expr:
    """The target as a text that is the same in both splits, whatever the width of its type; NaN is none."""
    column = pl.col(target)
    return (column.cast(pl.Float64).fill_nan(None) if schema[target].is_numeric() else column).cast(pl.String)


def _some(frame: pl.LazyFrame, names: Sequence[str], target: str) -> pl.DataFrame:
    """Rows that have a target, at most so many, evenly spaced."""
    schema = frame.collect_schema()
    columns = [pl.col(name).fill_nan(None) if schema[name].is_float() else pl.col(name) for name in names if name != target]
    columns.append(label_of(target, schema))
    known = frame.select(columns).filter(pl.col(target).is_not_null())
    rows = known.select(pl.len()).collect(engine="streaming").item()
    step = -(-rows // _MOST_ROWS)
    return known.gather_every(step).collect(engine="streaming") if step > 1 else known.collect(engine="streaming")


def _rates(values: pl.Series, labels: pl.Series, asked: pl.Series) -> pl.Series:
    """The target's rate of each value in training; of a value that it has not the rate of all."""
    text, base = values.cast(pl.String).fill_null("\0"), labels.mean()
    known = pl.DataFrame({"value": text, "label": labels}).group_by("value").agg(rate=pl.col("label").mean())
    wanted = pl.DataFrame({"value": asked.cast(pl.String).fill_null("\0")})
    return wanted.join(known, on="value", how="left", maintain_order="left")["rate"].fill_null(base)


def _judge(name: str, scores: pl.Series, labels: pl.Series, threshold: float, level: float) -> Check:
    asked = f"splits.leak.{name}"
    try:
        found = auc_interval(scores.to_numpy().astype(np.float64), labels.to_numpy().astype(np.int64), level=level)
    except ValueError as problem:
        return Check(asked, Verdict.INCONCLUSIVE, threshold=threshold, n=scores.len(), text=str(problem))
    value, low, high = found[:3] if found.value >= 0.5 else (1 - found.value, 1 - found.high, 1 - found.low)
    verdict = Verdict.FAIL if low >= threshold else Verdict.PASS if high < threshold else Verdict.INCONCLUSIVE
    return Check(asked, verdict, value, low, high, threshold, found.n, text="AUC of this column alone", level=level)
