"""The keys folder: the private key of this machine, and the public keys that it trusts. Always outside the store."""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from shipway.access._public import ED25519, KeyMissing, TrustedKey, algorithm_of, key_id, parse_public, public_pem
from shipway.access._ring import Held, KeyRing
from shipway.access._signer import (
    COMMAND,
    BarredSigner,
    CommandSigner,
    KeyUnusable,
    LocalSigner,
    PrivateKey,
    Signer,
    make_private,
    parse_private,
    private_pem,
)
from shipway.access._trust import FILE, load_trust, parse_trust
from shipway.kernel.clock import Clock, SystemClock, instant
from shipway.kernel.errors import ShipwayError

PRIVATE = "signing.pem"
OWN_NAME = "this machine"
_LARGEST = 64 * 1024  # bytes of a key file: the largest honest ones are a few kilobytes


class KeyExposed(ShipwayError):
    """A private key can be read by others than its owner."""

    code = "access.key-exposed"


@dataclass(frozen=True, slots=True)
class GivenKeys:
    """Keys as text, where no folder can be mounted: variables of a container that a store of secrets fills.

    trust: what a trust file says, in place of the folder's and of the keys below `trusted`; signing: a private key as PEM, in
    place of the folder's. Neither is ever written anywhere.
    """

    trust: str = ""
    signing: str = field(default="", repr=False)


def open_keys(
    folder: Path, *, signer: str = "", given: GivenKeys | None = None, clock: Clock | None = None
) -> tuple[Signer, KeyRing]:
    """The signer of this machine and the keys it trusts.

    signer: "" for `<folder>/signing.pem` (made when missing, mode 0600), or `exec:PROGRAM`. Trusted are the keys of
    `<folder>/trust.json`, every `<folder>/trusted/*.pem` as approver and checker, and this machine's own as admin, unless
    trust.json says otherwise of it. given: goes before what the folder has. By the clock, a key that may not sign any more
    reads on and refuses to sign. A private key that others can read is one of those. Raises KeyMissing, TrustMalformed,
    SignerFailed.
    """
    given = given or GivenKeys()
    own = _given_signer(given, signer) if given.signing else _open_signer(folder, signer)
    ring = _given_ring(given, own) if given.trust else FolderRing(folder, _own_key(own))
    known = ring.find(own.key_id)
    problem: ShipwayError | None = _unusable(known, (clock or SystemClock()).now()) if known else None
    problem = problem or (_exposed(folder / PRIVATE) if not signer and not given.signing else None)
    return (BarredSigner(own, problem) if problem else own), ring


class FolderRing(KeyRing):
    """The keys of a folder, read again when its trust file changed: a process that runs for weeks must not go on trusting
    what was revoked yesterday.
    """

    def __init__(self, folder: Path, own: TrustedKey) -> None:
        self._folder, self._own, self._stamp = folder, own, _stamp(folder)
        super().__init__(self._load(), own=own.id)

    def _held(self) -> Held:
        stamp = _stamp(self._folder)
        if stamp != self._stamp:
            self.replace_keys(self._load())  # first, so that a file that is malformed trusts nobody until it is mended
            self._stamp = stamp
        return super()._held()

    def _load(self) -> list[TrustedKey]:
        return list({key.id: key for key in (self._own, *trusted_keys(self._folder))}.values())


def _stamp(folder: Path) -> tuple[tuple[int, int, int] | None, ...]:
    """What changes when a trust file, a folder of trusted keys or a key in it does: one is also written over in place."""
    found: list[tuple[int, int, int] | None] = []
    for path in (folder / FILE, folder / "trusted", *sorted((folder / "trusted").glob("*.pem"))):
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_ino, status.st_size))
        except OSError:
            found.append(None)
    return tuple(found)


def open_signer(path: Path) -> Signer:
    """A signer with the private key of a PEM file. Raises KeyMissing, KeyExposed."""
    return LocalSigner(load_private(path))


def trusted_keys(folder: Path) -> list[TrustedKey]:
    """The keys that the folder trusts beside this machine's own. Raises KeyMissing, TrustMalformed."""
    named = _named(folder / "trusted")
    return list({key.id: key for key in (*named, *load_trust(folder))}.values())


def open_ring(folder: Path, *, loose: bool = False, given: GivenKeys | None = None) -> KeyRing:
    """The keys that a folder trusts, as open_keys. loose: and every other `<folder>/*.pem` as those below `trusted`.

    Makes nothing, and needs no private key: for whoever only verifies. Raises KeyMissing, TrustMalformed.
    """
    if given and given.trust:
        return _given_ring(given, _given_signer(given, "") if given.signing else None)
    private = folder / PRIVATE
    found = [*(_named(folder, but=PRIVATE) if loose else ()), *_named(folder / "trusted")]
    own = LocalSigner(parse_private(_read(private), name=PRIVATE, where=str(private))) if private.exists() else None
    trusted = {key.id: key for key in [*found, *([_own_key(own)] if own else []), *load_trust(folder)]}
    return KeyRing(trusted.values(), own=own.key_id if own else "")


