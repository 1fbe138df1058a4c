"""Values at ranks are those of the whole column in order, whether the sample was a good one or a poor one."""

import numpy as np
import polars as pl
import pytest

from shipway.data.great_expectations._ranks import SAMPLE, at_quantiles

_ROWS = 4 * SAMPLE + 3
_DRAW = np.random.default_rng(5)
_NORMAL = _DRAW.normal(8, 40, _ROWS)
_HIDDEN = np.where(np.arange(_ROWS) % ((_ROWS - 1) // SAMPLE + 1) == 0, 0.0, _NORMAL)  # the sample sees nothing else than 0
_COLUMNS = {
    "by chance": _NORMAL,
    "in order": np.sort(_NORMAL),
    "downwards": np.sort(_NORMAL)[::-1],
    "one value": np.full(_ROWS, 3.5),
    "few values": _DRAW.integers(0, 4, _ROWS),
    "large": _DRAW.integers(-(1 << 62), 1 << 62, _ROWS),
    "without end": np.where(_NORMAL > 50, np.inf, _NORMAL),
    "unlike its sample": _HIDDEN,
    "a few": _NORMAL[:7],
    "one": _NORMAL[:1],
}


@pytest.mark.parametrize("name", _COLUMNS)
def test_a_value_at_a_rank_is_that_of_the_column_in_order(name: str) -> None:
    column = _COLUMNS[name]
    quantiles = [0.0, 0.001, 0.1, 0.3, 0.5, 0.9, 0.9999, 1.0]
    ordered = np.sort(column)
    below = at_quantiles(pl.Series(column), quantiles, lambda at, _: at[min(at)])
    above = at_quantiles(pl.Series(column), quantiles, lambda at, _: at[max(at)])
    assert below == [float(one) for one in np.quantile(ordered, quantiles, method="lower")]
    assert above == [float(one) for one in np.quantile(ordered, quantiles, method="higher")]


def test_a_column_without_values_has_no_quantiles() -> None:
    assert at_quantiles(pl.Series([], dtype=pl.Float64), [0.5], lambda at, _: at[0]) == []
