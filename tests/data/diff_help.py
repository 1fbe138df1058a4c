"""Generated tables, edits that are known, and what plain Python says differs."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import strategies as st

from shipway.data import Asked, compare_data, disk_side
from shipway.kernel.canonical import JsonObject
from shipway.store import FileDigests

Row = dict[str, object]
UTC, TOKYO = ZoneInfo("UTC"), ZoneInfo("Asia/Tokyo")
TIMES = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)).map(lambda at: at.replace(fold=0))
WORDS = st.sampled_from(["", "a", "b", "Kö ln", "漢字 🎈", "exactly 8", "longer than twelve bytes", "x" * 1100])

# of each format what its columns may hold: a type, values
PARQUET: Mapping[str, tuple[pl.DataType, st.SearchStrategy[object]]] = {
    "f": (pl.Float64(), st.sampled_from([0.0, -0.0, 1.5, 2.0, float("nan"), float("inf"), -1e-300])),
    "i": (pl.Int64(), st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)])),
    "u": (pl.UInt64(), st.sampled_from([0, 2**63, 2**64 - 1])),
    "w": (pl.String(), WORDS),
    "c": (pl.Categorical(), st.sampled_from(["u", "v", "漢"])),
    "d": (pl.Decimal(20, 4), st.sampled_from([Decimal("0.5"), Decimal("-3.2500"), Decimal("100")])),
    "t": (pl.Datetime("us", "Asia/Tokyo"), TIMES.map(lambda at: at.replace(tzinfo=TOKYO))),
    "n": (pl.Datetime("ns"), st.sampled_from([dt.datetime(2020, 1, 1), dt.datetime(1960, 5, 5, 1, 2, 3, 456)])),
    "b": (pl.Boolean(), st.booleans()),
    "y": (pl.Binary(), st.sampled_from([b"", b"\0", b"\0\0", b"abc"])),
    "l": (pl.List(pl.Int64()), st.lists(st.sampled_from([0, 1, None]), max_size=3)),
    "s": (pl.Struct({"x": pl.Float64(), "y": pl.String()}),
          st.fixed_dictionaries({"x": st.sampled_from([None, 0.0, 1.0]), "y": st.sampled_from([None, "a"])})),
}  # fmt: skip
LINES = {name: PARQUET[name] for name in ("i", "w", "b", "l", "s")} | {
    "f": (pl.Float64(), st.sampled_from([0.5, -0.0, 1.5, 1e300]))
}
COMMAS = {
    "i": PARQUET["i"],
    "f": (pl.Float64(), st.sampled_from([0.5, -0.5, 1.5, 1e300])),
    "w": (pl.String(), st.sampled_from(["a", "b", "Kö ln", 'quote " and , comma', "two\nlines"])),
    "t": (pl.Datetime("us"), st.sampled_from([dt.datetime(2020, 1, 1, 5, 6, 7, 8), dt.datetime(1999, 1, 1, 1)])),
}
FORMATS = {"parquet": PARQUET, "jsonl": LINES, "csv": COMMAS}
# the first row of each text file, so that its types do not depend on which values were drawn
FIRST: Mapping[str, object] = {
    "i": 7,
    "f": 7.5,
    "w": "word",
    "b": True,
    "l": [7],
    "s": {"x": 7.5, "y": "y"},
    "t": dt.datetime(2001, 2, 3, 4, 5, 6, 7),
}


@st.composite
def tables(draw: st.DrawFn, form: str) -> tuple[list[Row], list[Row], list[str]]:
    """Rows before and after, and the columns; `id` is first and may name a row several times."""
    known = FORMATS[form]
    names = draw(st.lists(st.sampled_from(sorted(known)), min_size=1, max_size=4, unique=True))
    values = {name: st.none() | known[name][1] for name in names}
    row = st.fixed_dictionaries({"id": st.integers(0, 6), **values})
    before = draw(st.lists(row, max_size=8))
    after = [dict(row) for row in before]
    for edited in list(after):
        what = draw(st.sampled_from(["keep", "keep", "keep", "remove", "change", "twice"]))
        if what == "remove":
            after.remove(edited)
        elif what == "change":
            name = draw(st.sampled_from(names))
            edited[name] = draw(values[name])
        elif what == "twice":
            after.append(dict(edited))
    after += draw(st.lists(row, max_size=3))
    return before, draw(st.permutations(after)), names


def write(folder: Path, form: str, rows: Sequence[Row], names: Sequence[str], *, files: int = 1) -> Path:
    """The rows in so many files of a folder."""
    folder.mkdir()
    schema = {"id": pl.Int64(), **{name: FORMATS[form][name][0] for name in names}}
    first: list[Row] = [] if form == "parquet" else [{"id": -1, **{name: FIRST[name] for name in names}}]
    for number in range(files):
        mine = [*(first if form != "parquet" else []), *rows[number::files]]
        frame = pl.DataFrame(mine, schema=schema, orient="row", strict=False)
        path = folder / f"{number}.{form}"
        if form == "parquet":
            frame.write_parquet(path)
        elif form == "csv":
            frame.write_csv(path)
        else:
            frame.write_ndjson(path)
    return folder


def diff(
    before: Path,
    after: Path,
    *,
    key: tuple[str, ...] = (),
    cache: Path | None = None,
    report: Callable[[int, int | None], None] | None = None,
    **more: object,
) -> JsonObject:
    digests = FileDigests(before.parent)
    sides = (disk_side(side, digests, label=side.name) for side in (before, after))
    return compare_data(next(sides), next(sides), Asked(key, must=bool(key), **more), folder=cache, report=report)  # type: ignore[arg-type]


def same(value: object) -> object:
    """A value as it counts: one NaN, one zero, a time as its instant, a decimal without zeros."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value + 0.0
    if isinstance(value, dt.datetime) and value.tzinfo:
        return "at", value.astimezone(UTC)
    if isinstance(value, list):
        return "list", tuple(map(same, value))
    if isinstance(value, dict):
        return "struct", tuple((name, same(item)) for name, item in sorted(value.items()))
    return ("bool", value) if isinstance(value, bool) else value


def by_dictionary(before: Sequence[Row], after: Sequence[Row], key: str | None) -> dict[str, object]:
    """What differs by plain dictionaries; cells only of keys that name one row on each side."""
    sides = [
        Counter((row["id"], tuple((name, same(value)) for name, value in sorted(row.items()))) for row in side)
        for side in (before, after)
    ]
    removed, added = sides[0] - sides[1], sides[1] - sides[0]
    if key is None:
        return {"added": added.total(), "removed": removed.total(), "changed": None}
    gone, come = (Counter(row[0] for row in side.elements()) for side in (removed, added))
    changed = (gone & come).total()
    return {"added": added.total() - changed, "removed": removed.total() - changed, "changed": changed}


def changed_cells(before: Sequence[Row], after: Sequence[Row], names: Sequence[str]) -> dict[str, int]:
    """By column, where every key names one row on each side."""
    new = {row["id"]: row for row in after}
    pairs = [(row, new[row["id"]]) for row in before if row["id"] in new]
    counts = {name: sum(same(old[name]) != same(now[name]) for old, now in pairs) for name in names}
    return {name: count for name, count in counts.items() if count}
