"""Providers of language models and embeddings: clients, prompts, prices, the ledger. No gateway and no cache.

Nothing heavy is imported before it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.llm._client import Client, open_client
    from shipway.llm._errors import (
        EmbedderChanged,
        EmbedderDown,
        EmbedderMissing,
        ProviderDown,
        ProviderMalformed,
        ProviderRefused,
        SecretMissing,
    )
    from shipway.llm._ledger import BudgetReached, Charge, Ledger, LedgerGone, Reservation, Standing
    from shipway.llm._local import LocalServer, start_local
    from shipway.llm._minilm import MiniLm, open_minilm
    from shipway.llm._passages import PromptPassage, inert, render_passages
    from shipway.llm._prices import PriceMalformed, PriceUnknown, cost_of, rates_from_litellm, rates_of, resolve_prices
    from shipway.llm._prompt import Prompt, PromptMalformed, PromptVariable, parse_prompt, prompt_from_object
    from shipway.llm._remote_embedder import RemoteEmbedder, open_remote_embedder
    from shipway.llm._request import provider_headers, provider_key, provider_url
    from shipway.llm._retry import parse_retry_after
    from shipway.llm._secret import secret_value
    from shipway.llm._stream import StreamScan, stream_usage, usage_of
    from shipway.llm._tokens import approximate_tokens, count_tokens
    from shipway.llm._types import ANTHROPIC, OPENAI, SHAPES, Completion, Embedder, Message, Provider, Usage, Usd
    from shipway.llm._weights import LocalModelMissing, find_weights, weights_digest
    from shipway.llm.local import LocalModelFailed

_HOME = {
    "_client": ["Client", "open_client"],
    "_errors": [
        "EmbedderChanged",
        "EmbedderDown",
        "EmbedderMissing",
        "ProviderDown",
        "ProviderMalformed",
        "ProviderRefused",
        "SecretMissing",
    ],
    "_ledger": ["BudgetReached", "Charge", "Ledger", "LedgerGone", "Reservation", "Standing"],
    "_local": ["LocalServer", "start_local"],
    "_minilm": ["MiniLm", "open_minilm"],
    "_passages": ["PromptPassage", "inert", "render_passages"],
    "_prices": ["PriceMalformed", "PriceUnknown", "cost_of", "rates_from_litellm", "rates_of", "resolve_prices"],
    "_prompt": ["Prompt", "PromptMalformed", "PromptVariable", "parse_prompt", "prompt_from_object"],
    "_remote_embedder": ["RemoteEmbedder", "open_remote_embedder"],
    "_request": ["provider_headers", "provider_key", "provider_url"],
    "_retry": ["parse_retry_after"],
    "_secret": ["secret_value"],
    "_stream": ["StreamScan", "stream_usage", "usage_of"],
    "_tokens": ["approximate_tokens", "count_tokens"],
    "_types": ["ANTHROPIC", "OPENAI", "SHAPES", "Completion", "Embedder", "Message", "Provider", "Usage", "Usd"],
    "_weights": ["LocalModelMissing", "find_weights", "weights_digest"],
    "local": ["LocalModelFailed"],
}

__all__ = [
    "ANTHROPIC",
    "OPENAI",
    "SHAPES",
    "BudgetReached",
    "Charge",
    "Client",
    "Completion",
    "Embedder",
    "EmbedderChanged",
    "EmbedderDown",
    "EmbedderMissing",
    "Ledger",
    "LedgerGone",
    "LocalModelFailed",
    "LocalModelMissing",
    "LocalServer",
    "Message",
    "MiniLm",
    "PriceMalformed",
    "PriceUnknown",
    "Prompt",
    "PromptMalformed",
    "PromptPassage",
    "PromptVariable",
    "Provider",
    "ProviderDown",
    "ProviderMalformed",
    "ProviderRefused",
    "RemoteEmbedder",
    "Reservation",
    "SecretMissing",
    "Standing",
    "StreamScan",
    "Usage",
    "Usd",
    "approximate_tokens",
    "cost_of",
    "count_tokens",
    "find_weights",
    "inert",
    "open_client",
    "open_minilm",
    "open_remote_embedder",
    "parse_prompt",
    "parse_retry_after",
    "prompt_from_object",
    "provider_headers",
    "provider_key",
    "provider_url",
    "rates_from_litellm",
    "rates_of",
    "render_passages",
    "resolve_prices",
    "secret_value",
    "start_local",
    "stream_usage",
    "usage_of",
    "weights_digest",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
