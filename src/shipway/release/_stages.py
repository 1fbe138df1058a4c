"""Where a release is on its way through the environments of its application."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from shipway.gate import release_of
from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.spec import DeploySpec
from shipway.store import AuditRecord, ObjectDamaged, ObjectMissing, Store


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
    until: datetime | None = None
    for record in store.history(ref, limit=10_000):
        if record.outcome != "moved":
            continue
        if _release(store, record) == release:
            return Stage(ref, deploy.after, _since(store, ref, record, release), until)
        until = record.at
    return Stage(ref, deploy.after)


def _since(store: Store, ref: str, last: AuditRecord, release: Digest) -> datetime:
    """When the release came, however often its settings were changed since."""
    since = last.at
    for record in store.history(ref, before=last.id, limit=100):
        if record.outcome != "moved":
            continue
        if _release(store, record) != release:
            break
        since = record.at
    return since


def _release(store: Store, record: AuditRecord) -> Digest | None:
    """What a move put live; None for a deployment of long ago whose object is gone."""
    with suppress(ObjectMissing, ObjectDamaged):
        return release_of(store, record.target) if record.target else None
    return None
