"""Answers packed as the client asks. Imported with the first large answer to a client that takes packed ones."""

from __future__ import annotations

import asyncio
import re
import zlib

from shipway.protocols._http import Reply

_THREAD_BYTES = 1 << 17  # takes longer to pack than the event loop may be kept
_LEVEL = 1  # numbers pack hardly better with more work
_REFUSED = re.compile(rb"q\s*=\s*0(\.0*)?")
_WBITS = {b"gzip": zlib.MAX_WBITS | 16, b"deflate": zlib.MAX_WBITS}


async def packed(reply: Reply, accepts: bytes) -> Reply:
    """The reply in the first packing that the client accepts, as it is where that is none or makes it no smaller."""
    name = accepted(accepts)
    if name is None:
        return reply
    if len(reply.body) < _THREAD_BYTES:
        body = _pack(reply.body, name)
    else:
        body = await asyncio.to_thread(_pack, reply.body, name)
    if len(body) >= len(reply.body):
        return reply
    return reply._replace(body=body, headers=(*reply.headers, (b"content-encoding", name), (b"vary", b"accept-encoding")))


def accepted(accepts: bytes) -> bytes | None:
    """The first packing of an Accept-Encoding that is one of ours and not refused by its weight.

    >>> accepted(b"br;q=1.0, gzip;q=0, Deflate"), accepted(b"*"), accepted(b"identity")
    (b'deflate', b'gzip', None)
    """
    for part in accepts.lower().split(b","):
        name, _, weight = (piece.strip() for piece in part.partition(b";"))
        if _REFUSED.fullmatch(weight):
            continue
        if name in _WBITS or name == b"*":
            return name if name in _WBITS else b"gzip"
    return None


def _pack(body: bytes, name: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, wbits=_WBITS[name])
    return packer.compress(body) + packer.flush()
