"""Ed25519 keys: private ones outside every store, public ones to verify with.

A key id is the SHA-256 of the raw public key in hexadecimal.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shipway.kernel.errors import ShipwayError


class KeyMissing(ShipwayError):
    """A key file is missing, cannot be made, or is no Ed25519 key."""

    code = "access.key-missing"


class Signer:
    """Signs with one private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.key_id = key_id(key.public_key())

    def sign(self, data: bytes) -> bytes:
        """64 bytes of Ed25519 (RFC 8032)."""
        return self._key.sign(data)


class KeyRing:
    """The public keys that are trusted here, by key id; `own` is the id of this machine's key."""

    def __init__(self, keys: list[Ed25519PublicKey], *, own: str = "") -> None:
        self._keys, self.own = {key_id(key): key for key in keys}, own

    def verify(self, key: str, data: bytes, signature: bytes) -> bool:
        """Whether a trusted key of that id made the signature."""
        known = self._keys.get(key)
        if known is None:
            return False
        try:
            known.verify(signature, data)
        except InvalidSignature:
            return False
        return True


def key_id(key: Ed25519PublicKey) -> str:
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()


def open_keys(folder: Path) -> tuple[Signer, KeyRing]:
    """The signer of this machine and the keys it trusts: `<folder>/signing.pem` (made when missing, mode 0600) and
    every `<folder>/trusted/*.pem`. Raises KeyMissing for a file that is no Ed25519 key.
    """
    private = folder / "signing.pem"
    if not private.exists():
        _make(private)
    key = _private(private)
    trusted = [_public(path) for path in sorted((folder / "trusted").glob("*.pem"))]
    signer = Signer(key)
    return signer, KeyRing([key.public_key(), *trusted], own=signer.key_id)


def _make(path: Path) -> None:
    """Write the key under another name first: two processes that start at once agree on the one that was linked first."""
    form = serialization.PrivateFormat.PKCS8
    data = Ed25519PrivateKey.generate().private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(prefix=f"{path.name}.", dir=path.parent) as out:  # made with mode 0600
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
            os.link(out.name, path)
    except FileExistsError:
        return
    except OSError as problem:
        mend = "name a folder that can be written with SHIPWAY_KEYS"
        raise KeyMissing(f"cannot make the key {path.name}: {problem.strerror}", where=str(path), mend=mend) from problem


def _private(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # no PEM, a key behind a password, a kind of key unknown here
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyMissing(f"{path.name} is not an Ed25519 key", where=str(path), mend="move it away; a new one is made")
    return key


def _public(path: Path) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyMissing(f"{path.name} is not an Ed25519 public key", where=str(path), mend="remove it from the trusted keys")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise KeyMissing(f"cannot read the key {path.name}: {problem.strerror}", where=str(path)) from problem
