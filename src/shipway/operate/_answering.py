"""What an application of a gateway is made of in one release, and the providers as they are called now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.digest import Digest, digest_bytes
from shipway.llm import Provider, find_weights, start_local, weights_digest
from shipway.release import find_component, load_components
from shipway.spec import ProviderSpec, Spec
from shipway.store import Store


@dataclass(frozen=True, slots=True)
class Parts:
    """The components that answer, by name and digest. index: None for a prompt that retrieves nothing."""

    prompt_name: str
    prompt: Digest
    provider_name: str
    provider: Digest
    index_name: str | None = None
    index: Digest | None = None
    passages: int = 0


def release_answers(store: Store, release: Digest) -> bool:
    """Whether a release answers a prompt; otherwise it predicts."""
    return any(component.kind == "prompt" for component in load_components(store, release))


def parts_of(store: Store, release: Digest) -> Parts:
    """The parts of a release that answers a prompt. Raises ReleaseMalformed."""
    components = load_components(store, release)
    prompt = find_component(components, "prompt")
    record = store.get(prompt.digest, "prompt")
    provider = find_component(components, "provider", str(record["provider"]))
    retrieve = cast("Mapping[str, Json] | None", record["retrieve"])
    if retrieve is None:
        return Parts(prompt.name, prompt.digest, provider.name, provider.digest)
    index = find_component(components, "index", str(retrieve["index"]))
    passages = cast("int", retrieve["passages"])
    return Parts(prompt.name, prompt.digest, provider.name, provider.digest, index.name, index.digest, passages)


def provider_of(store: Store, parts: Parts, *, keys: Mapping[str, str]) -> Provider:
    """The provider of a release; keys: the reference of each provider's key, by its name."""
    record = store.get(parts.provider, "provider")
    return Provider.from_object(parts.provider_name, record, key=keys.get(parts.provider_name))


def provider_keys(deployment: JsonObject) -> dict[str, str]:
    """The references of the providers' keys that a deployment holds."""
    gateway = cast("Mapping[str, Json]", deployment.get("gateway") or {})
    return dict(cast("Mapping[str, str]", gateway.get("provider_keys") or {}))


def provider_digest(provider: Provider) -> Digest:
    """What a provider's name stands for: the digest of the object that a release would lock."""
    return digest_bytes(canonical_json(provider.to_object()))


def spec_keys(spec: Spec) -> dict[str, str]:
    """The same, as the spec has them."""
    return {name: provider.key for name, provider in spec.providers.items() if provider.key}


def provider_from_spec(provider: ProviderSpec) -> Provider:
    """A provider as the spec says it."""
    return Provider(
        name=provider.name,
        model=provider.model,
        url=provider.url,
        shape=provider.shape,
        key=provider.key,
        local=provider.local,
        weights=local_weights(provider.local) if provider.local else None,
        parameters=provider.parameters,
    )


def local_weights(name: str) -> Digest:
    """The digest of the weights that `local:` names. Raises LocalModelMissing."""
    return weights_digest(find_weights(name))


@contextmanager
def running(provider: Provider) -> Iterator[Provider]:
    """The provider at an address that answers: a local one is served by a child process as long as this lasts."""
    if provider.local is None or provider.url:
        yield provider
        return
    with start_local(provider.local, model=provider.model) as server:
        yield replace(provider, url=server.url)
