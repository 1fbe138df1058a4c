"""Embeddings over OpenAI's wire format. Synchronous on purpose (the standard library's HTTP client): indexing is a batch job,
and a search calls it from a worker thread.
"""

from __future__ import annotations

import http.client
import os
from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import digest_bytes
from shipway.kernel.errors import ShipwayError
from shipway.llm._errors import EmbedderChanged, EmbedderDown
from shipway.llm._request import provider_headers, provider_key, provider_url
from shipway.llm._types import OPENAI, Provider

_BATCH = 64
_MAX_BODY = 64 << 20  # bytes: 64 vectors of 4,096 numbers as decimal text are about 6 million


class _Vector(msgspec.Struct):
    embedding: list[float]
    index: int


class _Answer(msgspec.Struct):
    data: list[_Vector]
    model: str = ""


def open_remote_embedder(
    provider: Provider,
    *,
    environ: Mapping[str, str] | None = None,
    record: JsonObject | None = None,
    timeout: float = 30.0,
) -> RemoteEmbedder:
    """An embedder behind a provider's `/embeddings`. record: that of the index it is to fit, so that nothing is asked now;
    without one, one text is embedded to learn the dimension and the model's full name. timeout: seconds of each request.

    Raises EmbedderDown, EmbedderChanged (the record is of another provider or model), SecretMissing.
    """
    if provider.shape != OPENAI:
        raise EmbedderDown(f"{provider.name} has no embeddings that we can ask for", where=provider.shape, mend="shape: openai")
    found = os.environ if environ is None else environ
    if record is not None:
        if record["provider"] != provider.to_object():
            raise EmbedderChanged(f"the index was embedded by another provider than {provider.name}", where=provider.url)
        return RemoteEmbedder(provider, found, record, timeout=timeout)
    answer = _ask(provider, found, ["dimension"], timeout)
    made: JsonObject = {
        "kind": "embedder",
        "version": 1,
        "name": provider.model,
        "weights": None,
        "provider": provider.to_object(),
        "answers_as": answer.model,
        "dimension": len(answer.data[0].embedding),
        "normalize": True,
    }
    return RemoteEmbedder(provider, found, made, timeout=timeout)


class RemoteEmbedder:
    """An Embedder; may be used by several threads. Whether company changes a vector is the provider's affair."""

    def __init__(self, provider: Provider, environ: Mapping[str, str], record: JsonObject, *, timeout: float) -> None:
        self._provider, self._environ, self._timeout = provider, environ, timeout
        self.record = record
        self.digest = digest_bytes(canonical_json(record))

    @property
    def dimension(self) -> int:
        return cast("int", self.record["dimension"])

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), dimension), each row of length 1. Raises EmbedderDown, EmbedderChanged, SecretMissing."""
        parts = [self._some(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), dtype=np.float32)

    def _some(self, texts: Sequence[str]) -> NDArray[np.float32]:
        answer = _ask(self._provider, self._environ, texts, self._timeout)
        if answer.model != self.record["answers_as"]:
            what = f"{self._provider.name} embeds with {answer.model}, the index is of {self.record['answers_as']}"
            raise EmbedderChanged(what, where=self._provider.url, mend="build a new index version with it")
        sizes = {len(vector.embedding) for vector in answer.data}
        if sizes != {self.dimension}:
            what = f"{self._provider.name} gave vectors of {sorted(sizes)} numbers, the index has {self.dimension}"
            raise EmbedderChanged(what, where=self._provider.url, mend="build a new index version with it")
        rows = np.array([vector.embedding for vector in answer.data], dtype=np.float64)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.all(np.isfinite(lengths)) or not np.all(lengths > 0):
            raise EmbedderDown(f"{self._provider.name} gave a vector without a direction", where=self._provider.url)
        unit: NDArray[np.float32] = (rows / lengths).astype(np.float32)
        return unit


def _ask(provider: Provider, environ: Mapping[str, str], texts: Sequence[str], timeout: float) -> _Answer:
    """One request; the vectors in the order of the texts."""
    url = provider_url(provider, "/embeddings")
    body = msgspec.json.encode(
        {**provider.parameters, "model": provider.model, "input": list(texts), "encoding_format": "float"}
    )
    status, said = _post(url, body, provider_headers(provider, provider_key(provider, environ)), timeout)
    if status != 200:
        problem = EmbedderDown(f"{provider.name} answered {status} to a request for embeddings", where=url)
        problem.retry = status >= 500 or status in (408, 429)
        raise problem
    try:
        answer = msgspec.json.decode(said, type=_Answer)
    except (ValueError, RecursionError) as fault:
        raise EmbedderDown(f"{provider.name} gave no embeddings: {fault}", where=url) from fault
    answer.data.sort(key=lambda vector: vector.index)
    if [vector.index for vector in answer.data] != list(range(len(texts))):
        raise EmbedderDown(f"{provider.name} gave {len(answer.data)} vectors for {len(texts)} texts", where=url)
    return answer


def _post(url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> tuple[int, bytes]:
    """Status and body. http.client follows no redirect, so that a key stays where it was meant to go."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("POST", parts.path + (f"?{parts.query}" if parts.query else ""), body, dict(headers))
        with connection.getresponse() as response:
            said = response.read(_MAX_BODY + 1)
            if len(said) > _MAX_BODY:
                raise EmbedderDown("an answer of embeddings is too large", where=url)
            return response.status, said
    except ShipwayError:
        raise
    except (OSError, http.client.HTTPException) as problem:
        raise EmbedderDown(f"the embedder cannot be reached: {problem or type(problem).__name__}", where=url) from problem
    finally:
        connection.close()
