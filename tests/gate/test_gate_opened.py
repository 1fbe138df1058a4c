"""What is remembered of opened envelopes: bytes and signatures, never trust, never more than fits."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gate_help import REF, Bench, auc, rule
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.access import Actor, KeyRing, LocalSigner, Revoked, TrustedKey, find_key, retire_key, revoke_key
from shipway.gate import EvidenceFault, EvidenceInvalid, Statement, explain_evidence, judge_move, load_evidence, seal
from shipway.gate._evidence import read_statement
from shipway.gate._opened import ENVELOPES, Envelopes
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest, digest_bytes
from shipway.store import EvidenceRow

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
ANN, BOB = LocalSigner(Ed25519PrivateKey.generate()), LocalSigner(Ed25519PrivateKey.generate())
SUBJECT = digest_bytes(b"release")
ANYBODY = Actor("ann", frozenset({"admin"}))


def trusted(signer: LocalSigner, name: str = "ann") -> TrustedKey:
    return TrustedKey(signer.key_id, name, frozenset({"admin"}), signer.algorithm, public=signer.public)


class Later:
    """A clock after all that was signed here."""

    def now(self) -> datetime:
        return NOW


class CountingRing(KeyRing):
    """A ring that says how many signatures it was asked to verify."""

    asked = 0

    def verify(self, key: str, data: bytes, signature: bytes, *, revoked: bool = False) -> bool:
        self.asked += 1
        return super().verify(key, data, signature, revoked=revoked)


def sealed(signer: LocalSigner = ANN, *, note: str = "") -> bytes:
    statement: JsonObject = {
        "_type": media.STATEMENT,
        "subject": [{"name": "it", "digest": {"sha256": SUBJECT.removeprefix("sha256:")}}],
        "predicateType": media.APPROVAL_PREDICATE,
        "predicate": {"approver": "ann", "project": "flights", "at": instant(NOW), "note": note},
    }
    return seal(signer, canonical_json(statement))


def read(
    envelopes: Envelopes,
    envelope: bytes,
    ring: KeyRing,
    *,
    subject: Digest = SUBJECT,
    project: str = "flights",
    now: datetime = NOW,
) -> Statement | EvidenceFault:
    row = EvidenceRow(digest_bytes(envelope), subject, media.APPROVAL_PREDICATE, "approval", NOW)
    try:
        return read_statement(envelope, ring, row=row, project=project, now=now, envelopes=envelopes)
    except EvidenceInvalid as problem:
        return problem.fault


def test_a_signature_is_verified_once_and_every_judgement_made_anew() -> None:
    envelopes, ring, envelope = Envelopes(), CountingRing([trusted(ANN)]), sealed()
    first = read(envelopes, envelope, ring)
    assert isinstance(first, Statement)
    assert read(envelopes, envelope, ring) == first
    assert ring.asked == 1
    assert read(envelopes, envelope, ring, subject=digest_bytes(b"another")) is EvidenceFault.OTHER_SUBJECT
    assert read(envelopes, envelope, ring, project="trains") is EvidenceFault.OTHER_PROJECT
    assert read(envelopes, envelope, ring, now=NOW - timedelta(hours=1)) is EvidenceFault.FUTURE
    key = trusted(ANN)
    second = timedelta(seconds=1)
    for changed, fault in (
        (replace(key, revoked=Revoked(NOW, "stolen")), EvidenceFault.KEY_REVOKED),
        (replace(key, until=NOW), EvidenceFault.KEY_EXPIRED),
        (replace(key, since=NOW + second), EvidenceFault.KEY_EARLY),
        (replace(key, roles=frozenset({"checker"})), EvidenceFault.KEY_ROLE),
        (trusted(BOB), EvidenceFault.KEY_UNKNOWN),
    ):
        ring.replace_keys([changed])
        assert read(envelopes, envelope, ring) is fault
    ring.replace_keys([replace(key, name="ann, who married")])
    again = read(envelopes, envelope, ring)
    assert isinstance(again, Statement)
    assert again.key.name == "ann, who married"
    assert ring.asked == 1


@pytest.mark.parametrize("end", ["revoked", "retired"])
def test_a_key_that_ends_between_two_looks_counts_no_more_however_often_its_statements_were_read(
    tmp_path: Path, end: str
) -> None:
    bench = Bench(tmp_path)
    bench.publish(rule("auc: at least 0.7 at 95%"))
    release = bench.release("one")
    target, model = bench.deployment(release), bench.part(release, "model")
    bench.attest_check(model, auc(0.8, 0.75, 0.85), level=0.95)
    for _ in range(2):
        assert judge_move(bench.store, bench.keys, ANYBODY, ref=REF, target=target).judgement.allowed
    folder = tmp_path / "keys"
    own, now = find_key(bench.keys.keys, bench.signer.key_id), bench.store.clock.now()
    if end == "revoked":
        revoke_key(folder, own, at=now, reason="stolen")
    else:
        retire_key(folder, own, at=now - timedelta(days=1))
    (reading,) = explain_evidence(bench.store, bench.keys, model)
    assert reading.fault is (EvidenceFault.KEY_REVOKED if end == "revoked" else EvidenceFault.KEY_EXPIRED)
    assert not judge_move(bench.store, bench.keys, ANYBODY, ref=REF, target=target).judgement.allowed


def test_a_changed_byte_on_disk_is_seen_though_the_envelope_is_remembered(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    subject = bench.release("one")
    envelope = bench.attest_check(subject, auc())
    assert len(bench.evidence(subject)) == len(bench.evidence(subject)) == 1
    path = bench.store.objects.path(envelope)
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    (reading,) = explain_evidence(bench.store, bench.keys, subject)
    assert reading.fault is EvidenceFault.DAMAGED
    path.write_bytes(whole)
    assert len(bench.evidence(subject)) == 1


ENVELOPE = sealed(note="the original")


@settings(deadline=None, max_examples=150)
@given(place=st.integers(0, len(ENVELOPE) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_answered_as_by_a_process_that_has_just_begun(place: int, bit: int) -> None:
    warm, ring = Envelopes(), KeyRing([trusted(ANN)])
    assert isinstance(read(warm, ENVELOPE, ring), Statement)
    flipped = bytearray(ENVELOPE)
    flipped[place] ^= 1 << bit
    answer = read(warm, bytes(flipped), ring)
    assert answer == read(Envelopes(), bytes(flipped), ring)
    if isinstance(answer, Statement):  # another spelling of the same envelope, such as the other alphabet of base64
        assert answer.predicate["note"] == "the original"
        assert answer.envelope != digest_bytes(ENVELOPE)


def test_a_signature_that_was_found_right_lends_nothing_to_another_one_of_the_envelope() -> None:
    record = json.loads(sealed(ANN))
    forged = {"keyid": BOB.key_id, "sig": base64.b64encode(bytes(64)).decode()}
    record["signatures"] = [forged, {**forged, "keyid": ANN.key_id}, *record["signatures"]]
    envelope, envelopes = json.dumps(record).encode(), Envelopes()
    for _ in range(2):
        found = read(envelopes, envelope, KeyRing([trusted(ANN), trusted(BOB, "bob")]))
        assert isinstance(found, Statement)
        assert found.signer == ANN.key_id
        assert read(envelopes, envelope, KeyRing([trusted(BOB, "bob")])) is EvidenceFault.SIGNATURE_WRONG


def test_what_no_trusted_key_has_signed_is_not_remembered() -> None:
    envelopes, ring = Envelopes(), CountingRing([trusted(BOB, "bob")])
    stranger, payload = sealed(ANN), json.loads(sealed(BOB, note="changed"))["payload"]
    changed = json.dumps({**json.loads(sealed(BOB)), "payload": payload}).encode()
    for _ in range(2):
        assert read(envelopes, stranger, ring) is EvidenceFault.KEY_UNKNOWN
        assert read(envelopes, changed, ring) is EvidenceFault.SIGNATURE_WRONG
    assert ring.asked == 2  # the changed one, both times
    assert [envelopes.open(envelope).payload for envelope in (stranger, changed)] == [None, None]


def test_the_memory_is_bounded_by_bytes_and_loses_what_was_not_read_longest() -> None:
    one, two, three = (sealed(note=note) for note in ("1", "2", "3"))
    envelopes, ring = Envelopes(most=2 * len(one)), KeyRing([trusted(ANN)])
    for envelope in (one, two, one, three):  # two is the oldest when three comes
        read(envelopes, envelope, ring)
    assert [bool(envelopes.open(envelope).proven) for envelope in (one, two, three)] == [True, False, True]
    large = sealed(note="x" * 2 * len(one))
    read(envelopes, large, ring)
    assert not any(envelopes.open(envelope).proven for envelope in (one, two, three, large))


def test_only_statements_of_the_type_that_is_asked_for_are_opened(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    subject = bench.release("one")
    bench.attest_check(subject, auc())
    approval, kind = bench.approve(subject), media.APPROVAL_PREDICATE
    ENVELOPES.forget()
    found = load_evidence(bench.store, bench.keys, subject, predicate=kind)
    assert [one.envelope for one in found] == [approval]
    rows = bench.store.evidence(subject)
    remembered = [ENVELOPES.open(bench.store.objects.get(row.envelope)).proven for row in rows]
    assert [bool(proven) for proven in remembered] == [row.predicate == kind for row in rows]


def test_a_statement_whose_type_the_index_does_not_know_is_opened_for_any_type(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    store, kind = bench.store, media.APPROVAL_PREDICATE
    row = EvidenceRow(store.objects.put(sealed()), SUBJECT, "", "approval", NOW)
    store.add_evidence(row)
    assert [store.evidence(SUBJECT, predicate=wanted) for wanted in (kind, media.CHECK_PREDICATE)] == [[row], [row]]
    ring = KeyRing([trusted(ANN)])
    store.clock = Later()
    assert [one.envelope for one in load_evidence(store, ring, SUBJECT, predicate=kind)] == [row.envelope]
    assert load_evidence(store, ring, SUBJECT, predicate=media.CHECK_PREDICATE) == []
