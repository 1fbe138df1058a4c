"""`shipway data`: snapshots of data sets."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings
from shipway.kernel.errors import ShipwayError, nearest
from shipway.spec import DataSpec, Spec


class DataUnknown(ShipwayError):
    """The spec has no data set of that name."""

    code = "cli.data-unknown"


@click.group(name="data")
def command() -> None:
    """Snapshots of data sets: take, compare, list."""


@command.command()
@click.argument("names", nargs=-1)
@click.option("--why", default="", help="A line for the history.")
@json_option
@click.pass_obj
def snapshot(settings: Settings, names: tuple[str, ...], why: str, as_json: bool) -> None:
    """Take a snapshot of data sets (all without NAMES) and point data/NAME at it. Unchanged files are not read again."""
    from shipway.cli._progress import FileReport
    from shipway.kernel.digest import short
    from shipway.pipeline import snapshot_data

    project, out = Project(settings), Output(as_json)
    rows = []
    for data in _chosen(project.spec, names):
        with FileReport(data.name) as report:
            taken = snapshot_data(project.hands, project.spec, data, report=report.file, why=why)
        found = taken.snapshot
        sizes = f"{found.files:,} files, {found.bytes:,} bytes, {found.read:,} read"
        out.say(f"data/{data.name:<12} {short(found.digest)}  {sizes}, {'moved' if taken.moved else 'as it was'}")
        rows.append({"name": data.name, "digest": found.digest, "files": found.files, "bytes": found.bytes, "read": found.read})
    out.end("snapshots", {"data": rows}, then="shipway run")


@command.command()
@click.argument("names", nargs=-1)
@json_option
@click.pass_obj
def status(settings: Settings, names: tuple[str, ...], as_json: bool) -> None:
    """Compare the files on disk with the snapshots that data/NAME points at. Exits 1 when something differs."""
    from shipway.data import measure_status

    project, out = Project(settings), Output(as_json)
    rows, differs = [], False
    for data in _chosen(project.spec, names):
        ref = project.store.ref(f"data/{data.name}")
        found = measure_status(project.store, ref.digest if ref else None, project.spec.root / data.path)
        counts = {"added": found.added, "removed": found.removed, "changed": found.changed}
        differs |= any(counts.values())
        words = ", ".join(f"{len(paths)} {word}" for word, paths in counts.items() if paths) or "as in its snapshot"
        out.say(f"data/{data.name:<12} {words}")
        for word, paths in counts.items():
            for path in paths[:10]:
                out.say(f"  {word:<8} {path}")
        rows.append({"name": data.name, "unchanged": len(found.unchanged), **{k: list(v) for k, v in counts.items()}})
    out.end("data-status", {"data": rows}, then="shipway data snapshot" if differs else "shipway run")
    if differs:
        raise click.exceptions.Exit(1)


def _chosen(spec: Spec, names: tuple[str, ...]) -> list[DataSpec]:
    for name in names:
        if name not in spec.data:
            near = nearest(name, list(spec.data)) or ", ".join(spec.data)
            mend = f"did you mean {near}?" if near else f"add it under data: as in {name}: FOLDER"
            raise DataUnknown(f"the spec has no data {name}", where=str(spec.path), mend=mend)
    return [data for name, data in spec.data.items() if not names or name in names]
