"""Evidence: what was signed comes back, and nothing else counts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from gate_help import Bench, auc
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.access import open_keys
from shipway.gate import EvidenceInvalid, seal, unseal
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest, digest_bytes
from shipway.store import EvidenceRow


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("sealed"))


texts = st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.text(max_size=8), max_size=4)


@settings(deadline=None)
@given(payload=texts)
def test_a_sealed_payload_comes_back_with_its_signer(sealed: Bench, payload: JsonObject) -> None:
    envelope = seal(sealed.signer, canonical_json(payload))
    assert unseal(sealed.keys, envelope) == (payload, sealed.signer.key_id)
    assert envelope == canonical_json(json.loads(envelope))


def test_the_signature_is_over_the_pre_authentication_encoding(sealed: Bench) -> None:
    """DSSE v1.0.2: "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body."""
    record = json.loads(seal(sealed.signer, b"{}"))
    (signature,) = record["signatures"]
    assert record["payloadType"] == "application/vnd.in-toto+json"
    pre = b"DSSEv1 28 application/vnd.in-toto+json 2 {}"
    assert sealed.keys.verify(signature["keyid"], pre, base64.b64decode(signature["sig"]))


def altered(change: Callable[[dict[str, object]], object]) -> Callable[[bytes], bytes]:
    def alter(envelope: bytes) -> bytes:
        record = json.loads(envelope)
        change(record)
        return json.dumps(record).encode()

    return alter


def first(record: dict[str, object]) -> dict[str, object]:
    signatures = record["signatures"]
    assert isinstance(signatures, list)
    entry = signatures[0]
    assert isinstance(entry, dict)
    return entry


def without_payload(record: dict[str, object]) -> None:
    del record["payload"]


OTHER = base64.b64encode(b'{"approver":"eve"}').decode()
TAMPERED: dict[str, Callable[[bytes], bytes]] = {
    "payload": altered(lambda r: r.update(payload=OTHER)),
    "payload type": altered(lambda r: r.update(payloadType="text/plain")),
    "signature": altered(lambda r: first(r).update(sig=base64.b64encode(bytes(64)).decode())),
    "no base64": altered(lambda r: first(r).update(sig="!")),
    "signature of the wrong length": altered(lambda r: first(r).update(sig="AAAA")),
    "unknown key": altered(lambda r: first(r).update(keyid="0" * 64)),
    "key id of a wrong type": altered(lambda r: first(r).update(keyid=["a"])),
    "no signature": altered(lambda r: r.update(signatures=[])),
    "signatures of a wrong type": altered(lambda r: r.update(signatures=7)),
    "missing field": altered(without_payload),
    "no object": lambda _: b"[1]",
    "no JSON": lambda _: b"\xff\xfe",
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_envelope_is_invalid_and_its_evidence_does_not_count(bench: Bench, what: str) -> None:
    subject = bench.release("one")
    envelope = bench.approve(subject)
    assert len(bench.evidence(subject)) == 1
    changed = TAMPERED[what](bench.store.objects.get(envelope))
    with pytest.raises(EvidenceInvalid):
        unseal(bench.keys, changed)
    put = bench.store.objects.put(changed)
    bench.store.add_evidence(EvidenceRow(put, subject, media.APPROVAL_PREDICATE, "approval", bench.store.clock.now()))
    assert [statement.envelope for statement in bench.evidence(subject)] == [envelope]


def test_a_second_signature_by_somebody_trusted_is_enough(bench: Bench, tmp_path: Path) -> None:
    stranger, _ = open_keys(tmp_path / "stranger")
    record = json.loads(seal(bench.signer, b"{}"))
    record["signatures"] = json.loads(seal(stranger, b"{}"))["signatures"] + record["signatures"]
    assert unseal(bench.keys, json.dumps(record).encode())[1] == bench.signer.key_id


def test_evidence_about_another_digest_does_not_count(bench: Bench) -> None:
    one, two = bench.release("one"), bench.release("two")
    envelope = bench.approve(one)
    row = EvidenceRow(envelope, two, media.APPROVAL_PREDICATE, "approval", bench.store.clock.now())
    bench.store.add_evidence(row)
    assert bench.evidence(two) == []
    assert len(bench.evidence(one)) == 1


def test_evidence_by_an_untrusted_key_does_not_count(bench: Bench, tmp_path: Path) -> None:
    stranger, theirs = open_keys(tmp_path / "stranger")
    subject = bench.release("one")
    envelope = bench.attest_check(subject, auc(), signer=stranger)
    assert bench.evidence(subject) == []
    assert unseal(theirs, bench.store.objects.get(envelope))[1] == stranger.key_id


STATEMENTS: dict[str, JsonObject] = {
    "not a statement": {"hello": 1},
    "an older statement": {"_type": "https://in-toto.io/Statement/v0.1", "predicate": {}},
    "no predicate": {"_type": media.STATEMENT, "predicate": None},
    "subject of a wrong type": {"_type": media.STATEMENT, "predicate": {}, "subject": 7},
    "another hash": {"_type": media.STATEMENT, "predicate": {}, "subject": [{"digest": {"sha512": "00"}}, {}, 7]},
}


@pytest.mark.parametrize("what", STATEMENTS)
def test_a_signed_payload_that_is_no_statement_about_it_does_not_count(bench: Bench, what: str) -> None:
    subject = bench.release("one")
    envelope = bench.store.objects.put(seal(bench.signer, canonical_json(STATEMENTS[what])))
    bench.store.add_evidence(EvidenceRow(envelope, subject, media.CHECK_PREDICATE, "x", bench.store.clock.now()))
    assert bench.evidence(subject) == []


def test_a_statement_keeps_subject_predicate_signer_and_time(bench: Bench) -> None:
    subject = bench.release("one")
    envelope = bench.attest_check(subject, auc(), level=0.95)
    (found,) = bench.evidence(subject)
    assert (found.envelope, found.subject, found.predicate_type) == (envelope, subject, media.CHECK_PREDICATE)
    (row,) = bench.store.evidence(subject)
    assert found.predicate == {"project": "flights", "at": instant(row.at), "check": auc().to_json(), "level": 0.95}
    assert (found.signer, found.at, found.key) == (bench.signer.key_id, row.at, bench.keys.find(bench.signer.key_id))


def test_evidence_is_listed_oldest_first(bench: Bench) -> None:
    subject = bench.release("one")
    made = [bench.attest_check(subject, auc(value)) for value in (0.5, 0.6, 0.7)]
    assert [statement.envelope for statement in bench.evidence(subject)] == made


def test_evidence_whose_bytes_changed_on_disk_proves_nothing_and_bars_nothing(bench: Bench) -> None:
    subject = bench.release("one")
    path = bench.store.objects.path(bench.approve(subject))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    later = bench.approve(subject)
    assert [found.envelope for found in bench.evidence(subject)] == [later]


def test_a_digest_without_evidence_has_none(bench: Bench) -> None:
    assert bench.evidence(Digest(digest_bytes(b"nothing"))) == []
