"""All that is known of one release: what is in it, what was found, who signed, where it is live, what differs from live.

Reads only. An object that cannot be read is a remark in the place where it would stand; only the release's own index must be
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from shipway.access import KeyRing
from shipway.gate import policy_in_force, release_of
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.release._arms import Arm, arms_at
from shipway.release._changes import Change, release_changes
from shipway.release._component_words import component_words
from shipway.release._described import Look
from shipway.release._known import Asked, Known, Shelf, read_shelf, shelf_of
from shipway.release._lineage import Lineage, trace_lineage
from shipway.release._manifest import Component, load_components
from shipway.release._stages import Stage, stages_of
from shipway.spec import AtLeast, AtMost, DeploySpec
from shipway.store import AuditRecord, Ref, Store

MOST = 1_000  # statements of one page of a dossier
_RECORDS = 500  # of the history that name a release
_SIGNED = 100  # approvals, and words of revocation, that are opened
_LINES = 40  # of detail of one change


@dataclass(frozen=True, slots=True)
class Part:
    """A component and what it is in words."""

    component: Component
    words: str

    def to_json(self) -> JsonObject:
        part = self.component
        return {"kind": part.kind, "name": part.name, "digest": part.digest, "words": self.words}


@dataclass(frozen=True, slots=True)
class Against:
    """What the release would change where another one is live; `problem` when it cannot be told."""

    ref: str
    live: Digest
    changes: tuple[Change, ...]
    problem: str = ""

    def to_json(self) -> JsonObject:
        changes: list[Json] = [{**change.to_json(), "lines": list(change.lines)} for change in self.changes]
        return {"ref": self.ref, "live": self.live, "changes": changes, "problem": self.problem}


@dataclass(frozen=True, slots=True)
class Dossier:
    """made: the record that named the release first; evidence: one page of it, from `offset` of `total`, newest first.

    approvals: newest first; revocation: the word that revokes it, or a part of it, now; proof: the newest rebuild that counts;
    stages: where it is or was live; against: by deployment of its applications where another release is live; arms: by
    deployment where it answers beside another one.
    """

    release: Digest
    parts: tuple[Part, ...]
    applications: tuple[str, ...]
    made: AuditRecord | None
    evidence: tuple[Known, ...]
    offset: int
    total: int
    approvals: tuple[Known, ...]
    revocation: Known | None
    proof: Known | None
    stages: tuple[Stage, ...]
    against: tuple[Against, ...]
    lineage: Lineage
    arms: tuple[tuple[str, Arm], ...] = ()

    @property
    def live(self) -> tuple[str, ...]:
        """The deployments where it is live now."""
        return tuple(stage.ref for stage in self.stages if stage.live)

    def to_json(self) -> JsonObject:
        made = self.made
        return {
            "release": self.release,
            "applications": list(self.applications),
            "components": [part.to_json() for part in self.parts],
            "made": {"who": made.actor, "when": instant(made.at), "why": made.why} if made else None,
            "live": list(self.live),
            "stages": [stage.to_json() for stage in self.stages],
            "arms": [{"ref": ref, "arm": arm.name, "share": arm.share} for ref, arm in self.arms],
            "revoked": self.revocation.to_json() if self.revocation else None,
            "approvals": [{**one.to_json(), "when": instant(one.at)} for one in self.approvals],
            "rebuild": {**self.proof.to_json(), **_proof(self.proof)} if self.proof else None,
            "evidence": {
                "offset": self.offset,
                "total": self.total,
                "statements": [known.to_json() for known in self.evidence],
            },
            "against": [one.to_json() for one in self.against],
            "lineage": self.lineage.to_json(),
        }


def load_dossier(
    store: Store,
    keys: KeyRing,
    release: Digest,
    *,
    root: Path | None = None,
    offset: int = 0,
    limit: int = 50,
    detail: bool = True,
) -> Dossier:
    """root: a checkout that knows commits; offset, limit: which statements are opened; detail: changes in words, which may
    read data. Raises ReleaseMalformed, ObjectMissing, ObjectDamaged for the release's own index.
    """
    components = load_components(store, release)
    records = store.naming(release, limit=_RECORDS)
    applications = _applications(records)
    deploys = store.refs("deploy/")
    shelf = shelf_of(store, release, components)
    return Dossier(
        release=release,
        parts=tuple(Part(part, component_words(store, part)) for part in components),
        applications=applications,
        made=_made(records),
        evidence=_with_asked(store, read_shelf(store, keys, shelf, offset=offset, limit=limit), deploys, applications),
        offset=offset,
        total=len(shelf.rows),
        approvals=_about_release(store, keys, shelf, media.APPROVAL_PREDICATE),
        revocation=_revocation(read_shelf(store, keys, shelf.of_kind(media.REVOCATION_PREDICATE), limit=_SIGNED)),
        proof=next((one for one in _about_release(store, keys, shelf, media.REBUILD_PREDICATE) if one.reading.counts), None),
        stages=_stages(store, deploys, release),
        against=_against(Look(store, keys, root, _LINES), deploys, applications, release, detail=detail),
        lineage=trace_lineage(store, release, depth=2),
        arms=tuple((ref.name, arm) for ref in deploys for arm in arms_at(store, ref.digest) if arm.release == release),
    )


def load_approvals(store: Store, keys: KeyRing, release: Digest) -> tuple[Known, ...]:
    """The approvals of a release, newest first, those that do not count among them."""
    kind = media.APPROVAL_PREDICATE
    return _about_release(store, keys, shelf_of(store, release, (), predicate=kind), kind)


def _with_asked(
    store: Store, found: tuple[Known, ...], deploys: Sequence[Ref], applications: Sequence[str]
) -> tuple[Known, ...]:
    """Each measurement with what the policy in force asks of it at the deployments of the release's applications."""
    try:
        policy = policy_in_force(store)
    except ShipwayError:  # what cannot be read asks nothing here, and is told where it judges
        return found
    refs = dict.fromkeys([*(ref.name for ref in deploys), *(name for name in policy.rules if "*" not in name)])
    asked: dict[str, list[Asked]] = {}
    for ref in refs:
        if ref.startswith("deploy/") and ref.removeprefix("deploy/").partition("@")[0] in applications:
            for line in policy.rule(ref, observed=True).require:
                if isinstance(line, AtLeast | AtMost):
                    asked.setdefault(line.name, []).append(Asked(ref, line.text, line.threshold))
    return tuple(
        replace(known, asked=tuple(asked.get(known.check.name, ())))
        if known.check and "against" not in known.predicate
        else known
        for known in found
    )


