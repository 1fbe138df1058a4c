"""The pages of releases as values: everything that their templates say, already in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shipway.kernel.canonical import Json
from shipway.kernel.digest import is_digest, short
from shipway.kernel.split import SHADOW
from shipway.release import Against, Change, Dossier, Known, Lineage, Listed
from shipway.web._rows import CheckRow, check_row
from shipway.web._status import Level
from shipway.web._view import ComponentView, SignedView
from shipway.web._whisker import Whisker, make_whisker
from shipway.web._words import ReleaseName, Stamp, listed, release_name, span, stamp

_LINEAGE = 40  # lines of lineage; the command shows the rest
_CONTENT = frozenset({"tree", "bytes"})  # what a thing is made of, not where it came from


@dataclass(frozen=True, slots=True)
class KnownView:
    """A statement. check and bar are there where it measures; why_not: why it does not count, empty when it does."""

    kind: str
    name: str
    about: str
    check: CheckRow | None
    bar: Whisker | None
    asked: str
    tool: str
    who: str
    why: str
    said: str
    signer: str
    roles: str
    when: Stamp
    why_not: str
    evidence: ReleaseName


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A component that differs; the digests are in its text."""

    kind: str
    name: str
    text: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgainstView:
    """What would change at deployments that have the same release live."""

    refs: str
    live: ReleaseName
    changes: tuple[ChangeView, ...]
    problem: str


@dataclass(frozen=True, slots=True)
class StageView:
    """One environment. lasted: how long it was live there, or is; empty when it never was."""

    ref: str
    name: str
    live: bool
    since: Stamp | None
    until: Stamp | None
    lasted: str


@dataclass(frozen=True, slots=True)
class ProofView:
    """A rebuild: how equal it came out, what differs first, and who says so."""

    equality: str
    level: Level
    different: str
    rows: tuple[tuple[str, str], ...]
    known: KnownView


@dataclass(frozen=True, slots=True)
class AncestorView:
    """One line of the tree of lineage; depth: how far it is from the release."""

    depth: int
    kind: str
    role: str
    digest: ReleaseName
    names: str
    release: bool


@dataclass(frozen=True, slots=True)
class ReleasePage:
    """The page of one release. older, newer: where the next page of evidence begins, None where there is none."""

    release: ReleaseName
    level: Level
    word: str
    sentence: str
    made: SignedView | None
    parts: tuple[ComponentView, ...]
    stages: tuple[StageView, ...]
    against: tuple[AgainstView, ...]
    evidence: tuple[KnownView, ...]
    shown: str
    older: int | None
    newer: int | None
    approvals: tuple[KnownView, ...]
    revocation: KnownView | None
    proof: ProofView | None
    lineage: tuple[AncestorView, ...]
    plans: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ListedView:
    """A row of the list of releases."""

    release: ReleaseName
    application: str
    who: str
    when: Stamp
    why: str
    live: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReleasesPage:
    """The list of releases; before: where the next page begins, None at the end."""

    application: str
    rows: tuple[ListedView, ...]
    before: int | None


def make_releases_page(rows: Sequence[Listed], before: int | None, *, application: str, now: datetime) -> ReleasesPage:
    found = tuple(
        ListedView(release_name(r.release), r.application, r.who, stamp(r.when, now), r.why, tuple(map(_place, r.live)))
        for r in rows
    )
    return ReleasesPage(application, found, before)


def make_release_page(dossier: Dossier, *, limit: int, now: datetime) -> ReleasePage:
    """The page of a release; limit: statements of a page."""
    name, made, offset = release_name(dossier.release), dossier.made, dossier.offset
    end = offset + len(dossier.evidence)
    level, word, sentence = _standing(dossier, now)
    return ReleasePage(
        release=name,
        level=level,
        word=word,
        sentence=sentence,
        made=SignedView(made.actor, stamp(made.at, now), made.why) if made else None,
        parts=tuple(
            ComponentView(p.component.kind, p.component.name, release_name(p.component.digest), p.words) for p in dossier.parts
        ),
        stages=tuple(
            StageView(
                stage.ref,
                _place(stage.ref),
                stage.live,
                stamp(stage.since, now) if stage.since else None,
                stamp(stage.until, now) if stage.until else None,
                span(((stage.until or now) - stage.since).total_seconds()) if stage.since else "",
            )
            for stage in dossier.stages
        ),
        against=_against(dossier),
        evidence=tuple(known_view(known, now) for known in dossier.evidence),
        shown=f"{offset + 1:,} to {end:,} of {dossier.total:,}" if end > offset else f"none of {dossier.total:,}",
        older=end if end < dossier.total else None,
        newer=max(0, offset - limit) if offset else None,
        approvals=tuple(known_view(known, now) for known in dossier.approvals),
        revocation=known_view(dossier.revocation, now) if dossier.revocation else None,
        proof=_proof(dossier.proof, now) if dossier.proof else None,
        lineage=tuple(_ancestors(dossier.lineage))[:_LINEAGE],
        plans=tuple(sorted({_place(one.ref) for one in dossier.against} | {_place(ref) for ref in dossier.live})),
        commands=_commands(name.short),
    )


