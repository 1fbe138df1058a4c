"""What of a store goes with a release: its evidence, the policy, the verdicts that moved it, and what was attached."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import cast

from shipway.gate import POLICY_REF, load_policy, policy_in_force, release_of
from shipway.kernel import media
from shipway.kernel.canonical import Json, NotCanonical, parse_object
from shipway.kernel.clock import instant
from shipway.kernel.digest import Descriptor, Digest, DigestMalformed, is_digest, parse_digest
from shipway.kernel.errors import ShipwayError
from shipway.release._attachment import EMPTY_BYTES, Attachment, attachment_manifest, attachments_of
from shipway.release._bundle import WHEELS, Carried, Freight, Reader
from shipway.release._manifest import RELEASE_TYPE
from shipway.store import AuditRecord, EvidenceRow, Store

_BEFORE = " before"  # ends the names of what is not this release's own: nothing that is said of it comes along


class StoreSource:
    """The objects of a store as a source; they are verified when they are read."""

    def __init__(self, store: Store) -> None:
        self._store, self.where = store, str(store.root)

    def read(self, wanted: Descriptor) -> bytes:
        return self._store.objects.get(wanted.digest)


def load_freight(store: Store, release: Digest, *, wheels: Iterable[Descriptor] = (), reader: Reader | None = None) -> Freight:
    """A release of the store and what goes with it.

    wheels: as keep_wheels gives them; reader: one that keeps the documents that were read.
    Raises BundleMalformed, ObjectMissing, ObjectDamaged.
    """
    bare = (reader or Reader(StoreSource(store))).release(store.descriptor(release, media.OCI_INDEX))
    attached = [*_attached(store, bare), *_wheels(bare, wheels)]
    return Freight(bare.release, bare.parts, tuple(_carry(store, bare, attachment) for attachment in attached))


def _wheels(freight: Freight, wheels: Iterable[Descriptor]) -> list[Attachment]:
    """Each wheels object with the wheels that follow it, about the environment that they are for."""
    grouped: list[tuple[Descriptor, list[Descriptor]]] = []
    for descriptor in wheels:
        if descriptor.media_type == WHEELS:
            grouped.append((descriptor, []))
        else:
            grouped[-1][1].append(descriptor)
    about = next((part.component.digest for part in freight.parts if part.component.kind == "environment"), None)
    return [Attachment(about, WHEELS, "wheels", data, more=tuple(more)) for data, more in grouped] if about else []


def _carry(store: Store, freight: Freight, attachment: Attachment) -> Carried:
    data = attachment_manifest(attachment, freight.subject(attachment.subject))
    return Carried(attachment, store.put_bytes(data, media.OCI_MANIFEST))


def _attached(store: Store, freight: Freight) -> list[Attachment]:
    """In the order of their kinds and names; the same store gives the same list."""
    store.objects.put(EMPTY_BYTES)
    moves = list(_moves(store, freight.release.digest))
    found = {*_verdicts(store, freight, moves), *_policies(store, freight, moves)}
    subjects = {freight.release.digest, *(part.component.digest for part in freight.parts)}
    subjects |= {made.data.digest for made in found if not made.name.endswith(_BEFORE)}  # what is said of verdict, policy ...
    found |= {attachment for subject in subjects for attachment in attachments_of(store, subject)}
    found |= {attachment for subject in subjects for attachment in _evidence(store, subject)}
    return sorted(found, key=lambda made: (made.subject, made.media_type, made.name, made.data.digest, made.created))


def _evidence(store: Store, subject: Digest) -> Iterator[Attachment]:
    for row in store.evidence(subject):
        yield Attachment(subject, media.DSSE, row.name, store.descriptor(row.envelope, media.DSSE), instant(row.at))
        if row.predicate == media.CHECK_PREDICATE:
            yield from _source(store, row)


def _source(store: Store, row: EvidenceRow) -> Iterator[Attachment]:
    """The report that a check was read from by `check import`, which its statement cites."""
    with suppress(NotCanonical, DigestMalformed, ValueError, KeyError, TypeError):
        payload = parse_object(base64.b64decode(str(parse_object(store.objects.get(row.envelope))["payload"]), validate=True))
        source = Descriptor.from_json(cast("Mapping[str, Json]", payload["predicate"])["source"])
        if source.media_type in (media.JSON, media.XML) and store.objects.keeps(source.digest, source.size):
            yield Attachment(row.subject, source.media_type, f"source of {row.name}", source)


def _moves(store: Store, release: Digest) -> Iterator[AuditRecord]:
    """The moves that put the release at a ref."""
    for ref in store.refs("release/"):
        yield from (move for move in store.history(ref.name, limit=10_000) if move.target == release and _moved(move))
    for ref in store.refs("deploy/"):
        yield from (move for move in store.lives(ref.name, release) if _moved(move))


def _moved(move: AuditRecord) -> bool:
    return move.outcome == "moved" and move.verdict is not None


def _readable_release(store: Store, deployment: Digest) -> Digest | None:
    try:
        return release_of(store, deployment)
    except ShipwayError:
        return None  # a deployment of long ago whose object is gone


def _verdicts(store: Store, freight: Freight, moves: Iterable[AuditRecord]) -> Iterator[Attachment]:
    for move in moves:
        at, release = instant(move.at), freight.release.digest
        if move.verdict and store.objects.has(move.verdict):
            yield _object(store, release, "verdict", move.resource, move.verdict, at)
        if move.target and move.target != release:
            yield _object(store, release, "deployment", move.resource, move.target, "")
            yield from _before(store, release, move)


def _before(store: Store, release: Digest, move: AuditRecord) -> Iterator[Attachment]:
    """What was live before, without its bytes: a policy may ask that the release is not worse than that."""
    earlier = _readable_release(store, move.source) if move.source else None
    if move.source and earlier and store.objects.has(earlier):
        yield _object(store, release, "deployment", f"{move.resource}{_BEFORE}", move.source, "")
        yield Attachment(release, RELEASE_TYPE, f"{move.resource}{_BEFORE}", store.descriptor(earlier, RELEASE_TYPE))


def _policies(store: Store, freight: Freight, moves: Iterable[AuditRecord]) -> Iterator[Attachment]:
    """The policy in force under the name of its ref, those that earlier verdicts cite as `policy`, and their definitions."""
    release, ref = freight.release.digest, store.ref(POLICY_REF)
    record = store.audit(ref.audit) if ref else None
    in_force = policy_in_force(store).digest
    yield _object(store, release, "policy", POLICY_REF, in_force, instant(record.at) if record else "")
    cited = {_policy_of(store, move.verdict) for move in moves if move.verdict and store.objects.has(move.verdict)}
    for digest in {in_force, *cited} - {None}:
        assert digest is not None
        if not store.objects.has(digest):
            continue
        if digest != in_force:
            yield _object(store, release, "policy", "policy", digest, "")
        policy = load_policy(store, digest)
        for kind, definitions in (("contract", policy.contracts), ("goldenset", policy.golden)):
            for name, definition in definitions.items():
                if store.objects.has(definition):
                    yield _object(store, release, kind, name, definition, "")


def _policy_of(store: Store, verdict: Digest) -> Digest | None:
    named = store.get(verdict).get("policy")
    return parse_digest(named) if isinstance(named, str) and is_digest(named) else None


def _object(store: Store, subject: Digest, kind: str, name: str, digest: Digest, created: str) -> Attachment:
    kind = media.media_type(kind)
    return Attachment(subject, kind, name, store.descriptor(digest, kind), created)
