"""Tables of 20 columns of numbers and 5 of words, and rows of the results."""

import numpy as np
import polars as pl

Row = dict[str, object]
WORDS = [f"word{number}" for number in range(50)]


def table(rows: int, *, shift: float, seed: int, start: int = 0) -> pl.DataFrame:
    """Normal, lognormal, gamma and rounded exponential numbers; words with a long tail."""
    random = np.random.default_rng((seed, start))
    columns: dict[str, pl.Series] = {}
    for place in range(20):
        moved = shift * (place % 7) / 3  # columns move by different amounts, some not at all
        draws = (
            lambda moved=moved: random.normal(moved, 1, rows),
            lambda moved=moved: random.lognormal(moved, 0.8, rows),
            lambda moved=moved: random.gamma(2 + moved, 1, rows),
            lambda moved=moved: random.exponential(1 + moved, rows).round(1),
        )
        columns[f"number{place}"] = pl.Series(draws[place % 4]())
    for place in range(5):
        chosen = np.minimum(random.geometric(0.1 + shift * place / 40, rows) - 1, len(WORDS) - 1)
        columns[f"word{place}"] = pl.Series(WORDS).gather(chosen)
    return pl.DataFrame(columns)


def figure(name: str, unit: str, ours: float, *, bar: float | None, bar_unit: str | None = None, **more: object) -> Row:
    """A row without a peer: holds when ours is at most the bar."""
    row: Row = {"figure": name, "unit": unit, "ours": _shown(ours), "peer": None, "peer_name": None, "ratio": None}
    row |= {"bar": None if bar is None else _shown(bar), "holds": bar is None or ours <= bar}
    return row | ({"bar_unit": bar_unit} if bar_unit else {}) | more


def _shown(value: float) -> float:
    return float(f"{value:.3g}") if value < 1000 else round(value)
