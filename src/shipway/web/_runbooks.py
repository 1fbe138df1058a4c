"""The runbooks of docs/runbooks.md as values: what to do about a cause, where it is read. Knows headings, items and `code`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TEXT = Path(__file__).parent / "runbooks.md"  # a link to docs/runbooks.md, which a package holds as the file itself
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_ITEM = re.compile(r"\d+\. ")
_ANY = "APP@ENV"  # stands for the deployment in a command

Words = tuple[tuple[str, bool], ...]
"""A sentence in pieces: each with whether it is a command or a name."""


@dataclass(frozen=True, slots=True)
class Runbook:
    """about: what such a cause is; steps: what to do, in order."""

    about: Words
    steps: tuple[Words, ...]


def runbook_of(kind: str, deployment: str) -> Runbook | None:
    """The runbook of a cause such as `release`, for one deployment; None where there is none.

    >>> runbook_of("release", "delay@prod").steps[0][0]
    ('shipway rollback delay@prod', True)
    """
    lines = _sections().get(kind)
    if not lines:
        return None
    items: list[str] = []
    about: list[str] = []
    for line in lines:
        if _ITEM.match(line):
            items.append(_ITEM.sub("", line, count=1))
        elif items:
            items[-1] += f" {line.strip()}"
        else:
            about.append(line.strip())
    return Runbook(_words(" ".join(about), deployment), tuple(_words(item, deployment) for item in items))


@cache
def _sections() -> dict[str, list[str]]:
    parts = re.split(r"^## ", _TEXT.read_text(), flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0].strip(): [line for line in part.splitlines()[1:] if line.strip()] for part in parts}


def _words(text: str, deployment: str) -> Words:
    pieces = _LINK.sub(r"\1", text).replace(_ANY, deployment).split("`")
    return tuple((piece, place % 2 == 1) for place, piece in enumerate(pieces) if piece)
