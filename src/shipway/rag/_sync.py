"""A source brought into an index version: only chunks that no version and no cache knows are embedded, and the ref moves last.

Whatever ends a sync before that move, the version that the ref names goes on answering, and the next sync takes up what
was embedded. Nothing is changed in place.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.access import Actor, KeyRing
from shipway.gate import move_ref
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.rag._chunk import Chunk, chunk_document, chunker_record, extractor_record, format_of
from shipway.rag._corpus import (
    Corpus,
    Present,
    check_shrink,
    cut_documents,
    load_present,
    read_corpus,
    without_chunks,
)
from shipway.rag._embed import EmbedBatches, embed_missing
from shipway.rag._errors import SyncRunning
from shipway.rag._globs import groups_of
from shipway.rag._index import IndexVersion, load_members, load_vectors, put_version
from shipway.rag._local import LocalStore
from shipway.rag._progress import Progress, Silence
from shipway.rag._source import Unreadable
from shipway.rag._types import IndexStore, Member
from shipway.store import Store, TreeFile, while_working

if TYPE_CHECKING:
    from shipway.llm import Embedder
    from shipway.spec import IndexSpec

NO_TEXT = "no text was found in it"
BATCH = 64  # chunks in one call of the embedder, and the most that a crash costs


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did. new_chunks: distinct chunks that the version before had not; embedded: those that no cache had
    either; added, changed, removed: documents against the version before; unreadable: documents that are left out, and
    those with text in which no reader finds any; changed_ref: False when there was nothing to do.
    """

    ref: str
    index: Digest
    documents: int
    chunks: int
    new_chunks: int
    embedded: int
    seconds: float
    added: int
    changed: int
    removed: int
    unreadable: tuple[Unreadable, ...]
    changed_ref: bool


@while_working
def sync_index(
    store: Store,
    keys: KeyRing,
    actor: Actor,
    index: IndexSpec,
    *,
    root: Path,
    embedder: Embedder,
    report: Progress | None = None,
    backend: IndexStore | None = None,
    allow_shrink: bool = False,
    batch: int = BATCH,
    elsewhere: EmbedBatches | None = None,
) -> Synced:
    """Bring the documents of `index` into a new version and move `index/NAME` to it; without a change nothing moves.

    root: the folder that a relative source is below; backend: where the version is searched, the local store when left out;
    allow_shrink: publish although half of the documents or more are gone, or some of them cannot be read;
    elsewhere: who embeds batches in place of the embedder, with the same vectors.
    Raises SyncRunning, SourceEmpty, SourceShrunk, SourceUnreadable, EmbeddingsWrong, what the embedder raises, and what
    gate.move_ref raises. After any of them the ref stands where it stood, and what was embedded is kept.
    """
    work = _Work(store, index, embedder, report or Silence(), batch, elsewhere)
    started = time.perf_counter()
    with _alone(store, index.name):
        present, corpus = work.look(root, allow_shrink=allow_shrink)
        if present.version is not None and work.is_same(present, corpus):
            work.report.cached(work.ref)
            version, new, embedded, moved, members = present.version, 0, 0, False, present.members
            _write(store, backend, version)
        else:
            members, new, embedded, version = work.build(present, corpus)
            with _step(work.report, f"{work.ref} write"):
                _write(store, backend, version, members)
            _check_still(store, present, work.ref)
            why = f"sync of {index.source}: {new} new chunks"
            moved = move_ref(store, keys, actor, ref=work.ref, target=version.digest, why=why).changed
        silent = [Unreadable(key, NO_TEXT) for key in without_chunks(store, corpus, members)]
    return Synced(
        ref=work.ref,
        index=version.digest,
        documents=version.documents,
        chunks=version.chunks,
        new_chunks=new,
        embedded=embedded,
        seconds=time.perf_counter() - started,
        **_counted(present, corpus),
        unreadable=tuple(sorted([*corpus.unreadable, *silent])),
        changed_ref=moved,
    )


def _counted(present: Present, corpus: Corpus) -> dict[str, int]:
    """How many documents came, changed and went against the version before."""
    before, after = present.documents, corpus.documents
    changed = sum(before[key] != after[key] for key in before.keys() & after.keys())
    return {"added": len(after.keys() - before.keys()), "changed": changed, "removed": len(before.keys() - after.keys())}


