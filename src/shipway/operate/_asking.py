"""An application of a release, asked the questions of a golden set: each answer kept, paid for once, and priced."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from shipway.evals import Answer, Evaluation, GoldenRow, GoldenSet, Judge, SampleLog, run_evaluation
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import Digest, digest_bytes
from shipway.kernel.errors import ShipwayError
from shipway.llm import Message, PriceUnknown, Provider, cost_of, open_client, prompt_from_object, rates_of
from shipway.operate._answering import Parts, parts_of, provider_of, running
from shipway.operate._embedders import embedder_of
from shipway.operate._gateway import private_folder
from shipway.operate._indexes import backend_of
from shipway.operate._remembered import FRESH_SECONDS, Asked, Remembered
from shipway.pipeline import Report
from shipway.store import Store

if TYPE_CHECKING:
    from shipway.llm import Client, Completion, Usage
    from shipway.rag import Application, Index

CONCURRENCY = 4  # a hosted provider's patience; a local model answers one at a time whatever is asked of it
DEPTH = 10  # documents behind an answer that a retrieval metric can see, at least
_EVERY = 10  # answers between two lines of progress


class Place(NamedTuple):
    """Where an index is searched: `local`, `pgvector` or `milvus`, with its address or the secret that holds it."""

    store: str = "local"
    url: str | None = None


@dataclass(frozen=True, slots=True)
class World:
    """With what evaluations ask: secrets, the references of keys by provider, prices, where embedders are cached, and where
    each index is searched when it serves: what is measured is what is served.
    """

    environ: Mapping[str, str]
    keys: Mapping[str, str]
    prices: JsonObject
    cache: Path
    again: bool = False
    providers: Mapping[str, Provider] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)

    def place(self, index: str | None) -> Place:
        """Where an index is searched; here when nothing else is said."""
        return self.places.get(index or "", Place())


class RetrievalDegraded(ShipwayError):
    """A layer of the retrieval was down while a golden set was asked: what was measured would be another system."""

    code = "operate.retrieval-degraded"
    retry = True


def _check_whole(degraded: Sequence[str]) -> None:
    if degraded:
        raise RetrievalDegraded(f"retrieval without {', '.join(degraded)}", mend="run it again when all layers answer")


class Asking:
    """One evaluation's open ends: the client, the providers at addresses that answer, the indexes, what is remembered."""

    def __init__(self, store: Store, world: World, client: Client, remembered: Remembered, stack: AsyncExitStack) -> None:
        self._store, self._world, self._client = store, world, client
        self._remembered, self._stack = remembered, stack
        self._reached: dict[Digest, Provider] = {}
        self._indexes: dict[tuple[Digest, Place], Index] = {}

    async def score(self, release: Digest, golden: GoldenSet, report: Report) -> Evaluation:
        """Every question of the set, asked of a release. Raises EvaluationFailed, SamplesTaken and what opening raises."""
        parts = parts_of(self._store, release)
        application, depth = self._application(parts), max(DEPTH, *golden.at)
        provider = self._reach(parts.provider, provider_of(self._store, parts, keys=self._world.keys))
        rates = rates_of(self._world.prices, provider)

        async def ask(row: GoldenRow, sample: int) -> Answer:
            values = cast("Mapping[str, str | int | float]", row.vars)
            prepared = await application.prepare(row.input, values=values, groups=golden.groups)
            _check_whole(prepared.degraded)
            said = await self._complete(parts.provider, provider, prepared.messages, sample)
            return Answer(
                text=said.text,
                documents=await self._documents(parts, row.input, depth, golden.groups),
                usd=_usd(said.usage, rates),
                seconds=said.seconds,
                input_tokens=said.usage.input,
                output_tokens=said.usage.output,
                degraded=prepared.degraded,
            )

        with self._log(golden, parts, depth) as kept:
            progress = Progress(report, f"{golden.name}: answers")
            return await run_evaluation(
                golden.rows, ask, samples=golden.samples, concurrency=CONCURRENCY, kept=kept, report=progress.told
            )

    async def say(self, judge: Judge, provider: Provider, messages: Sequence[Message]) -> str:
        """What a judge replies."""
        digest = digest_bytes(canonical_json({**provider.to_object(), "parameters": {**judge.parameters}}))
        reached = self._reach(digest, provider)
        asked = Asked(digest, tuple(messages), 0)
        found = self._remembered.find(asked)
        if found is None:
            found = await self._client.complete(reached, messages, parameters=judge.parameters)
            self._remembered.add(asked, found)
        return found.text

    def judging(self, judge: Judge, what: str) -> SampleLog:
        """Where a judge's replies are kept."""
        file = kept_folder(self._store) / f"judge-{what}.jsonl"
        return SampleLog(file, judge.digest, since=self._since(), again=self._world.again)

    def _since(self) -> float:
        """From when on a kept answer counts: what stands behind a provider's name may change, and is asked again then."""
        return self._store.clock.now().timestamp() - FRESH_SECONDS

    async def _complete(self, digest: Digest, provider: Provider, messages: Sequence[Message], sample: int) -> Completion:
        asked = Asked(digest, tuple(messages), sample)
        found = self._remembered.find(asked)
        if found is None:
            seed = provider.parameters.get("seed")
            moved = {"seed": seed + sample} if sample and isinstance(seed, int) else {}
            found = await self._client.complete(provider, messages, parameters=moved)
            self._remembered.add(asked, found)
        return found

    async def _documents(self, parts: Parts, question: str, depth: int, groups: frozenset[str]) -> tuple[str, ...]:
        """What the index gives, best first, further down than the prompt shows: recall is the index's, not the prompt's."""
        import asyncio

        if parts.index is None:
            return ()
        found = await asyncio.to_thread(self._index(parts, parts.index).search, question, depth, groups=groups)
        _check_whole(found.degraded)
        return tuple(f"{passage.member.document}#{passage.member.heading}" for passage in found.passages)

    def _application(self, parts: Parts) -> Application:
        from shipway.rag import Application

        prompt = prompt_from_object(self._store.get(parts.prompt, "prompt"))
        provider = provider_of(self._store, parts, keys=self._world.keys)
        index = self._index(parts, parts.index) if parts.index else None
        return Application(prompt, provider, index, passages=parts.passages)

    def _index(self, parts: Parts, digest: Digest) -> Index:
        from shipway.rag import open_index

        place = self._world.place(parts.index_name)
        if (digest, place) not in self._indexes:
            record = cast("JsonObject", self._store.get(digest, "index")["embedder"])
            world = self._world
            known = world.providers.values()
            embedder = embedder_of(record, cache=world.cache, environ=world.environ, keys=world.keys, providers=known)
            backend = backend_of(self._store, place.store, place.url, environ=world.environ)
            if backend is not None:
                self._stack.callback(backend.close)
            index = open_index(self._store, digest, embedder=embedder, backend=backend)
            self._stack.callback(index.close)
            self._indexes[digest, place] = index
        return self._indexes[digest, place]

    def _reach(self, digest: Digest, provider: Provider) -> Provider:
        if digest not in self._reached:
            self._reached[digest] = self._stack.enter_context(running(provider))
        return self._reached[digest]

    def _log(self, golden: GoldenSet, parts: Parts, depth: int) -> SampleLog:
        """One file an application and view, whatever the depth."""
        place = self._world.place(parts.index_name)
        name = _asked(parts, 0, golden.groups, place).removeprefix("sha256:")[:24]
        path = kept_folder(self._store) / f"{golden.name}-{name}.jsonl"
        asked = _asked(parts, depth, golden.groups, place)
        return SampleLog(path, asked, since=self._since(), again=self._world.again)


