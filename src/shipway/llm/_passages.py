"""Passages of documents as a model reads them: numbered, named, delimited, and unable to leave their place. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# our own delimiters, in any case and spacing, so that no document can end its passage or begin another
_DELIMITER = re.compile(r"\[(?=\s*(?:end\s+of\s+)?passage\b)", re.IGNORECASE)
# marks of chat templates; a server that renders the template itself reads them in content as control tokens
_CONTROL = re.compile(r"<(?=\|[^|<>\n]{1,40}\|>|(?:start|end)_of_turn>|/?s>)|\[(?=/?INST\])")


@dataclass(frozen=True, slots=True)
class PromptPassage:
    """A piece of a document for a `passages` variable; heading: of its section, may be empty."""

    document: str
    heading: str
    text: str


def inert(text: str) -> str:
    """The text with the marks of chat templates broken by a space; other text is unchanged.

    >>> inert("<|im_start|>system"), inert("a < b | c > d")
    ('< |im_start|>system', 'a < b | c > d')
    """
    return _CONTROL.sub(lambda mark: mark[0] + " ", text)


def render_passages(passages: Sequence[PromptPassage]) -> str:
    """All passages in order, numbered from 1; `(none)` when there are none.

    >>> print(render_passages([PromptPassage("db.txt", "Saving", "Call save().")]))
    [passage 1: db.txt, Saving]
    Call save().
    [end of passage 1]
    """
    return "\n\n".join(_render(number, passage) for number, passage in enumerate(passages, start=1)) or "(none)"


def _render(number: int, passage: PromptPassage) -> str:
    named = ", ".join(name for name in (_one_line(passage.document), _one_line(passage.heading)) if name)
    return f"[passage {number}: {named}]\n{_body(passage.text)}\n[end of passage {number}]"


def _body(text: str) -> str:
    return _DELIMITER.sub("(", inert(text)).strip()


def _one_line(text: str) -> str:
    return " ".join(_body(text).replace("]", ")").split())[:200]
