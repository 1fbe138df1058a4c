"""`shipway watch --predictions`: somebody else's logs, without a project."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import click

from shipway.cli._given_tables import open_table
from shipway.cli._output import Misused, Output
from shipway.cli._settings import Settings

if TYPE_CHECKING:
    from shipway.data import Frame
    from shipway.kernel.canonical import JsonObject
    from shipway.kernel.units import Seconds
    from shipway.monitor import ForeignColumns


_LONGEST = 100 * 365 * 86_400.0  # seconds; beyond, no calendar goes


class Asked(NamedTuple):
    """What the options say. columns: the first fields of ForeignColumns, in their order."""

    predictions: str
    reference: str
    outcomes: str | None
    columns: tuple[str | None, ...]
    outcome: str | None
    ignore: tuple[str, ...]
    texts: tuple[str, ...]
    window: str
    matures: str | None
    until: str | None
    html: Path | None


def watch_foreign(settings: Settings, asked: Asked, *, as_json: bool) -> None:
    """Measure, say, write the page. Exits 1 when a check that can page fails, 2 where none could tell."""
    from shipway.kernel.clock import SystemClock
    from shipway.monitor import check_named, measure_foreign, window_document

    out, doubts = Output(as_json), list[str]()
    with ExitStack() as held:

        def opened(text: str) -> Frame:
            return held.enter_context(open_table(settings, text, out.note, doubt=doubts.append))

        frames = [opened(text) for text in (asked.predictions, asked.reference)]
        there = [frame.collect_schema().names() for frame in frames]
        named = [*filter(None, asked.columns), *asked.ignore, *asked.texts]
        check_named(list(dict.fromkeys([*there[0], *there[1]])), named, where=asked.predictions)
        predictions, columns = _taken(frames[0], asked, there[0], where=asked.predictions)
        reference, _ = _taken(frames[1], asked, there[1], where=asked.reference)
        if asked.outcomes is not None:
            from shipway.monitor import OutcomeColumns, pick_outcomes, with_outcomes

            if columns.id is None:
                raise Misused("outcomes are joined by an id, and no column could be one", mend="--id COLUMN")
            labels = pick_outcomes(opened(asked.outcomes), OutcomeColumns(), where=asked.outcomes)
            predictions = with_outcomes(predictions, labels, name=asked.outcome, where=asked.outcomes)
        found = measure_foreign(
            predictions,
            reference,
            window=_seconds(asked.window, "--window"),
            now=SystemClock().now(),
            matures=None if asked.matures is None else _seconds(asked.matures, "--matures"),
            texts=asked.texts,
            until=None if asked.until is None else _moment(asked.until),
        )
    chosen = {name: getattr(columns, name) for name in ("id", "time", "score", "label", "label_time", "weight")}
    timeless = [f"no value of {columns.time} is a time"] if columns.time and found.first is None else []
    notes = [*doubts, *columns.passed_over, *timeless]
    document = {
        "notes": notes,
        "predictions": asked.predictions,
        "reference": asked.reference,
        "chosen": chosen,
        **window_document(found),
    }
    for line in _lines(document):
        out.say(line)
    if asked.html is not None:
        _write(settings.directory / asked.html, document)
    out.end("watch-window", document, then=f"open {asked.html}" if asked.html else "shipway watch --help")
    if document["verdict"] != "pass":
        raise click.exceptions.Exit(1 if document["verdict"] == "fail" else 2)


def _taken(frame: Frame, asked: Asked, there: list[str], *, where: str) -> tuple[Frame, ForeignColumns]:
    """The columns that are measured, and which is what; one that was named may be in the other table only."""
    from shipway.monitor import choose_columns, take_columns

    said = _said(*(column if column in there else None for column in asked.columns))
    ignore, texts = ([name for name in names if name in there] for names in (asked.ignore, asked.texts))
    columns = choose_columns(frame, said, ignore=ignore, texts=texts, where=where)
    return take_columns(frame, columns), columns


def _said(
    id_: str | None, time: str | None, score: str | None, label: str | None, label_time: str | None, weight: str | None
) -> ForeignColumns:
    from shipway.monitor import ForeignColumns

    return ForeignColumns(id_, time, score, label, label_time, weight)


def _seconds(text: str, option: str) -> Seconds:
    from shipway.kernel.units import parse_duration

    found = parse_duration(text)
    if found > _LONGEST or (found <= 0 and option == "--window"):
        raise Misused(f"{option} {text} is no length that logs have", mend=f"{option} 28d")
    return found


def _moment(text: str) -> datetime:
    from datetime import UTC

    from shipway.kernel.clock import parse_instant

    try:
        return parse_instant(text).astimezone(UTC)
    except (ValueError, OverflowError) as problem:
        raise Misused(f"--until {text} is no moment", mend="--until 2013-06-01") from problem


def _lines(document: JsonObject) -> list[str]:
    """The verdict, every check that says something, the coverage."""
    from shipway.web import make_window_view

    view = make_window_view(document)
    lines = [f"{view.title}: {view.word.lower()}", *(f"  {note}" for note in view.notes)]
    for name, verdict, number, against, text in view.checks:
        said = " ".join(part for part in (number, f"against {against}" if against else "", text) if part)
        lines.append(f"  {verdict or 'report':<12} {name:<20} {said}")
    for name, expected, before, realised in view.expected:
        there = f", {realised} where labels are" if realised else ""
        lines.append(f"  {'expected':<12} {name:<20} {expected}, {before} in the reference{there}")
    lines.append(f"  {view.assumed}")
    drifted = [shape for shape in view.shapes if shape.verdict == "fail"]
    checks = cast("list[dict[str, str]]", document["checks"])
    words = {check["name"]: f"; {check['text']}" for check in checks if check.get("text")}
    for shape in drifted:
        name = f"drift.{shape.name}"
        lines.append(f"  {'informs':<12} {name:<20} {shape.text}{words.get(name, '')}")
    return lines


def _write(path: Path, document: JsonObject) -> None:
    from shipway.web import render_window_page

    try:
        path.write_text(render_window_page(document), encoding="utf-8")
    except OSError as problem:
        raise Misused(f"the page cannot be written: {problem}", where=str(path), mend="--html FILE") from problem
