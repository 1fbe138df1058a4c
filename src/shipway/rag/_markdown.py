"""Sections and paragraphs of Markdown (CommonMark's headings and fences)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from shipway.rag._blocks import Block, Line, Outline, lines_of

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_NO_TITLE = re.compile(r" {0,3}(?:[-*+>|]|\d+[.)])(?:\s|$)")  # a list, quote or table above a rule is no heading


def markdown_blocks(text: str) -> Iterator[Block]:
    """The blocks of a document in order; front matter is one."""
    lines, outline = lines_of(text), Outline()
    at = _front_matter(lines)
    if at:
        yield Block(lines[0].start, lines[at - 1].end, (), code=True)
    while at < len(lines):
        heading = _heading_at(lines, at)
        if heading:
            level, title, size = heading
            yield from outline.enter(level, title, lines[at].start, lines[at].end)
            at += size
            continue
        stop, code = _block_end(lines, at)
        if not lines[at].blank:
            outline.filled()
            yield Block(lines[at].start, lines[stop - 1].end, outline.path, code)
        at = stop
    yield from outline.close()


def _front_matter(lines: Sequence[Line]) -> int:
    """How many lines the metadata between two `---` at the very beginning has."""
    if not lines or lines[0].text.rstrip() != "---":
        return 0
    return next((at + 1 for at in range(1, len(lines)) if lines[at].text.rstrip() == "---"), 0)


def _heading_at(lines: Sequence[Line], at: int) -> tuple[int, str, int] | None:
    """Level, title and number of lines of the heading that begins here."""
    found = _ATX.fullmatch(lines[at].text)
    if found:
        title = (found[2] or "").strip()
        return (len(found[1]), title, 1) if title else None
    if at + 1 == len(lines) or lines[at].blank or lines[at].indent > 3 or _NO_TITLE.match(lines[at].text):
        return None
    if (at and not lines[at - 1].blank and not _ATX.fullmatch(lines[at - 1].text)) or _FENCE.fullmatch(lines[at].text):
        return None
    under = _SETEXT.fullmatch(lines[at + 1].text)
    if not under or _SETEXT.fullmatch(lines[at].text):
        return None
    return (1 if under[1][0] == "=" else 2), lines[at].text.strip(), 2


def _block_end(lines: Sequence[Line], at: int) -> tuple[int, bool]:
    """Behind the paragraph or fenced code block that begins here; whether it is code."""
    fence = _FENCE.fullmatch(lines[at].text)
    if fence and not (fence[1][0] == "`" and "`" in fence[2]):
        return _fence_end(lines, at, fence[1]), True
    stop = at + 1
    while stop < len(lines) and not lines[at].blank and not lines[stop].blank:
        if _ATX.fullmatch(lines[stop].text) or _FENCE.fullmatch(lines[stop].text):
            break
        stop += 1
    return stop, False


def _fence_end(lines: Sequence[Line], at: int, mark: str) -> int:
    """Behind the closing fence, or at the end of the document, as CommonMark has it."""
    for stop in range(at + 1, len(lines)):
        found = _FENCE.fullmatch(lines[stop].text)
        if found and found[1].startswith(mark) and not found[2].strip():
            return stop + 1
    return len(lines)
