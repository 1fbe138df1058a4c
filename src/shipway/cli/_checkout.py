"""`data checkout` without its parser: what the command and the quick way to it share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.cli._data import bring_here, chosen_data, find_snapshot
from shipway.cli._output import Output
from shipway.cli._settings import Project, Settings
from shipway.kernel.collector import uncollected

if TYPE_CHECKING:
    from shipway.kernel.digest import Digest


@uncollected()
def check_out_data(
    settings: Settings, names: tuple[str, ...], *, at: str | None, link: str, force: bool, as_json: bool
) -> None:
    from shipway.cli._output import Misused
    from shipway.kernel.digest import short

    project, out = Project(settings), Output(as_json)
    chosen = chosen_data(project.outline, names)
    if at and len(chosen) != 1:
        raise Misused("--at is for one data set", mend="name it: shipway data checkout NAME --at SNAPSHOT")
    rows = []
    for data in chosen:
        digest = find_snapshot(project, at) if at else project.store.resolve(f"data/{data.name}")
        row = bring_files(project, digest, data.path, name=data.name, link=link, force=force)
        out.say(f"data/{data.name:<12} {short(digest)}  {told(row)}")
        rows.append({"name": data.name, **row})
    out.end("checkouts", {"data": rows}, then="shipway data status")


def bring_files(project: Project, digest: Digest, path: str, *, name: str, link: str, force: bool) -> dict[str, object]:
    """Check a snapshot out at a path of the project; what was done."""
    from shipway.cli._progress import FileReport
    from shipway.data import Way, check_out

    bring_here(project, digest, name=name)
    with FileReport(name, lambda: int(str(project.store.get(digest, "snapshot")["bytes"]))) as report:
        done = check_out(project.store, digest, project.outline.root / path, way=Way(link), force=force, report=report.each)
    return {
        "digest": digest,
        "written": done.written,
        "removed": done.removed,
        "kept": done.kept,
        "bytes": done.bytes,
        "way": str(done.way),
    }


def told(row: dict[str, object]) -> str:
    return f"{row['written']:,} written, {row['removed']:,} removed, {row['kept']:,} as they were ({row['way']})"
