"""DSSE envelopes (protocol 1.0.2) of in-toto payloads: sealed, opened, and who among the trusted signed one."""

from __future__ import annotations

import base64
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from shipway.access import KeyRing, Signer
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, NotCanonical, canonical_json, parse_object
from shipway.kernel.errors import ShipwayError

_MOST_SIGNATURES = 64  # each costs a verification; no honest envelope has more


class EvidenceFault(StrEnum):
    """Why an envelope does not count. Later ones were nearer to counting: of several signatures the nearest is told."""

    MISSING = "missing"
    DAMAGED = "damaged"
    MALFORMED = "malformed"
    KEY_UNKNOWN = "key-unknown"
    SIGNATURE_WRONG = "signature-wrong"
    KEY_REVOKED = "key-revoked"
    OTHER_SUBJECT = "other-subject"
    OTHER_PROJECT = "other-project"
    FUTURE = "future"
    KEY_EARLY = "key-early"
    KEY_EXPIRED = "key-expired"
    KEY_ROLE = "key-role"


class EvidenceInvalid(ShipwayError):
    """A statement is malformed, about something else, or signed by nobody trusted; `fault` says which."""

    code = "gate.evidence-invalid"

    def __init__(
        self, what: str, *, fault: EvidenceFault = EvidenceFault.MALFORMED, where: str | None = None, mend: str | None = None
    ) -> None:
        super().__init__(what, where=where, mend=mend)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Sealed:
    """An envelope before anybody has verified it: its payload, and key id and signature of each signer."""

    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]


def seal(signer: Signer, payload: bytes) -> bytes:
    """The DSSE envelope of a payload, as canonical JSON."""
    signature = signer.sign(_to_sign(media.INTOTO, payload))
    return canonical_json(
        {
            "payloadType": media.INTOTO,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": signer.key_id, "sig": base64.b64encode(signature).decode()}],
        }
    )


def unseal(keys: KeyRing, envelope: bytes) -> tuple[dict[str, Json], str]:
    """The payload of an envelope and the id of the trusted key that signed it. Raises EvidenceInvalid.

    Says nothing of when it was signed: that is what load_evidence asks.
    """
    sealed = open_envelope(envelope)
    place = trusted_places(keys, sealed)[0]
    return parse_payload(sealed), sealed.signatures[place][0]


def open_envelope(envelope: bytes) -> Sealed:
    """What an envelope holds, verified by nobody. Raises EvidenceInvalid."""
    try:
        return _open(parse_object(envelope))
    except (NotCanonical, KeyError, TypeError, ValueError) as problem:
        raise EvidenceInvalid(f"not a DSSE envelope: {problem}") from problem


def parse_payload(sealed: Sealed) -> dict[str, Json]:
    """The JSON object that was signed. Raises EvidenceInvalid."""
    try:
        return parse_object(sealed.payload)
    except NotCanonical as problem:
        raise EvidenceInvalid(f"the payload is no JSON object: {problem}") from problem


def trusted_places(keys: KeyRing, sealed: Sealed, *, proven: Container[int] = (), revoked: bool = False) -> list[int]:
    """The places (from 0) of the signatures that trusted keys made; at least one. Raises EvidenceInvalid.

    revoked: those of keys that were revoked since, too.
    proven: places of signatures that the keys of their key ids have made, which somebody has verified before; a key id is the
    digest of a public key, so that nothing but trust can have changed since.
    """
    data, found, faults = _to_sign(media.INTOTO, sealed.payload), [], [EvidenceFault.KEY_UNKNOWN]
    for place, (key, signature) in enumerate(sealed.signatures):
        known = keys.find(key)
        if known and known.revoked and not revoked:
            faults.append(EvidenceFault.KEY_REVOKED)
        elif known and (place in proven or keys.verify(key, data, signature, revoked=revoked)):
            found.append(place)
        elif known:
            faults.append(EvidenceFault.SIGNATURE_WRONG)
    if not found:
        fault = max(faults, key=list(EvidenceFault).index)
        raise EvidenceInvalid(_NOBODY[fault](keys, sealed), fault=fault, mend=_MENDS.get(fault))
    return found


def _open(record: JsonObject) -> Sealed:
    if record["payloadType"] != media.INTOTO:  # the same key may sign other things, which claim nothing here
        raise EvidenceInvalid(f"the payload is {record['payloadType']}, not {media.INTOTO}")
    entries = cast("list[Mapping[str, str]]", record["signatures"])
    if len(entries) > _MOST_SIGNATURES:
        raise EvidenceInvalid(f"{len(entries)} signatures, at most {_MOST_SIGNATURES} are read")
    return Sealed(_decode(record["payload"]), tuple((_text(entry["keyid"]), _decode(entry["sig"])) for entry in entries))


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("a key id is no text")
    return value


def _decode(value: Json) -> bytes:
    """Base64, standard or URL-safe as DSSE allows; of several texts for the same bytes only the one that an encoder writes."""
    text = _text(value)
    standard = text.replace("-", "+").replace("_", "/")
    data = base64.b64decode(standard, validate=True)
    if base64.b64encode(data).decode() != standard:
        raise ValueError("base64 with bits beyond its end")
    return data


def _to_sign(kind: str, payload: bytes) -> bytes:
    """DSSE pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def _unknown(_keys: KeyRing, sealed: Sealed) -> str:
    ids = ", ".join(key[:12] for key, _ in sealed.signatures) or "nobody"
    return f"no trusted key signed this evidence; signed by {ids}"


def _wrong(keys: KeyRing, sealed: Sealed) -> str:
    names = {known.name for key, _ in sealed.signatures if (known := keys.find(key))}
    return f"the signature is not that of {', '.join(sorted(names))}: payload or signature were changed"


def _revoked(keys: KeyRing, sealed: Sealed) -> str:
    known = next(known for key, _ in sealed.signatures if (known := keys.find(key)) and known.revoked)
    return f"the key of {known.name} is revoked: {known.revoked.reason if known.revoked else ''}"


_NOBODY = {
    EvidenceFault.KEY_UNKNOWN: _unknown,
    EvidenceFault.SIGNATURE_WRONG: _wrong,
    EvidenceFault.KEY_REVOKED: _revoked,
}
_MENDS = {EvidenceFault.KEY_UNKNOWN: "add the signer's public key with: shipway key trust FILE --name NAME --role ROLE"}
