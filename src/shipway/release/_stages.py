"""Where a release is on its way through the environments of its application."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.spec import DeploySpec
from shipway.store import AuditRecord, Store

_PAGE = 200  # moves that are read at a time


@dataclass(frozen=True, slots=True)
class Stage:
    """One environment: what a release did there. since: went live there last; until: another took its place (None: it has not).

    after: the environment that comes before this one; both times None: it was never live here.
    """

    ref: str
    after: str | None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def live(self) -> bool:
        return self.since is not None and self.until is None

    def to_json(self) -> JsonObject:
        times = {name: instant(at) if at else None for name, at in (("since", self.since), ("until", self.until))}
        return {"ref": self.ref, "after": self.after, "live": self.live, **times}


def stages_of(store: Store, deploys: list[DeploySpec], release: Digest) -> tuple[Stage, ...]:
    """The environments of one application in their order, up to and including the last that is given."""
    return tuple(_stage(store, deploy, release) for deploy in _in_order(deploys))


def _in_order(deploys: list[DeploySpec]) -> list[DeploySpec]:
    """Each after the one that it follows; the spec has seen to it that they come round nowhere."""
    ordered: list[DeploySpec] = []
    waiting = sorted(deploys, key=lambda deploy: deploy.environment)
    while waiting:
        placed = {deploy.environment for deploy in ordered}
        known = {deploy.environment for deploy in deploys}
        ready = [deploy for deploy in waiting if deploy.after is None or deploy.after in placed or deploy.after not in known]
        ordered += ready or waiting
        waiting = [deploy for deploy in waiting if deploy not in ordered]
    return ordered


def _stage(store: Store, deploy: DeploySpec, release: Digest) -> Stage:
    ref = f"deploy/{deploy.application}@{deploy.environment}"
    last = next(iter(store.lives(ref, release, limit=1)), None)
    if last is None:
        return Stage(ref, deploy.after)
    return Stage(ref, deploy.after, _since(store, ref, last), _until(store, ref, last))


def _since(store: Store, ref: str, last: AuditRecord) -> datetime:
    """When the release came, however often its settings were changed since."""
    since = last
    while earlier := store.lives(ref, before=since.id, limit=_PAGE):
        for record in earlier:
            if record.release != last.release:
                return since.at
            since = record
    return since.at


def _until(store: Store, ref: str, last: AuditRecord) -> datetime | None:
    """When another release took its place; None while it is live."""
    next_one, before = None, None
    while later := [record for record in store.lives(ref, before=before, limit=_PAGE) if record.id > last.id]:
        next_one, before = later[-1], later[-1].id
    return next_one.at if next_one else None
