"""Envelopes are DSSE's and in-toto's: other people's verifiers accept ours, we accept theirs, and openssl is enough by hand."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.json_format import ParseDict
from in_toto_attestation.v1.statement import Statement as InToto
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer._crypto_signer import CryptoSigner
from securesystemslib.signer._key import SSlibKey
from sigstore import dsse as sigstore_dsse

from shipway.access import KeyRing, LocalSigner, TrustedKey
from shipway.gate import seal, unseal
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.clock import instant

PRIVATE: dict[str, Ed25519PrivateKey | EllipticCurvePrivateKey] = {
    "ed25519": Ed25519PrivateKey.generate(),
    "ecdsa-p256": generate_private_key(SECP256R1()),
}
STATEMENT: JsonObject = {
    "_type": media.STATEMENT,
    "subject": [{"name": "release", "digest": {"sha256": "ab" * 32}}],
    "predicateType": media.APPROVAL_PREDICATE,
    "predicate": {"project": "flights", "approver": "ann", "at": instant(datetime(2026, 11, 28, tzinfo=UTC))},
}
algorithms = pytest.mark.parametrize("algorithm", PRIVATE)


def sealed(algorithm: str) -> tuple[LocalSigner, bytes]:
    signer = LocalSigner(PRIVATE[algorithm])
    return signer, seal(signer, canonical_json(STATEMENT))


@algorithms
def test_securesystemslib_verifies_ours_and_refuses_a_changed_one(algorithm: str) -> None:
    signer, envelope = sealed(algorithm)
    key = SSlibKey.from_crypto(PRIVATE[algorithm].public_key(), keyid=signer.key_id)
    read = Envelope.from_dict(json.loads(envelope))
    assert list(read.verify([key], threshold=1)) == [signer.key_id]
    read.payload = read.payload.replace(b"ann", b"eve")
    with pytest.raises(VerificationError):
        read.verify([key], threshold=1)


@algorithms
def test_we_verify_what_securesystemslib_signed(algorithm: str) -> None:
    private, ours = PRIVATE[algorithm], LocalSigner(PRIVATE[algorithm])
    theirs = CryptoSigner(private, SSlibKey.from_crypto(private.public_key(), keyid=ours.key_id))
    envelope = Envelope(canonical_json(STATEMENT), media.INTOTO, {})
    envelope.sign(theirs)
    ring = KeyRing([TrustedKey(ours.key_id, "ann", frozenset({"admin"}), algorithm, public=ours.public)])
    payload, signer = unseal(ring, json.dumps(envelope.to_dict()).encode())
    assert (payload, signer) == (STATEMENT, ours.key_id)


def test_sigstores_verifier_accepts_an_ecdsa_envelope() -> None:
    _, envelope = sealed("ecdsa-p256")
    read = sigstore_dsse.Envelope._from_json(envelope.decode())
    public = PRIVATE["ecdsa-p256"].public_key()
    assert isinstance(public, EllipticCurvePublicKey)
    assert json.loads(sigstore_dsse._verify(public, read)) == STATEMENT


@algorithms
def test_in_totos_own_type_accepts_the_statement(algorithm: str) -> None:
    _, envelope = sealed(algorithm)
    payload = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    InToto.copy_from_pb(ParseDict(payload, StatementMessage())).validate()


BY_HAND = """\
jq -r .payload envelope.json | base64 -d > payload
jq -r '.signatures[0].sig' envelope.json | base64 -d > signature
printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(wc -c < payload)" | cat - payload > signed
"""
VERIFY = {
    "ed25519": "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in signed -sigfile signature",
    "ecdsa-p256": "openssl dgst -sha256 -verify key.pem -signature signature signed",
}


@pytest.mark.skipif(not (shutil.which("jq") and shutil.which("openssl")), reason="no jq or openssl here")
@algorithms
def test_an_envelope_is_verified_by_hand_as_the_page_says(algorithm: str, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    for line in [*BY_HAND.splitlines(), VERIFY[algorithm]]:
        assert line in page
    _, envelope = sealed(algorithm)
    (tmp_path / "envelope.json").write_bytes(envelope)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "key.pem").write_bytes(PRIVATE[algorithm].public_key().public_bytes(serialization.Encoding.PEM, form))

    def verified() -> bool:
        done = subprocess.run(
            ["bash", "-ec", BY_HAND + VERIFY[algorithm]], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.returncode == 0

    assert verified()
    other = json.loads(envelope)
    other["payload"] = base64.b64encode(base64.b64decode(other["payload"]).replace(b"ann", b"eve")).decode()
    (tmp_path / "envelope.json").write_text(json.dumps(other))
    assert not verified()
