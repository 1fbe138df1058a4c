"""An application that answers a prompt: what it is made of, and how its gateway is set up."""

from __future__ import annotations

from collections.abc import Callable

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.release._child import asked_parts
from shipway.release._manifest import Component
from shipway.spec import BudgetSpec, DeploySpec, GatewayKeySpec, GatewaySpec, PromptSpec, ProviderSpec, Spec
from shipway.store import Store

Weights = Callable[[str], Digest]
"""The digest of the weights of a local provider, by the package or path that the spec names."""


class NothingToRelease(ShipwayError):
    """A component that the release needs does not exist yet, or it does not say which of several it takes."""

    code = "release.nothing"


def answers_prompt(spec: Spec, deploy: DeploySpec) -> bool:
    """Whether the application answers a prompt; otherwise it serves a model."""
    return deploy.target == "gateway" or bool(spec.prompts and not spec.models)


def provider_object(provider: ProviderSpec, weights: Weights | None) -> JsonObject:
    """What determines the answers of a provider of the spec: the object that a release locks."""
    from shipway.llm import Provider  # numpy, which `plan` and `log` can do without

    return Provider(
        name=provider.name,
        model=provider.model,
        url=provider.url,
        shape=provider.shape,
        local=provider.local,
        weights=weights(provider.local) if weights and provider.local else None,
        parameters=provider.parameters,
    ).to_object()


def components_of_prompt(store: Store, spec: Spec, deploy: DeploySpec, weights: Weights | None) -> set[Component]:
    """One prompt, the provider that answers it, those that answer in its place, and the index that it retrieves from."""
    prompt = _chosen(spec, deploy)
    ref = store.ref(f"prompt/{prompt.name}")
    if ref is None:
        mend = f"shipway prompt put {prompt.name}"
        raise NothingToRelease(f"there is no prompt {prompt.name} yet", where=f"prompt/{prompt.name}", mend=mend)
    asked = asked_parts(store.get(ref.digest, "prompt"), ref.digest)
    index = asked[1]
    _check_same(asked, prompt, deploy)
    providers = (prompt.provider, *spec.gateway.fallback.get(prompt.provider, ()))
    found = {Component("provider", name, store.put(provider_object(spec.providers[name], weights))) for name in providers}
    found.add(Component("prompt", prompt.name, ref.digest))
    return found | ({Component("index", index, _index(store, index))} if index else set())


def _chosen(spec: Spec, deploy: DeploySpec) -> PromptSpec:
    """The prompt that `uses` picks, or the only one."""
    picked = {use.removeprefix("prompt/") for use in deploy.uses if use.startswith("prompt/") or "/" not in use}
    prompts = [prompt for name, prompt in spec.prompts.items() if not picked or name in picked]
    if not prompts:
        raise NothingToRelease(f"{deploy.name} has no prompt", where=str(spec.path), mend="add it under prompts:")
    if len(prompts) > 1:
        names = ", ".join(prompt.name for prompt in prompts)
        mend = f"uses: [prompt/{prompts[0].name}]"
        raise NothingToRelease(f"{deploy.name} would hold {names}, and answers one prompt", where=str(spec.path), mend=mend)
    return prompts[0]


def _check_same(asked: tuple[str, str | None, int | None], prompt: PromptSpec, deploy: DeploySpec) -> None:
    """Raises NothingToRelease when the spec says otherwise by now than the prompt that was put.

    A prompt without a place for passages retrieves nothing, whatever index the spec has for it.
    """
    index = asked[1]
    wanted = (
        (prompt.provider, prompt.index, prompt.passages if prompt.index else None) if index else (prompt.provider, None, None)
    )
    if asked != wanted:
        what = f"prompt {prompt.name} was put with {_words(*asked)}, and the spec says {_words(*wanted)}"
        raise NothingToRelease(what, where=f"prompt/{prompt.name}", mend=f"shipway prompt put {prompt.name}")
    others = [use for use in deploy.uses if use.startswith("index/") and use != f"index/{index}"]
    if others:
        what = f"{deploy.name} uses {others[0]}, and prompt {prompt.name} retrieves from {index or 'no index'}"
        raise NothingToRelease(what, where=f"prompt/{prompt.name}", mend="correct uses:, or the prompt's index:")


def _words(provider: str, index: str | None, passages: int | None) -> str:
    return f"provider {provider}" + (f" and {passages} passages of index {index}" if index else "")


def _index(store: Store, name: str) -> Digest:
    ref = store.ref(f"index/{name}")
    if ref is None:
        raise NothingToRelease(f"there is no index {name} yet", where=f"index/{name}", mend=f"shipway rag sync {name}")
    return ref.digest


def gateway_settings(spec: Spec, prices: Digest | None) -> JsonObject:
    """The `gateway` block of a deployment. prices: the price table that calls are booked by.

    All of the spec's providers and indexes are in it, not only those of one release: after a rollback the release before
    finds its keys and sources.
    """
    gateway = spec.gateway
    keys: list[Json] = [_key(key) for _, key in sorted(gateway.keys.items())]
    return {
        **_limits(gateway),
        "keys": keys,
        "provider_keys": {name: provider.key for name, provider in sorted(spec.providers.items()) if provider.key},
        "sources": {
            name: {
                "source": index.source,
                "include": list(index.include),
                "access": {glob: list(groups) for glob, groups in index.access.items()},
                "store": index.store,
                "url": index.url,
                "embedder": index.embedder,
            }
            for name, index in sorted(spec.indexes.items())
        },
        "prices": prices,
    }


def _limits(gateway: GatewaySpec) -> dict[str, Json]:
    return {
        "budget": _budget(gateway.budget),
        "rate_per_minute": gateway.rate,
        "ledger_down": gateway.ledger_down,
        "timeout_seconds": gateway.timeout,
        "retries": gateway.retries,
        "fallback": {name: list(others) for name, others in sorted(gateway.fallback.items())},
        "exact_cache": gateway.exact_cache,
        "semantic_errors": gateway.semantic_errors,
    }


def _key(key: GatewayKeySpec) -> dict[str, Json]:
    """A caller. What it does not say is left out, so that a deployment from before is the same deployment."""
    said: dict[str, Json] = {"name": key.name, "key": key.key, "budget": _budget(key.budget), "rate_per_minute": key.rate}
    if key.groups:
        said["groups"] = list(key.groups)
    return {**said, "tenant": key.tenant} if key.tenant else said


def _budget(budget: BudgetSpec | None) -> Json:
    return {"usd": budget.usd, "window_seconds": budget.window} if budget else None
