"""The usage of answers and streams as bytes, for whoever passes them on, and for our own client. Pure, and never raises.

A stream is Server-Sent Events: `data:` lines that end with LF or CRLF (a lone CR as line end is used by no provider).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shipway.kernel.canonical import JsonObject
from shipway.llm._anthropic import Anthropic
from shipway.llm._openai import OpenAi
from shipway.llm._types import ANTHROPIC, OPENAI, Usage
from shipway.llm._wire import Shape

MAX_LINE = 1 << 20  # bytes; a frame is some hundreds, so a longer line is no frame and is not kept in memory
MAX_TEXT = 16 << 20  # characters of text that a scanner keeps

_SHAPES: Mapping[str, Shape] = {OPENAI: OpenAi(), ANTHROPIC: Anthropic()}


def shape_of(name: str) -> Shape:
    """The wire format of this name, one of SHAPES; raises KeyError."""
    return _SHAPES[name]


def usage_of(shape: str, body: bytes | JsonObject) -> Usage | None:
    """The usage in a whole answer (chat, messages, embeddings, responses); None when it has none or cannot be read."""
    try:
        return shape_of(shape).usage(body if isinstance(body, bytes) else msgspec.json.encode(body))
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        return None


def stream_usage(shape: str) -> StreamScan:
    """A scanner of one stream in this wire format, one of SHAPES."""
    return StreamScan(shape_of(shape))


class StreamScan:
    """Reads a stream as it passes; the outcome does not depend on where the bytes were split.

    usage: as last reported; finish: the reason; model, fingerprint: as the provider says; deltas: frames with output;
    first_token_seen: there was one; error: what the provider said in the stream instead of an answer; done: its end mark
    was seen; malformed: frames that could not be read; text: the answer so far.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._rest, self._data, self._parts = b"", b"", list[str]()
        self._skip, self._room = False, MAX_TEXT
        self.usage: Usage | None = None
        self.finish: str | None = None
        self.model: str | None = None
        self.fingerprint: str | None = None
        self.error: str | None = None
        self.deltas, self.malformed, self.done = 0, 0, False

    @property
    def text(self) -> str:
        return "".join(self._parts)

    @property
    def first_token_seen(self) -> bool:
        return self.deltas > 0

    @property
    def complete(self) -> bool:
        """Whether the answer is all there: the end mark, or at least a reason to finish (some servers send no mark)."""
        return self.error is None and (self.done or self.finish is not None)

    def feed(self, data: bytes) -> list[str]:
        """Take the next bytes; returns the pieces of text that they completed."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        before = len(self._parts)
        for line in lines:
            self._line(line)
        if len(self._rest) > MAX_LINE:
            self._rest, self._skip = b"", True
        return self._parts[before:]

    def end(self) -> list[str]:
        """Say that no more bytes come: a last frame without its empty line counts."""
        return self.feed(b"\n\n")

    def _line(self, line: bytes) -> None:
        if self._skip or len(line) > MAX_LINE:
            self._skip, self.malformed = False, self.malformed + 1
            return
        line = line.removesuffix(b"\r")
        if line.startswith(b"data:"):
            piece = line[5:].removeprefix(b" ")
            self._data = self._data + b"\n" + piece if self._data else piece
            if len(self._data) > MAX_LINE:
                self._data, self.malformed = b"", self.malformed + 1
        elif not line and self._data:
            frame, self._data = self._data, b""
            self._frame(frame)

    def _frame(self, frame: bytes) -> None:
        try:
            delta = self._shape.delta(frame, self.usage)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self.malformed += 1
            return
        if delta.usage is not None:
            self.usage = delta.usage
        self.finish, self.model = delta.finish or self.finish, delta.model or self.model
        self.fingerprint, self.error = delta.fingerprint or self.fingerprint, delta.error or self.error
        self.done = self.done or delta.done
        self.deltas += delta.token
        if delta.text and self._room > 0:
            self._parts.append(delta.text)
            self._room -= len(delta.text)
