"""Prompts as objects: messages with typed variables. What does not fit is an error before any call is made.

A value is data. It is put in after the prompt was read, so that nothing in it is ever taken for a variable, and marks that
end a passage or a turn of a conversation are broken where a value holds them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import cast

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.errors import ShipwayError, nearest
from shipway.llm._passages import PromptPassage, inert, render_passages
from shipway.llm._types import Message

TYPES = ("text", "integer", "number", "passages")  # and choice(a|b)
ROLES = ("system", "user", "assistant")
PASSAGES = "passages"
MAX_PROMPT = 1 << 20  # characters

Value = str | int | float | Sequence[PromptPassage]

_HEADING = re.compile(r"#[ \t]+(system|user|assistant)[ \t]*\r?", re.IGNORECASE)
_MARK = re.compile(r"\{\{\{\{|\{\{([^{}\n]*)\}\}|\{\{(?!\{)")
_SLOT = re.compile(r"\s*([A-Za-z_]\w*)\s*(?::\s*(.*?)\s*)?")
_CHOICE = re.compile(r"choice\(([^()|]+(?:\|[^()|]+)*)\)")


class PromptMalformed(ShipwayError):
    """A prompt that cannot be read; `where` is its file and line."""

    code = "llm.prompt-malformed"


class PromptVariable(ShipwayError):
    """A value that a prompt needs and did not get, does not know, or that is of another type."""

    code = "llm.prompt-variable"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a message where the value of a variable goes."""

    name: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A message whose variables are still open: its texts and slots in order."""

    role: str
    parts: tuple[str | Slot, ...]

    def text(self) -> str:
        """As it is written: slots without their types, `{{{{` for two literal braces."""
        written = ("{{" + part.name + "}}" if isinstance(part, Slot) else part.replace("{{", "{{{{") for part in self.parts)
        return "".join(written)


@dataclass(frozen=True, slots=True)
class Prompt:
    """Messages with open variables, and the type of each."""

    turns: tuple[Turn, ...]
    variables: Mapping[str, str]

    @property
    def shows_passages(self) -> bool:
        """Whether a retrieval has a place to go."""
        return PASSAGES in self.variables.values()

    def render(self, values: Mapping[str, Value]) -> tuple[Message, ...]:
        """The messages to send. Raises PromptVariable: one is missing, unknown or of another type."""
        for name in values:
            if name not in self.variables:
                raise PromptVariable(f"the prompt has no variable {name}", mend=_meant(name, self.variables))
        texts = {name: _text(name, kind, values) for name, kind in self.variables.items()}
        return tuple(
            Message(turn.role, "".join(texts[part.name] if isinstance(part, Slot) else part for part in turn.parts))
            for turn in self.turns
        )

    def to_object(self, provider: str, retrieve: JsonObject | None) -> JsonObject:
        """The object that a release locks. provider: the name of one; retrieve: `{"index": NAME, "passages": n}` or None."""
        return {
            "kind": "prompt",
            "version": 1,
            "messages": [{"role": turn.role, "text": turn.text()} for turn in self.turns],
            "variables": dict(self.variables),
            "provider": provider,
            "retrieve": retrieve,
        }


def parse_prompt(text: str, *, where: str) -> Prompt:
    """The prompt of a markdown file. `# system`, `# user`, `# assistant` alone on a line start messages; without any it is
    one user message. `{{name}}` or `{{name: type}}` is a variable: text (when left out; passages when that is its name),
    integer, number, choice(a|b) or passages. `{{{{` stands for two literal braces; closing ones need nothing.

    where: the file, for errors. Raises PromptMalformed.
    """
    if len(text) > MAX_PROMPT:
        raise PromptMalformed(f"a prompt of {len(text)} characters", where=where, mend=f"at most {MAX_PROMPT}")
    variables: dict[str, str] = {}
    turns = []
    for role, line, body in _sections(text, where):
        turns.append(Turn(role, _parts(body, line, where, variables)))
    return Prompt(tuple(turns), {name: kind or _usual(name) for name, kind in variables.items()})


def prompt_from_object(record: JsonObject) -> Prompt:
    """The prompt of a stored object; raises PromptMalformed."""
    if (record.get("kind"), record.get("version")) != ("prompt", 1):
        raise PromptMalformed(f"not a prompt of version 1: {record.get('kind')} {record.get('version')}")
    messages = cast("Sequence[Mapping[str, str]]", record["messages"])
    kinds = cast("Mapping[str, str]", record["variables"])
    found: dict[str, str] = {}
    turns = tuple(Turn(item["role"], _parts(item["text"], 1, "the prompt's object", found)) for item in messages)
    if set(found) != set(kinds) or not all(_known(kind) for kind in kinds.values()):
        raise PromptMalformed("the variables of the object are not those of its messages")
    return Prompt(turns, dict(kinds))


def _sections(text: str, where: str) -> list[tuple[str, int, str]]:
    """Role, first line and text of each message."""
    sections: list[tuple[str, int, list[str]]] = [("user", 1, [])]
    for number, line in enumerate(text.split("\n"), start=1):
        heading = _HEADING.fullmatch(line)
        if heading:
            sections.append((heading[1].lower(), number + 1, []))
        else:
            sections[-1][2].append(line)
    if len(sections) > 1 and "".join(sections[0][2]).strip():
        raise PromptMalformed("text before the first heading", where=f"{where}:1", mend="begin with # system or # user")
    found = []
    for role, start, lines in sections[1:] or sections:
        blank = next((place for place, line in enumerate(lines) if line.strip()), None)
        if blank is None:
            raise PromptMalformed(f"the {role} message is empty", where=f"{where}:{max(1, start - 1)}")
        found.append((role, start + blank, "\n".join(lines[blank:]).replace("\r\n", "\n").rstrip()))
    return found


def _parts(text: str, line: int, where: str, variables: dict[str, str]) -> tuple[str | Slot, ...]:
    """Texts and slots of one message; adds what it finds to variables (type, or empty when none is written)."""
    parts: list[str | Slot] = []
    literal, end = "", 0
    for mark in _MARK.finditer(text):
        literal, end, before = literal + text[end : mark.start()], mark.end(), mark.start()
        if mark[0] == "{{{{":
            literal += "{{"
            continue
        name = _slot(mark[1], f"{where}:{line + text.count(chr(10), 0, before)}", variables)
        parts += [literal, Slot(name)] if literal else [Slot(name)]
        literal = ""
    literal += text[end:]
    return (*parts, literal) if literal else tuple(parts)


def _slot(inside: str | None, where: str, variables: dict[str, str]) -> str:
    """The name of a variable, whose type is noted."""
    found = _SLOT.fullmatch(inside) if inside is not None else None
    if not found:
        mend = "write {{name}} or {{name: type}}; {{{{ stands for two literal braces"
        raise PromptMalformed("two opening braces that begin no variable", where=where, mend=mend)
    name, kind = found[1], found[2] or ""
    if found[2] is not None and not _known(kind):
        mend = f"one of {', '.join(TYPES)}, choice(a|b)"
        raise PromptMalformed(f"{name} has the unknown type {kind!r}", where=where, mend=mend)
    if kind and variables.get(name, kind) not in ("", kind):
        raise PromptMalformed(f"{name} is {variables[name]} and {kind}", where=where, mend="give it one type")
    variables[name] = kind or variables.get(name, "")
    return name


def _usual(name: str) -> str:
    return PASSAGES if name == PASSAGES else "text"


def _known(kind: str) -> bool:
    return kind in TYPES or _CHOICE.fullmatch(kind) is not None


def _meant(name: str, variables: Mapping[str, Json]) -> str:
    close = nearest(name, list(variables))
    return f"did you mean {close}?" if close else f"it has {', '.join(sorted(variables)) or 'none'}"


def _text(name: str, kind: str, values: Mapping[str, Value]) -> str:
    """A value as the text that goes into the prompt."""
    if name not in values:
        raise PromptVariable(f"the variable {name} ({kind}) has no value")
    value = values[name]
    if kind == PASSAGES:
        return _passages_text(name, value)
    if kind == "integer" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return str(value)
    if kind == "text" and isinstance(value, str):
        return inert(value)
    choice = _CHOICE.fullmatch(kind)
    if choice and isinstance(value, str) and value in _options(choice[1]):
        return value
    raise PromptVariable(f"the variable {name} takes {kind}, not {_described(value, choice is not None)}")


def _passages_text(name: str, value: Value) -> str:
    if isinstance(value, Sequence) and all(isinstance(item, PromptPassage) for item in value) and not isinstance(value, str):
        return render_passages(value)
    raise PromptVariable(f"the variable {name} takes passages, not {_described(value, False)}")


def _options(text: str) -> list[str]:
    return [option.strip() for option in text.split("|")]


def _described(value: object, shown: bool) -> str:
    return repr(value)[:60] if shown else f"{type(value).__name__}"
