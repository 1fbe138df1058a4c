"""The nouns of retrieval: member, passage, the store of one index version behind one Protocol. Types only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shipway.kernel.digest import Digest

Groups = frozenset[str] | None
"""Who asks: the groups that a reader is in; None is a reader who may see everything (an evaluation, an operator)."""


@dataclass(frozen=True, slots=True)
class Member:
    """One chunk of one document in one index version; its place in the version is its number, from 0.

    start, end: bytes of the document that the chunk was cut from; access: the groups that may see it, empty for everybody.
    """

    document: str
    document_digest: Digest
    chunk: Digest
    text: str
    heading: str
    start: int
    end: int
    access: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A member found by one leg of a search; score: cosine similarity, or the negative of SQLite's bm25: larger is better."""

    number: int
    score: float


@dataclass(frozen=True, slots=True)
class Passage:
    """What a retrieval gives back: a member, its fused score, and its rank (from 1) in each leg that found it."""

    member: Member
    score: float
    dense_rank: int | None = None
    text_rank: int | None = None


class IndexStore(Protocol):
    """Where the chunks of index versions are searched. A version is written whole and never changed; writing it twice is no
    error. A reader's groups are applied exactly: when at least k members are allowed, k hits come back (a text search: as
    many of them as match).
    """

    def write(self, version: Digest, members: Sequence[Member], vectors: NDArray[np.float32]) -> None: ...
    def has(self, version: Digest) -> bool: ...
    def dense(self, version: Digest, query: NDArray[np.float32], k: int, groups: Groups) -> list[Hit]: ...
    def text(self, version: Digest, query: str, k: int, groups: Groups) -> list[Hit]: ...
    def members(self, version: Digest, numbers: Sequence[int]) -> list[Member]: ...
    def drop(self, version: Digest) -> None: ...
    def close(self) -> None: ...
