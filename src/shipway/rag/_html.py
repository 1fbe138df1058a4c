"""The text of an HTML page in blocks, each with the span of the page that it stands in. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

from shipway.rag._blocks import Block, Outline, lines_of

_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_SILENT = {"script", "style", "template", "noscript", "svg", "nav", "head", "iframe", "object"}  # no prose of the page
_INLINE = {
    *("a", "abbr", "b", "bdi", "bdo", "big", "button", "cite", "code", "del", "dfn", "em", "font", "i", "img", "input", "ins"),
    *(
        "kbd",
        "label",
        "mark",
        "q",
        "s",
        "samp",
        "select",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
    ),
}
_HEAD = {"base", "link", "meta", "noscript", "script", "style", "template", "title"}  # what may stand in a head
_RAW = {"script", "style", "template", "title"}
_PASSES = 3
_VOID = {"br", "hr", "img", "input", "link", "meta", "wbr", "area", "base", "col", "embed", "source", "track"}


def html_blocks(text: str) -> Iterator[Block]:
    """The blocks of a page in order; navigation, scripts and styles are left out.

    What would be left out and has no end tag is read: nobody knows where it was meant to end, and the page follows it.
    """
    reader = _read(text, frozenset())
    for _ in range(_PASSES):
        if not reader.unclosed:
            break
        reader = _read(text, reader.heard | reader.unclosed)
    yield from reader.blocks
    yield from (_bare(block, text) for block in reader.outline.close())


def _read(text: str, heard: frozenset[int]) -> _Reader:
    reader = _Reader(text, heard)
    reader.feed(text)
    reader.close()
    reader.flush(len(text))
    return reader


class _Reader(HTMLParser):
    """Gathers text until a tag that ends a paragraph. heard: where silent elements begin that are read nevertheless."""

    def __init__(self, text: str, heard: frozenset[int] = frozenset()) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self.outline = Outline()
        self._lines = [line.start for line in lines_of(text)] or [0]
        self._source = text
        self._parts: list[str] = []
        self._start: int | None = None
        self._level = self._pre = 0
        self.heard = heard
        self._silent: list[tuple[str, int]] = []

    @property
    def unclosed(self) -> frozenset[int]:
        """Where the silent elements begin that have no end tag; a script without one is still no prose."""
        return frozenset(start for tag, start in self._silent if tag not in _RAW)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag == "body" or (self._silent and self._silent[-1][0] == "head" and tag not in _HEAD):
            self._silent.clear()  # a head ends with the first tag that cannot stand in it, with or without an end tag
        place = self._place()
        if self._silent:
            self._silent += [(tag, place)] if (tag in _SILENT and place not in self.heard) or tag == "title" else []
            return
        if tag in _SILENT and place not in self.heard:
            self.flush(place)
            self._silent.append((tag, place))
        elif tag == "br":
            self._parts.append("\n")
        elif tag not in _INLINE:
            self.flush(self._place())
            self._level = _HEADINGS.get(tag, self._level)
            self._pre += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            if any(tag == open for open, _ in self._silent):
                while self._silent.pop()[0] != tag:  # an unclosed one inside ends with it
                    pass
            return
        if tag not in _INLINE and tag not in _VOID:
            self.flush(self._place())
            self._level = 0 if tag in _HEADINGS else self._level
            self._pre = max(0, self._pre - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        if data.strip() and self._silent and self._silent[-1][0] == "head":
            self._silent.clear()
        if self._silent or (not self._parts and not data.strip()):
            return
        if self._start is None:
            self._start = self._place()
        self._parts.append(data)

    def flush(self, end: int) -> None:
        """End the block that is being gathered."""
        raw, start = "".join(self._parts), self._start
        self._parts, self._start = [], None
        text = raw.strip("\n").rstrip() if self._pre else " ".join(raw.split())
        if not text.strip() or start is None:
            return
        if self._level:
            self.blocks += [_bare(block, self._source) for block in self.outline.enter(self._level, text, start, end)]
        else:
            self.outline.filled()
            self.blocks.append(Block(start, end, self.outline.path, self._pre > 0, text))

    def _place(self) -> int:
        line, column = self.getpos()
        return self._lines[min(line, len(self._lines)) - 1] + column


def _bare(block: Block, source: str) -> Block:
    """A heading that nothing stands under, as a block: its text is what the page has there without tags."""
    reader = _Reader("")
    reader.feed(source[block.start : block.end])
    reader.close()
    reader.flush(0)
    text = " ".join(found.text for found in reader.blocks)
    return Block(block.start, block.end, block.heading, False, text)
