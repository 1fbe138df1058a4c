"""Retrieval: documents, chunks, index versions, hybrid search, and the application that answers from them."""

from shipway.rag._types import Groups, Hit, IndexStore, Member, Passage

__all__ = ["Groups", "Hit", "IndexStore", "Member", "Passage"]
