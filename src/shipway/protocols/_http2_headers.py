"""The header blocks of one HTTP/2 connection: put together, decoded once, and held against what a request may say.

Source: RFC 9113 (8.2, 8.3), RFC 7541.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import hpack

from shipway.protocols import _http2_frames as h2

BLOCK = 32_768  # bytes of a header block, and of the headers in it
_KNOWN_BLOCKS = 256  # remembered of a connection
_ASKED = (b":method", b":scheme", b":path", b":authority")
_HOPS = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_NAME = re.compile(rb":?[!#$%&'*+\-.^_`|~0-9a-z]+")
_UNWRITTEN = re.compile(rb"[\x00\r\n]")

RequestHeaders = Mapping[bytes, bytes]


class Broken(Exception):
    """What ends a connection: a reason of the protocol's, and words."""

    def __init__(self, reason: int, words: str) -> None:
        super().__init__(words)
        self.reason, self.words = reason, words


class Unfinished:
    """Headers of a stream that go on in further frames. since: when they began."""

    __slots__ = ("data", "flags", "since", "stream")

    def __init__(self, stream: int, flags: int, data: bytes, since: float) -> None:
        self.stream, self.flags, self.data, self.since = stream, flags, bytearray(data), since

    def more(self, data: bytes) -> None:
        """Raises Broken beyond the limit."""
        self.data += data
        if len(self.data) > BLOCK:
            raise Broken(h2.ENHANCE_YOUR_CALM, f"a header block of more than {BLOCK} bytes")


class HeaderBlocks:
    """Decodes the blocks of a connection in their order. One that changes no table means the same until one does."""

    def __init__(self) -> None:
        self._decoder = hpack.Decoder(max_header_list_size=BLOCK)
        self._known: dict[bytes, RequestHeaders | None] = {}

    def request(self, block: bytes) -> RequestHeaders | None:
        """The headers of a request; None where no request may have them. Raises Broken for a block that cannot be read."""
        if block in self._known:
            return self._known[block]
        table = self._decoder.header_table
        before = (len(table.dynamic_entries), table.dynamic_entries[0] if table.dynamic_entries else None, table.maxsize)
        pairs = self.pairs(block)
        headers = _request(pairs)
        entries = table.dynamic_entries
        after = (len(entries), entries[0] if entries else None, table.maxsize)
        if before[0] != after[0] or before[1] is not after[1] or before[2] != after[2] or len(self._known) >= _KNOWN_BLOCKS:
            self._known.clear()
        elif len(block) < 1024:
            self._known[block] = headers
        return headers

    def trailers(self, block: bytes) -> bool:
        """Whether they are well formed; they say nothing to us, and keep the tables in step. Raises Broken."""
        self._known.clear()
        return all(_NAME.fullmatch(name) and name[0] != 0x3A for name, _ in self.pairs(block))

    def pairs(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """Names and values, as they come. Raises Broken."""
        try:
            return [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        except hpack.HPACKError as problem:
            raise Broken(h2.COMPRESSION_ERROR, f"a header block that cannot be read: {type(problem).__name__}") from problem


def _request(pairs: Iterable[tuple[bytes, bytes]]) -> RequestHeaders | None:
    headers: dict[bytes, bytes] = {}
    plain = False  # whether a header of the client's own has come
    for name, value in pairs:
        if name[:1] == b":":
            if plain or name in headers or name not in _ASKED:
                return None
        else:
            plain = True
            if name in _HOPS or not _NAME.fullmatch(name) or (name == b"te" and value != b"trailers"):
                return None
        if _UNWRITTEN.search(value):
            return None
        headers[name] = headers[name] + b"," + value if name in headers else value
    return headers if all(headers.get(name) for name in _ASKED[:3]) else None
