"""The documents of a sync: which are new against the published version, which are no text, and the chunks of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from shipway.kernel.digest import Digest
from shipway.rag._chunk import BLANK, Chunk, chunk_document, format_of
from shipway.rag._errors import IndexDamaged, SourceShrunk, SourceUnreadable
from shipway.rag._index import IndexVersion, load_members, load_version
from shipway.rag._source import Document, Unreached, Unreadable, list_source, read_source
from shipway.rag._types import Member
from shipway.store import ObjectDamaged, ObjectMissing, Store

_AT_ONCE = 16


class Present(NamedTuple):
    """The version that the ref names, its members, and the digest of each of its documents by key."""

    version: IndexVersion | None
    members: list[Member]
    documents: dict[str, Digest]


class Corpus(NamedTuple):
    """The readable documents of a source, digest by key in the order of keys, all of them in the store; and the others.

    sizes: of the documents in bytes.
    """

    documents: dict[str, Digest]
    unreadable: tuple[Unreadable, ...]
    sizes: dict[Digest, int]


def load_present(store: Store, ref: str) -> Present:
    """What is published now; nothing when the ref is new, no members when they are lost: they are made again."""
    found = store.ref(ref)
    if found is None:
        return Present(None, [], {})
    version = load_version(store, found.digest)
    try:
        members = load_members(store, version)
    except (ObjectMissing, ObjectDamaged, IndexDamaged):
        members = []
    return Present(version, members, corpus_documents(store, version))


def corpus_documents(store: Store, version: IndexVersion) -> dict[str, Digest]:
    """The documents of a version, also those without any chunk."""
    return {file.path: file.digest for file in store.tree(version.corpus.digest)}


def read_corpus(
    store: Store, source: str, include: Iterable[str], *, root: Path, known: Present, allow_shrink: bool = False
) -> Corpus:
    """List a source and keep what is new of it. Raises SourceEmpty, SourceUnreadable.

    A document of the present version that the system does not give is an error unless allow_shrink: to leave it out
    would be to delete what may be there. One that is no text any more is left out and named.
    """
    listing = list_source(store, source, include, root=root)
    sizes = _sizes(store, {file.digest for file in listing.files} & set(known.documents.values()))
    documents = {file.key: file.digest for file in listing.files if file.digest in sizes}
    unreadable = list(listing.unreadable)
    for found in read_source([file for file in listing.files if file.key not in documents]):
        if isinstance(found, Document):
            documents[found.key] = store.objects.put(found.data)
            sizes[found.digest] = len(found.data)
        else:
            unreadable.append(found)
    lost = sorted(found for found in unreadable if isinstance(found, Unreached) and found.key in known.documents)
    if lost and not allow_shrink:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise SourceUnreadable(
            f"{lost[0].key}{more} of the present index cannot be read: {lost[0].reason}",
            where=source,
            mend="make it readable, or delete it; to leave it out of the index: shipway rag sync --allow-shrink",
        )
    if not documents:
        raise SourceUnreadable(
            f"none of the {len(unreadable)} documents of {source} is text: {unreadable[0].key} {unreadable[0].reason}",
            where=source,
            mend="include text, Markdown, reStructuredText or HTML in UTF-8",
        )
    return Corpus(dict(sorted(documents.items())), tuple(sorted(unreadable)), sizes)


def _sizes(store: Store, documents: Iterable[Digest]) -> dict[Digest, int]:
    """In bytes, of those that the store has, to be read no more. In a bucket each is a question, nearly all of it waiting."""
    asked = sorted(documents)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return {
            digest: size for digest, size in zip(asked, pool.map(store.objects.size, asked), strict=True) if size is not None
        }


def check_shrink(present: Present, corpus: Corpus, *, source: str, allowed: bool) -> None:
    """Raises SourceShrunk when half of the documents or more would go: a source that is half copied looks just so."""
    before, now = len(present.documents), len(corpus.documents)
    if not allowed and before >= 2 and 2 * now <= before:
        raise SourceShrunk(
            f"{source} has {now} documents, and the present index {before}",
            where=source,
            mend="look whether the source is whole; if it is: shipway rag sync --allow-shrink",
        )


def without_chunks(store: Store, corpus: Corpus, members: Iterable[Member]) -> dict[str, Digest]:
    """The documents that have text and none of these chunks: nothing of them can ever be found."""
    cut = {member.document for member in members}
    silent = {key: digest for key, digest in corpus.documents.items() if key not in cut}
    return {key: digest for key, digest in silent.items() if store.objects.get(digest).decode().strip(BLANK)}


def cut_documents(
    store: Store, corpus: Corpus, present: Present | None, *, characters: int
) -> Iterator[tuple[str, Iterable[Chunk]]]:
    """The chunks of each document. present: a version of the same chunker, whose chunks of equal documents are taken over."""
    known: dict[tuple[Digest, str], list[Chunk]] = {}
    where: dict[tuple[Digest, str], str] = {}
    for member in present.members if present else ():
        key = (member.document_digest, format_of(member.document))
        if where.setdefault(key, member.document) == member.document:  # equal documents: the chunks of one of them
            known.setdefault(key, []).append(Chunk(member.chunk, member.text, member.heading, member.start, member.end))
    for name, digest in corpus.documents.items():
        form = format_of(name)
        chunks = known.get((digest, form))
        yield name, chunks or chunk_document(store.objects.get(digest), form=form, characters=characters)
