"""What the readers of each format give the chunker: spans of text under a path of headings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


class Block(NamedTuple):
    """A paragraph or a code block. start, end: characters of the document; text: only where the span is not the text."""

    start: int
    end: int
    heading: tuple[str, ...]
    code: bool = False
    text: str = ""


class Line(NamedTuple):
    """A line without its line break; end is behind the break."""

    start: int
    end: int
    text: str

    @property
    def blank(self) -> bool:
        return not self.text.strip()

    @property
    def indent(self) -> int:
        return len(self.text) - len(self.text.lstrip())


def lines_of(text: str) -> list[Line]:
    """The lines of a text; only a line feed ends one, because other separators may stand inside a paragraph."""
    lines, start = [], 0
    while start < len(text):
        found = text.find("\n", start)
        end = len(text) if found < 0 else found + 1
        lines.append(Line(start, end, text[start:end].rstrip("\r\n").lstrip("\ufeff" if start == 0 else "")))
        start = end
    return lines


@dataclass
class Outline:
    """The headings above the present place, and the headings under which nothing stood."""

    levels: list[tuple[int, str]] = field(default_factory=list)
    bare: Block | None = None

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(title for _, title in self.levels)

    def enter(self, level: int, title: str, start: int, end: int) -> Iterator[Block]:
        """Begin a section; the heading before it is given as a block of its own when its section was a leaf without text."""
        if self.bare and (not self.levels or level <= self.levels[-1][0]):
            yield self.bare
        while self.levels and self.levels[-1][0] >= level:
            self.levels.pop()
        above = self.path
        self.levels.append((level, title))
        self.bare = Block(start, end, above)

    def filled(self) -> None:
        """The present section has text."""
        self.bare = None

    def close(self) -> Iterator[Block]:
        """At the end of the document: the last heading, if nothing followed it."""
        if self.bare:
            yield self.bare
