"""The embedder of an index: the one that the spec names, or the one that a version was made with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from shipway.kernel.canonical import JsonObject
from shipway.llm import Provider, open_minilm, open_remote_embedder
from shipway.operate._answering import provider_from_spec
from shipway.spec import IndexSpec, Spec

if TYPE_CHECKING:
    from shipway.llm import Embedder

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
