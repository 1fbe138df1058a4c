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
_VOID = {"br", "hr", "img", "input", "link", "meta", "wbr", "area", "base", "col", "embed", "source", "track"}


def html_blocks(text: str) -> Iterator[Block]:
    """The blocks of a page in order; navigation, scripts and styles are left out."""
    reader = _Reader(text)
    reader.feed(text)
    reader.close()
    reader.flush(len(text))
    yield from reader.blocks
    yield from (_bare(block, text) for block in reader.outline.close())


class _Reader(HTMLParser):
    """Gathers text until a tag that ends a paragraph."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self.outline = Outline()
        self._lines = [line.start for line in lines_of(text)] or [0]
        self._source = text
        self._parts: list[str] = []
        self._start: int | None = None
        self._level = self._pre = 0
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if self._silent:
            self._silent += [tag] if tag in _SILENT else []
            return
        if tag in _SILENT:
            self.flush(self._place())
            self._silent.append(tag)
        elif tag == "br":
            self._parts.append("\n")
        elif tag not in _INLINE:
            self.flush(self._place())
            self._level = _HEADINGS.get(tag, self._level)
            self._pre += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            if tag in self._silent:
                while self._silent.pop() != tag:  # an unclosed one inside ends with it
                    pass
            return
        if tag not in _INLINE and tag not in _VOID:
            self.flush(self._place())
            self._level = 0 if tag in _HEADINGS else self._level
            self._pre = max(0, self._pre - (tag == "pre"))

    def handle_data(self, data: str) -> None:
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
