"""The keys that are trusted here, each parsed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shipway.access._public import PublicKey, TrustedKey, key_id, parse_public, verify_bytes
from shipway.access._trust import TrustMalformed


class Held(NamedTuple):
    """One state of a ring, exchanged as a whole: threads that read one and another state must not mix them."""

    keys: tuple[TrustedKey, ...]
    known: Mapping[str, TrustedKey]
    public: Mapping[str, PublicKey]


class KeyRing:
    """The keys that are trusted here, by key id; `own` is the id of this machine's key. Raises KeyMissing, TrustMalformed."""

    def __init__(self, keys: Iterable[TrustedKey] = (), *, own: str = "") -> None:
        self.own, self._state = own, _hold(keys)

    @property
    def keys(self) -> tuple[TrustedKey, ...]:
        """Every key, revoked and retired ones too."""
        return self._held().keys

    def present(self) -> KeyRing:
        """The keys as they are now, whatever changes: for judging many things by the same ones."""
        ring = KeyRing(own=self.own)
        ring._state = self._held()
        return ring

    def find(self, key: str) -> TrustedKey | None:
        """The key of that id, revoked ones too; None when it is not known here."""
        return self._held().known.get(key)

    def verify(self, key: str, data: bytes, signature: bytes, *, revoked: bool = False) -> bool:
        """Whether a known key of that id made the signature; never for a revoked one, unless `revoked` asks for those too."""
        held = self._held()
        known = held.known.get(key)
        if known is None or (known.revoked and not revoked):
            return False
        return verify_bytes(held.public[key], data, signature)

    def replace_keys(self, keys: Iterable[TrustedKey]) -> None:
        """Trust these from now on instead."""
        self._state = _hold(keys)

    def _held(self) -> Held:
        return self._state


def _hold(keys: Iterable[TrustedKey]) -> Held:
    kept = tuple(keys)
    public = {key.id: parse_public(key.public.encode(), name=key.name, where=key.id) for key in kept}
    for key in kept:
        if key_id(public[key.id]) != key.id:
            raise TrustMalformed(f"the public key of {key.name} has another id than {key.id}", where=key.id)
    return Held(kept, {key.id: key for key in kept}, public)
