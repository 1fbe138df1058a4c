"""Vectors for members: from the version before, from the cache, and only then from the embedder, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shipway.kernel.digest import Digest
from shipway.rag._cache import EmbeddingCache, Vector
from shipway.rag._chunk import embedded_text
from shipway.rag._corpus import Present
from shipway.rag._errors import EmbeddingsWrong
from shipway.rag._index import load_vectors
from shipway.rag._progress import Progress
from shipway.rag._types import Member
from shipway.store import ObjectDamaged, ObjectMissing, Store

if TYPE_CHECKING:
    from shipway.llm import Embedder

EmbedBatches = Callable[[Iterable[list[str]]], Iterator[NDArray[np.float32]]]
"""Batches of texts to their vectors, in order."""

_LENGTH = 1e-3  # how far from 1 a vector may be: what float32 and a server's rounding leave


def embed_missing(
    store: Store,
    present: Present | None,
    members: Sequence[Member],
    embedder: Embedder,
    batch: int,
    report: Progress,
    elsewhere: EmbedBatches | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Row i is the vector of member i; and how many distinct chunks had to be embedded for it.

    present: a published version of the same embedder; elsewhere: who embeds in its place, as it would.
    Raises EmbeddingsWrong and what the embedder raises; every batch before that is kept.
    """
    vectors = _published(store, present)
    texts = {member.chunk: embedded_text(member.heading, member.text) for member in members}
    cache = EmbeddingCache(store.root / "cache" / "embeddings.sqlite", embedder.digest, embedder.dimension)
    try:
        vectors |= cache.find(chunk for chunk in texts if chunk not in vectors)
        missing = [chunk for chunk in texts if chunk not in vectors]
        batches = [missing[at : at + batch] for at in range(0, len(missing), batch)]
        asked = ([texts[chunk] for chunk in some] for some in batches)
        done = 0
        for some, answer in zip(batches, (elsewhere or partial(map, embedder.embed))(asked), strict=True):
            made = dict(zip(some, _checked(answer, len(some), embedder.dimension), strict=True))
            cache.add(made)
            vectors |= made
            done += len(some)
            report.note(f"embedded {done:,} of {len(missing):,} chunks")
    finally:
        cache.close()
    rows = np.empty((len(members), embedder.dimension), np.float32)
    for number, member in enumerate(members):
        rows[number] = vectors[member.chunk]
    return rows, len(missing)


def _published(store: Store, present: Present | None) -> dict[Digest, Vector]:
    """The vectors of the version before; none when they are lost, since they can be made again."""
    if present is None or present.version is None:
        return {}
    try:
        rows = load_vectors(store, present.version)
    except (ObjectMissing, ObjectDamaged):
        return {}
    return {member.chunk: rows[number] for number, member in enumerate(present.members)}


def _checked(answer: NDArray[np.float32], texts: int, dimension: int) -> NDArray[np.float32]:
    """The answer of one call of the embedder: a wrong vector in the cache would stay there."""
    made = np.asarray(answer, dtype=np.float32)
    if made.shape != (texts, dimension):
        raise EmbeddingsWrong(
            f"the embedder gave an array of {made.shape} for {texts} texts of {dimension} dimensions",
            mend="correct the dimension in the embedder's record",
        )
    if not np.allclose(np.linalg.norm(made, axis=1), 1.0, atol=_LENGTH):  # NaN is not close to 1 either
        raise EmbeddingsWrong("the embedder gave a vector that has not the length 1", mend="normalize its vectors")
    return made
