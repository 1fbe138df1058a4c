"""Where a provider is called and with which headers; shared by our client and by whoever passes bytes through."""

from __future__ import annotations

from collections.abc import Mapping

from shipway.llm._errors import ProviderDown
from shipway.llm._secret import secret_value
from shipway.llm._stream import shape_of
from shipway.llm._types import Provider


def provider_url(provider: Provider, path: str | None = None) -> str:
    """The address that a call goes to. path: instead of the chat path of its wire format, as `/embeddings`.

    Raises ProviderDown for a local model whose server does not run yet.
    """
    shape = shape_of(provider.shape)
    if provider.local and not provider.url:
        raise ProviderDown(f"the local model of {provider.name} does not run yet", where=str(provider.local))
    return (provider.url or shape.default_url).rstrip("/") + (path or shape.path)


def provider_key(provider: Provider, environ: Mapping[str, str]) -> str | None:
    """The value of the provider's key, None where it needs none; raises SecretMissing."""
    return secret_value(provider.key, environ) if provider.key else None


def provider_headers(provider: Provider, key: str | None) -> dict[str, str]:
    """The headers of a call, the key's among them: to be sent to provider_url and nowhere else."""
    return {"content-type": "application/json", "accept-encoding": "identity", **shape_of(provider.shape).headers(key)}
