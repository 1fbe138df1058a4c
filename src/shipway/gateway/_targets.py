"""What a caller can name as its model: an application, a provider, or the model of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shipway.gateway._application import LiveApplication, open_application
from shipway.gateway._config import GatewayConfig
from shipway.gateway._errors import ModelUnknown, RequestMalformed
from shipway.gateway._providers import LiveProvider, open_provider, open_providers
from shipway.gateway._request import TALKS, Ask
from shipway.kernel.errors import nearest
from shipway.llm import Provider


class Target(NamedTuple):
    """Who answers: providers in the order in which they are asked, and the application that asks them, if it is one."""

    chain: tuple[LiveProvider, ...]
    application: LiveApplication | None = None


class Targets:
    """Every name that a gateway answers to. Raises SecretMissing, and what opening an index raises."""

    def __init__(self, config: GatewayConfig, environ: Mapping[str, str]) -> None:
        self._providers = open_providers(config, environ)
        self._found: dict[str, Target] = {}
        if config.passes_through:
            for live in self._providers.values():
                self._found.setdefault(live.provider.model, Target(self._chain(live, config)))
            self._found |= {name: Target(self._chain(live, config)) for name, live in self._providers.items()}
        for part in config.applications:
            known = next((other for other in config.providers if other.name == part.provider_name), None)
            key, url = (known.key, known.url) if known else (None, "")
            provider = Provider.from_object(part.provider_name, part.provider, key=key, url=url)
            chain = self._chain(open_provider(provider, config, environ), config)
            self._found[part.name] = Target(chain, open_application(part, provider, config, environ))

    @property
    def names(self) -> list[str]:
        return list(self._found)

    @property
    def releases(self) -> dict[str, str]:
        """The release that each application answers with."""
        return {name: found.application.config.release for name, found in self._found.items() if found.application}

    @property
    def providers(self) -> list[LiveProvider]:
        """Every provider once, those of applications too."""
        return list({id(live): live for target in self._found.values() for live in target.chain}.values())

    def find(self, ask: Ask) -> Target:
        """Who answers this request; raises ModelUnknown, RequestMalformed."""
        target = self._found.get(ask.model)
        if target is None:
            near = nearest(ask.model, self.names)
            mend = f"did you mean {near!r}?" if near else "GET /v1/models lists what there is"
            raise ModelUnknown(f"no model {ask.model[:100]!r}", mend=mend)
        if target.application and ask.endpoint.kind not in TALKS:
            mend = "ask it through /v1/chat/completions or /v1/messages"
            raise RequestMalformed(f"the application {ask.model!r} has no {ask.endpoint.kind}", mend=mend)
        return target

    def close(self) -> None:
        for target in self._found.values():
            if target.application:
                target.application.close()

    def _chain(self, live: LiveProvider, config: GatewayConfig) -> tuple[LiveProvider, ...]:
        others = [self._providers[name] for name in config.fallback.get(live.name, []) if name in self._providers]
        return (live, *others)
