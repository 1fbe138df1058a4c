"""`shipway data diff`: what differs between two sets of files, rows and values included."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipway.cli._data_sides import Sides
from shipway.cli._output import Misused, Output, json_option
from shipway.cli._settings import Settings

if TYPE_CHECKING:
    from shipway.kernel.canonical import Json, JsonObject
    from shipway.kernel.digest import Digest


@click.command(name="diff")
@click.argument("before")
@click.argument("after", required=False)
@click.option(
    "--key", default="", metavar="COLUMNS", help="Columns that name a row, `id` or `day,station`; else the contract's."
)
@click.option("--files", "files_only", is_flag=True, help="Compare files alone: nothing is read.")
@click.option("--changed-only", is_flag=True, help="Measure columns of the files that differ alone.")
@click.option("--markdown", is_flag=True, help="Markdown, for the comment of a review.")
@click.option("--html", default=None, metavar="FILE", type=click.Path(path_type=Path), help="Write a page in one file, too.")
@click.option("--exit-code", is_flag=True, help="Exit 1 when something differs.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    before: str,
    after: str | None,
    key: str,
    files_only: bool,
    changed_only: bool,
    markdown: bool,
    html: Path | None,
    exit_code: bool,
    as_json: bool,
) -> None:
    """Show what differs between two sets of files: files, rows, cells, columns and their distributions.

    BEFORE and AFTER are NAME, NAME~1, RELEASE:NAME, a digest or its first digits, or a path: a file, or what begins with `.` or
    `/`. Two paths need no project. Without AFTER it is the folder of the data set BEFORE, or its place. What was read once is
    not read again. Of data in place files are compared, and rows where a key names them: then both sides are brought here.
    """
    from shipway.cli._progress import RowReport
    from shipway.data import compare_data, render_diff, render_diff_markdown

    out, sides = Output(as_json), Sides(settings, before, after)
    asked = sides.asked(
        tuple(part.strip() for part in key.split(",") if part.strip()), files=files_only, whole=not changed_only
    )
    old, new = sides.open(quiet=as_json, rows=bool(asked.key) and asked.rows)
    with RowReport("rows", quiet=as_json) as report:
        found: dict[str, Json] = {**compare_data(old, new, asked, folder=sides.folder, report=report.each)}
    if not sides.alone and old.snapshot:
        found["releases"] = _releases(sides, old.snapshot)
    document = {"before": before, "after": after, **found}
    if html is not None:
        _write_page(settings.directory / html, found, f"{before} -> {after or 'on disk'}")
    if markdown and not as_json:
        out.say(render_diff_markdown(found, title=f"Data: {before} -> {after or 'on disk'}"))
    else:
        for line in render_diff(found):
            out.say(line)
        out.end("data-diff", document, then=sides.then)
    if exit_code and _differs(found):
        raise click.exceptions.Exit(1)


def _write_page(path: Path, found: JsonObject, title: str) -> None:
    from shipway.web import render_diff_page

    try:
        path.write_text(render_diff_page(found, title), encoding="utf-8")
    except OSError as problem:
        raise Misused(f"cannot write {path}: {problem.strerror}", mend="--html FILE, in a folder that is there") from problem


def _differs(found: JsonObject) -> bool:
    return any(found[word] for word in ("added", "removed", "changed", "moved"))


def _releases(sides: Sides, snapshot: Digest) -> list[Json]:
    """The releases that hold what was before, with the refs at which they are."""
    from shipway.release import using_releases

    return [{"release": one.digest, "names": list(one.names)} for one in using_releases(sides.project.store, snapshot)]
