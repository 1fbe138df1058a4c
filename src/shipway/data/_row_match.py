"""Which rows of two sets of signatures are not equal, and which of these are one row that changed.

Only buckets whose sums differ are looked at, some at a time; inside them, stretches of a few rows whose sums differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shipway.data._row_hash import Hashes
from shipway.data._signature import BUCKETS, Signature

AT_ONCE = 1 << 18  # rows of both sides that are looked at together: what a processor keeps near
_FEW = 8  # rows of a stretch
_SHIFT = np.uint64(52)


@dataclass(frozen=True, slots=True, eq=False)
class Spots:
    """Rows by the number of their file and their place in it."""

    files: NDArray[np.uint32]
    places: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> Spots:
        return Spots(self.files[rows], self.places[rows])


@dataclass(frozen=True, slots=True, eq=False)
class RowMatch:
    """before, after: rows of each side; old and new: the same rows before and after, one for one, changed between.

    Without a key none is. repeated: of each side the rows whose key another row of it has too.
    """

    before: int
    after: int
    removed: Spots
    added: Spots
    old: Spots
    new: Spots
    repeated: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Some rows of one side, rising by key and row."""

    keys: Hashes
    rows: Hashes
    spots: Spots

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> _Rows:
        return _Rows(self.keys[rows], self.rows[rows], Spots(self.spots.files[rows], self.spots.places[rows]))


def match_rows(before: Sequence[Signature], after: Sequence[Signature], *, keyed: bool, at_once: int = AT_ONCE) -> RowMatch:
    """Exact but for collisions of 64 bits. Rows of one key that are equal belong together, and of the rest as many as both have
    are changed.
    """
    sums = [_total(side) for side in (before, after)]
    different = np.flatnonzero((sums[0] != sums[1]).any(axis=1))
    weights = (sums[0][:, 0] + sums[1][:, 0]).astype(np.int64)
    found = []
    for group in _groups(different, weights, at_once):
        found.append(_match(_gather(before, group), _gather(after, group), keyed=keyed))
    counts = [int(side[:, 0].sum()) for side in sums]
    repeated = tuple(_repeated(side, at_once) if keyed else 0 for side in (before, after))
    removed, added, old, new = (_joined([each[place] for each in found]) for place in range(4))
    return RowMatch(counts[0], counts[1], removed, added, old, new, (repeated[0], repeated[1]))


def _total(side: Sequence[Signature]) -> Hashes:
    total = np.zeros((BUCKETS, 3), np.uint64)
    for signature in side:
        total[:, :2] += signature.sums[:, :2]
        total[:, 2] ^= signature.sums[:, 2]
    return total


def _groups(buckets: NDArray[np.int64], weights: NDArray[np.int64], at_once: int) -> Iterator[NDArray[np.int64]]:
    """Buckets in runs that are looked at together."""
    if not len(buckets):
        return
    turn = np.cumsum(weights[buckets]) // at_once
    bounds = [0, *(np.flatnonzero(np.diff(turn)) + 1).tolist(), len(buckets)]
    yield from (buckets[begin:end] for begin, end in pairwise(bounds))


def _gather(side: Sequence[Signature], buckets: NDArray[np.int64]) -> _Rows:
    """The rows of these buckets, which rise; of several files in one order."""
    pieces = []
    for number, signature in enumerate(side):
        starts = signature.starts
        breaks = np.flatnonzero(np.diff(buckets) > 1) + 1
        for run in np.split(buckets, breaks):
            begin, end = int(starts[run[0]]), int(starts[run[-1] + 1])
            if end > begin:
                spots = Spots(np.full(end - begin, number, np.uint32), np.asarray(signature.places[begin:end]))
                pieces.append(_Rows(np.asarray(signature.keys[begin:end]), np.asarray(signature.rows[begin:end]), spots))
    if not pieces:
        nothing = np.zeros(0, np.uint64)
        return _Rows(nothing, nothing, _joined([]))
    keys, rows = (np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("keys", "rows"))
    whole = _Rows(keys, rows, _joined([piece.spots for piece in pieces]))
    return whole if len(side) == 1 else whole[np.lexsort((rows, keys))]


