"""Two values of one step, and what is different between them: a few lines for a person, never all of it."""

from __future__ import annotations

import difflib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from shipway.kernel import media
from shipway.kernel.digest import Descriptor
from shipway.models import Array
from shipway.pipeline._model_differences import model_lines
from shipway.store import TREE, Store

_LINES = 12  # of a text, of files
_ROWS = 5  # of a table, of an array
_CELLS = 6  # of one row
_CELL = 60  # characters of one value


def describe_difference(store: Store, before: Descriptor, fresh: Store, after: Descriptor) -> tuple[str, ...]:
    """What is different between a value in one store and the same step's in another, the first things first.

    A value that its store does not hold (a bundle leaves out what steps made) gives one line that says so.
    """
    if not store.objects.keeps(before.digest, before.size):
        return ("what the release's own run made is not in this store, so its digest is all there is",)
    if before.media_type != after.media_type:
        return (f"was {before.media_type}, is {after.media_type}",)
    if before.media_type == TREE:
        return tuple(_folders(store, before, fresh, after))
    compare = _COMPARE.get(before.media_type, _sizes)
    try:
        lines = tuple(compare(store.objects.path(before.digest), fresh.objects.path(after.digest)))
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as problem:
        return (f"cannot be compared: {problem}",)  # bytes that their type does not fit; the digests tell them apart
    return lines or ("the same values, in other bytes",)


def array_line(name: str, before: Array, after: Array) -> str | None:
    """One line for two arrays that differ, None when they do not: how many values, and how far the farthest are apart."""
    if before.shape != after.shape or before.dtype != after.dtype:
        return f"{name}: {before.dtype}{list(before.shape)} -> {after.dtype}{list(after.shape)}"
    count = int(np.count_nonzero(_unequal(before, after)))
    if not count:
        return None
    text = f"{name}: {count:,} of {before.size:,} values differ"
    if before.dtype.kind in "fiu":
        with np.errstate(invalid="ignore", over="ignore"):
            largest = np.nanmax(np.abs(before.astype("f8") - after.astype("f8")))
        text += f", at most by {largest:.3g}"
    return text


def _tables(before: Path, after: Path) -> Iterator[str]:
    old, new = (pl.read_parquet(path, glob=False, hive_partitioning=False) for path in (before, after))
    yield from _first(_schema(old, new), "columns")
    if old.height != new.height:
        yield f"rows: {old.height:,} -> {new.height:,}"
    shared = [name for name in old.columns if name in new.columns and old[name].dtype == new[name].dtype]
    if shared:
        yield from _rows(old.select(shared), new.select(shared))


def _schema(old: pl.DataFrame, new: pl.DataFrame) -> list[str]:
    lines = []
    for name in old.columns:
        if name not in new.columns:
            lines.append(f"-column {name}: {old[name].dtype}")
        elif old[name].dtype != new[name].dtype:
            lines.append(f"column {name}: {old[name].dtype} -> {new[name].dtype}")
    return lines + [f"+column {name}: {new[name].dtype}" for name in new.columns if name not in old.columns]


def _rows(old: pl.DataFrame, new: pl.DataFrame) -> Iterator[str]:
    """The rows that differ, place by place as far as both tables go."""
    height = min(old.height, new.height)
    old, new = old.head(height), new.head(height)
    unequal = pl.DataFrame({name: old[name].ne_missing(new[name]) for name in old.columns})
    places = unequal.select(pl.any_horizontal(pl.all())).to_series().arg_true()
    if places.is_empty():
        return
    yield f"{len(places):,} of {height:,} rows differ"
    counts = {name: int(unequal[name].sum()) for name in unequal.columns}
    lines = [f"  column {name}: {n:,} rows{_largest(old[name], new[name])}" for name, n in counts.items() if n]
    yield from _first(lines, "columns")
    for place in places.head(_ROWS).to_list():
        cells = [name for name in unequal.columns if unequal[name][place]][:_CELLS]
        yield f"  row {place}: " + ", ".join(f"{name} {_cell(old[name][place])} -> {_cell(new[name][place])}" for name in cells)


def _largest(old: pl.Series, new: pl.Series) -> str:
    if not old.dtype.is_numeric():
        return ""
    apart = (old.cast(pl.Float64) - new.cast(pl.Float64)).abs().fill_nan(None).max()
    return f", at most by {apart:.3g}" if isinstance(apart, float) else ""


def _texts(before: Path, after: Path) -> Iterator[str]:
    old, new = (json.dumps(json.loads(path.read_bytes()), indent=1, sort_keys=True).splitlines() for path in (before, after))
    changes = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]
    changes = [line for line in changes if not line.startswith("@@")]
    yield from _first([line[:200] for line in changes], "lines")


def _arrays(before: Path, after: Path) -> Iterator[str]:
    old, new = (np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) for path in (before, after))
    line = array_line("array", old, new)
    if line:
        yield line
    if line and old.shape == new.shape:
        for place in np.argwhere(_unequal(old, new))[:_ROWS]:
            index = tuple(int(number) for number in place)
            yield f"  {list(index)}: {_cell(old[index])} -> {_cell(new[index])}"


def _unequal(before: Array, after: Array) -> npt.NDArray[np.bool_]:
    """Where two arrays of one shape differ; NaN, the one value that differs from itself, is equal to NaN."""
    unequal: npt.NDArray[np.bool_] = np.asarray((before != after) & ~((before != before) & (after != after)), dtype=bool)
    return unequal


def _models(before: Path, after: Path) -> Iterator[str]:
    yield from _first(model_lines(before, after, array_line), "parts")


def _folders(store: Store, before: Descriptor, fresh: Store, after: Descriptor) -> Iterator[str]:
    old = {file.path: file for file in store.tree(before.digest)}
    new = {file.path: file for file in fresh.tree(after.digest)}
    changed = [path for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path)]
    lines = []
    for path in changed:
        sizes = " -> ".join(f"{side[path].size:,} bytes" if path in side else "nothing" for side in (old, new))
        lines.append(f"{path}: {sizes}")
    yield from _first(lines, "files")


def _first(lines: list[str], noun: str) -> Iterator[str]:
    yield from lines[:_LINES]
    if len(lines) > _LINES:
        yield f"and {len(lines) - _LINES:,} {noun} more"


def _sizes(before: Path, after: Path) -> Iterator[str]:
    old, new = before.stat().st_size, after.stat().st_size
    yield f"{old:,} bytes, other ones" if old == new else f"{old:,} bytes -> {new:,} bytes"


def _cell(value: object) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= _CELL else text[: _CELL - 3] + "..."


_COMPARE: dict[str, Callable[[Path, Path], Iterator[str]]] = {
    media.PARQUET: _tables,
    media.JSON: _texts,
    media.NPY: _arrays,
    media.SKOPS: _models,
}
