"""The page of a data set's review as a value: counts first, the gate, words of people, what differs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from shipway.data import diff_counts
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest, short
from shipway.release import DataSet, RefReview
from shipway.web._plan_view import GateGroup, gate_groups
from shipway.web._release_view import KnownView, known_view
from shipway.web._status import Level
from shipway.web._words import ReleaseName, Stamp, release_name, stamp

_SAMPLES, _COLUMNS, _VALUES = 3, 8, 8
_MANY = 31  # days or folders that are all shown; of more, those that differ
_WIDTH, _HEIGHT = 240, 44  # of a picture of a distribution


@dataclass(frozen=True, slots=True)
class Bar:
    """A pair of bars of a picture, in its own units: before behind after."""

    x: float
    width: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class ColumnView:
    """A column: its verdict and distance, its numbers before and after, values that came and went, its picture."""

    name: str
    verdict: str
    distance: str
    text: str
    before: str
    after: str
    came: str
    went: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Some rows to look at. heads: names of columns; more: how many others there are, in words."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: str = ""


@dataclass(frozen=True, slots=True)
class CountRow:
    """How many before and after; the shares of the larger one of all, in per cent of the width."""

    name: str
    before: str
    after: str
    share_before: float
    share_after: float
    differs: bool


@dataclass(frozen=True, slots=True)
class DiffView:
    """What differs between two sets of files. days_of: the column whose days are counted; flips: rules with another verdict."""

    counts: tuple[str, ...]
    notes: tuple[str, ...]
    schema: tuple[str, ...]
    cells: tuple[CountRow, ...]
    tables: tuple[Table, ...]
    columns: tuple[ColumnView, ...]
    days: tuple[CountRow, ...]
    days_of: str
    folders: tuple[CountRow, ...]
    flips: tuple[tuple[str, str, str, str], ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataPage:
    """What a review shows. name: of the data set; target: what is looked at, beside before; waits: it wants to stand there."""

    ref: str
    name: str
    target: ReleaseName
    before: ReleaseName | None
    waits: bool
    level: Level
    word: str
    sentence: str
    missing: tuple[str, ...]
    groups: tuple[GateGroup, ...]
    said: tuple[KnownView, ...]
    actor: str
    problem: tuple[str, str] | None
    diff: DiffView


@dataclass(frozen=True, slots=True)
class DataSetRow:
    """A data set in the list; waits: short, of what its gate refused; empty texts where there is nothing to say."""

    name: str
    digest: Digest | None
    short: str
    files: str
    size: str
    when: Stamp | None
    who: str
    why: str
    waits: str
    branches: tuple[str, ...]


def data_set_row(one: DataSet, now: datetime) -> DataSetRow:
    return DataSetRow(
        name=one.name,
        digest=one.digest,
        short=short(one.digest) if one.digest else "",
        files="" if one.files is None else f"{one.files:,}",
        size="" if one.bytes is None else _size(one.bytes),
        when=stamp(one.when, now) if one.when else None,
        who=one.who,
        why=one.why,
        waits=short(one.waits) if one.waits else "",
        branches=one.branches,
    )


def _size(size: int) -> str:
    """
    >>> _size(999), _size(4_035_283)
    ('999 B', '4.0 MB')
    """
    value, words = float(size), ("B", "kB", "MB", "GB", "TB", "PB")
    step = next((step for step in range(len(words)) if value < 999.5 * 1000**step), len(words) - 1)
    return f"{size} B" if step == 0 else f"{value / 1000**step:.1f} {words[step]}"


def make_data_page(
    review: RefReview, found: JsonObject | None, *, actor: str, now: datetime, problem: tuple[str, str] | None = None
) -> DataPage:
    judgement = review.judged.judgement
    level, word, sentence = _standing(review)
    return DataPage(
        ref=review.ref,
        name=review.ref.removeprefix("data/"),
        target=release_name(review.target),
        before=release_name(review.before) if review.before else None,
        waits=review.waits,
        level=level,
        word=word,
        sentence=sentence,
        missing=judgement.missing,
        groups=gate_groups(judgement),
        said=tuple(known_view(one, now) for one in reversed(review.said)),
        actor=actor,
        problem=problem,
        diff=make_diff_view(found or {}),
    )


def make_diff_view(document: JsonObject) -> DiffView:
    """document: as `shipway data diff --json` has it; empty where nothing was compared."""
    days = _list(document.get("days"))
    return DiffView(
        counts=tuple(diff_counts(document)) if document else (),
        notes=_notes(document),
        schema=_schema(document),
        cells=_cells(document),
        tables=_tables(document),
        columns=tuple(_column(column) for column in _sorted(_list(document.get("columns")))),
        days=_counts(days[0]) if days else (),
        days_of=str(days[0]["column"]) if days else "",
        folders=_counts(_object(document.get("partitions"))) if _more_than_one(document) else (),
        flips=_flips(document),
        files=_files(document),
    )


def _standing(review: RefReview) -> tuple[Level, str, str]:
    judgement = review.judged.judgement
    if not review.waits:
        return Level.QUIET, "Stands", "this is what the next release takes"
    if any(check.name == "rejected" for check in judgement.checks):
        return Level.BAD, "Rejected", "nothing with it moves before it is approved by who rejected it"
    if not judgement.allowed:
        return Level.WARN, "Waits", "the gate does not let it in yet"
    return Level.GOOD, "May move", "take the snapshot again, and it moves"


def _notes(document: JsonObject) -> tuple[str, ...]:
    rows, contract = (_object(document.get(part)).get("note") for part in ("rows", "contract"))
    said = str(rows).split("; ") if rows else []
    return (*said, *([f"contract {contract}"] if contract else []))


def _schema(document: JsonObject) -> tuple[str, ...]:
    lines = []
    for column in _list(_object(document.get("rows")).get("columns")):
        name, old, new = column["name"], column["from"], column["to"]
        lines.append(f"+ {name} {new}" if old is None else f"- {name} {old}" if new is None else f"{name} {old} → {new}")
    return (*lines, *(f"{one['from']} may be {one['to']} now" for one in _list(document.get("renamed"))))


def _cells(document: JsonObject) -> tuple[CountRow, ...]:
    cells = _object(document.get("cells"))
    rows = max(1, _whole(cells.get("rows")))
    return tuple(
        CountRow(str(one["column"]), "", f"{_whole(one['changed']):,}", 0.0, 100 * _whole(one["changed"]) / rows, differs=True)
        for one in _list(cells.get("columns"))[:20]
    )


def _tables(document: JsonObject) -> tuple[Table, ...]:
    samples, rows = _object(document.get("samples")), _object(document.get("rows"))
    found = [_changed(_list(samples.get("changed")), rows)] if samples.get("changed") else []
    for word in ("added", "removed"):
        some = _list(samples.get(word))
        if some:
            heads = tuple(list(some[0])[:_COLUMNS])
            shown = tuple(tuple(_value(row.get(head)) for head in heads) for row in some[:_SAMPLES])
            found.append(Table(f"Rows {word}", heads, shown, _rest(rows.get(word), len(shown))))
    return tuple(found)


def _changed(some: Sequence[JsonObject], rows: JsonObject) -> Table:
    shown = []
    for row in some[:_SAMPLES]:
        before, after = _object(row["before"]), _object(row["after"])
        key = ", ".join(f"{name} {_value(value)}" for name, value in _object(row["key"]).items())
        names = list(before)[:_COLUMNS]
        shown += [(key, name, _value(before[name]), _value(after.get(name))) for name in names]
    return Table("Rows changed", ("key", "column", "before", "after"), tuple(shown), _rest(rows.get("changed"), _SAMPLES))


def _rest(count: Json, shown: int) -> str:
    return f"and {_whole(count) - shown:,} more" if _whole(count) > shown else ""


def _sorted(columns: Sequence[JsonObject]) -> list[JsonObject]:
    """What moved most first."""
    order = {"fail": 0, "inconclusive": 2}
    return sorted(columns, key=lambda one: (order.get(str(_object(one["check"])["verdict"]), 1), -_distance(one)))


def _distance(column: JsonObject) -> float:
    value = _object(column["check"]).get("value")
    return float(value) if isinstance(value, int | float) else 0.0


def _column(column: JsonObject) -> ColumnView:
    check = _object(column["check"])
    value = check.get("value")
    return ColumnView(
        name=str(column["name"]),
        verdict=str(check["verdict"]),
        distance=f"PSI {float(value):.3f}" if isinstance(value, int | float) else "",
        text=str(check["text"]),
        before=_stats(_object(column["before"])),
        after=_stats(_object(column["after"])),
        came=_values(_list(column.get("came"))),
        went=_values(_list(column.get("went"))),
        bars=_bars(_object(column.get("bars"))),
    )


def _stats(side: JsonObject) -> str:
    nulls = f"{_whole(side.get('nulls')):,} null" if side.get("nulls") else ""
    if side.get("type") == "numbers":
        numbers = [f"{word} {_value(side.get(word))}" for word in ("mean", "std", "min", "max") if side.get(word) is not None]
        return ", ".join([*numbers, *([nulls] if nulls else [])])
    if side.get("type") == "category":
        most = ", ".join(f"{_value(one['value'])} {_whole(one['rows']):,}" for one in _list(side.get("most"))[:4])
        return ", ".join(part for part in (most or "no categories", nulls) if part)
    return nulls or "no distribution"


def _values(found: Sequence[JsonObject]) -> str:
    shown = ", ".join(f"{_value(one['value'])} ({_whole(one['rows']):,})" for one in found[:_VALUES])
    return f"{shown} ..." if len(found) > _VALUES else shown


def _bars(bars: JsonObject) -> tuple[Bar, ...]:
    before, after = (cast("Sequence[float]", bars.get(side) or ()) for side in ("before", "after"))
    most = max([*before, *after], default=0.0)
    if not most:
        return ()
    width = _WIDTH / len(before)
    return tuple(
        Bar(round(place * width, 2), round(width - 1, 2), round(one / most * _HEIGHT, 2), round(other / most * _HEIGHT, 2))
        for place, (one, other) in enumerate(zip(before, after, strict=True))
    )


def _counts(counted: JsonObject) -> tuple[CountRow, ...]:
    rows = _list(counted.get("counts"))
    most = max((max(_whole(row["before"]), _whole(row["after"])) for row in rows), default=0) or 1
    odd = [row for row in rows if row["before"] != row["after"]]
    return tuple(_count_row(row, most) for row in (rows if len(rows) <= _MANY else odd[:_MANY]))


def _count_row(row: JsonObject, most: int) -> CountRow:
    before, after = _whole(row["before"]), _whole(row["after"])
    return CountRow(str(row["name"]), f"{before:,}", f"{after:,}", 100 * before / most, 100 * after / most, before != after)


def _more_than_one(document: JsonObject) -> bool:
    return _whole(_object(document.get("partitions")).get("of")) > 1


def _flips(document: JsonObject) -> tuple[tuple[str, str, str, str], ...]:
    flips = _list(_object(document.get("contract")).get("flips"))
    return tuple(
        (str(flip["name"]), str(_object(flip["before"])["verdict"]), str(_object(flip["after"])["verdict"]),
         str(_object(flip["after"])["text"]))
        for flip in flips
    )  # fmt: skip


def _files(document: JsonObject) -> tuple[str, ...]:
    lines = [f"+ {one['path']}  {_whole(one['size']):,} bytes" for one in _list(document.get("added"))]
    lines += [f"- {one['path']}  {_whole(one['size']):,} bytes" for one in _list(document.get("removed"))]
    lines += [f"~ {one['path']}" for one in _list(document.get("changed"))]
    lines += [f"= {one['from']} → {one['path']}" for one in _list(document.get("moved"))]
    return tuple(lines[:200])


def _value(value: Json) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _whole(value: Json) -> int:
    return value if isinstance(value, int) else 0


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, Mapping) else {}


def _list(value: Json) -> list[JsonObject]:
    return cast("list[JsonObject]", list(value)) if isinstance(value, list | tuple) else []
