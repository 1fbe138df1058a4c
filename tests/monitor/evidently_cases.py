"""Pairs of tables that Evidently and we measure: every branch of its choice of a method, and what it drops before."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

METHODS = {
    "numeric": ("wasserstein", "jensenshannon", "psi", "ks", "chisquare", "z"),
    "category": ("jensenshannon", "psi", "chisquare", "z"),
}


class Case(NamedTuple):
    """declared: the kinds are told; forced: every method is asked for, else the tool chooses."""

    name: str
    reference: pl.DataFrame
    current: pl.DataFrame
    declared: dict[str, str]
    forced: bool


def cases() -> Iterator[Case]:
    """Around 1,000 rows of the reference, where tests become distances, and around the limits of distinct values."""
    for rows, others in ((1000, 1000), (1000, 870), (1001, 1001), (1001, 1300)):
        reference, current = _table(rows, 0.0, seed=rows), _table(others, 0.25, seed=others + 1)
        kinds = {name: "category" if name.startswith(("word", "flag")) else "numeric" for name in reference.columns}
        yield Case(f"declared {rows} {others}", reference, current, kinds, forced=False)
        yield Case(f"inferred {rows} {others}", reference, current, {}, forced=False)
    names = [
        "normal",
        "skewed",
        "holes",
        "endless",
        "level2",
        "level5",
        "level20",
        "level21",
        "word1",
        "word2",
        "word4",
        "flag",
    ]
    reference, current = _table(400, 0.0, seed=5).select(names), _table(310, 0.4, seed=6).select(names)
    kinds = {name: "category" if name.startswith(("word", "flag")) else "numeric" for name in names}
    yield Case("forced", reference, current, kinds, forced=True)
    large = _table(10_001, 0.0, seed=7).select("normal"), _table(10_500, 0.02, seed=8).select("normal")
    yield Case("forced large", *large, {"normal": "numeric"}, forced=True)


def _table(rows: int, shift: float, *, seed: int) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    normal, skewed = random.normal(shift, 1, rows), random.lognormal(shift, 1.5, rows)
    holes, endless = random.normal(shift, 2, rows), random.normal(0, 1 + shift, rows)
    holes[random.random(rows) < 0.2] = np.nan
    endless[:3] = np.inf, -np.inf, np.nan
    columns: dict[str, pl.Series] = {
        "normal": pl.Series(normal),
        "skewed": pl.Series(skewed),
        "holes": pl.Series(holes),
        "nulls": pl.Series(
            [None if gone else one for gone, one in zip(random.random(rows) < 0.1, normal.tolist(), strict=True)]
        ),
        "endless": pl.Series(endless),
        "infinite": pl.Series(np.append(endless[3:], [np.inf, -np.inf])),
        "single": pl.Series(normal.astype(np.float32)),
        "count": pl.Series(random.poisson(30 + shift, rows)),
        "gaps": pl.Series([None if value > 33 else int(value) for value in random.poisson(30, rows)], dtype=pl.Int64),
        "flag": pl.Series(random.random(rows) < 0.3 + shift / 5),
        "constant": pl.Series(np.full(rows, 7.5)),
        "other": pl.Series(np.full(rows, 1.0 if shift else 0.0)),
    }
    columns["infinite"] = columns["infinite"].head(rows).extend(columns["endless"][: max(0, rows - len(columns["infinite"]))])
    for distinct in range(1, 22):
        level = np.minimum(random.integers(0, distinct, rows) + (random.random(rows) < shift / 4), distinct - 1)
        columns[f"level{distinct}"] = pl.Series(level.astype(np.float64))
        columns[f"whole{distinct}"] = pl.Series(level.astype(np.int64))
        columns[f"word{distinct}"] = pl.Series([f"w{one}" for one in level])
    columns["word new"] = pl.Series([f"w{one}" for one in random.integers(0, 4 if shift else 3, rows)])
    columns["word holes"] = pl.Series([None if one > 4 else f"w{one}" for one in random.integers(0, 6, rows)])
    return pl.DataFrame(columns)
