"""Who signs: the key in a file here, or a program that asks a key service."""

from __future__ import annotations

import base64
import hashlib
import shlex
import subprocess
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shipway.access._program import TooMuchSaid, ask_program
from shipway.access._public import (
    ECDSA_P256,
    KeyMissing,
    PublicKey,
    algorithm_of,
    key_id,
    parse_public,
    public_pem,
    verify_bytes,
)
from shipway.access._trust import write_private
from shipway.kernel.errors import ShipwayError

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey
COMMAND = "exec:"
_PATIENCE = 30.0  # seconds that a signing program may take: a key service over a slow line answers in a few
_MOST = 64 * 1024  # bytes that it may print: a public key or a signature is a few hundred


class SignerFailed(ShipwayError):
    """The program that signs did not answer, or answered what its own public key does not verify."""

    code = "access.signer-failed"
    retry = True


class KeyUnusable(ShipwayError):
    """This machine's key is revoked or retired here: what it signs would not count."""

    code = "access.key-unusable"


class Signer(Protocol):
    """Signs bytes. `key_id` and `algorithm` say with what; public: its PEM text. A key service is a Signer of its own."""

    @property
    def key_id(self) -> str: ...

    @property
    def algorithm(self) -> str: ...

    @property
    def public(self) -> str: ...

    def sign(self, data: bytes) -> bytes: ...


class LocalSigner:
    """Signs with a private key in memory."""

    def __init__(self, key: PrivateKey) -> None:
        public = key.public_key()
        self._key, self.public = key, public_pem(public)
        self.key_id, self.algorithm = key_id(public), algorithm_of(public)

    def sign(self, data: bytes) -> bytes:
        """64 bytes of Ed25519 (RFC 8032), or ECDSA with SHA-256 in DER."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(data)
        return self._key.sign(data, ECDSA(hashes.SHA256()))


class CommandSigner:
    """Signs by a program: `PROGRAM public` prints the public PEM, `PROGRAM sign` reads bytes and prints their signature.

    The signature is raw or in base64; each is verified before it is used. The public key is asked for once and kept in the keys
    folder: reading and going back must not hang on a key service. Raises SignerFailed, KeyMissing.
    """

    def __init__(self, command: str, *, folder: Path) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as problem:
            raise SignerFailed(f"cannot read {command!r}: {problem}", where="SHIPWAY_SIGNER") from problem
        if not self._words or not self._words[0].strip():  # else the task's own name would be the program
            raise SignerFailed(f"{COMMAND}{command} names no program", where="SHIPWAY_SIGNER", mend=f"write {COMMAND}PROGRAM")
        self._kept = folder / f"signer-{hashlib.sha256(command.encode()).hexdigest()[:16]}.pub"
        self._public = self._known()
        self.public, self.key_id, self.algorithm = public_pem(self._public), key_id(self._public), algorithm_of(self._public)

    def _known(self) -> PublicKey:
        if self._kept.exists():
            return parse_public(self._kept.read_bytes(), name=self._kept.name, where=str(self._kept))
        public = parse_public(self._run("public", b""), name=f"the answer of {self._words[0]}", where="SHIPWAY_SIGNER")
        write_private(self._kept, public_pem(public).encode())
        return public

    def sign(self, data: bytes) -> bytes:
        answer = self._run("sign", data)
        for signature in (answer, _base64(answer)):
            if verify_bytes(self._public, data, signature):
                return signature
        what = f"{self._words[0]} gave a signature that its own public key does not verify"
        mend = f"if it has another key by now, retire the old one and remove {self._kept}"
        raise SignerFailed(what, where="SHIPWAY_SIGNER", mend=mend)

    def _run(self, task: str, data: bytes) -> bytes:
        name = self._words[0]
        try:
            done = ask_program([*self._words, task], data, patience=_PATIENCE, most=_MOST)
        except TooMuchSaid as problem:
            what = f"{name} {task} printed more than {_MOST // 1024} KiB, and was ended"
            raise SignerFailed(what, where="SHIPWAY_SIGNER") from problem
        except (OSError, ValueError, subprocess.TimeoutExpired) as problem:  # ValueError: a zero byte among the words
            raise SignerFailed(f"cannot run the program that signs: {problem}", where="SHIPWAY_SIGNER") from problem
        if done.code:
            said = done.errors.decode(errors="replace").strip().splitlines() or ["nothing"]
            raise SignerFailed(f"{name} {task} ended with {done.code}: {said[-1][:200]}", where="SHIPWAY_SIGNER")
        return done.answer


class BarredSigner:
    """Has a key that must not sign. Reading goes on, and so does going back; signing raises what is wrong with it."""

    def __init__(self, signer: Signer, problem: ShipwayError) -> None:
        self.public, self.key_id, self.algorithm, self._problem = signer.public, signer.key_id, signer.algorithm, problem

    def sign(self, data: bytes) -> bytes:  # noqa: ARG002 - the protocol's signature
        raise self._problem


def make_private(algorithm: str) -> PrivateKey:
    """A new key of one of the two algorithms."""
    return generate_private_key(SECP256R1()) if algorithm == ECDSA_P256 else Ed25519PrivateKey.generate()


def private_pem(key: PrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def parse_private(pem: bytes, *, name: str, where: str) -> PrivateKey:
    """The key of an unencrypted PEM text. Raises KeyMissing."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # no PEM, a key behind a password, a kind of key unknown here
        key = None
    if isinstance(key, Ed25519PrivateKey) or (isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)):
        return key
    what = f"{name} is not an Ed25519 or ECDSA P-256 key"
    raise KeyMissing(what, where=where, mend="move it away; a new one is made")


def _base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except ValueError:
        return b""