def _standing(dossier: Dossier, now: datetime) -> tuple[Level, str, str]:
    places = listed([_place(ref) for ref in dossier.live], most=3)
    if dossier.revocation:
        where = f", and is still live at {places}" if places else ""
        about = "" if dossier.revocation.about == "release" else f": its {dossier.revocation.about}, "
        return Level.BAD, "Revoked", f"{about}by {dossier.revocation.who or 'somebody'}{where}".removeprefix(": ")
    if places:
        since = min(stage.since for stage in dossier.stages if stage.live and stage.since)
        return Level.GOOD, "Live", f"at {places} since {since:%Y-%m-%d %H:%M} UTC"
    if dossier.arms:
        ref, arm = dossier.arms[0]
        how = "a shadow" if arm.name == SHADOW else f"arm {arm.name}"
        return Level.QUIET, "An arm", f"{how} at {_place(ref)}, {100 * arm.share:g} % of units"
    if dossier.stages:
        ended = max(stage.until for stage in dossier.stages if stage.until)
        return Level.QUIET, "Not live", f"any more, since {span((now - ended).total_seconds())}"
    of = f" of {listed(dossier.applications, most=3)}" if dossier.applications else ""
    return Level.QUIET, "Never live", f"so far: a candidate{of}"


def known_view(known: Known, now: datetime) -> KnownView:
    """A statement in words."""
    reading = known.reading
    key = reading.statement.key if reading.statement else None
    return KnownView(
        kind=known.kind,
        name=known.check.name if known.check else reading.name,
        about=known.about,
        check=check_row(known.check) if known.check else None,
        bar=_bar(known),
        asked=", ".join(f"asked {one.text} ({_place(one.ref)})" for one in known.asked[:3]),
        tool=known.tool,
        who=known.who,
        why=known.why,
        said=_said(known),
        signer=key.name if key else "",
        roles=", ".join(sorted(key.roles)) if key else "",
        when=stamp(known.at, now),
        why_not="" if reading.counts else reading.why or "it does not count",
        evidence=release_name(reading.envelope),
    )


def _bar(known: Known) -> Whisker | None:
    """With the threshold of the check, or else the first that the policy in force asks."""
    check = known.check
    if check and check.threshold is None and known.asked:
        check = replace(check, threshold=known.asked[0].threshold)
    return make_whisker(check) if check else None


def _said(known: Known) -> str:
    """What a statement comes to that is no check."""
    said = known.predicate
    if known.kind in ("approval", "revocation") and known.who:
        return f"by {known.who}" + (", lifted" if said.get("lifted") is True else "")
    for name in ("equality", "verificationResult"):
        if isinstance(said.get(name), str):
            about = said.get("resourceUri")
            place = f" for {about.removeprefix('shipway://').partition('/')[2]}" if isinstance(about, str) else ""
            return f"{said[name]}{place}"[:200]
    return ""


def change_views(changes: Sequence[Change]) -> tuple[ChangeView, ...]:
    return tuple(ChangeView(change.kind, change.name, change.text, change.lines) for change in changes)


def _against(dossier: Dossier) -> tuple[AgainstView, ...]:
    by: dict[str, list[str]] = {}
    first: dict[str, Against] = {}
    for one in dossier.against:
        by.setdefault(one.live, []).append(_place(one.ref))
        first.setdefault(one.live, one)
    return tuple(
        AgainstView(", ".join(by[live]), release_name(one.live), change_views(one.changes), one.problem)
        for live, one in first.items()
    )


def _proof(known: Known, now: datetime) -> ProofView:
    said = known.predicate
    equality, different = str(said.get("equality")), said.get("different")
    level = Level.BAD if equality == "DIFFERENT" else Level.GOOD if "bytes" in equality else Level.QUIET
    rest = [
        (name, _plain(value))
        for name, value in said.items()
        if name not in ("project", "at", "equality", "different", "model") and value
    ]
    return ProofView(equality, level, str(different) if different else "", tuple(rest), known_view(known, now))


def _plain(value: Json) -> str:
    """A value of a proof on one line.

    >>> _plain({"rows": 3, "equal": True}), _plain(["a", 1])
    ('rows 3, equal yes', 'a; 1')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "; ".join(_plain(item) for item in value[:12])
    if isinstance(value, str):
        return short(value) if is_digest(value) else value[:300]
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    return "none" if value is None else f"{value:,}"


def _ancestors(tree: Lineage, depth: int = 0) -> Iterator[AncestorView]:
    for child in tree.next:
        if child.kind in _CONTENT:
            continue
        name = release_name(child.digest)
        yield AncestorView(depth, child.kind, child.role, name, listed(child.names, most=3), child.kind == "release")
        yield from _ancestors(child, depth + 1)


def _commands(name: str) -> tuple[tuple[str, str], ...]:
    return (
        (f"shipway verify {name}", "every byte and every statement"),
        (f"shipway rebuild {name}", "make it again, and say how equal it comes out"),
        (f"shipway release export {name} {name}.tar", "take it along with its evidence"),
        (f"shipway why {name}", "back to the evidence"),
        (f"shipway lineage {name}", "what it came from and what used it"),
    )


def _place(ref: str) -> str:
    """What a person types for a deployment.

    >>> _place("deploy/delay@prod")
    'delay@prod'
    """
    return ref.removeprefix("deploy/")
