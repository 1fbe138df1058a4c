"""Changes of what is trusted here: each writes the trust file first, so that a kill leaves a key that is trusted too little."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from shipway.access._keys import PRIVATE, load_private, load_public, trusted_keys
from shipway.access._public import Period, Revoked, TrustedKey
from shipway.access._signer import LocalSigner, PrivateKey, make_private, private_pem
from shipway.access._trust import changing, load_trust, save_trust, write_private
from shipway.kernel.clock import instant
from shipway.kernel.errors import ShipwayError

_ROLE = re.compile(r"[a-z][a-z0-9_-]{0,39}")  # as a policy may ask for


class KeyUnknown(ShipwayError):
    """No key here begins with that id or has that name, or several do."""

    code = "access.key-unknown"


class TrustRefused(ShipwayError):
    """A change of trust that would be a mistake: a revoked key trusted again, one ended twice, a role that is no word."""

    code = "access.trust-refused"


def trust_key(
    folder: Path, file: Path, *, name: str, roles: Iterable[str], at: datetime, since: datetime | None = None
) -> TrustedKey:
    """Trust the public key of a PEM file, or give a trusted one another name and other roles.

    since: from when a new one is trusted; always, without it. One that was retired is trusted again from `at` on: what is dated
    while it was not trusted never counts, what it signed before counts on.
    Raises KeyMissing, TrustRefused (revoked here, or no fit role), TrustMalformed.
    """
    wanted = frozenset(roles)
    for role in wanted:
        if not _ROLE.fullmatch(role):
            raise TrustRefused(
                f"{role!r} is no role", mend="approver, checker, admin, or a lower-case word that a policy asks for"
            )
    if not wanted or not name.strip():
        raise TrustRefused("a key is trusted under a name, for one role or more", mend="--name NAME --role ROLE")
    found = load_public(file, roles=wanted, name=name)
    with changing(folder):
        known = next((key for key in load_trust(folder) if key.id == found.id), None)
        if known and known.revoked:
            what = f"the key of {known.name} was revoked at {instant(known.revoked.at)}: {known.revoked.reason}"
            raise TrustRefused(what, where=found.id, mend="ask for a new key; a revoked one never counts again")
        kept = replace(_again(known, at), name=name, roles=wanted) if known else replace(found, since=since)
        _write(folder, kept)
    return kept


def _again(known: TrustedKey, at: datetime) -> TrustedKey:
    """A key trusted on; of one whose trust has ended, from now on, with the time before kept beside it."""
    if known.until is None or at < known.until:
        return replace(known, until=None)
    ended = known.since is None or known.since < known.until
    earlier = (*known.earlier, Period(known.since, known.until)) if ended else known.earlier
    return replace(known, since=at, until=None, earlier=earlier)


def revoke_key(folder: Path, key: TrustedKey, *, at: datetime, reason: str) -> TrustedKey:
    """Let nothing that the key ever signed allow anything any more. Revoking twice keeps the first time and reason."""
    with changing(folder):
        known = _newest(folder, key)
        kept = known if known.revoked else replace(known, revoked=Revoked(at, reason))
        _write(folder, kept)
    return kept


def retire_key(folder: Path, key: TrustedKey, *, at: datetime) -> TrustedKey:
    """End the trust in a key: what it signed before counts on. Raises TrustRefused when it ended before."""
    with changing(folder):
        known = _newest(folder, key)
        if known.revoked or (known.until and known.until <= at):
            ended = known.revoked.at if known.revoked else known.until
            raise TrustRefused(f"the trust in the key of {known.name} ended already, at {ended}", where=known.id)
        kept = replace(known, until=at)
        _write(folder, kept)
    return kept


def rotate_key(
    folder: Path, own: TrustedKey, *, at: datetime, algorithm: str, file: Path | None = None
) -> tuple[TrustedKey, TrustedKey]:
    """Exchange this machine's private key for a new one, or for that of a PEM file; the old and the new key as trusted.

    What the old key signed before counts on; the new one has its name and roles. The old private key is removed. Killed in
    between, the old key is retired and the next rotation goes on from there. Raises KeyMissing, KeyExposed, TrustRefused.
    """
    private: PrivateKey = load_private(file) if file else make_private(algorithm)
    signer = LocalSigner(private)
    with changing(folder):
        old = _newest(folder, own)
        if signer.key_id in {key.id for key in trusted_keys(folder)}:
            raise TrustRefused("that key is known here already: a new one was expected", where=str(file or folder))
        ended = old if old.revoked or (old.until and old.until <= at) else replace(old, until=at)
        fresh = TrustedKey(signer.key_id, old.name, old.roles, signer.algorithm, since=at, public=signer.public)
        _write(folder, ended, fresh)
        write_private(folder / PRIVATE, private_pem(private))
    return ended, fresh


def find_key(keys: Iterable[TrustedKey], words: str) -> TrustedKey:
    """The key that a name or the first digits of an id mean. Raises KeyUnknown."""
    known = list(keys)
    found = [key for key in known if key.name == words or (len(words) >= 4 and key.id.startswith(words.lower()))]
    if len(found) == 1:
        return found[0]
    which = ", ".join(f"{key.id[:12]} ({key.name})" for key in found or known)
    what = f"several keys are {words}" if found else f"no key here is {words}"
    raise KeyUnknown(f"{what}: {which}", mend="give more digits of the id; shipway key list shows them")


def _newest(folder: Path, key: TrustedKey) -> TrustedKey:
    """The key as the file says now: somebody may have changed it since it was read."""
    return next((known for known in load_trust(folder) if known.id == key.id), key)


def _write(folder: Path, *changed: TrustedKey) -> None:
    new = {key.id: key for key in changed}
    keys = [new.pop(key.id, key) for key in load_trust(folder)]
    save_trust(folder, [*keys, *new.values()])