def _applications(records: Sequence[AuditRecord]) -> tuple[str, ...]:
    names = [record.resource.removeprefix("release/") for record in records if record.resource.startswith("release/")]
    names += [record.resource.removeprefix("deploy/").partition("@")[0] for record in records if _deploys(record)]
    return tuple(sorted(set(names)))


def _deploys(record: AuditRecord) -> bool:
    return record.resource.startswith("deploy/")


def _made(records: Sequence[AuditRecord]) -> AuditRecord | None:
    made = (record for record in reversed(records) if record.resource.startswith("release/") and record.outcome == "moved")
    return next(made, None)


def _about_release(store: Store, keys: KeyRing, shelf: Shelf, predicate: str) -> tuple[Known, ...]:
    """Statements of one kind about the release as a whole, by when they were signed, newest first."""
    mine = Shelf(tuple(row for row in shelf.of_kind(predicate).rows if row[0] == "release"))
    return tuple(sorted(read_shelf(store, keys, mine, limit=_SIGNED), key=lambda one: one.at, reverse=True))


def _revocation(words: Sequence[Known]) -> Known | None:
    """The word that revokes the release, or else one of its components: of each the newest that counts, unless it lifts; of two
    at one instant the one that revokes.
    """
    newest: dict[str, Known] = {}
    for one in sorted(words, key=lambda one: (one.at, one.predicate.get("lifted") is not True)):
        if one.reading.counts:
            newest[one.about] = one
    standing = [one for one in newest.values() if one.predicate.get("lifted") is not True]
    return next((one for one in standing if one.about == "release"), standing[0] if standing else None)


def _stages(store: Store, deploys: Sequence[Ref], release: Digest) -> tuple[Stage, ...]:
    """Every deployment where it is or was live, by name: their order is in the spec, which a release does not know."""
    found: list[Stage] = []
    for ref in deploys:
        application, _, environment = ref.name.removeprefix("deploy/").partition("@")
        if store.lives(ref.name, release, limit=1):
            deploy = DeploySpec(name=ref.name, application=application, environment=environment)
            found += stages_of(store, [deploy], release)
    return tuple(found)


def _against(
    look: Look, deploys: Sequence[Ref], applications: Sequence[str], release: Digest, *, detail: bool
) -> tuple[Against, ...]:
    found: list[Against] = []
    for ref in deploys:
        if ref.name.removeprefix("deploy/").partition("@")[0] not in applications:
            continue
        told = _one_against(look, ref, release, {one.live: one for one in found}, detail=detail)
        found += [told] if told else []
    return tuple(found)


def _one_against(look: Look, ref: Ref, release: Digest, known: dict[Digest, Against], *, detail: bool) -> Against | None:
    try:
        live = release_of(look.store, ref.digest)
        if live is None or live == release:
            return None
        if live in known:
            return Against(ref.name, live, known[live].changes, known[live].problem)
        return Against(ref.name, live, release_changes(look, live, release, detail=detail))
    except ShipwayError as problem:
        return Against(ref.name, ref.digest, (), ": ".join(filter(None, (problem.what, problem.where))))


def _proof(proof: Known) -> JsonObject:
    """What a rebuild found."""
    return {name: value for name, value in proof.predicate.items() if name not in ("project", "at")}


@dataclass(frozen=True, slots=True)
class Listed:
    """One release as a list shows it; audit: the record that made it, to page on from."""

    release: Digest
    application: str
    audit: int
    who: str
    when: datetime
    why: str
    live: tuple[str, ...]

    def to_json(self) -> JsonObject:
        return {
            "release": self.release,
            "application": self.application,
            "who": self.who,
            "when": instant(self.when),
            "why": self.why,
            "live": list(self.live),
        }


def list_releases(
    store: Store, application: str | None = None, *, before: int | None = None, limit: int = 50
) -> tuple[tuple[Listed, ...], int | None]:
    """Releases of one application, or of all, newest first, as they were made; and where to page on from, if there are more."""
    names = [f"release/{application}"] if application else [ref.name for ref in store.refs("release/")]
    records = [record for name in names for record in store.history(name, before=before, limit=limit + 1)]
    records = sorted(records, key=lambda record: record.id, reverse=True)
    page, live = records[:limit], _live(store)
    made = [record for record in page if record.outcome == "moved" and record.target]
    rows = tuple(_listed(record, record.target, live) for record in made if record.target)
    return rows, page[-1].id if len(records) > limit else None


def _listed(record: AuditRecord, release: Digest, live: dict[str, Digest]) -> Listed:
    places = tuple(name for name, there in live.items() if there == release)
    application = record.resource.removeprefix("release/")
    return Listed(release, application, record.id, record.actor, record.at, record.why, places)


def _live(store: Store) -> dict[str, Digest]:
    found = {}
    for ref in store.refs("deploy/"):
        last = next(iter(store.lives(ref.name, limit=1)), None)
        if last and last.release:
            found[ref.name] = last.release
    return found
