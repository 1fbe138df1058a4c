"""What can go wrong between a source of documents and an answer from them."""

from __future__ import annotations

from shipway.kernel.errors import ShipwayError


class SourceEmpty(ShipwayError):
    """A source that is not there or lists no document: never taken for "delete all"."""

    code = "rag.source-empty"


class SourceShrunk(ShipwayError):
    """A source with half of the documents that the present index version has, or fewer."""

    code = "rag.source-shrunk"


class SourceUnreadable(ShipwayError):
    """A source that cannot be listed, of whose documents none is text, or that does not give one that is indexed."""

    code = "rag.source-unreadable"


class SyncRunning(ShipwayError):
    """Another sync of the same index is at work."""

    code = "rag.sync-running"
    retry = True


class EmbeddingsWrong(ShipwayError):
    """An embedder that gave back other vectors than its record promises: their number, their length, or not finite."""

    code = "rag.embeddings-wrong"


class EmbedderMismatch(ShipwayError):
    """An index that was built by another embedder than the one that shall embed the questions."""

    code = "rag.embedder-mismatch"


class IndexMissing(ShipwayError):
    """An index version that is in no store and cannot be rebuilt."""

    code = "rag.index-missing"


class IndexDamaged(ShipwayError):
    """An index version whose parts do not fit together."""

    code = "rag.index-damaged"


class RetrievalDown(ShipwayError):
    """Every way to find passages failed or was too slow."""

    code = "rag.retrieval-down"
    retry = True
