"""What a writer that died has left: its segments sealed, and the size of what it took along."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shipway.store._segment_format import (
    COUNT_MAGIC,
    Counts,
    Gap,
    SegmentFile,
    SegmentForeign,
    list_segments,
    read_counts,
    read_segment,
)
from shipway.store._segment_writer import CountFile


def recover_writers(directory: Path, record: Callable[[Gap], None]) -> tuple[Gap, ...]:
    """Seals the segments of every finished writer in a directory and gives `record` each gap that one has left.

    A count file goes only after `record` has returned, so a crash here repeats a call: record must be idempotent by
    writer name. Living writers are left alone. Safe to call at any time, by several processes.
    """
    gaps = []
    for path in sorted(directory.glob("*.count")):
        with _unowned(path) as free:
            counts = read_counts(path) if free else None
            if counts is None:
                continue
            gap = _account(directory, path, counts)
            if gap.lost_rows:
                record(gap)
                gaps.append(gap)
            path.unlink()
    return tuple(gaps)


@contextmanager
def _unowned(path: Path) -> Iterator[bool]:
    """Whether the count file is there and nobody owns it; while inside, we do."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # another process has just recovered it
        yield False
        return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield os.fstat(fd).st_nlink > 0
    finally:
        os.close(fd)


def _account(directory: Path, path: Path, counts: Counts) -> Gap:
    """Seals what the dead writer left open and says what is missing; the same answer when a crash repeats it."""
    left = [segment for segment in list_segments(directory) if segment.writer == path.stem and not segment.sealed]
    readable = counts.sealed + sum(map(_readable_rows, left)) if left else counts.written
    with path.open("r+b") as file:  # before the rename, for then no open segment is left to be counted again
        file.seek(len(COUNT_MAGIC) + 8 * CountFile.WRITTEN)
        file.write(struct.pack("=Q", readable))
    for segment in left:
        segment.path.rename(segment.path.with_suffix(".seg"))
    lost = max(0, counts.accepted - readable) + counts.dropped
    first = counts.started if counts.dropped or not counts.flushed else counts.flushed
    return Gap(path.stem, counts.accepted, readable, counts.dropped, lost, first, max(first, counts.offered))


def _readable_rows(segment: SegmentFile) -> int:
    try:
        return sum(frame.rows for frame in read_segment(segment.path).frames)
    except SegmentForeign:  # its beginning is destroyed: nothing in it can be read
        return 0
