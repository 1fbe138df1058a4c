"""Retrieval: documents, chunks, index versions, hybrid search, and the application that answers from them.

A version is built beside the old ones and never changed; only the gate moves `index/NAME` to it. No HTTP, no vector
database by default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.rag._application import Answered, Application, Prepared, render_without_model
    from shipway.rag._backends import BackendUnknown, open_backend
    from shipway.rag._bucket import is_of_source
    from shipway.rag._chunk import Chunk, chunk_document, chunker_record, embedded_text, extractor_record, format_of
    from shipway.rag._corpus import corpus_documents
    from shipway.rag._embed import EmbedBatches
    from shipway.rag._errors import (
        EmbedderMismatch,
        EmbeddingsWrong,
        IndexDamaged,
        IndexMissing,
        RetrievalDown,
        SourceEmpty,
        SourceShrunk,
        SourceUnreadable,
        SyncRunning,
    )
    from shipway.rag._freshness import Freshness, measure_freshness
    from shipway.rag._fuse import Fused, fuse
    from shipway.rag._index import MEMBERS, IndexVersion, load_members, load_vectors, load_version
    from shipway.rag._layers import Breaker, Limits, Span
    from shipway.rag._local import LocalStore
    from shipway.rag._progress import Progress, Silence
    from shipway.rag._retrieve import Index, Retrieved, citations, open_index
    from shipway.rag._source import Document, Listing, SourceFile, Unreadable, list_source
    from shipway.rag._sync import Synced, sync_index
    from shipway.rag._types import Groups, Hit, IndexStore, Member, Passage

_HOME = {
    "_application": ["Answered", "Application", "Prepared", "render_without_model"],
    "_backends": ["BackendUnknown", "open_backend"],
    "_bucket": ["is_of_source"],
    "_chunk": ["Chunk", "chunk_document", "chunker_record", "embedded_text", "extractor_record", "format_of"],
    "_corpus": ["corpus_documents"],
    "_errors": [
        "EmbedderMismatch",
        "EmbeddingsWrong",
        "IndexDamaged",
        "IndexMissing",
        "RetrievalDown",
        "SourceEmpty",
        "SourceShrunk",
        "SourceUnreadable",
        "SyncRunning",
    ],
    "_freshness": ["Freshness", "measure_freshness"],
    "_fuse": ["Fused", "fuse"],
    "_index": ["MEMBERS", "IndexVersion", "load_members", "load_vectors", "load_version"],
    "_layers": ["Breaker", "Limits", "Span"],
    "_local": ["LocalStore"],
    "_progress": ["Progress", "Silence"],
    "_retrieve": ["Index", "Retrieved", "citations", "open_index"],
    "_source": ["Document", "Listing", "SourceFile", "Unreadable", "list_source"],
    "_embed": ["EmbedBatches"],
    "_sync": ["Synced", "sync_index"],
    "_types": ["Groups", "Hit", "IndexStore", "Member", "Passage"],
}

__all__ = [
    "MEMBERS",
    "Answered",
    "Application",
    "BackendUnknown",
    "Breaker",
    "Chunk",
    "Document",
    "EmbedBatches",
    "EmbedderMismatch",
    "EmbeddingsWrong",
    "Freshness",
    "Fused",
    "Groups",
    "Hit",
    "Index",
    "IndexDamaged",
    "IndexMissing",
    "IndexStore",
    "IndexVersion",
    "Limits",
    "Listing",
    "LocalStore",
    "Member",
    "Passage",
    "Prepared",
    "Progress",
    "RetrievalDown",
    "Retrieved",
    "Silence",
    "SourceEmpty",
    "SourceFile",
    "SourceShrunk",
    "SourceUnreadable",
    "Span",
    "SyncRunning",
    "Synced",
    "Unreadable",
    "chunk_document",
    "chunker_record",
    "citations",
    "corpus_documents",
    "embedded_text",
    "extractor_record",
    "format_of",
    "fuse",
    "is_of_source",
    "list_source",
    "load_members",
    "load_vectors",
    "load_version",
    "measure_freshness",
    "open_backend",
    "open_index",
    "render_without_model",
    "sync_index",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