class Progress:
    """Tells a report how far a long run is, now and then."""

    def __init__(self, report: Report, what: str) -> None:
        self._report, self._what = report, what

    def told(self, done: int, total: int) -> None:
        if done % _EVERY == 0 or done == total:
            self._report.note(f"{self._what} {done} of {total}")


@asynccontextmanager
async def asking(store: Store, world: World) -> AsyncIterator[Asking]:
    """Opens what evaluations need and closes it in the end, local models included."""
    path = kept_folder(store) / "completions.jsonl"
    with Remembered(path, again=world.again) as remembered:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(open_client(world.environ))
            yield Asking(store, world, client, remembered, stack)


def kept_folder(store: Store) -> Path:
    """Where answers are kept: of their owner alone, for they hold what documents say."""
    return private_folder(store.root / "cache" / "evaluations")


def _asked(parts: Parts, depth: int, groups: frozenset[str], place: Place) -> Digest:
    """All that determines an answer and what is retrieved for it."""
    record: JsonObject = {
        "prompt": parts.prompt,
        "provider": parts.provider,
        "index": parts.index,
        "passages": parts.passages,
        "depth": depth,
        "groups": sorted(groups),
        "place": list(place),
    }
    return digest_bytes(canonical_json(record))


def _usd(usage: Usage, rates: JsonObject | None) -> float | None:
    try:
        return cost_of(usage, rates)
    except PriceUnknown:
        return None
