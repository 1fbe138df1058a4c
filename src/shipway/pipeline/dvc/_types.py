"""A stage of dvc.yaml with everything put in: what is run, on what, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shipway.kernel.canonical import Json
from shipway.kernel.errors import ShipwayError


class StageFailed(ShipwayError):
    """A command of a stage ended with an error, or did not make what the stage says."""

    code = "pipeline.stage-failed"


@dataclass(frozen=True, slots=True)
class StagePath:
    """A path that a stage names: below the project, and as it is written, from the stage's own folder."""

    path: str
    written: str


@dataclass(frozen=True, slots=True)
class StageOut(StagePath):
    """What a stage makes. cached: DVC keeps it in its cache, and Git does not; persist: it is there when the stage begins."""

    cached: bool = True
    persist: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """commands: run one after another; cmd: as dvc.lock has them; params: values by file as written, then by key.

    folder: where it runs, below the project; frozen: it is not run, and its outs are as they are; always: never cached.
    """

    name: str
    commands: tuple[str, ...]
    cmd: Json
    folder: str
    deps: tuple[StagePath, ...]
    params: Mapping[str, Mapping[str, Json]]
    outs: tuple[StageOut, ...]
    frozen: bool
    always: bool
    where: str