def _open_signer(folder: Path, signer: str) -> Signer:
    if signer.startswith(COMMAND):
        return CommandSigner(signer.removeprefix(COMMAND), folder=folder)
    if signer:
        raise KeyMissing(f"{signer!r} is no signer", where="SHIPWAY_SIGNER", mend=f"write {COMMAND}PROGRAM, or leave it out")
    private = folder / PRIVATE
    if not private.exists():
        _make(private, make_private(ED25519))
    return LocalSigner(parse_private(_read(private), name=PRIVATE, where=str(private)))


def _given_signer(given: GivenKeys, signer: str) -> Signer:
    if signer:
        mend = "unset one of SHIPWAY_SIGNER and SHIPWAY_SIGNING_KEY"
        raise KeyMissing("there are two signers", where="SHIPWAY_SIGNING_KEY", mend=mend)
    return LocalSigner(parse_private(given.signing.encode(), name="the signing key", where="SHIPWAY_SIGNING_KEY"))


def _given_ring(given: GivenKeys, own: Signer | None) -> KeyRing:
    trusted = [*([_own_key(own)] if own else []), *parse_trust(given.trust.encode(), where="SHIPWAY_TRUST")]
    return KeyRing({key.id: key for key in trusted}.values(), own=own.key_id if own else "")


def _own_key(own: Signer) -> TrustedKey:
    return TrustedKey(own.key_id, OWN_NAME, frozenset({"admin"}), own.algorithm, public=own.public)


def _named(folder: Path, *, but: str = "") -> list[TrustedKey]:
    """The public keys that were put into a folder by hand; a file's stem is the name."""
    paths = [path for path in sorted(folder.glob("*.pem")) if path.name != but]
    return [load_public(path, roles=frozenset({"approver", "checker"})) for path in paths]


def load_public(path: Path, *, roles: frozenset[str], name: str = "") -> TrustedKey:
    """The public key of a PEM file, trusted for these roles. Raises KeyMissing."""
    public = parse_public(_read(path), name=path.name, where=str(path))
    return TrustedKey(key_id(public), name or path.stem, roles, algorithm_of(public), public=public_pem(public))


def load_private(path: Path) -> PrivateKey:
    """A private key that its owner alone can read: the rule of ssh. Raises KeyMissing, KeyExposed."""
    key, problem = parse_private(_read(path), name=path.name, where=str(path)), _exposed(path)
    if problem:
        raise problem
    return key


def _exposed(path: Path) -> KeyExposed | None:
    """What is wrong with a private key of one's own that others can read, or with another's that anybody can write.

    A key that another user owns is a mounted secret: who may read it is not ours to say, as with ssh.
    """
    status = path.stat()
    bad = stat.S_IRWXG | stat.S_IRWXO if status.st_uid == os.getuid() else stat.S_IWOTH
    if not status.st_mode & bad:
        return None
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    mend = f"chmod 600 {path}; if others may have used it: shipway key rotate"
    return KeyExposed(f"others can use the private key {path.name}: its mode is {mode}", where=str(path), mend=mend)


def _unusable(own: TrustedKey, now: datetime) -> KeyUnusable | None:
    """Why this machine's own key must not sign: what it signed now would not count."""
    if own.revoked:
        why = f"is revoked ({own.revoked.reason or 'no reason given'})"
    elif own.until and own.until <= now:
        why = f"was retired at {instant(own.until)}"
    else:
        return None
    return KeyUnusable(f"this machine's key {own.id[:12]} {why}", mend="make a new one with: shipway key rotate")


def _make(path: Path, key: PrivateKey) -> None:
    """Write the key under another name first: two processes that start at once agree on the one that was linked first."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(prefix=f"{path.name}.", dir=path.parent) as out:  # made with mode 0600
            out.write(private_pem(key))
            out.flush()
            os.fsync(out.fileno())
            os.link(out.name, path)
    except FileExistsError:
        return
    except OSError as problem:
        mend = "name a folder that can be written with SHIPWAY_KEYS"
        raise KeyMissing(f"cannot make the key {path.name}: {problem.strerror}", where=str(path), mend=mend) from problem


def _read(path: Path) -> bytes:
    """A file of the keys folder; nothing that never ends or never begins, as a pipe does."""
    try:
        regular = stat.S_ISREG(path.stat().st_mode)  # of what a link leads to: a mounted secret is a link
        data = _head(path) if regular else b""
    except OSError as problem:
        raise KeyMissing(f"cannot read the key {path.name}: {problem.strerror}", where=str(path)) from problem
    if not regular or len(data) > _LARGEST:
        raise KeyMissing(
            f"{path.name} is no key: {'too large' if regular else 'no file'}", where=str(path), mend="move it away"
        )
    return data


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST + 1)
