"""What holds for every envelope: one changed bit never counts, signatures have no order, no subject is forged."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.access import KeyRing, LocalSigner, Revoked, TrustedKey
from shipway.gate import EvidenceInvalid, Statement, seal, unseal
from shipway.gate._evidence import SKEW, read_statement
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest, digest_bytes
from shipway.store import EvidenceRow

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
PRIVATE = (Ed25519PrivateKey.generate(), generate_private_key(SECP256R1()), Ed25519PrivateKey.generate())
SIGNERS = [LocalSigner(key) for key in PRIVATE]
SUBJECT, OTHER = digest_bytes(b"release"), digest_bytes(b"another")


def trusted(signer: LocalSigner, **more: Any) -> TrustedKey:
    return TrustedKey(signer.key_id, signer.algorithm, frozenset({"admin"}), signer.algorithm, public=signer.public, **more)


RING = KeyRing([trusted(signer) for signer in SIGNERS])
signers = st.sampled_from(SIGNERS)
texts = st.text(max_size=12)


def statement(*, subject: str = SUBJECT, at: datetime = NOW, project: str = "flights", **more: Any) -> JsonObject:
    return {
        "_type": media.STATEMENT,
        "subject": [{"name": "it", "digest": {"sha256": subject.removeprefix("sha256:")}}],
        "predicateType": media.APPROVAL_PREDICATE,
        "predicate": {"project": project, "at": instant(at), **more},
    }


def read(envelope: bytes, *, subject: Digest = SUBJECT, ring: KeyRing = RING) -> Statement:
    row = EvidenceRow(digest_bytes(envelope), subject, media.APPROVAL_PREDICATE, "approval", NOW)
    return read_statement(envelope, ring, row=row, project="flights", now=NOW)


@settings(deadline=None, max_examples=60)
@given(signer=signers, approver=texts)
def test_what_was_sealed_is_read(signer: LocalSigner, approver: str) -> None:
    found = read(seal(signer, canonical_json(statement(approver=approver))))
    assert (found.key.id, found.predicate["approver"], found.at, found.subject) == (signer.key_id, approver, NOW, SUBJECT)


@settings(deadline=None, max_examples=200)
@given(signer=signers, approver=texts, place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_one_changed_bit_of_an_envelope_is_never_read(signer: LocalSigner, approver: str, place: int, bit: int) -> None:
    """Wherever it is: payload, type, key id, signature, or what holds them together."""
    envelope = bytearray(seal(signer, canonical_json(statement(approver=approver))))
    envelope[place % len(envelope)] ^= 1 << bit
    with pytest.raises(EvidenceInvalid):
        read(bytes(envelope))


@settings(deadline=None, max_examples=200)
@given(signer=signers, approver=texts, place=st.integers(min_value=0), byte=st.integers(0, 255))
def test_one_changed_byte_never_says_anything_else(signer: LocalSigner, approver: str, place: int, byte: int) -> None:
    """DSSE has two spellings of base64, so that a byte may change and nothing be said otherwise: that is all that is read."""
    payload = statement(approver=approver)
    envelope = bytearray(seal(signer, canonical_json(payload)))
    where = place % len(envelope)
    before, envelope[where] = envelope[where], byte
    try:
        found = read(bytes(envelope))
    except EvidenceInvalid:
        return
    assert (found.predicate, found.key.id) == (payload["predicate"], signer.key_id)
    assert bytes([before, byte]) in (b"+-", b"/_") or before == byte


PARTS = ["payload", "signature"]


@settings(deadline=None, max_examples=200)
@given(signer=signers, part=st.sampled_from(PARTS), place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_one_changed_bit_of_what_was_signed_or_of_the_signature_never_verifies(
    signer: LocalSigner, part: str, place: int, bit: int
) -> None:
    record = json.loads(seal(signer, canonical_json(statement(approver="ann"))))
    holder, name = (record, "payload") if part == "payload" else (record["signatures"][0], "sig")
    data = bytearray(base64.b64decode(holder[name]))
    data[place % len(data)] ^= 1 << bit
    holder[name] = base64.b64encode(data).decode()
    with pytest.raises(EvidenceInvalid):
        unseal(RING, json.dumps(record).encode())


@settings(deadline=None, max_examples=60)
@given(kind=texts)
def test_a_signature_is_over_its_payload_type_too(kind: str) -> None:
    record = json.loads(seal(SIGNERS[0], canonical_json(statement(approver="ann"))))
    if kind == record["payloadType"]:
        return
    with pytest.raises(EvidenceInvalid):
        read(json.dumps({**record, "payloadType": kind}).encode())


@settings(deadline=None, max_examples=60)
@given(one=signers, two=signers)
def test_a_signature_under_another_keys_id_never_verifies(one: LocalSigner, two: LocalSigner) -> None:
    record = json.loads(seal(one, canonical_json(statement(approver="ann"))))
    record["signatures"][0]["keyid"] = two.key_id
    if one is two:
        assert read(json.dumps(record).encode()).key.id == one.key_id
        return
    with pytest.raises(EvidenceInvalid):
        read(json.dumps(record).encode())


def signed_by(*by: LocalSigner) -> dict[str, Any]:
    """One envelope with several signatures."""
    payload = canonical_json(statement(approver="ann"))
    records = [json.loads(seal(signer, payload)) for signer in by]
    return {**records[0], "signatures": [record["signatures"][0] for record in records]}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_signatures_does_not_matter_but_for_whom_is_named(order: tuple[int, ...]) -> None:
    envelope = json.dumps(signed_by(*(SIGNERS[place] for place in order))).encode()
    assert read(envelope).key.id == SIGNERS[order[0]].key_id
    for trusting in range(3):
        alone = KeyRing([trusted(SIGNERS[trusting])])
        assert read(envelope, ring=alone).key.id == SIGNERS[trusting].key_id


@settings(deadline=None, max_examples=40)
@given(order=st.permutations(range(3)), bad=st.sets(st.integers(0, 2)))
def test_one_signature_that_counts_is_enough_and_none_is_not(order: list[int], bad: set[int]) -> None:
    """Of three signers some are revoked: the others carry the statement, wherever they stand."""
    ring = KeyRing(trusted(signer, revoked=Revoked(NOW, "x") if n in bad else None) for n, signer in enumerate(SIGNERS))
    envelope = json.dumps(signed_by(*(SIGNERS[place] for place in order))).encode()
    good = [place for place in order if place not in bad]
    if not good:
        with pytest.raises(EvidenceInvalid):
            read(envelope, ring=ring)
        return
    assert read(envelope, ring=ring).key.id == SIGNERS[good[0]].key_id


algorithms = st.sampled_from(["sha256", "sha512", "SHA256"])
digests = st.dictionaries(algorithms, st.text(max_size=70) | st.none(), max_size=2)
entries = st.lists(
    st.none() | st.text(max_size=4) | st.fixed_dictionaries({"digest": st.none() | digests}),
    max_size=3,
)


@settings(deadline=None, max_examples=150)
@given(subject=entries)
def test_a_statement_counts_for_its_own_subjects_alone(subject: list[Any]) -> None:
    envelope = seal(SIGNERS[0], canonical_json({**statement(approver="ann"), "subject": subject}))
    with pytest.raises(EvidenceInvalid):
        read(envelope)
    assert read(seal(SIGNERS[0], canonical_json(statement(subject=OTHER))), subject=OTHER).subject == OTHER
    with pytest.raises(EvidenceInvalid):
        read(seal(SIGNERS[0], canonical_json(statement(subject=OTHER))))


moments = st.timedeltas(min_value=-timedelta(days=400), max_value=timedelta(days=400))


@settings(deadline=None, max_examples=200)
@given(at=moments, since=st.none() | moments, until=st.none() | moments)
def test_a_statement_counts_exactly_when_its_key_was_trusted_and_it_is_not_from_the_future(
    at: timedelta, since: timedelta | None, until: timedelta | None
) -> None:
    key = trusted(SIGNERS[0], since=None if since is None else NOW + since, until=None if until is None else NOW + until)
    fits = at <= SKEW and (since is None or at >= since) and (until is None or at < until)
    envelope = seal(SIGNERS[0], canonical_json(statement(at=NOW + at)))
    try:
        assert read(envelope, ring=KeyRing([key])).at == NOW + at
    except EvidenceInvalid:
        assert not fits
    else:
        assert fits


@settings(deadline=None, max_examples=60)
@given(project=texts)
def test_a_statement_counts_in_its_own_project_alone(project: str) -> None:
    envelope = seal(SIGNERS[0], canonical_json(statement(project=project)))
    if project == "flights":
        assert read(envelope).key.id == SIGNERS[0].key_id
        return
    with pytest.raises(EvidenceInvalid):
        read(envelope)


@settings(deadline=None, max_examples=100)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_and_nothing_else(data: bytes) -> None:
    with pytest.raises(EvidenceInvalid):
        read(data)
