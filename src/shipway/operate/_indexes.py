"""Indexes opened as the spec says: their store, and the version that their ref names with the embedder that made it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from shipway.kernel.canonical import JsonObject
from shipway.operate._answering import provider_from_spec, spec_keys
from shipway.operate._embedders import embedder_of
from shipway.spec import IndexSpec, Spec
from shipway.store import Store

if TYPE_CHECKING:
    from shipway.rag import Index, IndexStore


def backend_of(store: Store, kind: str, url: str | None, *, environ: Mapping[str, str]) -> IndexStore | None:
    """Where an index is searched; None for the project's own store. url: an address, or a secret that holds one."""
    from shipway.rag import open_backend

    return open_backend(kind, url, project=store.project, environ=environ)


@contextmanager
def open_named_index(store: Store, spec: Spec, index: IndexSpec, *, cache: Path, environ: Mapping[str, str]) -> Iterator[Index]:
    """The version that `index/NAME` names. Raises RefMissing, EmbedderMissing, and what opening raises."""
    from shipway.rag import open_index

    digest = store.resolve(f"index/{index.name}")
    record = cast("JsonObject", store.get(digest, "index")["embedder"])
    known = [provider_from_spec(found) for found in spec.providers.values() if not found.local]  # those cannot embed
    embedder = embedder_of(record, cache=cache, environ=environ, keys=spec_keys(spec), providers=known)
    backend = backend_of(store, index.store, index.url, environ=environ)
    opened = open_index(store, digest, embedder=embedder, backend=backend)
    try:
        yield opened
    finally:
        opened.close()
        if backend is not None:
            backend.close()
