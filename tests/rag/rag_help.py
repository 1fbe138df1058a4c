"""What the tests of retrieval share: an embedder made of hashes that counts, and a project with documents."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shipway.access import Actor, open_keys
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import Digest, digest_bytes
from shipway.rag import Index, IndexStore, Limits, Progress, Synced, open_index, sync_index
from shipway.spec import IndexSpec
from shipway.store import open_store

DIMENSION = 64


class HashEmbedder:
    """Texts to sums of one random direction a word: equal words, near vectors. Keeps what it was asked to embed."""

    def __init__(self, name: str = "hash", dimension: int = DIMENSION, *, fails_after: int | None = None) -> None:
        self.name, self.dimension, self.fails_after = name, dimension, fails_after
        self.asked: list[str] = []
        self.calls = 0
        self._words: dict[str, NDArray[np.float32]] = {}
        self._lock = threading.Lock()

    @property
    def record(self) -> JsonObject:
        return {"kind": "embedder", "version": 1, "name": self.name, "dimension": self.dimension, "normalize": True}

    @property
    def digest(self) -> Digest:
        return digest_bytes(canonical_json(self.record))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._lock:
            self.calls += 1
            if self.fails_after is not None and self.calls > self.fails_after:
                raise ConnectionError("the embedder is down")
            self.asked += texts
            rows = [sum((self._direction(word) for word in words_of(text)), self._direction(self.name)) for text in texts]
        made = np.array(rows, np.float32).reshape(len(texts), self.dimension)
        return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)

    def _direction(self, word: str) -> NDArray[np.float32]:
        if word not in self._words:
            seed = int(digest_bytes(f"{self.name}/{word}".encode())[7:23], 16)
            self._words[word] = np.random.default_rng(seed).normal(size=self.dimension).astype(np.float32)
        return self._words[word]


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


class Project:
    """A folder with a store, keys, ann who works there, and documents below `corpus`."""

    def __init__(
        self, root: Path, files: Mapping[str, str | bytes] | None = None, *, access: Mapping[str, tuple[str, ...]] = {}
    ) -> None:
        self.root, self.access = root, access
        self.store = open_store(root, "assistant", create=True)
        _, self.keys = open_keys(root / "keys")
        self.actor = Actor("ann", frozenset({"admin"}))
        self.embedder = HashEmbedder()
        self.corpus = root / "corpus"
        for name, content in (files or {}).items():
            self.write(name, content)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.corpus / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def spec(self, source: str = "corpus", *, include: tuple[str, ...] = ("**/*",), chunk: int = 300) -> IndexSpec:
        return IndexSpec(name="docs", source=source, include=include, chunk=chunk, access=self.access)

    def sync(
        self,
        *,
        source: str = "corpus",
        chunk: int = 300,
        embedder: HashEmbedder | None = None,
        allow_shrink: bool = False,
        batch: int = 8,
        report: Progress | None = None,
        backend: IndexStore | None = None,
    ) -> Synced:
        return sync_index(
            self.store,
            self.keys,
            self.actor,
            self.spec(source, chunk=chunk),
            root=self.root,
            embedder=embedder or self.embedder,
            allow_shrink=allow_shrink,
            batch=batch,
            report=report,
            backend=backend,
        )

    def open(self, digest: Digest | None = None, *, backend: IndexStore | None = None, limits: Limits | None = None) -> Index:
        found = digest or self.store.resolve("index/docs")
        return open_index(self.store, found, embedder=self.embedder, backend=backend, limits=limits)

    def close(self) -> None:
        self.store.close()


def page(title: str, *sections: tuple[str, str]) -> str:
    """A reStructuredText page."""
    parts = [f"{'=' * len(title)}\n{title}\n{'=' * len(title)}\n"]
    parts += [f"{name}\n{'-' * len(name)}\n\n{body}\n" for name, body in sections]
    return "\n".join(parts)


PAGES = {
    "db/queries.txt": page(
        "Queries",
        ("Saving", "Call save() to write an object. It runs an SQL statement behind the scenes."),
        ("Getting or creating", "Use get_or_create to look an object up, creating one when it is missing."),
    ),
    "settings.txt": page(
        "Settings",
        ("USE_TZ", "When USE_TZ is True, dates are stored in UTC."),
        ("DEBUG", "Never deploy a site with DEBUG turned on."),
    ),
    "internal/salaries.txt": page("Salaries", ("Bands", "The salary band of a senior engineer is seven.")),
}
