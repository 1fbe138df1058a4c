"""What stages made, as DVC has it: objects of outs in its cache, outs that Git keeps in the project, and dvc.lock last."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shipway.data.dvc import DvcRepo, DvcUnsupported, describe_files, export_files, ignore, read_text, replace_text
from shipway.pipeline.dvc._known import lock_path
from shipway.pipeline.dvc._order import meets
from shipway.pipeline.dvc._parts import bring_part
from shipway.pipeline.dvc._project import newest_runs
from shipway.pipeline.dvc._record import StageRun, render_lock
from shipway.pipeline.dvc._stages import read_stages
from shipway.store import Foreign, Store, while_working


@dataclass(frozen=True, slots=True)
class StageExported:
    """How many outs a stage has, and how many objects the cache and the remote had not."""

    name: str
    outs: int
    cached: int
    sent: int


@while_working
def export_stages(
    store: Store, repo: DvcRepo, root: Path, entry: str, *, remote: Foreign | None = None
) -> tuple[StageExported, ...]:
    """Write the newest run of a dvc.yaml for DVC. Outs that DVC caches are not put into the project: `dvc checkout` does.

    Raises DvcUnsupported (a project below the repository's folder), DvcMalformed (a dvc.lock), ObjectMissing, StoreFull.
    """
    runs = newest_runs(store, entry)
    if not runs:
        return ()
    if repo.root != root:
        what = "dvc.lock is written for a project that has the folder of its repository"
        raise DvcUnsupported(what, where=str(repo.root), mend="keep shipway.yaml beside .dvc")
    found = tuple(_export(store, repo, run, remote) for run in runs)
    path = lock_path(entry)
    before = read_text(root / path, path) if (root / path).exists() else ""
    text = render_lock(store, runs, before, path)
    if text != before:
        replace_text(root / path, text)
    return found


def refuse_made(root: Path, path: str) -> None:
    """Raise DvcUnsupported where a stage of the repository's dvc.yaml makes what stands at a path: DVC takes one maker."""
    if not (root / "dvc.yaml").is_file():
        return
    for stage in read_stages(root, "dvc.yaml"):
        if any(meets(out.path, path) for out in stage.outs):
            what = f"{path} is made by the stage {stage.name}, so no .dvc file may describe it"
            raise DvcUnsupported(what, where=stage.where, mend="name the other data sets: shipway data export NAMES")


def _export(store: Store, repo: DvcRepo, run: StageRun, remote: Foreign | None) -> StageExported:
    cached = sent = 0
    for out, part in zip(run.stage.outs, run.outs, strict=True):
        if not out.cached:
            bring_part(store, part, repo.root, set())
            continue
        described = describe_files(store, part.files, part.path, folder=part.folder)
        new, gone = export_files(store, repo, part.files, described, remote=remote)
        cached, sent = cached + new, sent + gone
        ignore(repo, out.path)
    return StageExported(run.stage.name, len(run.outs), cached, sent)
