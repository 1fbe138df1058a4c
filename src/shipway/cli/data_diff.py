"""`shipway data diff`: which files differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.data import FilesChange
    from shipway.store import TreeFile

_SHOWN = 10  # lines of a kind on the screen; --json has all


@click.command(name="diff")
@click.argument("before")
@click.argument("after", required=False)
@click.option("--exit-code", is_flag=True, help="Exit 1 when something differs.")
@json_option
@click.pass_obj
def command(settings: Settings, before: str, after: str | None, exit_code: bool, as_json: bool) -> None:
    """Show which files differ between two snapshots, or between one and the files on disk.

    BEFORE and AFTER are NAME, NAME~1, RELEASE:NAME, a digest or its first digits, or a path that begins with `.` or `/`.
    Without AFTER it is the folder of the data set BEFORE. Folders that are equal are not opened.
    """
    project, out = Project(settings), Output(as_json)
    found = _compare(project, before, after)
    lines = {
        "added": [f"{file.path}  {file.size:,} bytes" for file in found.added],
        "removed": [f"{file.path}  {file.size:,} bytes" for file in found.removed],
        "changed": [f"{new.path}  {old.size:,} -> {new.size:,} bytes" for old, new in found.changed],
        "moved": [f"{old} -> {new.path}" for old, new in found.moved],
    }
    out.say(", ".join(f"{len(each):,} {word}" for word, each in lines.items() if each) or "no file differs")
    for word, each in lines.items():
        for line in each[:_SHOWN]:
            out.say(f"  {word:<8} {_plain(line)}")
        if len(each) > _SHOWN:
            out.say(f"  {word:<8} ... and {len(each) - _SHOWN:,} more")
    document = {
        "added": [_row(file) for file in found.added],
        "removed": [_row(file) for file in found.removed],
        "changed": [{"path": new.path, "before": _row(old), "after": _row(new)} for old, new in found.changed],
        "moved": [{"from": old, **_row(new)} for old, new in found.moved],
    }
    out.end("data-diff", {"before": before, "after": after, **document}, then="shipway data status")
    if exit_code and not found.same:
        raise click.exceptions.Exit(1)


def _compare(project: Project, before: str, after: str | None) -> FilesChange:
    from shipway.cli._data import chosen_data, find_snapshot
    from shipway.data import compare_files, compare_snapshots, files_on_disk, snapshot_files

    def side(text: str) -> dict[str, TreeFile]:
        if _is_path(text):
            return files_on_disk(project.store, project.settings.directory / text)
        return {file.path: file for file in snapshot_files(project.store, find_snapshot(project, text))}

    if after is None:
        (data,) = chosen_data(project.spec, (before.removeprefix("data/").partition("~")[0],))
        return compare_files(side(before), files_on_disk(project.store, project.spec.root / data.path))
    if _is_path(before) or _is_path(after):
        return compare_files(side(before), side(after))
    return compare_snapshots(project.store, find_snapshot(project, before), find_snapshot(project, after))


def _is_path(text: str) -> bool:
    return text.startswith((".", "/"))


def _plain(line: str) -> str:
    """A name may hold a newline or bytes that are no text: neither belongs on a terminal."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


def _row(file: TreeFile) -> dict[str, object]:
    import os

    from shipway.kernel.canonical import text_of_name

    path = text_of_name(os.fsencode(file.path))
    return {"path": path, "digest": file.digest, "size": file.size, "executable": file.executable}
