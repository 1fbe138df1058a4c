"""Rows that differ, looked at: how many cells of each column changed, and some rows to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.data._contract_result import json_of
from shipway.data._row_hash import Hashes, hash_column, scope_of
from shipway.data._row_match import RowMatch, Spots
from shipway.data._table_file import TableFile
from shipway.kernel.canonical import Json, JsonObject

SAMPLES = 20
_CELLS = 1 << 25  # of one side, whose hashes are held at once: 268 MB
_LONGEST = 200  # characters of a value that is shown
_WIDEST = 60  # columns of a row that is shown


@dataclass(frozen=True, slots=True)
class Seen:
    """cells: changed ones by column; looked: at how many changed rows; the samples in the order of the files."""

    cells: Mapping[str, int]
    looked: int
    added: tuple[JsonObject, ...]
    removed: tuple[JsonObject, ...]
    changed: tuple[JsonObject, ...]


def look_at(
    before: Sequence[TableFile], after: Sequence[TableFile], match: RowMatch, columns: Sequence[str], key: Sequence[str]
) -> Seen:
    """Reads each file in which a row is wanted once. A changed sample has its key and, of what changed, both values.

    Raises DataUnreadable.
    """
    pairs = min(len(match.old), _CELLS // max(1, len(columns)))
    order = np.lexsort((match.old.places, match.old.files))[:pairs]
    old, removed = _look(before, match.old[order], _first(match.removed), columns)
    new, added = _look(after, match.new[order], _first(match.added), columns)
    unlike = {name: old.hashes[name] != new.hashes[name] for name in columns}
    cells = {name: int(np.count_nonzero(odd)) for name, odd in unlike.items() if odd.any()}
    changed = tuple(
        _change(one, other, [name for name in columns if unlike[name][place]], key)
        for place, (one, other) in enumerate(zip(old.rows, new.rows, strict=True))
    )
    return Seen(cells, pairs, tuple(added), tuple(removed), changed)


def _first(spots: Spots) -> Spots:
    return spots[np.lexsort((spots.places, spots.files))[:SAMPLES]]


@dataclass(frozen=True, slots=True, eq=False)
class _Looked:
    """hashes: (pairs,) by column; rows: the first SAMPLES of them."""

    hashes: dict[str, Hashes]
    rows: list[dict[str, object]]


def _look(files: Sequence[TableFile], changed: Spots, alone: Spots, columns: Sequence[str]) -> tuple[_Looked, list[JsonObject]]:
    hashes = {name: np.zeros(len(changed), np.uint64) for name in columns}
    shown: dict[int, dict[str, object]] = {}
    single: dict[int, dict[str, object]] = {}
    for number in np.unique(np.concatenate([changed.files, alone.files])).tolist():
        file = files[number]
        mine, others = np.flatnonzero(changed.files == number), np.flatnonzero(alone.files == number)
        places = np.unique(np.concatenate([changed.places[mine], alone.places[others]]))
        frame = file.pick(pl.Series(places), list(file.schema))
        at = np.searchsorted(places, changed.places[mine])
        for name in columns:
            values = frame[name] if name in file.schema else pl.Series([None] * frame.height, dtype=pl.Null)
            hashes[name][mine] = hash_column(values, scope_of(name))[at]
        _take(shown, frame, mine[mine < SAMPLES], at[: np.count_nonzero(mine < SAMPLES)])
        _take(single, frame, others, np.searchsorted(places, alone.places[others]))
    rows = [shown[place] for place in sorted(shown)]
    return _Looked(hashes, rows), [_row(single[place]) for place in sorted(single)]


def _take(into: dict[int, dict[str, object]], frame: pl.DataFrame, numbers: NDArray[np.int64], at: NDArray[np.int64]) -> None:
    bare = frame.drop("\0place")
    for number, place in zip(numbers.tolist(), at.tolist(), strict=True):
        into[number] = bare.row(place, named=True)


def _row(row: Mapping[str, object]) -> JsonObject:
    return {name: _cell(value) for name, value in list(row.items())[:_WIDEST]}


def _change(one: Mapping[str, object], other: Mapping[str, object], odd: Sequence[str], key: Sequence[str]) -> JsonObject:
    names: dict[str, Json] = {name: _cell(one.get(name)) for name in key}
    before, after = ({name: _cell(side.get(name)) for name in odd[:_WIDEST]} for side in (one, other))
    return {"key": names, "before": before, "after": after}


def _cell(value: object) -> Json:
    """Numbers as they are, anything long cut: a cell may hold a book."""
    if isinstance(value, bytes):
        text = value[: _LONGEST // 2].hex()
        return text if len(value) <= _LONGEST // 2 else f"{text}…"
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    if isinstance(value, list | tuple | dict | pl.Series):
        text = str(value.to_list() if isinstance(value, pl.Series) else value)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)
    return json_of(value)
