"""Index versions in Milvus: one collection a version, an exact FLAT index, and a line in a registry written last.

Milvus has no transaction, so a collection without its line was left half written: it does not count, and is written again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import grpc
import numpy as np
from numpy.typing import NDArray
from pymilvus import DataType, Function, FunctionType, MilvusClient
from pymilvus.exceptions import MilvusException

from shipway.kernel.digest import Digest, digest_bytes, short
from shipway.rag._remote import StoreDown, StoreLimit, StoreRefused, check_query, check_rows, index_missing, pick, words_of
from shipway.rag._types import Groups, Hit, Member

LAYOUT = 1  # of the collections below; a version of another layout is not there for us
_REGISTRY = "shipway_rag"
_LONGEST = 65_535  # bytes that a VARCHAR holds
_GROUP = 2_048  # characters of a group's name in hexadecimal
_MOST_GROUPS = 1_024  # of one member
_MOST_HITS = 16_384  # of one search (Milvus, limits)
_BATCH_ROWS, _BATCH_BYTES = 1_000, 16 << 20  # of one request; Milvus takes 64 MB
# Words that stand in nearly every chunk tell nothing and cost a pass over all of them.
_COMMON = (
    "a an and are as at be but by for from if in into is it no not of on or so such that the then this to was will with you"
)
_ANALYZER = {"tokenizer": "standard", "filter": ["lowercase", {"type": "stop", "stop_words": _COMMON.split()}]}
_FIELDS = ("document", "document_digest", "chunk", "body", "heading")


class _Row(Protocol):
    """A row or a hit as pymilvus gives it."""

    def __getitem__(self, name: str) -> object: ...


class MilvusStore:
    """IndexStore in Milvus 2.5 or later, or in milvus-lite when the url is a file that ends in `.db`. Connects when first used.

    url: `http://host:19530`; token: `user:password` or a key, the value of a secret that the caller resolved, never shown.
    project: whose versions these are. timeout: seconds that one request may take. The text leg is Milvus's BM25; its scores
    depend on how the rows fell into segments, so that a hit's score here is its place in the list alone, 1 / rank.
    Raises StoreDown, StoreRefused, StoreLimit, IndexMissing.
    """

    def __init__(self, url: str, *, project: str, token: str = "", timeout: float = 10.0) -> None:
        self._url, self._token, self._project, self._timeout = url, token, project, timeout
        self.where = f"milvus {url.split('@')[-1]}"
        self._lock = threading.Lock()
        self._open: MilvusClient | None = None
        self._known: dict[Digest, tuple[int, int]] = {}

    def write(self, version: Digest, members: Sequence[Member], vectors: NDArray[np.float32]) -> None:
        """Write a version: rows, a check of their count, then the line that makes it one. Two writers write the same."""
        check_rows(members, vectors)
        with self._faults():
            client = self._client()
            if self._load(client, version) is not None:
                return
            rows = list(members)
            self._check_limits(rows)
            name = self._name(version)
            if client.has_collection(name):
                client.drop_collection(name)
            _create(client, name, vectors.shape[1])
            for batch in _batches(rows, vectors):
                client.upsert(name, batch, timeout=max(60.0, self._timeout))
            client.flush(name)  # once a version: what is sealed is searched many times faster
            held = _count(client, name)
            if held != len(rows):
                what = f"milvus holds {held} of {len(rows)} rows of index version {short(version)} after writing them"
                raise StoreDown(what, where=self.where, mend="run this again: the version is written anew")
            self._register(client, version, len(rows), vectors.shape[1])

    def has(self, version: Digest) -> bool:
        with self._faults():
            return self._load(self._client(), version) is not None

    def dense(self, version: Digest, query: NDArray[np.float32], k: int, groups: Groups) -> list[Hit]:
        """The k nearest by cosine, exact: the FLAT index compares every allowed row."""
        with self._faults():
            rows, dimension = self._version(version)
            check_query(query, dimension, where=self.where)
            wanted = self._wanted(k, rows)
            if wanted == 0:
                return []
            found = self._search(version, query.tolist(), wanted, groups, field="vector", metric="COSINE")
            if len(found) < wanted:
                self._check_short(version, len(found), wanted, groups)
            hits = [Hit(int(str(row["number"])), float(np.nan_to_num(float(str(row["distance"]))))) for row in found]
            return sorted(hits, key=lambda hit: (-hit.score, hit.number))

    def text(self, version: Digest, query: str, k: int, groups: Groups) -> list[Hit]:
        """The members that match any word of the query, best first by BM25."""
        words = " ".join(words_of(query))
        with self._faults():
            rows, _ = self._version(version)
            wanted = self._wanted(k, rows)
            if not words or wanted == 0:
                return []
            found = self._search(version, words, wanted, groups, field="words", metric="BM25")
            return [Hit(int(str(row["number"])), 1 / rank) for rank, row in enumerate(found, 1)]

    def members(self, version: Digest, numbers: Sequence[int]) -> list[Member]:
        """The members with these numbers, in the order asked for. Raises IndexError for a number that the version has not."""
        with self._faults():
            self._version(version)
            known: dict[int, Member] = {}
            for start in range(0, len(numbers), _BATCH_ROWS):
                wanted = [int(number) for number in numbers[start : start + _BATCH_ROWS]]
                fields = ["number", *_FIELDS, "first", "past", "access"]
                rows = self._client().query(self._name(version), filter=f"number in {wanted}", output_fields=fields)
                known |= {int(row["number"]): _member(row) for row in rows}
        return pick(known, numbers)

    def drop(self, version: Digest) -> None:
        """Remove a version; no error when it is not there. Refuses while an alias points to it, as Milvus would not."""
        with self._faults():
            client, name = self._client(), self._name(version)
            if client.has_collection(name):
                aliases = list(client.list_aliases(name).get("aliases", []))
                if aliases:
                    mend = f"point the alias {aliases[0]} elsewhere first"
                    raise StoreRefused(f"index version {short(version)} is still in use in milvus", where=self.where, mend=mend)
            if client.has_collection(
                _REGISTRY
            ):  # the line goes first: a drop that is killed leaves a version that does not count
                client.delete(_REGISTRY, ids=[name])
            client.drop_collection(name)
        self._known.pop(version, None)

    def close(self) -> None:
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def _name(self, version: Digest) -> str:
        return "rag_" + digest_bytes(f"{LAYOUT}\n{self._project}\n{version}".encode())[7:47]

    def _client(self) -> MilvusClient:
        """The connection; a file is opened by milvus-lite in this process."""
        with self._lock:
            if self._open is None:
                self._open = MilvusClient(uri=self._url, token=self._token, timeout=self._timeout)
            return self._open

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """What Milvus and its transport say when they cannot go on, in our own errors."""
        try:
            yield
        except (MilvusException, grpc.RpcError, ConnectionError) as problem:
            mend = "start the server, or close the other process that has the file open; then run this again"
            raise StoreDown(f"milvus does not answer: {_said(problem)}", where=self.where, mend=mend) from problem

    def _version(self, version: Digest) -> tuple[int, int]:
        """Rows and dimension of a version, kept: it never changes."""
        found = self._known.get(version)
        if found is None:
            found = self._load(self._client(), version)
            if found is None:
                raise index_missing(version, where=self.where)
            self._client().load_collection(self._name(version))  # a server that was restarted has it on disk only
            self._known[version] = found
        return found

    def _load(self, client: MilvusClient, version: Digest) -> tuple[int, int] | None:
        name = self._name(version)
        if not client.has_collection(_REGISTRY) or not client.has_collection(name):
            return None
        client.load_collection(_REGISTRY)
        rows = client.get(_REGISTRY, ids=[name], output_fields=["layout", "members", "dimension"])
        if not rows or rows[0]["layout"] != LAYOUT:
            return None
        return int(rows[0]["members"]), int(rows[0]["dimension"])

    def _register(self, client: MilvusClient, version: Digest, rows: int, dimension: int) -> None:
        """The line that makes a version one; a collection of Milvus must have a vector, so this has an empty one."""
        if not client.has_collection(_REGISTRY):
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("name", DataType.VARCHAR, max_length=64, is_primary=True)
            schema.add_field("project", DataType.VARCHAR, max_length=_LONGEST)
            schema.add_field("version", DataType.VARCHAR, max_length=128)
            for field in ("layout", "members", "dimension"):
                schema.add_field(field, DataType.INT64)
            schema.add_field("nothing", DataType.FLOAT_VECTOR, dim=2)
            index = client.prepare_index_params()
            index.add_index("nothing", index_type="FLAT", metric_type="L2")
            try:
                client.create_collection(_REGISTRY, schema=schema, index_params=index, consistency_level="Strong")
            except MilvusException:
                if not client.has_collection(_REGISTRY):  # else another process was faster
                    raise
        line = {"name": self._name(version), "project": self._project, "version": version, "nothing": [0.0, 0.0]}
        client.upsert(_REGISTRY, [{**line, "layout": LAYOUT, "members": rows, "dimension": dimension}])

    def _check_limits(self, rows: Sequence[Member]) -> None:
        """Raises StoreLimit for a member that Milvus cannot hold, before anything is written."""
        for number, row in enumerate(rows):
            longest = max(len(text.encode(errors="replace")) for text in (row.document, row.text, row.heading))
            if longest > _LONGEST:
                what = f"a text of member {number} has {longest} bytes, milvus holds {_LONGEST}"
            elif len(row.access) > _MOST_GROUPS or any(len(_hexed(group)) > _GROUP for group in row.access):
                what = f"the groups of member {number} are more than {_MOST_GROUPS}, or one has more than {_GROUP // 2} bytes"
            else:
                continue
            raise StoreLimit(what, where=row.document[:200], mend="set a smaller `chunk` for the index, or use another store")

    def _wanted(self, k: int, rows: int) -> int:
        wanted = max(0, min(k, rows))
        if wanted > _MOST_HITS:
            raise StoreLimit(
                f"milvus gives {_MOST_HITS} hits of a search, not {wanted}", where=self.where, mend="ask for fewer"
            )
        return wanted

    def _search(
        self, version: Digest, data: object, k: int, groups: Groups, *, field: str, metric: str
    ) -> Sequence[Mapping[str, object]]:
        try:
            found: Sequence[Sequence[Mapping[str, object]]] = self._client().search(
                self._name(version),
                [data],
                anns_field=field,
                limit=k,
                filter=_allowed(groups),
                search_params={"metric_type": metric},
                timeout=self._timeout,
            )
        except MilvusException:
            if self._client().has_collection(self._name(version)):
                raise
            self._known.pop(version, None)  # dropped by another process since we looked
            raise index_missing(version, where=self.where) from None
        return found[0]

    def _check_short(self, version: Digest, got: int, wanted: int, groups: Groups) -> None:
        """A short list is right only when no more rows are allowed; else a part of the server did not answer."""
        allowed = _count(self._client(), self._name(version), _allowed(groups))
        if got < min(wanted, allowed):
            what = f"milvus gave {got} rows where {min(wanted, allowed)} are allowed"
            raise StoreDown(what, where=self.where, mend="look for a query node that is down")


def _said(problem: Exception) -> str:
    return " ".join(str(getattr(problem, "message", problem)).split())[:300] or type(problem).__name__


def _create(client: MilvusClient, name: str, dimension: int) -> None:
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("number", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    for field in _FIELDS:
        schema.add_field(field, DataType.VARCHAR, max_length=_LONGEST)
    analyzed = {"enable_analyzer": True, "analyzer_params": _ANALYZER}
    schema.add_field("searched", DataType.VARCHAR, max_length=_LONGEST, **analyzed)
    schema.add_field("first", DataType.INT64)
    schema.add_field("past", DataType.INT64)
    schema.add_field("access", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=_MOST_GROUPS, max_length=_GROUP)
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    bm25 = {"input_field_names": ["searched"], "output_field_names": ["words"]}
    schema.add_function(Function(name="bm25", function_type=FunctionType.BM25, **bm25))
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="COSINE")
    index.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")


def _batches(rows: Sequence[Member], vectors: NDArray[np.float32]) -> Iterator[list[dict[str, object]]]:
    """Rows as Milvus takes them, in requests of a bounded size."""
    batch: list[dict[str, object]] = []
    size = 0
    for number, (row, vector) in enumerate(zip(rows, vectors, strict=True)):
        texts = {"document": row.document, "document_digest": row.document_digest, "chunk": row.chunk}
        access = [_hexed(group) for group in row.access]
        place = {"number": number, "first": row.start, "past": row.end, "access": access}
        searched = f"{row.heading}\n{row.text}".encode()[:_LONGEST].decode(errors="ignore")
        batch.append({**place, **texts, "body": row.text, "heading": row.heading, "searched": searched, "vector": vector})
        size += 4 * (2 * len(row.text) + 2 * len(row.heading) + len(row.document)) + vector.nbytes
        if len(batch) == _BATCH_ROWS or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _count(client: MilvusClient, name: str, condition: str = "") -> int:
    return int(client.query(name, filter=condition, output_fields=["count(*)"])[0]["count(*)"])


def _hexed(group: str) -> str:
    """A group's name in hexadecimal: a filter then holds no character that a filter could mean something by."""
    return group.encode().hex()


def _allowed(groups: Groups) -> str:
    """The filter for what a reader may see."""
    if groups is None:
        return ""
    public = "array_length(access) == 0"
    if not groups:
        return public
    names = ", ".join(f'"{_hexed(group)}"' for group in sorted(groups))
    return f"{public} or array_contains_any(access, [{names}])"


def _member(row: _Row) -> Member:
    document, digest, chunk, body, heading = (str(row[field]) for field in _FIELDS)
    access = row["access"]
    groups = tuple(bytes.fromhex(str(group)).decode() for group in (access if isinstance(access, Sequence) else ()))
    place = (int(str(row["first"])), int(str(row["past"])))
    return Member(document, Digest(digest), Digest(chunk), body, heading, *place, groups)
