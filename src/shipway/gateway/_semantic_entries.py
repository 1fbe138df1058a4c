"""Cached questions and their vectors, by scope, within bounds: least recently used out first. No judgement here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shipway.gateway._guards import Signature
from shipway.gateway._semantic_evidence import EntryEvidence

Vector = NDArray[np.float32]
NEIGHBOURS = 8  # candidates that guards look at; a twin that they refuse must not hide the right one behind it


@dataclass(slots=True, eq=False)
class Entry:
    """One question and its answer; evidence: what was seen near it."""

    scope: str
    question: str
    answer: str
    signature: Signature
    evidence: EntryEvidence = field(default_factory=EntryEvidence)
    slot: int = 0


class Scope:
    """The entries of one scope in one matrix, row i of entry i; a removed row is filled with the last."""

    def __init__(self, dimension: int) -> None:
        self.entries: list[Entry] = []
        self.by_question: dict[str, Entry] = {}
        self._rows = np.empty((16, dimension), np.float32)

    def add(self, entry: Entry, vector: Vector) -> None:
        """Put an entry behind the last one."""
        if len(self.entries) == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        entry.slot = len(self.entries)
        self._rows[entry.slot] = vector
        self.entries.append(entry)
        self.by_question[entry.question] = entry

    def remove(self, entry: Entry) -> None:
        """Take an entry out."""
        last = self.entries.pop()
        if last is not entry:
            self._rows[entry.slot] = self._rows[last.slot]
            last.slot, self.entries[entry.slot] = entry.slot, last
        del self.by_question[entry.question]

    def nearest(self, vector: Vector, floor: float) -> Iterator[tuple[Entry, float]]:
        """Up to NEIGHBOURS entries at or above the floor, nearest first."""
        count = len(self.entries)
        if not count:
            return
        similarities = self._rows[:count] @ vector
        places = np.argpartition(similarities, -NEIGHBOURS)[-NEIGHBOURS:] if count > NEIGHBOURS else np.arange(count)
        for place in places[np.argsort(-similarities[places])]:
            similarity = min(1.0, float(similarities[place]))
            if similarity < floor:
                return
            yield self.entries[int(place)], similarity


class Entries:
    """All scopes, at most `each` entries in one and `total` in all; scopes that become empty are forgotten."""

    def __init__(self, *, dimension: int, each: int, total: int) -> None:
        self._dimension, self._each, self._total = dimension, each, total
        self._scopes: dict[str, Scope] = {}
        self._used: OrderedDict[Entry, None] = OrderedDict()
        self._used_in: dict[str, OrderedDict[Entry, None]] = {}

    def __len__(self) -> int:
        return len(self._used)

    def __getitem__(self, scope: str) -> Scope:
        return self._scopes.get(scope) or Scope(self._dimension)

    def touch(self, entry: Entry) -> None:
        """Mark as used just now; nothing happens when it was put out meanwhile."""
        if entry in self._used:
            self._used.move_to_end(entry)
            self._used_in[entry.scope].move_to_end(entry)

    def add(self, entry: Entry, vector: Vector) -> None:
        """Add, or replace the entry of the same question and scope; put out what is too much."""
        old = self[entry.scope].by_question.get(entry.question)
        if old is not None:
            self.remove(old)
        self._scopes.setdefault(entry.scope, Scope(self._dimension)).add(entry, vector)
        mine = self._used_in.setdefault(entry.scope, OrderedDict())
        mine[entry] = self._used[entry] = None
        if len(mine) > self._each:
            self.remove(next(iter(mine)))
        elif len(self._used) > self._total:
            self.remove(next(iter(self._used)))

    def remove(self, entry: Entry) -> None:
        """Take an entry out."""
        self._scopes[entry.scope].remove(entry)
        del self._used[entry], self._used_in[entry.scope][entry]
        if not self._used_in[entry.scope]:
            del self._scopes[entry.scope], self._used_in[entry.scope]

    def drop(self, scope: str) -> None:
        """Take a whole scope out."""
        for entry in list(self._used_in.get(scope, ())):
            self.remove(entry)
