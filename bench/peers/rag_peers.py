"""What the peers embed for two trees of the same documents. Runs in the environment of requirements/bench-rag.lock.

`python rag_peers.py FOLDER`: old.json and new.json there hold {document: [text of each chunk]}, vectors.npy and queries.npy
rows of numbers. Each peer gets just these chunks, brings up the old tree, syncs it again, then the new one. Prints JSON:
{"sync": {peer: {step: {"embedded", "seconds"}}}, "search": seconds}.
"""

import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import Embeddings
from langchain_core.indexing import InMemoryRecordManager, index
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.schema import BaseNode, NodeRelationship, TextNode, TransformComponent
from llama_index.core.schema import Document as LlamaDocument
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore

Tree = dict[str, list[str]]
ROUNDS = 5  # of the sync without a change
SEARCHES = 9
VECTOR = [0.25] * 16
CURRENT: Tree = {}  # what LlamaIndex is syncing


class LangChainCounter(Embeddings):
    """Counts what it is asked to embed."""

    def __init__(self) -> None:
        self.made = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.made += len(texts)
        return [VECTOR for _ in texts]

    def embed_query(self, _text: str) -> list[float]:
        return VECTOR


class LlamaCounter(BaseEmbedding):
    """Counts what it is asked to embed."""

    made: int = 0

    def _get_text_embedding(self, _text: str) -> list[float]:
        self.made += 1
        return VECTOR

    def _get_query_embedding(self, _query: str) -> list[float]:
        return VECTOR

    async def _aget_query_embedding(self, _query: str) -> list[float]:
        return VECTOR


class OurChunks(TransformComponent):
    """Cuts a document where we cut it. The tree is no field: LlamaIndex hashes the fields of a step."""

    def __call__(self, nodes: list[BaseNode], **_: object) -> list[BaseNode]:
        return [
            TextNode(text=text, relationships={NodeRelationship.SOURCE: node.as_related_node_info()})
            for node in nodes
            for text in CURRENT[node.node_id]
        ]


def langchain(cleanup: str) -> tuple[Callable[[Tree], None], Callable[[], int]]:
    counter = LangChainCounter()
    store, records = InMemoryVectorStore(counter), InMemoryRecordManager("bench")
    records.create_schema()

    def sync(tree: Tree) -> None:
        documents = [LangChainDocument(text, metadata={"source": name}) for name, texts in tree.items() for text in texts]
        index(documents, records, store, cleanup=cleanup, source_id_key="source", key_encoder="sha256")

    return sync, lambda: counter.made


def llama_index() -> tuple[Callable[[Tree], None], Callable[[], int]]:
    counter = LlamaCounter(embed_batch_size=100)
    pipeline = IngestionPipeline(
        transformations=[OurChunks(), counter],
        docstore=SimpleDocumentStore(),
        vector_store=SimpleVectorStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
    )

    def sync(tree: Tree) -> None:
        CURRENT.clear()
        CURRENT.update(tree)
        pipeline.run(documents=[LlamaDocument(text="\n\n".join(texts), id_=name) for name, texts in tree.items()])

    return sync, lambda: counter.made


def measure(sync: Callable[[Tree], None], made: Callable[[], int], old: Tree, new: Tree) -> dict[str, dict[str, float]]:
    first = _step(sync, made, old)
    again = [_step(sync, made, old) for _ in range(ROUNDS)]
    changed = _step(sync, made, new)
    nothing = {"embedded": again[0]["embedded"], "seconds": statistics.median(step["seconds"] for step in again)}
    return {"first": first, "no-op": nothing, "changed": changed}


def _step(sync: Callable[[Tree], None], made: Callable[[], int], tree: Tree) -> dict[str, float]:
    before, started = made(), time.perf_counter()
    sync(tree)
    return {"embedded": made() - before, "seconds": time.perf_counter() - started}


def measure_search(vectors: np.ndarray, queries: np.ndarray) -> float:
    """Median seconds of LangChain's own in-memory store, by vectors alone, without a filter."""
    counter = LangChainCounter()
    store = InMemoryVectorStore(counter)
    store.add_texts([str(number) for number in range(len(vectors))])
    for row, vector in zip(store.store.values(), vectors.tolist(), strict=True):
        row["vector"] = vector
    times = []
    for query in queries.tolist():
        started = time.perf_counter()
        store.similarity_search_by_vector(query, k=10)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main(folder: Path) -> None:
    """Measure each peer over the two trees, then a search."""
    logging.disable(logging.WARNING)
    old: Tree = json.loads((folder / "old.json").read_text())
    new: Tree = json.loads((folder / "new.json").read_text())
    syncs = {
        "LangChain index(cleanup=incremental)": measure(*langchain("incremental"), old, new),
        "LangChain index(cleanup=full)": measure(*langchain("full"), old, new),
        "LlamaIndex UPSERTS_AND_DELETE": measure(*llama_index(), old, new),
    }
    search = measure_search(np.load(folder / "vectors.npy"), np.load(folder / "queries.npy")[:SEARCHES])
    print(json.dumps({"sync": syncs, "search": search}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
