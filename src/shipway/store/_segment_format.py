"""The bytes of a log segment and of a count file, and how to read them: damaged content is reported, never raised."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from shipway.kernel.errors import ShipwayError

MAGIC = b"SHWLOG1\n"
COUNT_MAGIC = b"SHWCNT1\n"
COUNT_SIZE = len(COUNT_MAGIC) + 7 * 8
_HEAD = struct.Struct("<III")
_ROWS = struct.Struct("<I")
_NAME = re.compile(r"(?P<writer>[A-Za-z0-9_.-]+)-(?P<seq>\d{8})\.(?P<state>open|seg)")
WRITER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}")


class SegmentForeign(ShipwayError):
    """A file that is no log segment at all (a damaged one is read as far as it is whole)."""

    code = "store.segment-foreign"


class WriterTaken(ShipwayError):
    """The name of a log writer is in use, or belongs to a dead writer whose gap nobody has recorded yet."""

    code = "store.writer-taken"


class LogNotWritten(ShipwayError):
    """A record that had to be on disk before the answer could not be put there; the sender keeps it."""

    code = "store.log-not-written"
    retry = True


class Frame(NamedTuple):
    """One payload and the number of rows that it stands for."""

    rows: int
    payload: bytes


class SegmentRead(NamedTuple):
    """The whole frames from an offset; `end` is where the next reading starts, lost_bytes what follows it and is no frame."""

    frames: tuple[Frame, ...]
    end: int
    lost_bytes: int


class Counts(NamedTuple):
    """What a writer has done, in rows; times in microseconds of the Unix epoch, 0 for never.

    accepted: appended and acknowledged; written: of these, given to the kernel; sealed: of these, in `.seg` files;
    dropped: refused because the buffer was full. started, offered, flushed: birth, last append, last successful write.
    """

    accepted: int
    written: int
    sealed: int
    dropped: int
    started: int
    offered: int
    flushed: int


class Gap(NamedTuple):
    """Rows of a finished writer that no reader will ever see: accepted - readable + dropped, between two times (us)."""

    writer: str
    accepted: int
    readable: int
    dropped: int
    lost_rows: int
    first: int
    last: int


class SegmentFile(NamedTuple):
    """A segment in a log directory; open ones still grow."""

    path: Path
    writer: str
    seq: int
    sealed: bool


def read_segment(path: Path, *, offset: int = 0) -> SegmentRead:
    """Every whole frame from `offset` (0, or an earlier `end`); stops at the first cut or wrong one, never raises on it.

    Raises SegmentForeign when the file does not begin as a segment.
    """
    with path.open("rb") as file:
        head = file.read(len(MAGIC))
        if head != MAGIC:
            if not MAGIC.startswith(head) and head.strip(b"\0"):
                raise SegmentForeign("not a log segment", where=str(path))
            return SegmentRead((), 0, os.fstat(file.fileno()).st_size)  # killed, or lost power, before its first write
        start = max(offset, len(MAGIC))
        file.seek(start)
        data = file.read()
    frames = tuple(_whole_frames(data))
    length = sum(_HEAD.size + len(frame.payload) for frame in frames)
    return SegmentRead(frames, start + length, len(data) - length)


def list_segments(directory: Path) -> tuple[SegmentFile, ...]:
    """The segments of a log directory by writer and age; of a name that was renamed meanwhile, the sealed one."""
    found: dict[tuple[str, int], SegmentFile] = {}
    for path in directory.iterdir():
        match = _NAME.fullmatch(path.name)
        if match:
            key, sealed = (match["writer"], int(match["seq"])), match["state"] == "seg"
            if sealed or key not in found:
                found[key] = SegmentFile(path, *key, sealed)
    return tuple(found[key] for key in sorted(found))


def read_counts(path: Path) -> Counts | None:
    """The counts in a `.count` file, of a living writer too; None when the file is not one."""
    data = path.read_bytes()
    if len(data) != COUNT_SIZE or not data.startswith(COUNT_MAGIC):
        return None
    return Counts(*struct.unpack_from("=7Q", data, len(COUNT_MAGIC)))


def _whole_frames(data: bytes) -> Iterator[Frame]:
    at = 0
    while at + _HEAD.size <= len(data):
        length, crc, rows = _HEAD.unpack_from(data, at)
        payload = data[at + _HEAD.size : at + _HEAD.size + length]
        if len(payload) < length or crc != _checksum(rows, payload):
            return
        yield Frame(rows, payload)
        at += _HEAD.size + length


def frame_bytes(payload: bytes, rows: int) -> bytes:
    return _HEAD.pack(len(payload), _checksum(rows, payload), rows) + payload


def _checksum(rows: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_ROWS.pack(rows)))
