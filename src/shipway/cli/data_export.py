"""`shipway data export`: snapshots as DVC has them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.data.dvc import DvcRepo
    from shipway.kernel.digest import Digest
    from shipway.spec import DataSpec
    from shipway.store import Foreign


@click.command(name="export")
@click.argument("names", nargs=-1)
@click.option("--remote", default=None, metavar="REMOTE", help="A name or URL: also send the objects to this remote of DVC.")
@json_option
@click.pass_obj
def command(settings: Settings, names: tuple[str, ...], remote: str | None, as_json: bool) -> None:
    """Write the snapshots at data/NAME (all without NAMES) for DVC: .dvc files, the objects in its cache, lines of .gitignore.

    Without NAMES also what the newest run of a dvc.yaml made: the objects of outs, those outs that Git keeps, and dvc.lock.

    Equal bytes are linked, not copied. The files of the data sets stay as they are. Without a DVC repository one is made.
    """
    from shipway.cli._data import chosen_data
    from shipway.data.dvc import make_dvc
    from shipway.kernel.digest import short

    project, out = Project(settings), Output(as_json)
    chosen = chosen_data(project.spec, names)
    wanted = {data.name: project.store.resolve(f"data/{data.name}") for data in chosen}
    repo = make_dvc(project.spec.root)
    there, rows = (repo.open_remote(remote) if remote else None), []
    for data in chosen:
        row = _export(project, repo, data, wanted[data.name], remote=there)
        out.say(f"data/{data.name:<12} {short(wanted[data.name])}  {row['cached']:,} objects cached, {row['sent']:,} sent")
        rows.append(row)
    stages = [] if names else _stages(project, repo, out, remote=there)
    where = there.where if there else None
    document = {"repository": str(repo.root), "remote": where, "data": rows, "stages": stages}
    out.end("data-exported", document, then="dvc checkout" if stages else "dvc status")


def _stages(project: Project, repo: DvcRepo, out: Output, *, remote: Foreign | None) -> list[dict[str, object]]:
    """What `shipway run` made of a dvc.yaml, and its dvc.lock; nothing of another pipeline, and before the first run."""
    spec = project.spec
    if not (spec.pipeline or "").endswith((".yaml", ".yml")):
        return []
    from shipway.pipeline.dvc import export_stages

    found = export_stages(project.store, repo, spec.root, str(spec.pipeline), remote=remote)
    for one in found:
        out.say(f"stage {one.name:<11} {one.outs:,} outs, {one.cached:,} objects cached, {one.sent:,} sent")
    return [{"name": one.name, "outs": one.outs, "cached": one.cached, "sent": one.sent} for one in found]


def _export(project: Project, repo: DvcRepo, data: DataSpec, digest: Digest, *, remote: Foreign | None) -> dict[str, object]:
    from shipway.cli._data import bring_here
    from shipway.cli._progress import FileReport
    from shipway.data import snapshot_files
    from shipway.data.dvc import describe_files, export_files, write_dvc_file
    from shipway.pipeline.dvc import refuse_made

    bring_here(project, digest, name=data.name)
    files = snapshot_files(project.store, digest)
    path = _below(repo, project.spec.root / data.path, data)
    refuse_made(repo.root, path)
    place = repo.root / path
    alone = [file.path for file in files] == [place.name] and not place.is_dir()
    out = describe_files(project.store, files, path, folder=not alone)
    with FileReport(data.name) as report:
        cached, sent = export_files(project.store, repo, files, out, remote=remote, report=report.file)
    written = write_dvc_file(repo, out)
    return {
        "name": data.name, "digest": digest, "path": path, "md5": out.md5, "folder": out.folder,
        "files": len(files), "bytes": out.size, "cached": cached, "sent": sent, "written": written,
    }  # fmt: skip


def _below(repo: DvcRepo, place: Path, data: DataSpec) -> str:
    from shipway.data.dvc import DvcUnsupported

    place = place.absolute()
    if not place.is_relative_to(repo.root) or ".." in place.relative_to(repo.root).parts:
        what = f"data {data.name} is outside the DVC repository"
        raise DvcUnsupported(what, where=str(place), mend=f"move it below {repo.root}, or name others")
    return place.relative_to(repo.root).as_posix()
