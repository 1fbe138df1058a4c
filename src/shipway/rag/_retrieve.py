"""Retrieval from one index version: by meaning and by words, fused by rank, each layer with its limit and its way to fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import Digest, short
from shipway.rag._errors import EmbedderMismatch, RetrievalDown
from shipway.rag._fuse import Fused, fuse
from shipway.rag._index import IndexVersion, load_members, load_vectors, load_version
from shipway.rag._layers import Breaker, Layer, Limits, Span
from shipway.rag._local import LocalStore
from shipway.rag._types import Groups, Hit, IndexStore, Member, Passage
from shipway.store import Store

if TYPE_CHECKING:
    from shipway.llm import Embedder

Result = TypeVar("Result")
EMBED, DENSE, TEXT, MEMBERS = "embed", "dense", "text", "members"
_DEPTH = 50  # hits of each leg at least: one that is seventh in both legs beats the first of only one


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Passages, best first. degraded: the layers that gave nothing because they were down or slow.

    short: why there are fewer than asked for: None when there are not; `allowed`: the reader may see no more; `matches`:
    with words alone, no more match; `lost`: the store gave fewer than the reader may see, which is a fault of the store.
    """

    passages: tuple[Passage, ...]
    degraded: tuple[str, ...]
    spans: tuple[Span, ...]
    short: str | None = None


class Index:
    """One index version that answers questions. May be used by several threads when its embedder and backend may."""

    def __init__(
        self,
        store: Store,
        version: IndexVersion,
        embedder: Embedder,
        backend: IndexStore,
        *,
        limits: Limits,
        clock: Callable[[], float],
        owned: bool = False,
    ) -> None:
        _check_embedder(version, embedder)
        self.version = version
        self._store, self._embedder, self._backend, self._limits, self._clock = store, embedder, backend, limits, clock
        self.breakers = {name: Breaker(limits.failures, limits.pause) for name in (EMBED, DENSE, TEXT, MEMBERS)}
        self._owned = owned
        self._access: list[tuple[str, ...]] | None = None

    @property
    def digest(self) -> Digest:
        return self.version.digest

    @property
    def limit(self) -> float:
        """The seconds that a search takes at most: its layers after one another."""
        limits = self._limits
        return max(limits.embed + limits.dense, limits.text) + limits.members

    def search(self, question: str, k: int, *, groups: Groups = None) -> Retrieved:
        """The k passages that fit best among those that the groups may see. Raises RetrievalDown when no layer answers."""
        zero, spans = self._clock(), list[Span]()
        depth = max(_DEPTH, 4 * k)
        text = self._layer(TEXT, zero, lambda: self._backend.text(self.digest, question, depth, groups))
        dense_hits, dense_spans, why = self._dense(question, depth, groups, zero)
        text_hits, text_span = text.result()
        spans += [*dense_spans, text_span]
        if dense_hits is None and text_hits is None:
            raise _down(self.version, spans, text.problem or why)
        fused = fuse(dense_hits or [], text_hits or [], k)
        passages = self._passages(fused, zero, spans) if fused else ()
        return Retrieved(
            passages,
            tuple(span.layer for span in spans if span.status != "ok" and not _follows(span, spans)),
            tuple(spans),
            self._why_short(len(passages), k, groups, dense=dense_hits is not None),
        )

    def close(self) -> None:
        """Close the backend that open_index has made; one that was given to it is its giver's."""
        if self._owned:
            self._backend.close()

    def _dense(
        self, question: str, depth: int, groups: Groups, zero: float
    ) -> tuple[list[Hit] | None, list[Span], BaseException | None]:
        """The leg by meaning, which needs the question's vector first."""
        embed = self._layer(EMBED, zero, lambda: self._embedder.embed([question])[0])
        query, span = embed.result()
        if query is None:
            return None, [span, Span(DENSE, span.start + span.took, 0.0, "skipped")], embed.problem
        dense = self._layer(DENSE, zero, lambda: self._backend.dense(self.digest, query, depth, groups))
        hits, other = dense.result()
        return hits, [span, other], dense.problem

    def _passages(self, fused: Sequence[Fused], zero: float, spans: list[Span]) -> tuple[Passage, ...]:
        layer = self._layer(MEMBERS, zero, lambda: self._backend.members(self.digest, [found.number for found in fused]))
        members, span = layer.result()
        spans.append(span)
        if members is None:
            raise _down(self.version, spans, layer.problem)
        return tuple(
            Passage(member, found.score, found.dense_rank, found.text_rank)
            for member, found in zip(members, fused, strict=True)
        )

    def _layer(self, name: str, zero: float, call: Callable[[], Result]) -> Layer[Result]:
        return Layer(name, self.breakers[name], getattr(self._limits, name), call, clock=self._clock, zero=zero)

    def _why_short(self, found: int, k: int, groups: Groups, *, dense: bool) -> str | None:
        if found >= k:
            return None
        if not dense:
            return "matches"
        return "allowed" if self._allowed(groups) <= found else "lost"

    def _allowed(self, groups: Groups) -> int:
        """How many members the groups may see, from the version itself and not from its store."""
        if groups is None:
            return self.version.chunks
        if self._access is None:
            self._access = [member.access for member in load_members(self._store, self.version)]
        return sum(not access or not groups.isdisjoint(access) for access in self._access)


def open_index(
    store: Store,
    digest: Digest,
    *,
    embedder: Embedder,
    backend: IndexStore | None = None,
    limits: Limits | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Index:
    """The index version `digest`, ready to search; a backend that has it not yet gets it.

    Raises EmbedderMismatch when the version was built by another embedder, ObjectMissing, ObjectDamaged, and what the
    backend raises.
    """
    version = load_version(store, digest)
    _check_embedder(version, embedder)
    chosen = LocalStore(store) if backend is None else backend
    if not chosen.has(digest):
        chosen.write(digest, load_members(store, version), load_vectors(store, version))
    return Index(store, version, embedder, chosen, limits=limits or Limits(), clock=clock, owned=backend is None)


def citations(passages: Sequence[Passage]) -> list[JsonObject]:
    """Where each passage stands: document, its digest, the bytes of the span, the headings above it."""
    return [_citation(passage.member) for passage in passages]


def _citation(member: Member) -> JsonObject:
    return {
        "document": member.document,
        "digest": member.document_digest,
        "start": member.start,
        "end": member.end,
        "heading": member.heading,
    }


def _check_embedder(version: IndexVersion, embedder: Embedder) -> None:
    """A question embedded by another model would be compared with vectors that mean something else, without any error."""
    if version.embedder_digest != embedder.digest or canonical_json(version.embedder) != canonical_json(embedder.record):
        raise EmbedderMismatch(
            f"the index was embedded by {version.embedder.get('name')}, not by {embedder.record.get('name')}",
            where=f"index {short(version.digest)}",
            mend="open it with its own embedder, or sync the index with the new one",
        )


def _follows(span: Span, spans: Sequence[Span]) -> bool:
    """Whether a layer was left out only because the one before it gave nothing: that one is named."""
    return span.layer == DENSE and any(other.layer == EMBED and other.status != "ok" for other in spans)


def _down(version: IndexVersion, spans: Sequence[Span], why: BaseException | None) -> RetrievalDown:
    said = ", ".join(f"{span.layer} {span.status}" for span in spans if span.status != "ok")
    return RetrievalDown(
        f"no passage can be found: {said}{f' ({str(why)[:200]})' if why and str(why) else ''}",
        where=f"index {short(version.digest)}",
        mend="look at the embedder and at the store of the index",
    )
