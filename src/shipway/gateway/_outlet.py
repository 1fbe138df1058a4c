"""The last change to an answer before the caller gets it: our block of an application, and no usage that nobody asked for.

Bytes that need no change are never looked at here.
"""

from __future__ import annotations

import re

import msgspec

from shipway.kernel.canonical import JsonObject
from shipway.llm import ANTHROPIC, OPENAI

_FRAME_END = re.compile(rb"\r?\n\r?\n")
_DONE = re.compile(rb"data: ?\[DONE\]\s*\Z")
_STOP = re.compile(rb'"type": ?"message_stop"')
BLOCK = "shipway"
_MOST = 1 << 20  # bytes of one frame; a longer one is nothing that we change, and passes in pieces


class _Chunk(msgspec.Struct):
    choices: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = msgspec.Raw()  # an optional Raw would take nothing but null


_chunks = msgspec.json.Decoder(_Chunk)
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Outlet:
    """Changes one answer. shape: the caller's; hide_usage: drop the chunk that has usage and nothing else; block: what is
    added under `shipway`, to a whole answer as a field, to a stream as a last chunk.
    """

    def __init__(self, shape: str, *, hide_usage: bool = False, block: JsonObject | None = None) -> None:
        self._shape, self._hide, self._block = shape, hide_usage, block
        self._idle = not hide_usage and block is None
        self._rest = b""

    def whole(self, body: bytes) -> bytes:
        """A whole answer; what is no JSON object passes as it is."""
        if self._block is None:
            return body
        try:
            parts = _parts.decode(body)
        except msgspec.DecodeError:
            return body
        return msgspec.json.encode({**parts, BLOCK: self._block})

    def feed(self, data: bytes) -> bytes:
        """The next bytes of a stream: whole frames only, when anything may have to change."""
        if self._idle:
            return data
        frames, at = [], 0
        known = max(0, len(self._rest) - 3)  # an end may have begun there; before it there is none
        data = self._rest + data
        for end in _FRAME_END.finditer(data, known):
            frames.append(self._frame(data[at : end.end()]))
            at = end.end()
        self._rest = data[at:]
        if len(self._rest) > _MOST:
            frames.append(self._rest)
            self._rest = b""
        return b"".join(frames)

    def end(self) -> bytes:
        """What is left when the stream has ended; the block, if no end mark has come."""
        rest = self._frame(self._rest) if self._rest else b""
        self._rest = b""
        return rest + self._take_block()

    def _frame(self, frame: bytes) -> bytes:
        if self._hide and b'"usage"' in frame and _only_usage(frame):
            return b""
        if self._block is not None and (_DONE if self._shape == OPENAI else _STOP).search(frame):
            return self._take_block() + frame
        return frame

    def _take_block(self) -> bytes:
        block, self._block = self._block, None
        if block is None:
            return b""
        if self._shape == ANTHROPIC:
            return b"event: shipway\ndata: " + msgspec.json.encode({"type": BLOCK, BLOCK: block}) + b"\n\n"
        chunk = {"id": block["request"], "object": "chat.completion.chunk", "created": 0, "model": "", "choices": []}
        return b"data: " + msgspec.json.encode({**chunk, BLOCK: block}) + b"\n\n"


def _only_usage(frame: bytes) -> bool:
    try:
        chunk = _chunks.decode(frame.strip().removeprefix(b"data:"))
    except msgspec.DecodeError:
        return False
    return chunk.choices == [] and bytes(chunk.usage) not in (b"", b"null")
