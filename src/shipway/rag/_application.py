"""An application: a prompt, its provider and its index together answer a question, and say what they answered from.

A document is data. Its passages are rendered by the prompt as delimited, inert text, no instruction of ours is ever taken
from them, and nothing here calls a tool.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.kernel.canonical import Json
from shipway.llm import ProviderDown, ProviderMalformed, ProviderRefused
from shipway.rag._errors import RetrievalDown
from shipway.rag._layers import Span
from shipway.rag._retrieve import Index, Retrieved
from shipway.rag._types import Groups, Passage

if TYPE_CHECKING:
    from shipway.llm import Client, Message, Prompt, PromptPassage, Provider, Usage

Scalar = str | int | float
MODEL, PROMPT = "model", "prompt"
QUESTION = "question"
_SLACK = 0.5  # seconds over the layers' own limits: they end a search themselves


@dataclass(frozen=True, slots=True)
class Prepared:
    """What would be sent to the model, and the passages in it. degraded: layers that were down."""

    messages: tuple[Message, ...]
    passages: tuple[Passage, ...]
    degraded: tuple[str, ...]
    spans: tuple[Span, ...]
    short: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer. Without the model (`model` in degraded) the text is the passages, model is empty and finish `degraded`."""

    text: str
    passages: tuple[Passage, ...]
    usage: Usage
    degraded: tuple[str, ...]
    spans: tuple[Span, ...]
    seconds: float
    first_token: float | None
    finish: str
    model: str


class Application:
    """Answers with what one release locks. passages: how many to retrieve."""

    def __init__(
        self,
        prompt: Prompt,
        provider: Provider,
        index: Index | None,
        *,
        passages: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.prompt, self.provider, self.index, self.passages = prompt, provider, index, passages
        self._clock = clock

    async def prepare(self, question: str, *, values: Mapping[str, Scalar] | None = None, groups: Groups = None) -> Prepared:
        """Retrieve and render. values: the prompt's other variables; groups: who asks.

        Raises RetrievalDown when no layer answers, PromptVariable when a value is missing or does not fit.
        """
        zero = self._clock()
        found = await self._retrieve(question, groups)
        started = self._clock()
        messages = self.prompt.render(self._values(question, values or {}, found.passages))
        rendered = Span(PROMPT, started - zero, self._clock() - started, "ok")
        return Prepared(messages, found.passages, found.degraded, (*found.spans, rendered), found.short)

    async def answer(
        self,
        client: Client,
        question: str,
        *,
        sample: int = 0,
        values: Mapping[str, Scalar] | None = None,
        groups: Groups = None,
        parameters: Mapping[str, Json] | None = None,
        timeout: float = 60.0,  # noqa: ASYNC109 (the client makes it an error with the provider's name)
    ) -> Answered:
        """Prepare and ask the model; when that is down, answer with the passages and say so.

        sample: 0 for the answer as released, another number for another draw (the seed is moved by it); timeout: seconds
        for the model. Raises as prepare; ProviderRefused for what trying again cannot mend; the model's error when there
        are no passages to answer with.
        """
        zero = self._clock()
        prepared = await self.prepare(question, values=values, groups=groups)
        started = self._clock()
        try:
            said = await client.complete(
                self.provider, prepared.messages, parameters=self._parameters(sample, parameters), timeout=timeout
            )
        except (ProviderDown, ProviderMalformed, ProviderRefused) as problem:
            if not prepared.passages or (isinstance(problem, ProviderRefused) and not problem.retry):
                raise
            failed = Span(MODEL, started - zero, self._clock() - started, "error")
            return _without_model(prepared, failed, seconds=self._clock() - zero)
        span = Span(MODEL, started - zero, self._clock() - started, "ok")
        return Answered(
            text=said.text,
            passages=prepared.passages,
            usage=said.usage,
            degraded=prepared.degraded,
            spans=(*prepared.spans, span),
            seconds=self._clock() - zero,
            first_token=None if said.first_token is None else span.start + said.first_token,
            finish=said.finish,
            model=said.model,
        )

    async def _retrieve(self, question: str, groups: Groups) -> Retrieved:
        """The search, in a thread: it waits for files and servers."""
        index = self.index
        if index is None:
            return Retrieved((), (), ())
        search = asyncio.to_thread(index.search, question, self.passages, groups=groups)
        try:
            return await asyncio.wait_for(search, index.limit + _SLACK)
        except TimeoutError as problem:
            raise RetrievalDown(
                f"no passage was found within {index.limit + _SLACK:g} s", where=index.digest, mend="look at the index's store"
            ) from problem

    def _values(
        self, question: str, values: Mapping[str, Scalar], passages: tuple[Passage, ...]
    ) -> dict[str, Scalar | list[PromptPassage]]:
        """A value for each variable of the prompt; the question and the passages only where it has a place for them."""
        from shipway.llm import PromptPassage

        filled: dict[str, Scalar | list[PromptPassage]] = dict(values)
        for name, kind in self.prompt.variables.items():
            if kind == "passages":
                filled[name] = [PromptPassage(p.member.document, p.member.heading, p.member.text) for p in passages]
            elif name == QUESTION:
                filled[name] = question
        return filled

    def _parameters(self, sample: int, parameters: Mapping[str, Json] | None) -> dict[str, Json]:
        given = dict(parameters or {})
        seed = given.get("seed", self.provider.parameters.get("seed"))
        if sample and isinstance(seed, int):
            given["seed"] = seed + sample
        return given


def render_without_model(passages: tuple[Passage, ...]) -> str:
    """What a reader gets while the model is down: the passages, each with where it stands."""
    parts = ["The model is not answering. These passages of the documents may help:"]
    for number, passage in enumerate(passages, start=1):
        member = passage.member
        title = f"[{number}] {member.document}" + (f", {member.heading}" if member.heading else "")
        parts.append(f"{title} (bytes {member.start} to {member.end})\n{member.text}")
    return "\n\n".join(parts)


def _without_model(prepared: Prepared, failed: Span, *, seconds: float) -> Answered:
    from shipway.llm import Usage

    return Answered(
        text=render_without_model(prepared.passages),
        passages=prepared.passages,
        usage=Usage(0, 0),
        degraded=(*prepared.degraded, MODEL),
        spans=(*prepared.spans, failed),
        seconds=seconds,
        first_token=None,
        finish="degraded",
        model="",
    )
