"""`data snapshot` without its parser: what the command and the quick way to it share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.cli._data import chosen_data
from shipway.cli._output import Output
from shipway.cli._settings import Project, Settings
from shipway.kernel.collector import uncollected

if TYPE_CHECKING:
    from pathlib import Path

    from shipway.pipeline import DataTaken
    from shipway.spec import DataOutline


@uncollected()
def take_snapshots(
    settings: Settings, names: tuple[str, ...], *, why: str, whole: bool, branch: str | None, as_json: bool
) -> None:
    from shipway.kernel.digest import short

    project, out = Project(settings), Output(as_json)
    rows = []
    for data in chosen_data(project.outline, names):
        taken = _taken(project, data, why=why, whole=whole, branch=branch)
        found = taken.snapshot
        read = f"{found.read:,} read" if data.plain else "in place" if taken.rows is None else f"{taken.rows:,} rows read"
        sizes = f"{found.files:,} files, {found.bytes:,} bytes, {read}"
        label = f"{data.name}@{branch}" if branch else data.name
        out.say(f"data/{label:<12} {short(found.digest)}  {sizes}, {'moved' if taken.moved else 'as it was'}")
        row = {"name": data.name, "digest": found.digest, "files": found.files, "bytes": found.bytes, "read": found.read}
        rows.append(row if taken.rows is None else {**row, "rows": taken.rows})
    out.end("snapshots", {"data": rows}, then="shipway run")


def _taken(project: Project, data: DataOutline, *, why: str, whole: bool, branch: str | None) -> DataTaken:
    from shipway.cli._progress import FileReport
    from shipway.pipeline import snapshot_data, snapshot_folder

    path, hands = project.outline.root / data.path, project.hands
    with FileReport(data.name, (lambda: _bytes_below(path)) if data.plain else None) as report:
        if data.plain:
            return snapshot_folder(hands, path, name=data.name, report=report.each, why=why, branch=branch)
        spec = project.spec
        return snapshot_data(hands, spec, spec.data[data.name], report=report.each, why=why, whole=whole, branch=branch)


def _bytes_below(path: Path) -> int:
    from shipway.data import bytes_below  # where somebody looks on

    return bytes_below(path)
