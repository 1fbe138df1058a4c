"""Runs the stages of dvc.yaml: what is not cached runs in a folder of its own, on code and deps out of the store.

A stage is known by its commands, deps, parameters, outs and environment, as DVC knows it; other code that it reads is there
and does not count. The project's files are read and never written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway.data.dvc import DvcMissing
from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import Digest, digest_bytes
from shipway.pipeline._actions import find_result, record_first, record_result
from shipway.pipeline._code import checkout_code
from shipway.pipeline._report import Report
from shipway.pipeline._work import open_work
from shipway.pipeline.dvc._command import run_command
from shipway.pipeline.dvc._known import KnownOuts
from shipway.pipeline.dvc._order import meets
from shipway.pipeline.dvc._parts import Part, bring_part, keep_part, part_of, put_parts, read_ignored
from shipway.pipeline.dvc._record import StageRun, stage_action
from shipway.pipeline.dvc._types import Stage, StageFailed
from shipway.store import Edge, Store


@dataclass(frozen=True, slots=True)
class Ground:
    """On what stages run. environment: by digest, None for whatever is on the PATH; python: its interpreter, when asked for."""

    root: Path
    code: Digest
    environment: Digest | None
    python: Callable[[], Path | None]
    environ: Mapping[str, str]
    shell: str
    cache: Path


def run_stages(
    store: Store, stages: tuple[Stage, ...], ground: Ground, *, known: KnownOuts, report: Report, reuse: bool
) -> list[StageRun]:
    """Runs stages in this order. Raises StageFailed, DvcMissing (a dep), FileUnreadable, ObjectDamaged, StoreFull."""
    with open_work(ground.cache) as work:
        run = _Run(store, stages, ground, known, report, work, reuse=reuse)
        return [run.stage(stage, number) for number, stage in enumerate(stages)]


class _Run:
    def __init__(
        self,
        store: Store,
        stages: tuple[Stage, ...],
        ground: Ground,
        known: KnownOuts,
        report: Report,
        work: Path,
        *,
        reuse: bool,
    ) -> None:
        self._store, self._ground, self._known, self._report, self._work = store, ground, known, report, work
        self._reuse, self._ignored = reuse, read_ignored(ground.root)
        self._makers = {out.path: stage.name for stage in stages for out in stage.outs}
        self._made: dict[str, Part] = {}
        self._verified: set[str] = set()

    def stage(self, stage: Stage, number: int) -> StageRun:
        """A stage whose value is known, or that is run now."""
        deps = tuple(self._dep(stage, dep.path) for dep in stage.deps)
        record = stage_action(self._store, stage, deps, environment=self._ground.environment, shell=self._ground.shell)
        action = digest_bytes(canonical_json(record))
        run = self._frozen(stage, action, deps) if stage.frozen else self._cached(stage, action, deps)
        if run is None:
            run = self._ran(stage, action, deps, self._work / str(number))
        else:
            self._report.cached(stage.name)
        self._made |= {part.path: part for part in run.outs}
        return run

    def _dep(self, stage: Stage, path: str) -> Part:
        """What a stage reads at a path: made by another one, in the project, or both. Raises DvcMissing."""
        for made in (part for part in self._made.values() if meets(path, part.path)):
            if path == made.path:
                return made
            if path.startswith(f"{made.path}/") and (part := part_of(list(made.below()), path)).files:
                return part

        def ignored(name: str, folder: bool) -> bool:
            return name in self._makers or self._ignored(name, folder)

        found = None if path in self._makers else keep_part(self._store, self._ground.root, path, ignored)
        inside = [file for part in self._made.values() if part.path.startswith(f"{path}/") for file in part.below()]
        if inside:
            files = [*(found.below() if found else ()), *inside]
            return part_of(sorted(files, key=lambda file: file.path), path)
        if found is None:
            what = f"{path}, which stage {stage.name} needs, is missing"
            mend = "shipway data checkout, or dvc pull, or correct the dep"
            raise DvcMissing(what, where=stage.where, mend=mend)
        return found

    def _cached(self, stage: Stage, action: Digest, deps: tuple[Part, ...]) -> StageRun | None:
        """Its value from the cache, else from dvc.lock and DVC's cache, where the environment is DVC's own."""
        if stage.always or not self._reuse:
            return None
        if found := find_result(self._store, action):
            files = sorted(self._store.tree(found.output.digest), key=lambda file: file.path)
            outs = tuple(part_of(files, out.path) for out in stage.outs)
            return StageRun(stage, action, deps, outs, found.output, True, found.seconds)
        if self._ground.environment is None and (parts := self._known.find(self._store, stage, deps)) is not None:
            output = put_parts(self._store, parts)
            kept = record_first(self._store, action, step=stage.name, output=output, seconds=0.0)
            return StageRun(stage, action, deps, parts, kept.output, True, kept.seconds)
        return None

    def _frozen(self, stage: Stage, action: Digest, deps: tuple[Part, ...]) -> StageRun:
        """A stage that is not run: what it makes is what the project has."""
        outs = []
        for out in stage.outs:
            part = keep_part(self._store, self._ground.root, out.path, self._ignored)
            if part is None:
                mend = "dvc checkout, or remove `frozen`"
                raise DvcMissing(
                    f"{out.path}, which the frozen stage {stage.name} made, is missing", where=stage.where, mend=mend
                )
            outs.append(part)
        return StageRun(stage, action, deps, tuple(outs), put_parts(self._store, outs), True, 0.0)

    def _ran(self, stage: Stage, action: Digest, deps: tuple[Part, ...], folder: Path) -> StageRun:
        self._report.started(stage.name)
        self._lay_out(stage, deps, folder)
        began = time.monotonic()
        for command in stage.commands:
            run_command(
                command,
                folder / stage.folder,
                shell=self._ground.shell,
                environ=self._environ(stage, folder),
                stage=stage.name,
                tell=self._report.note,
            )
        seconds = time.monotonic() - began
        outs = tuple(self._kept(stage, out.path, folder) for out in stage.outs)
        output = put_parts(self._store, outs)
        if self._reuse and not stage.always:
            kept = record_first(self._store, action, step=stage.name, output=output, seconds=seconds)
            if kept.output != output:
                files = sorted(self._store.tree(kept.output.digest), key=lambda file: file.path)
                output, outs = kept.output, tuple(part_of(files, out.path) for out in stage.outs)
        else:
            record_result(self._store, action, step=stage.name, output=output, seconds=seconds)
        self._store.add_edges(self._edges(deps, output.digest))
        self._report.finished(stage.name, seconds)
        return StageRun(stage, action, deps, outs, output, False, seconds)

    def _lay_out(self, stage: Stage, deps: tuple[Part, ...], folder: Path) -> None:
        """The code, the deps, what the stage keeps from before, and the folders of what it will make."""
        checkout_code(self._store, self._ground.code, folder)
        for part in deps:
            bring_part(self._store, part, folder, self._verified)
        (folder / stage.folder).mkdir(parents=True, exist_ok=True)
        for out in stage.outs:
            (folder / out.path).parent.mkdir(parents=True, exist_ok=True)
            before = keep_part(self._store, self._ground.root, out.path, self._ignored) if out.persist else None
            if before:
                bring_part(self._store, before, folder, self._verified)

    def _kept(self, stage: Stage, path: str, folder: Path) -> Part:
        part = keep_part(self._store, folder, path, self._ignored)
        if part is None:
            what = f"stage {stage.name} ended and did not make {path}"
            raise StageFailed(what, where=stage.where, mend="correct the command, or the out")
        return part

    def _environ(self, stage: Stage, folder: Path) -> dict[str, str]:
        environ = {**self._ground.environ, "DVC_ROOT": str(folder), "DVC_STAGE": stage.name, "SHELL": self._ground.shell}
        if python := self._ground.python():
            environ |= {"PATH": f"{python.parent}:{environ.get('PATH', '')}", "VIRTUAL_ENV": str(python.parent.parent)}
        return environ

    def _edges(self, deps: tuple[Part, ...], output: Digest) -> list[Edge]:
        sources = {self._store.put_listing(part.files).digest for part in deps} - {output}
        made_by: dict[str, Digest] = {"code": self._ground.code}
        if self._ground.environment:
            made_by["environment"] = self._ground.environment
        return [
            *(Edge(source, output, "input") for source in sorted(sources)),
            *(Edge(source, output, role) for role, source in made_by.items()),
        ]
