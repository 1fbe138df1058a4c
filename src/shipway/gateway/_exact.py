"""The exact cache: whole answers by the digest of everything that determines them, in memory, bounded in bytes.

Two equal questions at one time are one: the second waits for the answer of the first. What determines an answer is in
`exact_key` and nowhere else.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from shipway.gateway._http import Responder
from shipway.kernel.canonical import JsonObject
from shipway.llm import Usage

_OVERHEAD = 400  # bytes of Python around an entry
_SAYS_NOTHING = frozenset({"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"})


class Answer(NamedTuple):
    """An answer as bytes, in the caller's shape; stream: they are server-sent events. usd: what it cost whoever asked first;
    hidden: the stream holds a chunk of usage that the caller did not ask for; kept: the bytes are here, and not too many.
    """

    body: bytes
    media_type: bytes
    stream: bool
    usage: Usage
    usd: float
    finish: str
    model: str
    prices: str = ""
    hidden: bool = False
    degraded: tuple[str, ...] = ()
    citations: tuple[JsonObject, ...] = ()
    kept: bool = True

    @property
    def size(self) -> int:
        return len(self.body) + _OVERHEAD * (1 + len(self.citations))


class Outcome(NamedTuple):
    """How the first of equal calls ended: its answer, a failure of the provider, or neither because its caller left.

    alone: whoever waited has to ask alone.
    """

    answer: Answer | None = None
    problem: Exception | None = None
    alone: bool = False


class Flight(NamedTuple):
    """A key that is being asked for. out: of the caller who asks."""

    outcome: asyncio.Future[Outcome]
    out: Responder


def exact_key(scope: Iterable[str], parts: Mapping[str, msgspec.Raw]) -> bytes:
    """The digest of scope (tenant, groups, release, provider, prompt, index, address) and every field of the request but those
    that cannot change an answer. The bytes of a field count, so that a space more is another question.
    """
    running = hashlib.sha256()
    for text in scope:
        running.update(b"%d:" % len(text))
        running.update(text.encode())
    for name in sorted(parts):
        if name not in _SAYS_NOTHING:
            raw = bytes(parts[name])
            running.update(b"%d:%s%d:" % (len(name), name.encode(), len(raw)))
            running.update(raw)
    return running.digest()


class ExactCache:
    """Answers by key, the least recently used leaving first; `flights`: keys that are being asked for now."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._answers: OrderedDict[bytes, Answer] = OrderedDict()
        self.bytes = 0
        self.flights: dict[bytes, Flight] = {}

    @property
    def most(self) -> int:
        """Bytes that one answer may have: a larger one is not worth what it would push out."""
        return self._limit // 8

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: bytes) -> Answer | None:
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def put(self, key: bytes, answer: Answer) -> None:
        """Keeps an answer that is not larger than `most`."""
        if answer.size > self.most:
            return
        old = self._answers.pop(key, None)
        self.bytes += answer.size - (old.size if old else 0)
        self._answers[key] = answer
        while self.bytes > self._limit:
            _, gone = self._answers.popitem(last=False)
            self.bytes -= gone.size
