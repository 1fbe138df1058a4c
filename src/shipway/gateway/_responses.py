"""Usage of a stream of OpenAI's `/responses`, whose events are not those of chat. Pure; the same fields as llm's scanner."""

from __future__ import annotations

import msgspec

from shipway.llm import OPENAI, Usage, usage_of

_MOST = 1 << 22  # bytes of one event; the last one holds the whole answer
_MOST_TEXT = 1 << 24  # characters of text that are kept


class _Event(msgspec.Struct):
    type: str = ""
    delta: msgspec.Raw = msgspec.Raw()  # an optional Raw would take nothing but null
    response: msgspec.Raw = msgspec.Raw()


_events = msgspec.json.Decoder(_Event)
_ENDS = ("response.completed", "response.incomplete", "response.failed")


class ResponsesScan:
    """Reads a stream as it passes; see StreamScan."""

    def __init__(self) -> None:
        self._rest, self._parts, self._room = b"", list[str](), _MOST_TEXT
        self.usage: Usage | None = None
        self.finish: str | None = None
        self.error: str | None = None
        self.deltas = 0

    @property
    def text(self) -> str:
        return "".join(self._parts)

    @property
    def complete(self) -> bool:
        return self.finish is not None

    def feed(self, data: bytes) -> list[str]:
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()[:_MOST]
        before = len(self._parts)
        for line in lines:
            if line.startswith(b"data:"):
                self._event(line[5:])
        return self._parts[before:]

    def end(self) -> list[str]:
        return self.feed(b"\n")

    def _event(self, data: bytes) -> None:
        try:
            event = _events.decode(data)
            if event.type == "response.output_text.delta":
                text = msgspec.json.decode(event.delta, type=str)
                self.deltas += 1
                if self._room > 0:
                    self._parts.append(text)
                    self._room -= len(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if event.type == "error":
            self.error = data.decode("utf-8", "replace")
        if event.type in _ENDS:
            self.finish = event.type.removeprefix("response.")
            self.usage = usage_of(OPENAI, bytes(event.response))
