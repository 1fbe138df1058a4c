"""Envelopes that were opened lately: what they hold, and which of their signatures are known to be right.

Both are facts about bytes, the same for ever and for everybody. Whether a key is trusted, revoked or in time, and whether a
statement is about this digest and this project, is never kept here, but judged anew at each reading.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from shipway.gate._envelope import Sealed, open_envelope
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest, digest_bytes

_MOST = 16 << 20  # bytes of envelopes, some 20,000 statements; parsed they take about seven times as much memory


@dataclass(frozen=True, slots=True)
class Opened:
    """An envelope of these bytes; nothing may change its payload. payload: None before somebody trusted had signed it.

    proven: the places of the signatures that the keys of their key ids made.
    """

    digest: Digest
    size: int
    sealed: Sealed
    payload: JsonObject | None = None
    proven: frozenset[int] = frozenset()


class Envelopes:
    """A bounded memory of opened envelopes, by the digest of their bytes; those go first that were not asked for longest.

    For threads. One whose bytes differ in a single bit is another envelope.
    """

    def __init__(self, *, most: int = _MOST) -> None:
        """most: bytes of all envelopes that are held."""
        self._alone, self._most, self._size = threading.Lock(), most, 0
        self._held: OrderedDict[Digest, Opened] = OrderedDict()

    def open(self, envelope: bytes) -> Opened:
        """What these bytes hold: as it is remembered, or read now and kept only by `keep`. Raises EvidenceInvalid."""
        digest = digest_bytes(envelope)
        with self._alone:
            found = self._held.get(digest)
            if found is not None:
                self._held.move_to_end(digest)
                return found
        return Opened(digest, len(envelope), open_envelope(envelope))

    def keep(self, opened: Opened) -> None:
        """Remember an envelope, which somebody trusted has signed: what strangers send in must not push out the rest."""
        with self._alone:
            before = self._held.pop(opened.digest, None)
            self._size += opened.size - (before.size if before else 0)
            self._held[opened.digest] = opened
            while self._size > self._most:
                self._size -= self._held.popitem(last=False)[1].size

    def forget(self) -> None:
        """Remember nothing, as a process that has just begun."""
        with self._alone:
            self._held.clear()
            self._size = 0


ENVELOPES = Envelopes()
"""Those of this process. Nobody can tell whether they are remembered but by the clock."""
