"""An index version as objects: its manifest, members as JSON lines, vectors as one npy file. Written once, never changed."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.digest import Descriptor, Digest, digest_bytes, parse_digest
from shipway.rag._errors import IndexDamaged
from shipway.rag._types import Member
from shipway.store import Store

MEMBERS = "application/vnd.shipway.members.v1+jsonl"


class _Line(msgspec.Struct, frozen=True):
    """A member as a JSON line; fields in the order that canonical JSON gives them."""

    access: tuple[str, ...]
    chunk: str
    document: str
    document_digest: str
    end: int
    heading: str
    start: int
    text: str


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(_Line)


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """The manifest of an index version."""

    digest: Digest
    corpus: Descriptor
    extractor: JsonObject
    chunker: JsonObject
    embedder: JsonObject
    members: Descriptor
    vectors: Descriptor
    documents: int
    chunks: int

    @property
    def embedder_digest(self) -> Digest:
        return digest_bytes(canonical_json(self.embedder))


def load_version(store: Store, digest: Digest) -> IndexVersion:
    """The manifest of that digest. Raises ObjectMissing, ObjectDamaged, ObjectUnexpected."""
    record = store.get(digest, "index")
    return IndexVersion(
        digest=digest,
        extractor=cast("JsonObject", record["extractor"]),
        chunker=cast("JsonObject", record["chunker"]),
        embedder=cast("JsonObject", record["embedder"]),
        documents=cast("int", record["documents"]),
        chunks=cast("int", record["chunks"]),
        **{name: Descriptor.from_json(record[name]) for name in ("corpus", "members", "vectors")},
    )


def load_members(store: Store, version: IndexVersion) -> list[Member]:
    """Every member in its order. Raises IndexDamaged when they are not those that the manifest counts."""
    data = store.objects.get(version.members.digest)
    try:
        members = [_member(_decoder.decode(line)) for line in data.splitlines()]
    except msgspec.DecodeError as problem:
        raise IndexDamaged(f"a member is not readable: {problem}", where=version.members.digest) from problem
    if len(members) != version.chunks:
        raise IndexDamaged(f"{len(members)} members, and {version.chunks} chunks in the manifest", where=version.digest)
    return members


def load_vectors(store: Store, version: IndexVersion) -> NDArray[np.float32]:
    """Row i is the vector of member i; mapped, not read. Raises ObjectMissing, ObjectDamaged, IndexDamaged."""
    return map_vectors(store, version.vectors.digest, rows=version.chunks)


def map_vectors(store: Store, digest: Digest, *, rows: int) -> NDArray[np.float32]:
    """The vectors in an object, read once to verify them and then mapped."""
    vectors = np.load(store.objects.verify(digest), mmap_mode="r", allow_pickle=False)
    if vectors.ndim != 2 or vectors.dtype != np.float32 or len(vectors) != rows:
        raise IndexDamaged(f"vectors of shape {vectors.shape} and type {vectors.dtype} for {rows} chunks", where=digest)
    return cast("NDArray[np.float32]", vectors.view(np.ndarray))


def put_vectors(store: Store, vectors: NDArray[np.float32]) -> Descriptor:
    """Keep vectors as a leaf; equal vectors are equal bytes."""
    out = io.BytesIO()
    np.save(out, np.ascontiguousarray(vectors, dtype="<f4"), allow_pickle=False)
    return store.put_bytes(out.getvalue(), media.NPY)


def put_members(store: Store, members: Iterable[Member]) -> Descriptor:
    """Keep members as a leaf of JSON lines, each canonical."""
    return store.put_bytes(b"".join(encode_member(member) + b"\n" for member in members), MEMBERS)


def put_version(
    store: Store,
    *,
    corpus: Descriptor,
    recipe: Mapping[str, JsonObject],
    members: Sequence[Member],
    vectors: NDArray[np.float32],
    documents: int,
) -> IndexVersion:
    """Keep a whole version: leaves first, the manifest last. recipe: extractor, chunker and embedder."""
    record: dict[str, Json] = {
        "kind": "index",
        "version": 1,
        "corpus": corpus.to_json(),
        **recipe,
        "members": put_members(store, members).to_json(),
        "vectors": put_vectors(store, vectors).to_json(),
        "documents": documents,
        "chunks": len(members),
    }
    return load_version(store, store.put(record))


def encode_member(member: Member) -> bytes:
    """The canonical JSON of a member, ten times as fast as the general writer."""
    return _encode(
        _Line(
            access=member.access,
            chunk=member.chunk,
            document=member.document,
            document_digest=member.document_digest,
            end=member.end,
            heading=member.heading,
            start=member.start,
            text=member.text,
        )
    )


def _member(line: _Line) -> Member:
    return Member(
        document=line.document,
        document_digest=parse_digest(line.document_digest),
        chunk=parse_digest(line.chunk),
        text=line.text,
        heading=line.heading,
        start=line.start,
        end=line.end,
        access=line.access,
    )
