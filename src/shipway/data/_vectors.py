"""A column of embeddings as numbers: norm, distance to the nearest centroid of the reference, and 64 fixed projections.

Values become whole steps first, so that every sum is exact and neither BLAS nor the order of adding changes a bit of it.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256, shake_256
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from shipway.data._columns import Numbers
from shipway.data._histogram import Floats
from shipway.kernel.canonical import JsonObject

if TYPE_CHECKING:
    import polars as pl

PROJECTIONS, _CENTROIDS = 64, 8
PROJECTION = "projection"
VECTOR_NAMES = ("norm", "nearest", *(f"{PROJECTION}{number:02}" for number in range(PROJECTIONS)))
VECTOR_BINS = 40  # of each, so that 66 columns stay small: an index goes by tenths of the reference
MOST_DIMENSIONS = 8_192
_BITS, _CLIP = 17, 1 << 20  # steps of the largest value of the reference; beyond eight times that a value counts as that
_ROWS = 8_192  # at a time, and of the reference those that centroids are fitted to at most, twice as many
_ROUNDS = 10


def is_projection(descriptor: str) -> bool:
    """Whether a descriptor is one of the many projections of a vector."""
    return descriptor.startswith(PROJECTION)


@dataclass(frozen=True, slots=True)
class VectorRule:
    """What a reference fixes for a column of vectors. step: value of one; centroids: (k, dimension) steps, k up to 8.

    The signs of the projections come from a digest of these.
    """

    dimension: int
    step: float
    centroids: bytes

    @property
    def names(self) -> tuple[str, ...]:
        """The descriptors, in their order."""
        return VECTOR_NAMES

    @property
    def bins(self) -> int:
        """Bins of each descriptor."""
        return VECTOR_BINS

    def measure(self, vectors: pl.Series) -> dict[str, Numbers]:
        """The descriptors of a window. A vector of another dimension, or with a value that is none, has none of them (NaN).

        Source of the projections: Achlioptas, Database-friendly random projections (2003): signs, over the dimension's root.
        """
        found = [self._described(part) for part in _steps_of(vectors, self.dimension, self.step)]
        whole = np.concatenate(found) if found else np.zeros((0, len(VECTOR_NAMES)))
        return {name: Numbers(whole[:, place], vectors.null_count()) for place, name in enumerate(VECTOR_NAMES)}

    def _described(self, steps: Floats) -> Floats:
        """(n, descriptors) of (n, dimension) steps."""
        own = np.einsum("ij,ij->i", steps, steps)
        nearest = _distances(steps, own, self._middles).min(axis=1)
        projected = steps @ self._signs / math.sqrt(self.dimension)
        return np.column_stack([np.sqrt(own), np.sqrt(nearest), projected]) * self.step

    @property
    def _middles(self) -> Floats:
        return np.frombuffer(self.centroids, dtype="<i4").reshape(-1, self.dimension).astype(np.float64)

    @property
    def _signs(self) -> Floats:
        """(dimension, PROJECTIONS) of 1 and -1."""
        seed = sha256(b"%d %s " % (self.dimension, float(self.step).hex().encode()) + self.centroids).digest()
        bits = np.unpackbits(np.frombuffer(shake_256(seed).digest(self.dimension * PROJECTIONS // 8), dtype=np.uint8))
        return np.asarray(bits.reshape(self.dimension, PROJECTIONS) * 2.0 - 1.0, dtype=np.float64)

    def to_json(self) -> JsonObject:
        """As a profile of a reference keeps it."""
        centroids = b64encode(self.centroids).decode()
        return {"type": "vector", "dimension": self.dimension, "step": self.step, "centroids": centroids}


def vector_from_json(record: JsonObject) -> VectorRule:
    """The inverse of to_json. Raises KeyError, TypeError, ValueError."""
    dimension, step = int(cast("int", record["dimension"])), float(cast("float", record["step"]))
    centroids = b64decode(str(record["centroids"]), validate=True)
    if not 0 < dimension <= MOST_DIMENSIONS or not centroids or len(centroids) % (4 * dimension) or not 0 < step < math.inf:
        raise ValueError("a rule of vectors has a dimension, a step above 0 and centroids of that dimension")
    return VectorRule(dimension, step, centroids)


def reference_vectors(vectors: pl.Series) -> tuple[VectorRule, dict[str, Numbers]] | None:
    """The rule that the vectors of a reference fix, and their own descriptors; None without a vector that could be described.

    The dimension is the commonest. A vector of the reference that a centroid was fitted to is held against that centroid
    without it, or every later vector would seem farther away.
    """
    lengths = vectors.list.len().drop_nulls()
    dimension = int(cast("int", lengths.mode().max() or 0)) if len(lengths) else 0
    if not 0 < dimension <= MOST_DIMENSIONS:
        return None
    held = vectors.drop_nulls()
    heights = np.concatenate([np.abs(part).max(axis=1) for part in _values_of(held, dimension)])
    whole = np.flatnonzero(~np.isnan(heights))
    if not whole.size:
        return None
    step = 2.0 ** (math.frexp(float(heights[whole].max()) or 1.0)[1] - _BITS)
    taken = whole[np.linspace(0, whole.size - 1, min(whole.size, 2 * _ROWS)).astype(np.int64)]
    steps = np.concatenate(list(_steps_of(held.gather(taken), dimension, step)))
    fitted = _centroids(steps)
    rule = VectorRule(dimension, step, fitted.middles.astype("<i4").tobytes())
    found = rule.measure(vectors)
    found["nearest"].values[taken] = _without_itself(steps, fitted) * step
    return rule, found


def _values_of(vectors: pl.Series, dimension: int) -> Iterator[Floats]:
    """(rows, dimension) values in parts, rows without a usable vector NaN, null ones left out."""
    import polars as pl

    held = vectors.drop_nulls()
    for at in range(0, len(held), _ROWS):
        part = held[at : at + _ROWS]
        fits = (part.list.len() == dimension).to_numpy()
        values = np.full((len(part), dimension), np.nan)
        flat = part.filter(pl.Series(fits)).explode().cast(pl.Float64)
        values[fits] = flat.to_numpy().reshape(-1, dimension)
        values[~np.isfinite(values).all(axis=1)] = np.nan
        yield values


def _steps_of(vectors: pl.Series, dimension: int, step: float) -> Iterator[Floats]:
    return (np.clip(np.rint(part / step), -_CLIP, _CLIP) for part in _values_of(vectors, dimension))


class _Fitted(NamedTuple):
    """middles: (k, dimension) whole steps; cluster: (n,) which of them a row belongs to."""

    middles: Floats
    cluster: NDArray[np.int64]


def _centroids(steps: Floats) -> _Fitted:
    """Lloyd's rounds from rows that are spread along the sum of their values."""
    order = np.argsort(steps.sum(axis=1), kind="stable")
    middles = steps[order[np.linspace(0, len(steps) - 1, min(_CENTROIDS, len(steps))).astype(np.int64)]]
    own, cluster = np.einsum("ij,ij->i", steps, steps), np.zeros(len(steps), dtype=np.int64)
    for _ in range(_ROUNDS):
        cluster = _distances(steps, own, middles).argmin(axis=1)
        members = [steps[cluster == place] for place in range(len(middles))]
        means = [np.rint(part.sum(axis=0) / len(part)) if len(part) else middles[at] for at, part in enumerate(members)]
        middles = np.array(means)
    return _Fitted(middles, cluster)


def _without_itself(steps: Floats, fitted: _Fitted) -> Floats:
    """(n,) distance to the nearest centroid, in steps, each of its own cluster moved to where it is without the row.

    The mean of m rows without one of them is m / (m - 1) times as far from it.
    """
    squares = _distances(steps, np.einsum("ij,ij->i", steps, steps), fitted.middles)
    size = np.bincount(fitted.cluster, minlength=len(fitted.middles))[fitted.cluster]
    rows = np.arange(len(steps))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = squares[rows, fitted.cluster] * (size / (size - 1.0)) ** 2
    squares[rows, fitted.cluster] = np.where(size > 1, apart, np.inf)
    nearest = squares.min(axis=1)
    return np.sqrt(np.where(np.isfinite(nearest), nearest, 0.0))


def _distances(steps: Floats, own: Floats, middles: Floats) -> Floats:
    """(n, k) squared, whole numbers below 2^53, so exact."""
    return np.asarray(own[:, None] - 2 * (steps @ middles.T) + np.einsum("ij,ij->i", middles, middles), dtype=np.float64)
