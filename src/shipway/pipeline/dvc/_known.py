"""Values of stages that DVC has made: what dvc.lock says of them, and the bytes in DVC's cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from shipway.data import DataEmpty, snapshot_files
from shipway.data.dvc import DvcDamaged, DvcMissing, DvcRepo, describe_files, import_out, open_dvc, read_text
from shipway.pipeline.dvc._parts import Part
from shipway.pipeline.dvc._record import LockEntry, read_lock
from shipway.pipeline.dvc._types import Stage
from shipway.store import Store


class KnownOuts:
    """What dvc.lock remembers; without a repository or a lock, nothing."""

    def __init__(self, repo: DvcRepo | None, entries: Mapping[str, LockEntry]) -> None:
        self._repo, self._entries = repo, entries

    def find(self, store: Store, stage: Stage, deps: Sequence[Part]) -> tuple[Part, ...] | None:
        """The outs of a stage that is as dvc.lock has it, when DVC's cache or the project has their bytes."""
        entry = self._entries.get(stage.name)
        if entry is None or self._repo is None or not self._is_same(store, stage, deps, entry):
            return None
        by_path = {out.path: out for out in entry.outs}
        parts: list[Part] = []
        for out in stage.outs:
            known = by_path.get(out.path)
            if known is None:
                return None
            try:
                taken = import_out(store, self._repo, known)
            except DataEmpty:
                parts.append(Part(out.path, True, ()))
                continue
            except (DvcMissing, DvcDamaged):
                return None
            parts.append(Part(out.path, known.folder, snapshot_files(store, taken.snapshot.digest)))
        return tuple(parts)

    def _is_same(self, store: Store, stage: Stage, deps: Sequence[Part], entry: LockEntry) -> bool:
        """Whether commands, parameters and the bytes of deps are those of dvc.lock."""
        params = {name: dict(values) for name, values in stage.params.items()}
        if entry.cmd != stage.cmd or params != entry.params or len(entry.deps) != len(stage.deps):
            return False
        for dep, part in zip(stage.deps, deps, strict=True):
            known = entry.deps.get(dep.written)
            if known is None or known.legacy:
                return False
            now = describe_files(store, part.files, part.path, folder=part.folder)
            if (known.md5, known.folder) != (now.md5, now.folder):
                return False
        return True


def known_outs(root: Path, entry: str, stages: Sequence[Stage]) -> KnownOuts:
    """What dvc.lock beside a dvc.yaml says. Raises DvcMalformed, DvcUnsupported."""
    path = lock_path(entry)
    if not (root / path).is_file():
        return KnownOuts(None, {})
    try:
        repo = open_dvc(root)
    except DvcMissing:
        return KnownOuts(None, {})
    return KnownOuts(
        repo if repo.root == root else None, read_lock(read_text(root / path, path), path, {s.name: s.folder for s in stages})
    )


def lock_path(entry: str) -> str:
    """
    >>> lock_path("a/dvc.yaml")
    'a/dvc.lock'
    """
    return entry.rpartition(".")[0] + ".lock"
