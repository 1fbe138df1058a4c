"""Two sets of answers to the same prompts: were they given by the same speaker? Permutation tests, exact in their level.

When nothing has changed, the labels `then` and `now` of the answers to one prompt mean nothing: shuffled within each
prompt, they give the distribution of any statistic, whatever the prompts and however noisy each is. Pure, seeded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SHUFFLES = 3_999  # the smallest p-value is 1 in 4,000: far below the level's share of any one test


class Paired(NamedTuple):
    """The answers to one prompt: how far any two of them are apart (n, n), then the first `then` of them are the baseline's."""

    distances: Floats
    then: int


def energy_test(prompts: Sequence[Paired], *, seed: int, shuffles: int = SHUFFLES) -> float:
    """p-value of the energy distances between then and now, summed over prompts; small when the answers have changed.

    distances: 1 or 0 for unequal or equal texts (what is tested is then agreement), Euclidean for embeddings.
    Source: Szekely and Rizzo (2004), with labels permuted within strata; the observed labelling counts as one shuffle.
    """
    random = np.random.default_rng(seed)
    found, drawn = 0.0, np.zeros(shuffles)
    for distances, then in prompts:
        weights = _weights(len(distances), then)
        found -= float(weights @ distances @ weights)
        shuffled = _shuffled(random, weights, shuffles)
        drawn -= np.einsum("bi,ij,bj->b", shuffled, distances, shuffled)
    return _share(drawn, found)


def mean_test(prompts: Sequence[tuple[Sequence[float], int]], *, seed: int, shuffles: int = SHUFFLES) -> float:
    """p-value of the difference of mean scores now minus then, two-sided; prompts: scores, the first `then` the baseline's."""
    random = np.random.default_rng(seed)
    found, drawn = 0.0, np.zeros(shuffles)
    for scores, then in prompts:
        values, weights = np.asarray(scores, dtype=np.float64), _weights(len(scores), then)
        found += float(weights @ values)
        drawn += _shuffled(random, weights, shuffles) @ values
    return _share(np.abs(drawn), abs(found))


def agreement_loss(prompts: Iterable[Paired]) -> float:
    """How much less now agrees with then than then with itself, in shares of pairs, mean over prompts; from 0 to 1.

    For answers that were repeatable this is the share of answers that differ.
    """
    losses = []
    for distances, then in prompts:
        across = float(distances[:then, then:].mean())
        inside = float(distances[:then, :then].sum()) / (then * (then - 1)) if then > 1 else 0.0
        losses.append(across - inside)
    return min(1.0, max(0.0, float(np.mean(losses))))


def own_agreement(prompt: Paired) -> float:
    """The share of pairs of the baseline's answers that are the same, for distances of 1 or 0; 1 with a single answer."""
    then = prompt.then
    return 1.0 - float(prompt.distances[:then, :then].sum()) / (then * (then - 1)) if then > 1 else 1.0


def luck_of_change(then: int, now: int) -> float:
    """The largest chance, over all answer distributions with two outcomes, that an unchanged speaker gives one answer `then`
    times and another one `now` times in a row.

    More outcomes make it smaller once both are asked twice; asked once, it may be 1. At equal repeats K it is 2^(1-2K).
    >>> luck_of_change(2, 2), luck_of_change(3, 3)
    (0.125, 0.03125)
    """
    if min(then, now) < 2:
        return 1.0
    share = np.linspace(0.0, 1.0, 2_001)
    return float((share**then * (1 - share) ** now + (1 - share) ** then * share**now).max())


def energy_distances(vectors: Floats) -> Floats:
    """Euclidean distances between the rows of (n, d), as (n, n)."""
    return np.asarray(np.linalg.norm(vectors[:, None, :] - vectors[None, :, :], axis=2), dtype=np.float64)


def unequal(texts: Sequence[str]) -> Floats:
    """1 where two texts differ, as (n, n)."""
    codes = np.unique(np.asarray(texts, dtype=np.str_), return_inverse=True)[1]
    return np.asarray(codes[:, None] != codes[None, :], dtype=np.float64)


def _weights(n: int, then: int) -> Floats:
    """Their quadratic form over distances is minus the energy distance of the two groups."""
    return np.concatenate([np.full(then, -1.0 / then), np.full(n - then, 1.0 / (n - then))])


def _shuffled(random: np.random.Generator, weights: Floats, shuffles: int) -> Floats:
    return random.permuted(np.tile(weights, (shuffles, 1)), axis=1)


def _share(drawn: Floats, found: float) -> float:
    """Shuffles that are at least as far out as what was found; rounding must not break a tie."""
    slack = 1e-9 * max(1.0, math.fabs(found))
    return float((1 + np.count_nonzero(drawn >= found - slack)) / (1 + drawn.size))
