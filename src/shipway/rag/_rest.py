"""Sections and paragraphs of reStructuredText, and of plain text, which is the same without headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from shipway.rag._blocks import Block, Line, Outline, lines_of

_RULE = re.compile(r"([!-/:-@\[-`{-~])\1+\s*")
_TARGET = re.compile(r"\.\. _[^:]+:\s*")  # a label for links, which says nothing to a reader
_CODE = re.compile(r"\s*\.\. (?:code-block|code|sourcecode|parsed-literal|console|prompt)::")
_TOO_SHORT = 4  # docutils takes a rule of four characters even when its title is longer


def rest_blocks(text: str) -> Iterator[Block]:
    """The blocks of a document in order."""
    lines = lines_of(text)
    styles: list[tuple[str, bool]] = []
    outline, at = Outline(), 0
    while at < len(lines):
        size = _heading_at(lines, at)
        if size:
            over = size == 3
            title = lines[at + over]
            style = (lines[at + size - 1].text[0], over)
            if style not in styles:
                styles.append(style)
            yield from outline.enter(styles.index(style), title.text.strip(), title.start, title.end)
            at += size
            continue
        stop, code = _block_end(lines, at)
        if not lines[at].blank and not all(_TARGET.fullmatch(line.text) for line in lines[at:stop]):
            outline.filled()
            yield Block(lines[at].start, lines[stop - 1].end, outline.path, code)
        at = stop
    yield from outline.close()


def _heading_at(lines: Sequence[Line], at: int) -> int:
    """How many lines the heading that begins here has: 2, with an overline 3, or 0 when there is none."""
    if at and not lines[at - 1].blank and not _heading_before(lines, at):
        return 0
    if at + 2 < len(lines) and _is_rule(lines[at]) and _is_rule(lines[at + 2]):
        title, over, under = lines[at + 1], lines[at].text.rstrip(), lines[at + 2].text.rstrip()
        if not title.blank and over == under and not _is_rule(title) and len(over) >= len(title.text.strip()):
            return 3
    if at + 1 < len(lines) and not lines[at].blank and not lines[at].indent and _is_rule(lines[at + 1]):
        long = len(lines[at + 1].text.rstrip())
        return 2 if not _is_rule(lines[at]) and long >= min(len(lines[at].text.rstrip()), _TOO_SHORT) else 0
    return 0


def _heading_before(lines: Sequence[Line], at: int) -> bool:
    """Whether the line above is the rule under a heading: headings may follow each other without a blank line."""
    return at >= 2 and _is_rule(lines[at - 1]) and not lines[at - 2].blank and not lines[at - 2].indent


def _is_rule(line: Line) -> bool:
    return _RULE.fullmatch(line.text) is not None


def _block_end(lines: Sequence[Line], at: int) -> tuple[int, bool]:
    """Behind the paragraph that begins here, with the code block that it opens; whether there is one."""
    stop = at + 1
    if lines[at].blank:
        return stop, False
    while stop < len(lines) and not lines[stop].blank and not _heading_at(lines, stop):
        stop += 1
    if not _opens_code(lines[at:stop]):
        return stop, False
    indent, last = lines[at].indent, stop
    while stop < len(lines) and (lines[stop].blank or lines[stop].indent > indent):
        stop += 1
        last = last if lines[stop - 1].blank else stop
    return last, True


def _opens_code(paragraph: Sequence[Line]) -> bool:
    """Whether the indented text below a paragraph is to be kept as it is."""
    last = paragraph[-1].text.rstrip()
    return any(_CODE.match(line.text) for line in paragraph) or (last.endswith("::") and not last.lstrip().startswith(".. "))
