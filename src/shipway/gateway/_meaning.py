"""The semantic cache at its place in a call: looked at after the exact one, told what the model said in its stead.

Thin on purpose: which answer may stand for which question is decided in `_semantic`. A hit that is to be audited is asked as
if it were none, so that the caller gets what the model says and the cache learns whether it would have been right.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from shipway.gateway._call import Call
from shipway.gateway._config import GatewayConfig, cache_folder
from shipway.gateway._errors import ConfigMalformed
from shipway.gateway._exact import Answer, exact_key
from shipway.gateway._relay import spoken
from shipway.gateway._request import Ask, parse_turns
from shipway.gateway._semantic import Explore, Hit, Miss, SemanticCache, same_answer
from shipway.gateway._semantic_entries import Vector
from shipway.gateway._translate import read_answer, voice_of
from shipway.kernel.errors import ShipwayError
from shipway.llm import Embedder, open_minilm, stream_usage

_REMEMBERED = 20_000  # answers whose cost is known, for what a hit has saved


class Nearby(NamedTuple):
    """What the cache knows for a question; answer: to be given instead of asking the model."""

    scope: str
    question: str
    vector: Vector
    found: Hit | Explore | Miss
    answer: Answer | None = None


class Meaning:
    """The semantic cache of a gateway process; errors: the stated rate of wrong hits."""

    def __init__(self, embedder: Embedder, *, errors: float, seed: int) -> None:
        self._embedder, self._cache = embedder, SemanticCache(embedder, errors=errors, seed=seed)
        self._given: OrderedDict[tuple[str, str], Answer] = OrderedDict()
        self._learning: set[asyncio.Task[None]] = set()

    async def look(self, ask: Ask, scope: Iterable[str], family: str, call: Call) -> Nearby | None:
        """What is known for the question; None for what it is not meant for: anything but one question of a user, which is also
        so while the embedder is down. family: whose evidence counts together, an application under successive releases.
        """
        turns = parse_turns(ask)
        if [role for role, _ in turns if role != "system"] != ["user"]:
            return None
        question, begun = turns[-1][1], time.perf_counter()
        parts = {name: raw for name, raw in ask.parts.items() if name not in ("messages", "stream", "stream_options")}
        others = [text for role, text in turns if role == "system"]
        key = exact_key((*scope, *others), parts).hex()
        try:
            vector = await asyncio.to_thread(self._cache.embed, question)
        except ShipwayError:
            call.span("cache", begun, "error")
            return None
        found = self._cache.lookup(key, question, vector, family=family)
        call.span("cache", begun)
        nearby = Nearby(key, question, vector, found)
        return nearby._replace(answer=self._answer(ask, found, key, call)) if isinstance(found, Hit) else nearby

    def learn(self, nearby: Nearby, answer: Answer, ask: Ask) -> None:
        """What the model has answered, after its caller has it; compared in a thread."""
        text = _text(answer, ask)
        if text:
            task = asyncio.create_task(self._compare(nearby, text, answer))
            self._learning.add(task)
            task.add_done_callback(self._learning.discard)

    def gauges(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        """Samples for the metrics page."""
        now = self._cache.status()
        outcomes = {"hit": now.hits, "identical": now.identical, "explored": now.explored, "guarded": sum(now.refused.values())}
        known = sum(outcomes.values())
        return {
            "shipway_gateway_semantic_lookups_total": [
                *(({"outcome": name}, float(count)) for name, count in outcomes.items()),
                ({"outcome": "missed"}, float(now.lookups - known)),
            ],
            "shipway_gateway_semantic_false_bound": [({}, now.upper)],
            "shipway_gateway_semantic_entries": [({}, float(now.entries))],
            "shipway_gateway_semantic_on": [({}, float(now.on))],
        }

    def _answer(self, ask: Ask, hit: Hit, scope: str, call: Call) -> Answer | None:
        """The kept text in the caller's shape; None for a hit that is audited."""
        if hit.audit:
            return None
        known = self._given.get((scope, hit.entry.question))
        model = known.model if known else ask.model
        usage = ask.include_usage
        voice = voice_of(ask.endpoint.shape, id=call.id, model=model, created=int(time.time()), include_usage=usage)
        said = spoken(voice, hit.answer, "stop", stream=ask.stream)._replace(model=model)
        if known is None:
            return said
        return said._replace(usd=known.usd, prices=known.prices, citations=known.citations)

    async def _compare(self, nearby: Nearby, text: str, answer: Answer) -> None:
        found = nearby.found
        try:
            same = not isinstance(found, Miss) and await asyncio.to_thread(same_answer, found.answer, text, self._embedder)
        except ShipwayError:
            return
        if isinstance(found, Explore):
            self._cache.learn(found, same=same)
        elif isinstance(found, Hit):
            self._cache.audited(found, same=same)
        if not same and not (isinstance(found, Miss) and found.reason == "off"):
            self._cache.put(nearby.scope, nearby.question, text, nearby.vector)
            self._given[nearby.scope, nearby.question] = answer._replace(body=b"")
            while len(self._given) > _REMEMBERED:
                self._given.popitem(last=False)


def _text(answer: Answer, ask: Ask) -> str:
    shape = ask.endpoint.shape
    if not answer.stream:
        try:
            return read_answer(shape, answer.body)[0]
        except (ValueError, RecursionError):
            return ""
    scan = stream_usage(shape)
    scan.feed(answer.body)
    scan.end()
    return scan.text


def open_meaning(config: GatewayConfig, errors: float) -> Meaning:
    """The semantic cache of a configuration. Raises EmbedderMissing, EmbedderDown, ConfigMalformed."""
    if not 0 < errors < 0.5:
        raise ConfigMalformed(f"semantic_errors is {errors:g}", mend="write a rate above 0 and below 0.5, as 0.01")
    return Meaning(open_minilm(cache_folder(config)), errors=errors, seed=time.time_ns())
