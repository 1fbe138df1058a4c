"""What the stores outside this process share: their errors, and a reader's words. Connects to nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.rag._errors import IndexDamaged, IndexMissing
from shipway.rag._types import Groups, Member

MOST_WORDS = 64  # of one question: a pasted page must not become a search over a thousand terms
_WORD = re.compile(r"\w+")


class StoreDown(ShipwayError):
    """A vector store does not answer, or does not answer in time."""

    code = "rag.store-down"
    retry = True


class StoreRefused(ShipwayError):
    """A vector store answers, and will not do what is needed: a missing right or extension, a name that others still use."""

    code = "rag.store-refused"


class StoreLimit(ShipwayError):
    """A version or a search does not fit into what a vector store can hold or give."""

    code = "rag.store-limit"


def index_missing(version: Digest, *, where: str) -> IndexMissing:
    """The error for a search in an index version that a store does not hold."""
    return IndexMissing(
        f"the store has no index version {short(version)}", where=where, mend="write it with `shipway rag sync`"
    )


def words_of(question: str) -> list[str]:
    """The distinct words of a question in their order, at most 64: letters, digits and underscores, so that nothing in
    them means anything to a query language.

    >>> words_of('drop "table"; DROP it--')
    ['drop', 'table', 'it']
    """
    found = dict.fromkeys(word.lower() for word in _WORD.findall(question))
    return list(found)[:MOST_WORDS]


def sees(access: Sequence[str], groups: Groups) -> bool:
    """Whether a reader in these groups may see a member.

    >>> sees((), frozenset()), sees(("staff",), frozenset()), sees(("staff",), None)
    (True, False, True)
    """
    return groups is None or not access or not groups.isdisjoint(access)


def check_rows(members: Sequence[Member], vectors: NDArray[np.float32]) -> None:
    """Raises ValueError when the vectors are not one row for each member."""
    if vectors.ndim != 2 or len(vectors) != len(members):
        raise ValueError(f"{len(members)} members need as many rows of vectors, not an array of {vectors.shape}")


def check_query(query: NDArray[np.float32], dimension: int, *, where: str) -> None:
    """Raises IndexDamaged when a query was embedded in another space than the version."""
    if query.shape != (dimension,):
        what = f"the query has the shape {query.shape}, the version holds vectors of {dimension} numbers"
        raise IndexDamaged(what, where=where, mend="embed the query with the embedder that the index names")


def pick(known: Mapping[int, Member], numbers: Sequence[int]) -> list[Member]:
    """The members of these numbers in their order. Raises IndexError for a number that no member has."""
    missing = [number for number in numbers if number not in known]
    if missing:
        raise IndexError(f"no member {missing[0]}")
    return [known[number] for number in numbers]
