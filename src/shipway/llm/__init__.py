"""Providers of language models and embeddings: clients, prompts, prices, the ledger. No gateway, no cache, no HTTP server."""

from shipway.llm._types import ANTHROPIC, OPENAI, SHAPES, Completion, Embedder, Message, Provider, Usage, Usd

__all__ = ["ANTHROPIC", "OPENAI", "SHAPES", "Completion", "Embedder", "Message", "Provider", "Usage", "Usd"]