@dataclass(frozen=True, slots=True)
class _Work:
    """What every step of one sync needs."""

    store: Store
    index: IndexSpec
    embedder: Embedder
    report: Progress
    batch: int
    elsewhere: EmbedBatches | None

    @property
    def ref(self) -> str:
        return f"index/{self.index.name}"

    @property
    def recipe(self) -> dict[str, JsonObject]:
        """What besides the documents determines a version."""
        return {
            "extractor": extractor_record(),
            "chunker": chunker_record(self.index.chunk),
            "embedder": self.embedder.record,
        }

    def look(self, root: Path, *, allow_shrink: bool) -> tuple[Present, Corpus]:
        """What is published and what the source has now."""
        with _step(self.report, f"{self.ref} list"):
            present = load_present(self.store, self.ref)
            corpus = read_corpus(
                self.store, self.index.source, self.index.include, root=root, known=present, allow_shrink=allow_shrink
            )
        check_shrink(present, corpus, source=self.index.source, allowed=allow_shrink)
        return present, corpus

    def is_same(self, present: Present, corpus: Corpus) -> bool:
        """Whether the version that is published is just what would be built."""
        version = present.version
        if version is None or present.documents != corpus.documents or len(present.members) != version.chunks:
            return False
        if {"extractor": version.extractor, "chunker": version.chunker, "embedder": version.embedder} != self.recipe:
            return False
        if any(member.access != groups_of(member.document, self.index.access) for member in present.members):
            return False
        return not any(self._cut(key, digest) for key, digest in without_chunks(self.store, corpus, present.members).items())

    def _cut(self, key: str, digest: Digest) -> tuple[Chunk, ...]:
        return chunk_document(self.store.objects.get(digest), form=format_of(key), characters=self.index.chunk)

    def build(self, present: Present, corpus: Corpus) -> tuple[list[Member], int, int, IndexVersion]:
        """Members, how many distinct chunks are new, how many were embedded, and the version, which is in the store."""
        with _step(self.report, f"{self.ref} chunk"):
            members = self._members(present, corpus)
        with _step(self.report, f"{self.ref} embed"):
            same = present.version is not None and present.version.embedder_digest == self.embedder.digest
            vectors, embedded = embed_missing(
                self.store, present if same else None, members, self.embedder, self.batch, self.report, self.elsewhere
            )
        version = put_version(
            self.store,
            corpus=self.store.put_listing(
                TreeFile(key, digest, corpus.sizes[digest], executable=False) for key, digest in corpus.documents.items()
            ),
            recipe=self.recipe,
            members=members,
            vectors=vectors,
            documents=len(corpus.documents),
        )
        known = {member.chunk for member in present.members} if same else set()
        return members, len({member.chunk for member in members} - known), embedded, version

    def _members(self, present: Present, corpus: Corpus) -> list[Member]:
        version = present.version
        kept = version is not None and (version.extractor, version.chunker) == (
            self.recipe["extractor"],
            self.recipe["chunker"],
        )
        cut = cut_documents(self.store, corpus, present if kept else None, characters=self.index.chunk)
        members = []
        for key, chunks in cut:
            access = groups_of(key, self.index.access)
            members += [
                Member(key, corpus.documents[key], chunk.digest, chunk.text, chunk.heading, chunk.start, chunk.end, access)
                for chunk in chunks
            ]
        return members


def _write(store: Store, backend: IndexStore | None, version: IndexVersion, members: list[Member] | None = None) -> None:
    """Make the version searchable where it will be searched, if it is not yet."""
    chosen = LocalStore(store) if backend is None else backend
    try:
        if not chosen.has(version.digest):
            chosen.write(version.digest, members or load_members(store, version), load_vectors(store, version))
    finally:
        if backend is None:
            chosen.close()


@contextmanager
def _alone(store: Store, name: str) -> Iterator[None]:
    """One sync of an index at a time, here and on every machine of one catalogue; the lock of a process that died is forgotten.

    Taken before the source is listed: of two syncs the later one has seen all that the earlier one published, and more.
    """
    path = store.root / "index" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _running(name, str(path)) from None
        with store.hold(f"index/{name}") as held:
            if not held:
                raise _running(name, "another machine")
            yield


def _running(name: str, where: str) -> SyncRunning:
    return SyncRunning(f"another sync of index {name} is running", where=where, mend="wait until it has ended")


def _check_still(store: Store, present: Present, ref: str) -> None:
    """The ref is where it was when the source was listed: a lock may have been lost with its connection."""
    found = store.ref(ref)
    if (found.digest if found else None) != (present.version.digest if present.version else None):
        raise _running(ref.removeprefix("index/"), ref)


@contextmanager
def _step(report: Progress, name: str) -> Iterator[None]:
    started = time.perf_counter()
    report.started(name)
    yield
    report.finished(name, time.perf_counter() - started)
