"""The keys that are trusted here, each parsed once."""

from __future__ import annotations

from collections.abc import Iterable

from shipway.access._public import TrustedKey, key_id, parse_public, verify_bytes
from shipway.access._trust import TrustMalformed


class KeyRing:
    """The keys that are trusted here, by key id; `own` is the id of this machine's key. Raises KeyMissing, TrustMalformed."""

    def __init__(self, keys: Iterable[TrustedKey] = (), *, own: str = "") -> None:
        self.keys, self.own = tuple(keys), own
        self._known = {key.id: key for key in self.keys}
        self._public = {key.id: parse_public(key.public.encode(), name=key.name, where=key.id) for key in self.keys}
        for named, public in self._public.items():
            if key_id(public) != named:
                raise TrustMalformed(f"the public key of {self._known[named].name} has another id than {named}", where=named)

    def find(self, key: str) -> TrustedKey | None:
        """The key of that id, revoked ones too; None when it is not known here."""
        return self._known.get(key)

    def verify(self, key: str, data: bytes, signature: bytes) -> bool:
        """Whether a known key of that id made the signature; never for a revoked one."""
        known = self._known.get(key)
        return known is not None and known.revoked is None and verify_bytes(self._public[key], data, signature)
