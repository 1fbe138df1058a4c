"""Documents to chunks: sections by their headings, paragraphs packed up to a length, no overlap. Pure and deterministic.

A chunk is an exact span of its document. What is embedded is the path of headings and the text, and the digest of a chunk
is over exactly that: a renamed heading is embedded anew, a document that moved is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest, digest_bytes
from shipway.rag._blocks import Block
from shipway.rag._html import html_blocks
from shipway.rag._markdown import markdown_blocks
from shipway.rag._rest import rest_blocks

_PATH = " > "
_PATIENCE = 2  # a code block may be this many times too long before it is cut: half an example explains nothing
BLANK = " \t\r\n\x0b\x0c\ufeff"  # a byte order mark is no text
_ENDS = re.compile(r"(?<=[.!?:;])\s+|\n")
_FORMATS = {".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html", ".xhtml": "html"}


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one document. start, end: bytes of the document it was cut from (for HTML: with the tags in between)."""

    digest: Digest
    text: str
    heading: str
    start: int
    end: int


class _Piece(NamedTuple):
    start: int
    end: int
    text: str
    heading: str


def chunker_record(characters: int) -> JsonObject:
    """What an index says about its chunks: equal records cut equally."""
    return {"name": "section", "version": 1, "characters": characters}


def extractor_record() -> JsonObject:
    """What an index says about how text came out of its documents."""
    return {"name": "text", "version": 1, "html": "html.parser"}


def format_of(key: str) -> str:
    """How a document is read: `markdown`, `html`, or `rest`, which plain text is too.

    >>> [format_of(name) for name in ("a/b.MD", "c.html", "d.txt")]
    ['markdown', 'html', 'rest']
    """
    return _FORMATS.get(PurePosixPath(key).suffix.lower(), "rest")


def embedded_text(heading: str, text: str) -> str:
    """What is embedded for a chunk, and what its digest is over."""
    return f"{heading}\n{text}" if heading else text


def chunk_document(data: bytes, *, form: str, characters: int) -> tuple[Chunk, ...]:
    """The chunks of a document in order, never overlapping; `data[start:end].decode() == text` unless it is HTML.

    form: of format_of; characters: how long a chunk may be; a code block may be twice that. Raises UnicodeDecodeError.
    """
    text = data.decode()
    if form == "html":
        pieces: Iterable[_Piece] = _pack_html(html_blocks(text), characters)
    else:
        blocks = markdown_blocks(text) if form == "markdown" else rest_blocks(text)
        pieces = _pack(text, blocks, characters)
    return tuple(_with_bytes(text, list(pieces)))


def _pack(text: str, blocks: Iterable[Block], characters: int) -> Iterator[_Piece]:
    """Blocks of one section together, as long as they and what stands between them fit."""
    start = end = 0
    heading: tuple[str, ...] | None = None
    for block in (part for whole in blocks for part in _split(text, whole, characters)):
        if heading == block.heading and block.end - start <= characters:
            end = block.end
            continue
        if heading is not None:
            yield _Piece(start, end, text[start:end], _PATH.join(heading))
        start, end, heading = block.start, block.end, block.heading
    if heading is not None:
        yield _Piece(start, end, text[start:end], _PATH.join(heading))


def _split(text: str, block: Block, characters: int) -> Iterator[Block]:
    """The block without white space around it, in parts when it is too long: at lines, ends of sentences, words, anywhere."""
    limit = characters * _PATIENCE if block.code else characters
    start, end = _trimmed(text, block.start, block.end)
    while end - start > limit:
        cut = _cut(text, start, start + limit, block.code)
        _, stop = _trimmed(text, start, cut)
        yield Block(start, stop, block.heading, block.code)
        start, _ = _trimmed(text, cut, end)
    if end > start:
        yield Block(start, end, block.heading, block.code)


def _cut(text: str, start: int, most: int, code: bool) -> int:
    """Where to cut at or before `most`; not in the first third, which would leave crumbs."""
    least = start + (most - start) // 3
    line = text.rfind("\n", least, most)
    if code and line > 0:
        return line + 1
    ends = [found.end() for found in _ENDS.finditer(text, least, most)]
    if ends:
        return ends[-1]
    word = max(text.rfind(" ", least, most), text.rfind("\t", least, most))
    return word + 1 if word > 0 else most


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space at either end; indentation of a first line of code goes with it."""
    while start < end and text[start] in BLANK:
        start += 1
    while end > start and text[end - 1] in BLANK:
        end -= 1
    return start, end


def _pack_html(blocks: Iterable[Block], characters: int) -> Iterator[_Piece]:
    """As _pack, over texts that tags stand between; each part of a long block names the block's whole span."""
    held: list[Block] = []
    for block in (part for whole in blocks for part in _split_html(whole, characters)):
        length = sum(len(part.text) + 2 for part in held)
        if held and (held[0].heading != block.heading or length + len(block.text) > characters):
            yield _joined(held)
            held = []
        held.append(block)
    if held:
        yield _joined(held)


def _split_html(block: Block, characters: int) -> Iterator[Block]:
    for part in _split(block.text, Block(0, len(block.text), block.heading, block.code), characters):
        yield Block(block.start, block.end, block.heading, block.code, block.text[part.start : part.end])


def _joined(blocks: Sequence[Block]) -> _Piece:
    text = "\n\n".join(block.text for block in blocks)
    return _Piece(blocks[0].start, blocks[-1].end, text, _PATH.join(blocks[0].heading))


def _with_bytes(text: str, pieces: Sequence[_Piece]) -> Iterator[Chunk]:
    """The pieces with their places in bytes instead of characters."""
    places = sorted({place for piece in pieces for place in piece[:2]})
    at, offset, offsets = 0, 0, {}
    for place in places:
        offset += len(text[at:place].encode())
        at, offsets[place] = place, offset
    for piece in pieces:
        digest = digest_bytes(embedded_text(piece.heading, piece.text).encode())
        yield Chunk(digest, piece.text, piece.heading, offsets[piece.start], offsets[piece.end])