def _joined(spots: Sequence[Spots]) -> Spots:
    if not spots:
        return Spots(np.zeros(0, np.uint32), np.zeros(0, np.uint32))
    return Spots(np.concatenate([each.files for each in spots]), np.concatenate([each.places for each in spots]))


def _match(before: _Rows, after: _Rows, *, keyed: bool) -> tuple[Spots, Spots, Spots, Spots]:
    before, after = _where_sums_differ(before, after)
    side = np.repeat(np.array([0, 1], np.int8), [len(before.keys), len(after.keys)])
    both = _Rows(
        np.concatenate([before.keys, after.keys]),
        np.concatenate([before.rows, after.rows]),
        _joined([before.spots, after.spots]),
    )
    same = _paired(both.keys, both.rows, side)
    left, side = both[~same], side[~same]
    if keyed:
        paired = _paired(left.keys, None, side)
        changed, changed_side = left[paired], side[paired]
        order = np.lexsort((changed.rows, changed.keys))
        changed, changed_side = changed[order], changed_side[order]
        left, side = left[~paired], side[~paired]
        old, new = changed[changed_side == 0].spots, changed[changed_side == 1].spots
    else:
        old = new = _joined([])
    return left[side == 0].spots, left[side == 1].spots, old, new


def _where_sums_differ(before: _Rows, after: _Rows) -> tuple[_Rows, _Rows]:
    """Without the stretches of keys in which both have as many rows with one sum."""
    bits = max(0, (max(len(before.keys), len(after.keys)) // _FEW).bit_length() - 1)
    lowest = min((int(side.keys[0]) for side in (before, after) if len(side.keys)), default=0)
    highest = max((int(side.keys[-1]) for side in (before, after) if len(side.keys)), default=0)
    edges = np.zeros(0, np.uint64)
    if bits:  # no edge lies above the highest key, since one beyond 64 bits would begin anew at 0
        width = np.uint64(((highest - lowest) >> bits) + 1)
        edges = np.uint64(lowest) + np.minimum(width * np.arange(1, 1 << bits, dtype=np.uint64), np.uint64(highest - lowest))
    ends = [np.searchsorted(side.keys, edges) for side in (before, after)]
    counts = [np.diff(end, prepend=0, append=len(side.keys)) for end, side in zip(ends, (before, after), strict=True)]
    totals = []
    for end, each in zip(ends, (before, after), strict=True):
        running = np.concatenate([[np.uint64(0)], np.cumsum(each.rows, dtype=np.uint64)])
        totals.append(np.diff(running[np.concatenate([[0], end, [len(each.rows)]])]))
    odd = (counts[0] != counts[1]) | (totals[0] != totals[1])
    kept = [np.repeat(odd, count) for count in counts]
    return before[kept[0]], after[kept[1]]


def _paired(keys: Hashes, rows: Hashes | None, side: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Which have a partner on the other side that is equal (in key, and in row where one is given), one for one."""
    columns = (side, keys) if rows is None else (side, rows, keys)
    order = np.lexsort(columns)
    sorted_keys, sorted_side = keys[order], side[order]
    new = np.ones(len(keys), bool)
    new[1:] = sorted_keys[1:] != sorted_keys[:-1]
    if rows is not None:
        sorted_rows = rows[order]
        new[1:] |= sorted_rows[1:] != sorted_rows[:-1]
    group = np.cumsum(new) - 1
    cell = group * 2 + sorted_side
    counts = np.bincount(cell, minlength=2 * (int(group[-1]) + 1 if len(group) else 0))
    first = np.concatenate([[0], np.cumsum(counts)])[:-1]
    turn = np.arange(len(keys)) - first[cell]
    common = counts.reshape(-1, 2).min(axis=1)
    found = np.empty(len(keys), bool)
    found[order] = turn < common[group]
    return found


def _repeated(side: Sequence[Signature], at_once: int) -> int:
    """Rows whose key another row of this side has too."""
    if len(side) == 1:
        return _twins(side[0].keys)
    weights = _total(side)[:, 0].astype(np.int64)
    return sum(_twins(_gather(side, group).keys) for group in _groups(np.flatnonzero(weights), weights, at_once))


def _twins(keys: Hashes) -> int:
    equal = np.zeros(len(keys) + 1, bool)
    equal[1:-1] = keys[1:] == keys[:-1]
    return int(np.count_nonzero(equal[1:] | equal[:-1]))
