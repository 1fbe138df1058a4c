"""Prompts as the files say them now: each becomes an object, and `prompt/<name>` points at it."""

from __future__ import annotations

from typing import NamedTuple

from shipway.gate import move_ref
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.llm import Prompt, parse_prompt
from shipway.pipeline import Hands
from shipway.spec import PromptSpec, Spec

LARGEST = 1 << 20  # bytes of a prompt's file


class PromptUnreadable(ShipwayError):
    """The file of a prompt is missing, no text, or shows no passages although it retrieves some."""

    code = "operate.prompt-unreadable"


class PromptTaken(NamedTuple):
    """A prompt that was read: its name, its object, whether its ref moved."""

    name: str
    digest: Digest
    moved: bool


def take_prompts(hands: Hands, spec: Spec, *, only: tuple[str, ...] = (), why: str = "") -> tuple[PromptTaken, ...]:
    """Read the prompts of the spec (or those named) and point their refs at them. Raises PromptUnreadable, PromptMalformed."""
    chosen = [prompt for name, prompt in spec.prompts.items() if not only or name in only]
    return tuple(_take(hands, spec, prompt, why) for prompt in chosen)


def prompt_object(spec: Spec, prompt: PromptSpec) -> JsonObject:
    """The object of a prompt's file as it is now. Raises PromptUnreadable, PromptMalformed."""
    found = read_prompt(spec, prompt)
    retrieve: JsonObject | None = {"index": prompt.index, "passages": prompt.passages} if _retrieves(found, prompt) else None
    return found.to_object(prompt.provider, retrieve)


def read_prompt(spec: Spec, prompt: PromptSpec) -> Prompt:
    """The prompt in its file."""
    file = spec.root / prompt.file
    try:
        if file.stat().st_size > LARGEST:
            raise PromptUnreadable(f"the file of prompt {prompt.name} has more than {LARGEST:,} bytes", where=str(file))
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        mend = f"write it, or name another file at prompts: {prompt.name}:"
        raise PromptUnreadable(f"prompt {prompt.name} cannot be read: {problem}", where=str(file), mend=mend) from problem
    return parse_prompt(text, where=prompt.file)


def _retrieves(found: Prompt, prompt: PromptSpec) -> bool:
    """A prompt without a place for passages retrieves nothing, whatever indexes there are."""
    return prompt.index is not None and found.shows_passages


def _take(hands: Hands, spec: Spec, prompt: PromptSpec, why: str) -> PromptTaken:
    digest = hands.store.put(prompt_object(spec, prompt))
    moved = move_ref(
        hands.store, hands.keys, hands.actor, ref=f"prompt/{prompt.name}", target=digest, why=why or f"{prompt.file} as it is"
    )
    return PromptTaken(prompt.name, digest, moved.changed)
