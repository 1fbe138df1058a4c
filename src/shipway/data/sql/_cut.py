"""Ordered rows cut into files where their own content says so: a changed row rewrites one file, the others keep their digests.

A file ends after a row whose hash, of the columns that order the rows, ends in thirteen zero bits: every 8,192 rows on average.
The same row ends a file whatever stands around it. Where no such row comes, a file ends after eight times as many rows, or when
its values reach 32 MiB; from the next row with such a hash on, all is as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.data._row_hash import hash_rows

ROWS = 1 << 13
MOST_ROWS = 8 * ROWS
MOST_BYTES = 32 << 20  # of values, as they are in memory: what one file may need of it
_FLAT = 8  # bytes of a value that is no text


def cut_rows(batches: Iterable[pl.DataFrame], order: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The rows of the batches in pieces, one a file; where batches end does not count. No rows: nothing."""
    held: list[pl.DataFrame] = []
    rows = size = 0
    for batch in batches:
        if batch.is_empty():
            continue
        begin = 0
        for end in _ends(batch, order, rows, size):
            held.append(batch[begin:end])
            yield pl.concat(held, rechunk=True)
            held, begin, rows, size = [], end, 0, 0
        if begin < batch.height:
            rest = batch[begin:]
            held.append(rest)
            rows += rest.height
            size += int(_sizes(rest).sum())
    if held:
        yield pl.concat(held, rechunk=True)


def _ends(batch: pl.DataFrame, order: Sequence[str], rows: int, size: int) -> list[int]:
    """After which rows of a batch a file ends; rows, size: what the file has already."""
    natural = np.flatnonzero((hash_rows(batch, order) & np.uint64(ROWS - 1)) == 0) + 1
    total = np.concatenate([[0], np.cumsum(_sizes(batch))])
    found: list[int] = []
    begin, before, held = 0, rows, size
    while begin < batch.height:
        full = int(np.searchsorted(total, total[begin] + MOST_BYTES - held))  # the first end at which the bytes are reached
        latest = max(begin + 1, min(begin + MOST_ROWS - before, full))
        place = int(np.searchsorted(natural, begin, side="right"))
        end = min(int(natural[place]) if place < len(natural) else batch.height + 1, latest)
        if end > batch.height:
            break
        found.append(end)
        begin, before, held = end, 0, 0
    return found


def _sizes(frame: pl.DataFrame) -> NDArray[np.int64]:
    """(rows,): bytes of each row's values, counted the same however rows came."""
    total = np.zeros(frame.height, np.int64)
    for column in frame:
        total += _size(column)
    return total


def _size(column: pl.Series) -> NDArray[np.int64]:
    kind = column.dtype
    if kind == pl.String():
        sizes = column.str.len_bytes()
    elif kind == pl.Binary():
        sizes = column.bin.size()
    elif isinstance(kind, pl.List):
        lengths = column.list.len()
        if kind.inner in (pl.String(), pl.Binary()):
            inner = pl.element().str.len_bytes() if kind.inner == pl.String() else pl.element().bin.size()
            lengths = column.list.eval(inner).list.sum()
        sizes = lengths * _FLAT if kind.inner not in (pl.String(), pl.Binary()) else lengths
    else:
        return np.full(len(column), _FLAT, np.int64)
    return sizes.cast(pl.Int64).fill_null(0).to_numpy()


def place_name(frame: pl.DataFrame, order: Sequence[str]) -> str:
    """The name of a file that begins with this row: names sort as the first column of the order does, and do not depend on
    which files are before.
    """
    return f"{_sortable(frame[order[0]][0], frame[order[0]])}-{int(hash_rows(frame[:1], order)[0]):016x}.parquet"


def _sortable(value: object, column: pl.Series) -> str:
    """Hexadecimal digits that sort as the values do: whole numbers and instants exactly, text by its first 16 bytes."""
    if isinstance(value, str | bytes):
        data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        return data[:16].ljust(16, b"\0").hex()
    kind = column.dtype
    if kind.is_temporal():
        number = int(column[:1].to_physical()[0])
    elif isinstance(value, float):
        word = int(np.float64(value).view(np.int64))
        number = word if word >= 0 else -(word & (2**63 - 1)) - 1
    else:
        number = int(value)  # type: ignore[call-overload]
    return f"{min(max(number, -(2**63)), 2**64 - 1) + 2**63:017x}"
