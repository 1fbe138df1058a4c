"""Evidence: signed statements about one digest (in-toto Statement v1 inside a DSSE envelope), kept as objects."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from shipway.access import KeyRing, Signer
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, NotCanonical, canonical_json, parse_object
from shipway.kernel.clock import parse_instant
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.store import EvidenceRow, ObjectDamaged, ObjectMissing, Store


class EvidenceInvalid(ShipwayError):
    """A statement is malformed, about something else, or signed by nobody trusted."""

    code = "gate.evidence-invalid"


@dataclass(frozen=True, slots=True)
class Statement:
    """A verified statement; `envelope` is the digest that a verdict cites."""

    envelope: Digest
    subject: Digest
    predicate_type: str
    predicate: JsonObject
    signer: str
    at: datetime


def attest(
    store: Store, signer: Signer, *, subject: Digest, name: str, predicate_type: str, predicate: JsonObject, label: str
) -> Digest:
    """Sign a statement about `subject` (called `name` by people), keep and index it under `label`; the envelope's digest."""
    statement: JsonObject = {
        "_type": media.STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": subject.removeprefix("sha256:")}}],
        "predicateType": predicate_type,
        "predicate": {"project": store.project, **predicate},
    }
    envelope = store.objects.put(seal(signer, canonical_json(statement)))
    store.add_evidence(EvidenceRow(envelope, subject, predicate_type, label, store.clock.now()))
    return envelope


def seal(signer: Signer, payload: bytes) -> bytes:
    """The DSSE envelope of a payload (protocol v1.0.2), as canonical JSON."""
    signature = signer.sign(_to_sign(media.INTOTO, payload))
    return canonical_json(
        {
            "payloadType": media.INTOTO,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": signer.key_id, "sig": base64.b64encode(signature).decode()}],
        }
    )


def unseal(keys: KeyRing, envelope: bytes) -> tuple[dict[str, Json], str]:
    """The payload of an envelope and the id of the trusted key that signed it; raises EvidenceInvalid."""
    try:
        return _unseal(keys, parse_object(envelope))
    except (NotCanonical, KeyError, TypeError, ValueError) as problem:
        raise EvidenceInvalid(f"not a DSSE envelope: {problem}") from problem


def _unseal(keys: KeyRing, record: JsonObject) -> tuple[dict[str, Json], str]:
    if record["payloadType"] != media.INTOTO:  # the same key may sign other things, which claim nothing here
        raise EvidenceInvalid(f"the payload is {record['payloadType']}, not {media.INTOTO}")
    payload = base64.b64decode(str(record["payload"]), validate=True)
    for entry in cast("list[Mapping[str, str]]", record["signatures"]):
        if keys.verify(entry["keyid"], _to_sign(media.INTOTO, payload), base64.b64decode(entry["sig"], validate=True)):
            return parse_object(payload), entry["keyid"]
    raise EvidenceInvalid("no trusted key signed this evidence", mend="add the signer's public key to the trusted keys")


def load_evidence(store: Store, keys: KeyRing, subject: Digest) -> list[Statement]:
    """Every valid statement about a digest, oldest first; those that no trusted key signed do not count and are left out."""
    found = []
    for row in store.evidence(subject):
        try:
            found.append(_statement(store, keys, row))
        except (EvidenceInvalid, ObjectMissing, ObjectDamaged):
            continue  # what cannot be read proves nothing, and must not bar the way of what can
    return sorted(found, key=lambda statement: statement.at)


def _statement(store: Store, keys: KeyRing, row: EvidenceRow) -> Statement:
    payload, signer = unseal(keys, store.objects.get(row.envelope))
    predicate = payload.get("predicate")
    if payload.get("_type") != media.STATEMENT or not isinstance(predicate, Mapping):
        raise EvidenceInvalid("the payload is not an in-toto statement", where=row.envelope)
    if row.subject not in _subjects(payload.get("subject")):
        raise EvidenceInvalid("the evidence is about another digest", where=row.envelope)
    at = _signed_time(predicate) or row.at
    return Statement(row.envelope, row.subject, str(payload.get("predicateType")), predicate, signer, at)


def _signed_time(predicate: JsonObject) -> datetime | None:
    """When the signer says it was: the order of statements must not depend on the order in which they were indexed."""
    try:
        return parse_instant(str(predicate["at"]))
    except (KeyError, ValueError):
        return None


def _subjects(entries: Json) -> set[str]:
    """The digests that a statement is about, those of other algorithms left out."""
    found = set()
    for entry in entries if isinstance(entries, list) else []:
        digests = entry.get("digest") if isinstance(entry, Mapping) else None
        if isinstance(digests, Mapping):
            found.add(f"sha256:{digests.get('sha256')}")
    return found


def _to_sign(kind: str, payload: bytes) -> bytes:
    """DSSE pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
