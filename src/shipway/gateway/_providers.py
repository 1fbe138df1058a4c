"""Providers as this process knows them: their keys, their prices, and whether they are being left alone for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shipway.gateway._config import GatewayConfig
from shipway.gateway._errors import NotHere
from shipway.gateway._request import TALKS, Endpoint
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import digest_bytes
from shipway.llm import (
    ANTHROPIC,
    PriceUnknown,
    Provider,
    Usage,
    cost_of,
    provider_headers,
    provider_key,
    provider_url,
    rates_of,
)

FAILURES = 3  # in a row, before a provider is left alone
COOLING_SECONDS = 10.0

_FREE: JsonObject = {"input": 0, "cached": 0, "written": 0, "output": 0}


@dataclass(slots=True)
class LiveProvider:
    """A provider with the headers that carry its key. digest: of its object and address; rates: None where nobody knows what
    it costs; key: its value, which no answer may repeat; until: monotonic seconds, before which it is left alone.
    """

    provider: Provider
    headers: Mapping[str, str]
    rates: JsonObject | None
    digest: str
    key: bytes = field(default=b"", repr=False)
    failures: int = 0
    until: float = 0.0

    @property
    def name(self) -> str:
        return self.provider.name

    def url(self, endpoint: Endpoint) -> str:
        """Where this kind of request goes; raises NotHere for a kind that the provider does not have."""
        if endpoint.kind in TALKS:
            return provider_url(self.provider)
        if self.provider.shape == ANTHROPIC:
            raise NotHere(f"{self.name!r} has no {endpoint.kind}", mend="name a provider of OpenAI's shape")
        return provider_url(self.provider, endpoint.path)

    def masked(self, said: bytes) -> bytes:
        """Its words without its key, should it repeat that. To be done before a text is cut, or half a key may be left."""
        return said.replace(self.key, b"***") if self.key else said

    def cooling(self, now: float) -> bool:
        return now < self.until

    def failed(self, now: float, after: float | None = None) -> None:
        """One more failure; after: seconds for which the provider asked not to be called."""
        self.failures += 1
        if self.failures >= FAILURES:
            self.until = max(self.until, now + COOLING_SECONDS)
        if after is not None:
            self.until = max(self.until, now + min(after, 60.0))

    def worked(self) -> None:
        self.failures, self.until = 0, 0.0

    def cost(self, usage: Usage) -> float | None:
        """US dollars; None where nobody knows a price that it needs."""
        try:
            return float(cost_of(usage, self.rates))
        except PriceUnknown:
            return None

    def worst_cost(self, *, input: int, output: int) -> float | None:
        """The most that so many tokens can cost: an input token may have to be written to the provider's cache."""
        costs = [self.cost(usage) for usage in (Usage(input, output), Usage(input, output, written=input))]
        known = [cost for cost in costs if cost is not None]
        return max(known) if len(known) == len(costs) else None


def open_providers(config: GatewayConfig, environ: Mapping[str, str]) -> dict[str, LiveProvider]:
    """Every provider by its name; raises SecretMissing."""
    found = {}
    for part in config.providers:
        provider = Provider.from_object(part.name, part.object, key=part.key, url=part.url)
        found[part.name] = open_provider(provider, config, environ)
    return found


def open_provider(provider: Provider, config: GatewayConfig, environ: Mapping[str, str]) -> LiveProvider:
    """A provider with its key and its prices; raises SecretMissing."""
    key = provider_key(provider, environ)
    return LiveProvider(
        provider=provider,
        headers=provider_headers(provider, key),
        key=(key or "").encode(),
        rates=_rates(provider, config),
        digest=digest_bytes(canonical_json({**provider.to_object(), "url": provider.url})),
    )


def _rates(provider: Provider, config: GatewayConfig) -> JsonObject | None:
    """USD per million tokens of the price table; None unless input and output are known. What runs here is free."""
    if config.prices is None:
        return _FREE if provider.local else None
    rates = rates_of(config.prices, provider)
    known = rates is not None and rates.get("input") is not None and rates.get("output") is not None
    return rates if known else None
