"""What a model needs of its two splits beyond rows: nothing of the test is in the training, and nothing gives the answer away.

Never changes or drops a row. A verdict on an estimate comes from its interval: what may lie on both sides decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from shipway.data._contract_rules import type_of
from shipway.data._errors import DataUnreadable, KeyMissing
from shipway.data._leak import label_of, leak_checks
from shipway.kernel.check import Check, Verdict, worst
from shipway.stats import Interval, wilson

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class SplitsAsked:
    """target: the column to predict; key: columns that name a row; time: when it was.

    overlap: greatest share of test rows (or keys) that are in the training too; repeated: of rows of one split that came before
    in it; leak: the AUC at which one column alone gives the target away; shift: greatest difference of the label's shares.
    """

    target: str | None = None
    key: tuple[str, ...] = ()
    time: str | None = None
    overlap: float = 0.0
    repeated: float = 0.01
    leak: float = 0.95
    shift: float = 0.05
    level: float = 0.95


def measure_splits(train: pl.LazyFrame, test: pl.LazyFrame, asked: SplitsAsked) -> tuple[Check, ...]:
    """The check `splits` first (value: how many fail), then what was asked: each a share or an AUC against its threshold.

    `splits.rows_in_both` by a 64-bit hash of all columns that both have, `splits.keys_in_both`, `splits.repeated.train` and
    `.test`, `splits.time_order` (share of test rows that are not after the last of training), `splits.balance`,
    `splits.leak.COLUMN`.
    Raises KeyMissing for a column that is asked for and not in both, DataUnreadable.
    """
    try:
        return _measured(train, test, asked)
    except pl.exceptions.PolarsError as problem:
        reason = str(problem).split("\n")[0]
        raise DataUnreadable(f"a table cannot be read: {reason}", mend="see that every row fits the header") from problem


def _measured(train: pl.LazyFrame, test: pl.LazyFrame, asked: SplitsAsked) -> tuple[Check, ...]:
    one, other = train.collect_schema(), test.collect_schema()
    for name in filter(None, (asked.target, *asked.key, asked.time)):
        if name not in one or name not in other:
            where = "train" if name not in one else "test"
            known = ", ".join(list(one if name not in one else other)[:10])
            raise KeyMissing(f"{where} has no column {name}", where=where, mend=f"one of: {known}")
    columns = [name for name in one if name in other and _same(one[name], other[name])]
    checks = [*_overlaps(train, test, columns, asked)]
    if asked.time:
        checks.append(_time_order(train, test, asked.time))
    if asked.target:
        checks.append(_balance(train, test, asked))
        checks += leak_checks(train, test, target=asked.target, left_out=asked.key, threshold=asked.leak, level=asked.level)
    return (overall("splits", checks), *checks)


def overall(name: str, checks: Sequence[Check]) -> Check:
    """One check for all of them: fail before inconclusive before pass; value: how many fail."""
    failed = [check.name.removeprefix(f"{name}.") for check in checks if check.verdict is Verdict.FAIL]
    open_ = [check.name.removeprefix(f"{name}.") for check in checks if check.verdict is Verdict.INCONCLUSIVE]
    told = [f"{word}: {', '.join(names[:_SHOWN])}{' ...' if len(names) > _SHOWN else ''}"
            for word, names in (("fail", failed), ("undecided", open_)) if names]  # fmt: skip
    text = "; ".join(told) or f"{len(checks)} checks pass"
    return Check(name, worst([check.verdict for check in checks]), len(failed), threshold=0, n=len(checks), text=text)


def _same(one: pl.DataType, other: pl.DataType) -> bool:
    """Whether values of both compare; lists and the like are not looked at."""
    kinds = {type_of(one), type_of(other)}
    return None not in kinds and (len(kinds) == 1 or kinds == {"integer", "number"})


def _hashes(frame: pl.LazyFrame, columns: Sequence[str], other: pl.Schema) -> pl.DataFrame:
    """One number a row; what is equal in both has the same one, whatever the width of its type."""
    schema = frame.collect_schema()
    parts = []
    for name in columns:
        kinds = (schema[name], other[name])
        if all(type_of(kind) == "integer" for kind in kinds):
            parts.append(pl.col(name).cast(pl.Int128))
        elif all(kind.is_numeric() for kind in kinds):
            parts.append(pl.col(name).cast(pl.Float64).fill_nan(None) + 0.0)  # so that -0.0 is 0.0
        elif type_of(schema[name]) == "timestamp":
            parts.append(pl.col(name).cast(pl.Datetime("us")))
        else:
            parts.append(pl.col(name).cast(pl.String) if type_of(schema[name]) == "string" else pl.col(name))
    return frame.select(pl.struct(parts).hash().alias("hash")).collect(engine="streaming")


def _overlaps(train: pl.LazyFrame, test: pl.LazyFrame, columns: Sequence[str], asked: SplitsAsked) -> Iterator[Check]:
    one, other = train.collect_schema(), test.collect_schema()
    words = [("rows_in_both", tuple(columns), f"equal a row of training in {len(columns)} columns")]
    if asked.key:
        words.append(("keys_in_both", asked.key, f"have a {'+'.join(asked.key)} that is in training"))
    kept = {}
    for word, names, says in words:
        if not names:
            yield Check(f"splits.{word}", Verdict.INCONCLUSIVE, text="the splits have no column in common")
            continue
        seen, new = _hashes(train, names, other), _hashes(test, names, one)
        both = new.join(seen.unique(), on="hash", how="semi").height
        yield _share(f"splits.{word}", both, new.height, asked.overlap, f"test rows {says}")
        kept[word] = (seen, new)
    for side, table in zip(("train", "test"), kept.get("rows_in_both", ()), strict=False):
        again = table.height - table["hash"].n_unique()
        yield _share(f"splits.repeated.{side}", again, table.height, asked.repeated, "rows came before in it")


def _share(name: str, count: int, rows: int, most: float, says: str) -> Check:
    """Counted, not estimated: no interval."""
    if not rows:
        return Check(name, Verdict.INCONCLUSIVE, threshold=most, n=0, text="no rows")
    verdict = Verdict.FAIL if count > most * rows + 1e-9 else Verdict.PASS
    return Check(name, verdict, count / rows, threshold=most, n=rows, text=f"{count:,} of {rows:,} {says}")


def _time_order(train: pl.LazyFrame, test: pl.LazyFrame, time: str) -> Check:
    kind = type_of(train.collect_schema()[time])
    if kind not in ("date", "timestamp", "integer", "number") or kind != type_of(test.collect_schema()[time]):
        return Check("splits.time_order", Verdict.INCONCLUSIVE, text=f"{time} has no times in both")
    last = train.select(pl.col(time).max()).collect(engine="streaming").item()
    if last is None:
        return Check("splits.time_order", Verdict.INCONCLUSIVE, n=0, text=f"training has no {time}")
    early = pl.col(time) <= pl.lit(last)
    asked = {"early": early.sum(), "rows": pl.col(time).count(), "first": pl.col(time).min()}
    found = test.select(**asked).collect(engine="streaming").row(0, named=True)
    says = f"test rows are not after training, which ends {last}; the first is {found['first']}"
    return _share("splits.time_order", found["early"], found["rows"], 0.0, says)


def _balance(train: pl.LazyFrame, test: pl.LazyFrame, asked: SplitsAsked) -> Check:
    """Of two labels the difference of the rarer one's share, with an interval; of more, half the sum of all differences."""
    target = str(asked.target)
    one, other = (
        dict(
            frame.select(label_of(target, frame.collect_schema()).alias("label"))
            .drop_nulls()
            .group_by("label")
            .len()
            .collect()
            .iter_rows()
        )
        for frame in (train, test)
    )
    n, m = sum(one.values()), sum(other.values())
    labels = sorted(one.keys() | other.keys())
    if not n or not m or len(labels) > 100:
        why = "a split has no label" if not n or not m else f"{target} has more than 100 values: no label"
        return Check("splits.balance", Verdict.INCONCLUSIVE, threshold=asked.shift, n=m, text=why)
    if len(labels) <= 2:
        label = min(labels, key=lambda name: (one.get(name, 0) + other.get(name, 0), name))
        difference = share_difference(other.get(label, 0), m, one.get(label, 0), n, level=asked.level)
        shares = f"{one.get(label, 0) / n:.2%} of training, {other.get(label, 0) / m:.2%} of test"
        text = f"{target} {label.removesuffix('.0')}: {shares}"
        return judge_interval("splits.balance", difference, -asked.shift, asked.shift, threshold=asked.shift, text=text)
    distance = sum(abs(one.get(name, 0) / n - other.get(name, 0) / m) for name in labels) / 2
    verdict = Verdict.FAIL if distance > asked.shift else Verdict.PASS
    text = f"{len(labels)} labels of {target}, half the sum of the differences of their shares"
    return Check("splits.balance", verdict, distance, threshold=asked.shift, n=m, text=text)


def share_difference(a: int, n: int, b: int, m: int, *, level: float) -> Interval:
    """a of n minus b of m, independent. Source: Newcombe (1998), method 10, from two Wilson intervals."""
    one, other = wilson(a, n, level=level), wilson(b, m, level=level)
    value = one.value - other.value
    low = value - ((one.value - one.low) ** 2 + (other.high - other.value) ** 2) ** 0.5
    high = value + ((one.high - one.value) ** 2 + (other.value - other.low) ** 2) ** 0.5
    return Interval(value, low, high, level, n + m, n + m)


def judge_interval(name: str, found: Interval, low: float, high: float, *, threshold: float, text: str) -> Check:
    """Pass when all of the interval is inside [low, high], fail when all is outside, otherwise undecided."""
    inside, outside = low <= found.low and found.high <= high, found.high < low or found.low > high
    verdict = Verdict.PASS if inside else Verdict.FAIL if outside else Verdict.INCONCLUSIVE
    return Check(name, verdict, found.value, found.low, found.high, threshold, found.n, text=text, level=found.level)
