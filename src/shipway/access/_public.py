"""Public keys: the two algorithms, key ids, and a key with what it is trusted for. The only users of `cryptography` are this
module and the signer beside it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shipway.kernel.errors import ShipwayError

ED25519, ECDSA_P256 = "ed25519", "ecdsa-p256"
ALGORITHMS = (ED25519, ECDSA_P256)

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey


class KeyMissing(ShipwayError):
    """A key file is missing, cannot be made, or holds no key of the two algorithms."""

    code = "access.key-missing"


@dataclass(frozen=True, slots=True)
class Revoked:
    """When a key was revoked, and why. Nothing that it signed allows anything, at whatever time it says that it was signed."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Period:
    """A time of trust, from `since` (None: always) until before `until` (None: it has no end)."""

    since: datetime | None
    until: datetime | None

    def holds(self, at: datetime) -> bool:
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key and what it is trusted for. What it signed counts when signed from `since` until `until`, if it is not revoked.

    roles: admin, approver, checker, or a project's own word that a policy asks for; public: the PEM text; earlier: when it was
    trusted before it was retired and then trusted again, oldest first.
    """

    id: str
    name: str
    roles: frozenset[str]
    algorithm: str
    since: datetime | None = None
    until: datetime | None = None
    revoked: Revoked | None = None
    public: str = ""
    earlier: tuple[Period, ...] = ()

    @property
    def periods(self) -> tuple[Period, ...]:
        """When it was trusted, the present time last, whether or not it was revoked since."""
        return (*self.earlier, Period(self.since, self.until))


def key_id(key: PublicKey) -> str:
    """SHA-256 in hexadecimal: of the 32 raw bytes of an Ed25519 key, of the DER SubjectPublicKeyInfo of an ECDSA key."""
    if isinstance(key, Ed25519PublicKey):
        data = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    else:
        data = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(data).hexdigest()


def algorithm_of(key: PublicKey) -> str:
    return ED25519 if isinstance(key, Ed25519PublicKey) else ECDSA_P256


def public_pem(key: PublicKey) -> str:
    """The PEM text (SubjectPublicKeyInfo) that others trust."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def parse_public(pem: bytes, *, name: str, where: str) -> PublicKey:
    """The key of a PEM text. Raises KeyMissing for anything that is no public key of the two algorithms."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, Ed25519PublicKey) or (isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)):
        return key
    what = f"{name} is not an Ed25519 or ECDSA P-256 public key"
    if b"PRIVATE KEY" in pem:
        raise KeyMissing(
            what, where=where, mend="it is a private key: leave it where it is, and take what `shipway key show` prints"
        )
    raise KeyMissing(what, where=where, mend="remove it from the trusted keys")


def verify_bytes(key: PublicKey, data: bytes, signature: bytes) -> bool:
    """Whether the key made the signature: Ed25519 (RFC 8032), or ECDSA with SHA-256 in DER."""
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, data)
        else:
            key.verify(signature, data, ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
