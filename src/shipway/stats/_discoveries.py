"""Many tests at once: which of them to believe."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def benjamini_hochberg(p_values: ArrayLike, *, q: float = 0.05) -> NDArray[np.bool_]:
    """True for the tests to believe when at most a share q of the believed may be false, on average.

    p_values: (k,) between 0 and 1, k may be 0; q: strictly between 0 and 1. Returns (k,), in the order given. Holds
    for independent and positively dependent tests. Raises ValueError on NaN or values outside these ranges.
    Source: Benjamini and Hochberg (1995).
    >>> benjamini_hochberg([0.01, 0.9, 0.03]).tolist()
    [True, False, True]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p_values: expected one row of numbers between 0 and 1")
    if not 0 < q < 1:
        raise ValueError(f"q: expected a number strictly between 0 and 1, got {q}")
    ordered = np.sort(p)
    passing = np.flatnonzero(ordered <= q * np.arange(1, p.size + 1) / max(1, p.size))
    return p <= (ordered[passing[-1]] if passing.size else -1.0)
