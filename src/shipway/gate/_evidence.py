"""Evidence: signed statements about one digest (in-toto Statement v1 inside a DSSE envelope), kept as objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from shipway.access import Action, KeyRing, Signer, TrustedKey, may_approve, permits
from shipway.gate._envelope import EvidenceFault, EvidenceInvalid, parse_payload, seal, trusted_places
from shipway.gate._opened import ENVELOPES, Envelopes, Opened
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.clock import instant, parse_instant
from shipway.kernel.digest import Digest
from shipway.store import EvidenceRow, ObjectDamaged, ObjectMissing, Store

SKEW = timedelta(minutes=5)  # how far two machines' clocks may be apart before one's evidence is from the other's future
RESOURCE = "shipway://"  # project and ref follow: what a verification summary is about
_OWN = "https://shipway.dev/"
_LONGEST = 200  # characters of what somebody wrote that are shown in an error
_CHECKERS = frozenset({"admin", "checker"})
_MEASURED = {media.CHECK_PREDICATE, media.PROVENANCE_PREDICATE, media.REBUILD_PREDICATE, media.SUMMARY_PREDICATE}


@dataclass(frozen=True, slots=True)
class Statement:
    """A verified statement; `envelope` is the digest that a verdict cites, `at` when it was signed, `signer` is `key.id`."""

    envelope: Digest
    subject: Digest
    predicate_type: str
    predicate: JsonObject
    signer: str
    at: datetime
    key: TrustedKey


@dataclass(frozen=True, slots=True)
class Reading:
    """Whether an envelope that is kept about a digest counts: `statement` when it does, else `fault` and `why` in words."""

    envelope: Digest
    predicate_type: str
    name: str
    at: datetime
    statement: Statement | None
    fault: EvidenceFault | None = None
    why: str = ""

    @property
    def counts(self) -> bool:
        return self.statement is not None


def attest(
    store: Store, signer: Signer, *, subject: Digest, name: str, predicate_type: str, predicate: JsonObject, label: str
) -> Digest:
    """Sign a statement about `subject` (called `name` by people), keep and index it under `label`; the envelope's digest.

    Our own predicates carry their project and time; those of others have places of their own for both. Raises KeyUnusable.
    """
    now = store.clock.now()
    ours: JsonObject = {"project": store.project, "at": instant(now)} if predicate_type.startswith(_OWN) else {}
    statement: JsonObject = {
        "_type": media.STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": subject.removeprefix("sha256:")}}],
        "predicateType": predicate_type,
        "predicate": {**ours, **predicate},
    }
    envelope = store.objects.put(seal(signer, canonical_json(statement)))
    store.add_evidence(EvidenceRow(envelope, subject, predicate_type, label, now))
    return envelope


def load_evidence(store: Store, keys: KeyRing, subject: Digest, *, predicate: str | None = None) -> list[Statement]:
    """Every statement about a digest that counts, oldest first; predicate: those of one type, and no other is opened.

    Left out is what is no statement about it, of another project, dated more than five minutes from now, or signed by no key
    that was trusted for it at the time: what cannot be read proves nothing, and must not bar the way of what can. Reads the
    envelopes of this digest alone: O(its rows), whatever the store holds.
    """
    found = [one.statement for one in _explain(store, keys, store.evidence(subject, predicate=predicate)) if one.statement]
    wanted = [statement for statement in found if predicate in (None, statement.predicate_type)]
    return sorted(wanted, key=lambda statement: statement.at)


def explain_evidence(store: Store, keys: KeyRing, subject: Digest) -> list[Reading]:
    """Of each envelope that is kept about a digest: whether it counts and, if not, why; in the order in which it came."""
    return _explain(store, keys, store.evidence(subject))


def _explain(store: Store, keys: KeyRing, rows: list[EvidenceRow]) -> list[Reading]:
    """All by the same keys and the same clock."""
    now, present = store.clock.now(), keys.present()
    return [explain_row(store, present, row, now) for row in rows]


def explain_row(store: Store, keys: KeyRing, row: EvidenceRow, now: datetime) -> Reading:
    """As explain_evidence, of one envelope."""
    fault, why = EvidenceFault.MISSING, ""
    try:
        statement = read_statement(store.objects.get(row.envelope), keys, row=row, project=store.project, now=now)
        return Reading(row.envelope, statement.predicate_type, row.name, statement.at, statement)
    except EvidenceInvalid as problem:
        fault, why = problem.fault, problem.what
    except ObjectMissing:
        why = "the envelope is not in the store"
    except ObjectDamaged:
        fault, why = EvidenceFault.DAMAGED, "the envelope's bytes changed on disk"
    return Reading(row.envelope, row.predicate, row.name, row.at, None, fault, why)


def read_statement(
    envelope: bytes, keys: KeyRing, *, row: EvidenceRow, project: str, now: datetime, envelopes: Envelopes = ENVELOPES
) -> Statement:
    """The statement of an envelope, when it counts. envelopes: where opened ones are remembered. Raises EvidenceInvalid."""
    opened = envelopes.open(envelope)
    places = trusted_places(keys, opened.sealed, proven=opened.proven, revoked=_outlives(keys, opened))
    payload = parse_payload(opened.sealed) if opened.payload is None else opened.payload
    if not opened.proven.issuperset(places):
        envelopes.keep(replace(opened, payload=payload, proven=opened.proven.union(places)))
    signers = [opened.sealed.signatures[place][0] for place in places]
    kind, predicate = payload.get("predicateType"), payload.get("predicate")
    if payload.get("_type") != media.STATEMENT or not isinstance(predicate, Mapping) or not isinstance(kind, str):
        raise EvidenceInvalid("the payload is not an in-toto statement", where=row.envelope)
    if row.subject not in _subjects(payload.get("subject")):
        raise EvidenceInvalid("the evidence is about another digest", fault=EvidenceFault.OTHER_SUBJECT, where=row.envelope)
    _check_project(predicate, project, row)
    at = _signed_time(predicate, row)
    if at > now + SKEW:
        why = f"the evidence is dated {_apart(at - now)} after this machine's clock"
        raise EvidenceInvalid(why, fault=EvidenceFault.FUTURE, where=row.envelope, mend="set the clocks of both machines")
    key = _first_that_counts(keys, signers, kind, at)
    return Statement(row.envelope, row.subject, kind, predicate, key.id, at, key)


def _outlives(keys: KeyRing, opened: Opened) -> bool:
    """Whether it says that something is revoked, and signed so by a key that itself was later: the one word that must not end
    with its key, as then what was barred would be free again, and nobody would have said so.
    """
    if not any(known.revoked for key, _ in opened.sealed.signatures if (known := keys.find(key))):
        return False
    try:
        payload = parse_payload(opened.sealed) if opened.payload is None else opened.payload
    except EvidenceInvalid:
        return False
    return payload.get("predicateType") == media.REVOCATION_PREDICATE and _at(payload, "predicate", "lifted") is not True


def _first_that_counts(keys: KeyRing, signers: list[str], kind: str, at: datetime) -> TrustedKey:
    """The first of the signers that was trusted for such a statement at that time. Raises EvidenceInvalid."""
    problems = []
    for key in [known for signer in signers if (known := keys.find(signer))]:
        problem = _unfit(key, kind, at)
        if problem is None:
            return key
        problems.append(problem)
    raise max(problems, key=lambda problem: list(EvidenceFault).index(problem.fault))


def _unfit(key: TrustedKey, kind: str, at: datetime) -> EvidenceInvalid | None:
    if key.revoked and at >= key.revoked.at:
        why = f"signed at {instant(at)}; the key of {key.name} is revoked since {instant(key.revoked.at)}"
        return EvidenceInvalid(why, fault=EvidenceFault.KEY_REVOKED)
    if not any(period.holds(at) for period in key.periods):
        return _untimely(key, at)
    if not _may_sign(key.roles, kind):
        roles = ", ".join(sorted(key.roles))
        why = f"the key of {key.name} ({roles}) is not trusted for {kind}"
        return EvidenceInvalid(why, fault=EvidenceFault.KEY_ROLE)
    return None


def _untimely(key: TrustedKey, at: datetime) -> EvidenceInvalid:
    """Before its key was trusted, after it was, or between two times when it was."""
    begins = [one.since for one in key.periods if one.since and at < one.since]
    ends = [one.until for one in key.periods if one.until and one.until <= at]
    said = [f"was trusted until {instant(max(ends))}"] if ends else []
    said += [f"is trusted since {instant(min(begins))}"] if begins else []
    why = f"signed at {instant(at)}; the key of {key.name} {' and '.join(said)}"
    return EvidenceInvalid(why, fault=EvidenceFault.KEY_EXPIRED if ends else EvidenceFault.KEY_EARLY)


def _may_sign(roles: frozenset[str], kind: str) -> bool:
    """Approving, rejecting and revoking need a role that allows it; what was measured or made needs checker or admin."""
    if kind == media.REVOCATION_PREDICATE:
        return permits(roles, Action.REVOKE)
    if kind in (media.APPROVAL_PREDICATE, media.REJECTION_PREDICATE):
        return may_approve(roles)
    if kind in _MEASURED:
        return bool(roles & _CHECKERS)
    return True


def _check_project(predicate: JsonObject, project: str, row: EvidenceRow) -> None:
    """A statement that names a project counts there alone: the same bytes may be fit for one use and not for another."""
    named = predicate.get("project", _at(predicate, "buildDefinition", "externalParameters", "project"))
    resource = predicate.get("resourceUri")
    if isinstance(resource, str) and resource.startswith(RESOURCE):
        named = resource.removeprefix(RESOURCE).partition("/")[0]
    if named is not None and named != project:
        why = f"the evidence is of project {shown(named)}, not of {project}"
        raise EvidenceInvalid(why, fault=EvidenceFault.OTHER_PROJECT, where=row.envelope)


def shown(value: Json) -> str:
    """What a statement says, fit for a terminal: whoever holds a key may have signed anything."""
    text = value if isinstance(value, str) else canonical_json(value).decode()
    return text[:_LONGEST] if text.isprintable() else repr(text[:_LONGEST])


def _signed_time(predicate: JsonObject, row: EvidenceRow) -> datetime:
    """When the signer says it was: the order of statements must not depend on the order in which they were indexed.

    Of a statement that has no time in it, when it was indexed.
    """
    for text in (predicate.get("at"), _at(predicate, "runDetails", "metadata", "finishedOn"), predicate.get("timeVerified")):
        if text is not None:
            try:
                return parse_instant(str(text)).astimezone(UTC)
            except (ValueError, OverflowError):  # the latter: before the year 1 in UTC
                raise EvidenceInvalid(f"the evidence is dated {text!r}, which is no time", where=row.envelope) from None
    return row.at


def _at(value: Json, *path: str) -> Json:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _apart(span: timedelta) -> str:
    """A span of time as people say it.

    >>> _apart(timedelta(minutes=12, seconds=5)), _apart(timedelta(days=3, hours=2))
    ('12 minutes', '3 days')
    """
    for unit, seconds in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if span.total_seconds() >= 2 * seconds:
            return f"{int(span.total_seconds() // seconds)} {unit}"
    return f"{int(span.total_seconds())} seconds"


def _subjects(entries: Json) -> set[str]:
    """The digests that a statement is about, those of other algorithms left out."""
    found = set()
    for entry in entries if isinstance(entries, list) else []:
        digests = entry.get("digest") if isinstance(entry, Mapping) else None
        if isinstance(digests, Mapping):
            found.add(f"sha256:{digests.get('sha256')}")
    return found
