"""One ranking out of several: reciprocal rank fusion. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shipway.rag._types import Hit

K = 60  # the constant of the paper, which found it to matter little


class Fused(NamedTuple):
    """A member with its fused score and its rank, from 1, in each leg that found it."""

    number: int
    score: float
    dense_rank: int | None
    text_rank: int | None


def fuse(dense: Sequence[Hit], text: Sequence[Hit], k: int) -> list[Fused]:
    """The k best by the sum of 1 / (60 + rank) over the legs; ties by the better rank, then by the member's number.

    Only ranks count, so legs whose scores have nothing in common can be added. Source: Cormack, Clarke, Büttcher,
    Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods, SIGIR 2009.

    >>> [(found.number, round(found.score, 4)) for found in fuse([Hit(1, 0.9), Hit(2, 0.8)], [Hit(2, 7.0)], 2)]
    [(2, 0.0325), (1, 0.0164)]
    """
    ranks = [{hit.number: rank for rank, hit in enumerate(leg, start=1)} for leg in (dense, text)]
    found = [Fused(number, _score(ranks, number), ranks[0].get(number), ranks[1].get(number)) for number in ranks[0] | ranks[1]]
    return sorted(found, key=lambda one: (-one.score, min(one.dense_rank or 1 << 30, one.text_rank or 1 << 30), one.number))[:k]


def _score(ranks: Sequence[dict[int, int]], number: int) -> float:
    return sum(1 / (K + leg[number]) for leg in ranks if number in leg)
