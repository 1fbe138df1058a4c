"""An application of a release behind the gateway: a question becomes its prompt with passages of its index."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from shipway.gateway._call import Call
from shipway.gateway._config import ApplicationConfig, GatewayConfig, cache_folder
from shipway.gateway._errors import ConfigMalformed, RequestMalformed
from shipway.gateway._request import Ask, metadata_of
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import Digest, digest_bytes
from shipway.llm import Message, PromptVariable, Provider, prompt_from_object
from shipway.store import Store, open_store

if TYPE_CHECKING:  # retrieval is heavy, and a gateway without applications has none
    from shipway.llm import Embedder
    from shipway.rag import Application, Index, IndexStore


_QUESTION = "question"  # the variable that the last message of the user fills


class Ready(NamedTuple):
    """A question that can be sent. fallback: what is said when no model answers, empty without passages."""

    messages: Sequence[Message]
    citations: tuple[JsonObject, ...]
    fallback: str


@dataclass(frozen=True, slots=True)
class LiveApplication:
    """An application that is ready to be asked; prompt_digest: of the prompt's object; variables: of the prompt, with their
    types, which neither the question nor the passages fill.
    """

    config: ApplicationConfig
    asked: Application
    prompt_digest: Digest
    store: Store | None
    variables: Mapping[str, str]

    def values(self, ask: Ask) -> dict[str, str | int | float]:
        """The values of `variables`, from the request's `metadata`. Raises RequestMalformed naming what is missing or wrong."""
        if not self.variables:
            return {}
        given, found = metadata_of(ask), dict[str, str | int | float]()
        for name, kind in self.variables.items():
            if name not in given:
                mend = f'send it as a text: {{"metadata": {{"{name}": "..."}}}}'
                raise RequestMalformed(f"the application needs a value for {name!r} ({kind})", mend=mend)
            found[name] = _value(name, kind, given[name])
        return found

    async def prepare(
        self, question: str, values: Mapping[str, str | int | float], groups: frozenset[str], call: Call
    ) -> Ready:
        """Retrieves and renders; layers that are down end up in the call. Raises RetrievalDown, RequestMalformed."""
        from shipway.rag import citations, render_without_model

        begun = time.perf_counter()
        try:
            prepared = await self.asked.prepare(question, values=values, groups=groups)
        except PromptVariable as problem:
            raise RequestMalformed(problem.what, mend=problem.mend) from problem
        for span in prepared.spans:
            call.take_span(span.layer, begun + span.start, span.took, span.status)
        call.degraded.extend(prepared.degraded)
        fallback = render_without_model(prepared.passages) if prepared.passages else ""
        return Ready(prepared.messages, tuple(citations(prepared.passages)), fallback)

    def block(self, *, request: str, cache: str, citations: Sequence[JsonObject], degraded: Sequence[str]) -> JsonObject:
        """What an answer of an application says under `shipway`."""
        return {
            "release": self.config.release,
            "index": self.config.index,
            "citations": citations,
            "degraded": degraded,
            "cache": cache,
            "request": request,
        }

    def close(self) -> None:
        if self.asked.index is not None:
            self.asked.index.close()
        if self.store is not None:
            self.store.close()


def open_application(
    part: ApplicationConfig, provider: Provider, config: GatewayConfig, environ: Mapping[str, str]
) -> LiveApplication:
    """Opens the index, when there is one, with the embedder that made it. Raises ConfigMalformed and what opening raises."""
    from shipway.rag import Application

    prompt = prompt_from_object(part.prompt)
    index, store = _open_index(part, config, environ) if part.index else (None, None)
    asked = Application(prompt, provider, index, passages=part.passages)
    variables = {name: kind for name, kind in prompt.variables.items() if kind != "passages" and name != _QUESTION}
    return LiveApplication(part, asked, digest_bytes(canonical_json(part.prompt)), store, variables)


def _value(name: str, kind: str, text: str) -> str | int | float:
    """A text of `metadata` as what the variable takes; what does not fit is said when the prompt is rendered."""
    if kind not in ("integer", "number"):
        return text
    try:
        found = int(text) if kind == "integer" else float(text)
    except ValueError as problem:
        raise RequestMalformed(f"the value of {name!r} is no {kind}: {text[:60]!r}") from problem
    if not isfinite(found):
        raise RequestMalformed(f"the value of {name!r} is no {kind}: {text[:60]!r}")
    return found


def _open_index(part: ApplicationConfig, config: GatewayConfig, environ: Mapping[str, str]) -> tuple[Index, Store]:
    from shipway.rag import open_index

    if part.store_root is None or part.index_object is None:
        mend = "an application with an index has index_object and store_root"
        raise ConfigMalformed(f"the application {part.name!r} does not say where its index is", mend=mend)
    embedder = _open_embedder(cast("JsonObject", part.index_object["embedder"]), config, environ)
    store = open_store(Path(part.store_root), part.project, cache=cache_folder(config))
    try:
        return open_index(store, Digest(str(part.index)), embedder=embedder, backend=_backend(part, environ)), store
    except BaseException:
        store.close()
        raise


def _open_embedder(record: JsonObject, config: GatewayConfig, environ: Mapping[str, str]) -> Embedder:
    """The embedder that an index names; a remote one is called with the key of the provider of this file that it is."""
    from shipway.llm import open_minilm, open_remote_embedder

    known = cast("JsonObject | None", record.get("provider"))
    if known is None:
        return open_minilm(cache_folder(config))
    for part in config.providers:
        provider = Provider.from_object(part.name, part.object, key=part.key, url=part.url)
        if canonical_json(provider.to_object()) == canonical_json(known):
            return open_remote_embedder(provider, environ=environ, record=record)
    return open_remote_embedder(Provider.from_object(str(record["name"]), known), environ=environ, record=record)


def _backend(part: ApplicationConfig, environ: Mapping[str, str]) -> IndexStore | None:
    """None is the store of the project itself. Raises BackendUnknown, SecretMissing."""
    from shipway.rag import open_backend

    where = part.backend
    return open_backend(where.store, where.url, project=part.project, environ=environ, key=where.key)
