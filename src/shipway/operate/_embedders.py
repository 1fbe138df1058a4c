"""The embedder of an index: the one that the spec names, or the one that a version was made with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.kernel.workers import Workers
from shipway.llm import EmbedderChanged, Provider, open_minilm, open_remote_embedder
from shipway.operate._answering import provider_from_spec
from shipway.spec import IndexSpec, Spec

if TYPE_CHECKING:
    from shipway.llm import Embedder
    from shipway.rag import EmbedBatches

MINILM = "minilm"
THREADS = 2  # of a sync; a query is one short text and takes one


def embedder_from_spec(spec: Spec, index: IndexSpec, *, cache: Path, environ: Mapping[str, str]) -> Embedder:
    """What a sync embeds with. Raises EmbedderMissing, EmbedderDown, SecretMissing."""
    if index.embedder == MINILM:
        return open_minilm(cache, threads=THREADS)
    return open_remote_embedder(provider_from_spec(spec.providers[index.embedder]), environ=environ)


def embedder_of(
    record: JsonObject, *, cache: Path, environ: Mapping[str, str], keys: Mapping[str, str], providers: Iterable[Provider]
) -> Embedder:
    """What a version's questions are embedded with. keys: references of the providers' keys, by name; providers: those that
    are known by name, among which the version's is found by what it is: its record has the name of the model.

    Raises EmbedderMissing, EmbedderChanged, SecretMissing.
    """
    provider = cast("JsonObject | None", record["provider"])
    if provider is None:
        return open_minilm(cache)
    name = next((known.name for known in providers if known.to_object() == provider), str(record["name"]))
    found = Provider.from_object(name, provider, key=keys.get(name))
    return open_remote_embedder(found, environ=environ, record=record)


def embed_elsewhere(workers: Workers, embedder: Embedder, *, cache: Path) -> EmbedBatches | None:
    """What embeds batches on workers as the embedder would. None for a provider's: its machines are elsewhere already, and
    its key stays here.
    """
    if embedder.record["provider"] is not None:
        return None
    return partial(workers.map, _MiniLmBatch(cache, embedder.digest))


@dataclass(frozen=True, slots=True)
class _MiniLmBatch:
    """Work on a batch of texts: by the embedder of that digest, opened once in a process. Raises EmbedderChanged."""

    cache: Path
    digest: Digest

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        embedder = _minilm(self.cache)
        if embedder.digest != self.digest:
            what = f"a worker has {MINILM} {embedder.digest}, and this machine {self.digest}"
            raise EmbedderChanged(what, where=MINILM, mend="run one image everywhere")
        return embedder.embed(texts)


@cache
def _minilm(folder: Path) -> Embedder:
    return open_minilm(folder)
