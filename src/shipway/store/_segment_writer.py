"""Log segments: append-only files of framed records that survive a killed writer and say how much a kill has cost.

A segment is 8 bytes of magic, then frames: u32 payload length, u32 CRC-32 of (rows, payload), u32 rows, payload; all
little-endian. The CRC covers the rows so that a tail of zeros is never taken for an empty frame. A writer owns
`<writer>-<seq>.open`, renamed to `.seg` when full, old or closed, and `<writer>.count`: shared memory that names how
many rows it has accepted, which outlives it. Payloads are opaque here; the standard library only.

Order is what makes the gap exact after a kill: accepted rises before `append` returns, written after the bytes are in
the kernel, sealed after the rename and before the next segment exists.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from shipway.store._segment_format import (
    COUNT_MAGIC,
    COUNT_SIZE,
    MAGIC,
    WRITER,
    Counts,
    LogNotWritten,
    WriterTaken,
    frame_bytes,
    list_segments,
)

_CHUNK = 1 << 20  # bytes given to one write: large enough to be cheap, small enough that a failed one costs little


class SegmentWriter:
    """The one writer of a name in a log directory. Any thread may append; one thread of its own writes.

    flush_seconds bounds what a kill can take; capacity_bytes bounds memory: beyond it append refuses and counts.
    rotate_*: when an open segment is sealed; fsync: flush to the device after every write, not only when sealing.
    Raises WriterTaken, and OSError when the directory cannot be written at the start. A full disk later raises
    nowhere: what is accepted waits in memory and is tried again.
    """

    def __init__(
        self,
        directory: Path,
        writer: str,
        *,
        flush_seconds: float = 0.2,
        rotate_bytes: int = 16 << 20,
        rotate_seconds: float = 30.0,
        capacity_bytes: int = 64 << 20,
        fsync: bool = False,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._count = CountFile(directory, writer, now_us())
        self._file = _OpenSegment(directory, writer, self._count)
        self._flush_seconds, self._now_us, self._fsync = flush_seconds, now_us, fsync
        self._rotate_bytes, self._rotate_seconds, self._capacity = rotate_bytes, rotate_seconds, capacity_bytes
        self._waiting: deque[_Chunk] = deque()  # append fills the last one
        self._unwritten: _Chunk | None = None  # the one on its way to the disk, perhaps not for the first time
        self._held = 0  # bytes accepted and not yet written
        self._mutex, self._disk, self._wake = threading.Lock(), threading.Lock(), threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"log-{writer}", daemon=True)
        self._thread.start()

    def append(self, payload: bytes, rows: int) -> bool:
        """Takes the payload for writing soon and says so; False, counted, when the buffer is full. Never blocks on disk."""
        return self.append_all([(payload, rows)])[0]

    def append_all(self, records: Sequence[tuple[bytes, int]]) -> list[bool]:
        """As append for each payload with its rows, in their order; the price of one for what a batch has answered."""
        frames = [(frame_bytes(payload, rows), rows) for payload, rows in records]  # here: a thread would need the GIL for it
        with self._mutex:
            self._count.set(CountFile.OFFERED, self._now_us())
            before, taken = self._held, [self._take(frame, rows) for frame, rows in frames]
        if before <= self._capacity // 4 < self._held:
            self._wake.set()
        return taken

    def _take(self, frame: bytes, rows: int) -> bool:
        if self._closed or (self._held and self._held + len(frame) > self._capacity):
            self._count.add(CountFile.DROPPED, rows)
            return False
        self._held += len(frame)
        if not self._waiting or len(self._waiting[-1].data) > _CHUNK:
            self._waiting.append(_Chunk())
        self._waiting[-1].add(frame, rows)
        self._count.add(CountFile.ACCEPTED, rows)
        return True

    def append_durable(self, payload: bytes, rows: int) -> None:
        """Returns once the payload, and all that was appended before it, is on the device. Raises LogNotWritten."""
        with self._disk:
            if self._closed:
                raise LogNotWritten("the log is closed", mend="send it again to the running server")
            self._accept(rows)  # before the write, as in append: a kill here may say one row too many, never one too few
            try:
                self._drain()
                self._write(_Chunk(frame_bytes(payload, rows), rows), durable=True)
            except OSError as problem:
                self._accept(-rows)
                mend = "free disk space, then send it again"
                raise LogNotWritten(f"the log cannot be written: {problem}", mend=mend) from problem

    def seal(self) -> None:
        """Writes what waits and ends the open segment, so that others can read it. Raises OSError; what waits is kept then."""
        with self._disk:
            self._drain()
            self._file.seal()

    def counts(self) -> Counts:
        """What this writer has done so far."""
        return self._count.read()

    def close(self) -> None:
        """Writes what waits, seals the segment and ends the thread; a second call does nothing.

        Leaves the count file behind only when rows are missing, for recover_writers to say so.
        """
        with self._mutex:
            already, self._closed = self._closed, True
        if already:
            return
        self._wake.set()
        self._thread.join()
        with self._disk, suppress(OSError):  # a disk still full: the count file tells
            self._drain()
            self._file.seal()
        self._file.close()
        with self._mutex:
            self._count.close()

    def _accept(self, rows: int) -> None:
        with self._mutex:
            self._count.set(CountFile.OFFERED, self._now_us())
            self._count.add(CountFile.ACCEPTED, rows)

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(self._flush_seconds)
            self._wake.clear()
            with self._disk, suppress(OSError):  # full or failing: the frames stay and are tried at the next tick
                self._drain()
                if self._file.age() > self._rotate_seconds:
                    self._file.seal()

    def _drain(self) -> None:
        """Writes every waiting chunk; on OSError the one that failed is the first of the next time."""
        while chunk := self._next_chunk():
            self._write(chunk, durable=self._fsync)
            with self._mutex:
                self._unwritten = None
                self._held -= len(chunk.data)

    def _next_chunk(self) -> _Chunk | None:
        with self._mutex:
            if self._unwritten is None and self._waiting:
                self._unwritten = self._waiting.popleft()
            return self._unwritten

    def _write(self, chunk: _Chunk, *, durable: bool) -> None:
        if self._file.size > self._rotate_bytes:
            self._file.seal()
        self._file.write(chunk.data, durable=durable)
        self._count.add(CountFile.WRITTEN, chunk.rows)
        self._count.set(CountFile.FLUSHED, self._now_us())


class _Chunk:
    """Whole frames, end to end, that are written at once."""

    __slots__ = ("data", "rows")

    def __init__(self, data: bytes = b"", rows: int = 0) -> None:
        self.data, self.rows = bytearray(data), rows

    def add(self, frame: bytes, rows: int) -> None:
        self.data += frame
        self.rows += rows


class _OpenSegment:
    """The file that grows: made with its first frame, whole frames only, sealed by rename."""

    def __init__(self, directory: Path, writer: str, count: CountFile) -> None:
        self._directory, self._writer, self._count = directory, writer, count
        earlier = [segment.seq for segment in list_segments(directory) if segment.writer == writer]
        self._seq = max(earlier, default=0) + 1
        self._fd = -1
        self._born = 0.0
        self.size = 0

    def age(self) -> float:
        """Seconds since the first frame; 0 without a file."""
        return time.monotonic() - self._born if self._fd >= 0 else 0.0

    def write(self, data: bytearray, *, durable: bool) -> None:
        """All of the data or none of it; raises OSError."""
        if self._fd < 0:
            self._create()
        try:
            _write_all(self._fd, data, at=self.size)
            if durable:
                os.fsync(self._fd)
        except OSError:
            with suppress(OSError):  # then the next write covers what this one has left
                os.ftruncate(self._fd, self.size)
            raise
        self.size += len(data)

    def seal(self) -> None:
        """Flushes and renames, when there is a file; raises OSError."""
        if self._fd < 0:
            return
        os.fsync(self._fd)
        path = self._path()
        path.rename(path.with_suffix(".seg"))
        self.close()
        self._count.set(CountFile.SEALED, self._count.read().written)
        _sync_directory(self._directory)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd, self.size, self._seq = -1, 0, self._seq + 1

    def _create(self) -> None:
        path = self._path()
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            _write_all(fd, MAGIC, at=0)
        except OSError:
            os.close(fd)
            path.unlink()
            raise
        self._fd, self.size, self._born = fd, len(MAGIC), time.monotonic()

    def _path(self) -> Path:
        return self._directory / f"{self._writer}-{self._seq:08d}.open"


class CountFile:
    """The `.count` file: magic and seven u64 in shared memory, locked for as long as the writer lives."""

    ACCEPTED, WRITTEN, SEALED, DROPPED, STARTED, OFFERED, FLUSHED = range(7)

    def __init__(self, directory: Path, writer: str, started: int) -> None:
        if not WRITER.fullmatch(writer):
            raise WriterTaken(f"{writer!r} is no name for a log writer", mend="use letters, digits, dot, dash, underscore")
        self._path = directory / f"{writer}.count"
        self._fd = _claim(self._path, COUNT_MAGIC + struct.pack("=7Q", 0, 0, 0, 0, started, 0, 0))
        self._map = mmap.mmap(self._fd, COUNT_SIZE)
        self._last: Counts | None = None  # once closed
        self._cells = memoryview(self._map)[len(COUNT_MAGIC) :].cast("Q")  # one aligned store per cell: never half a number

    def add(self, cell: int, rows: int) -> None:
        if self._last is None:
            self._cells[cell] += rows

    def set(self, cell: int, value: int) -> None:
        if self._last is None:
            self._cells[cell] = value

    def read(self) -> Counts:
        return self._last or Counts(*self._cells)

    def close(self) -> None:
        """Ends the claim; a writer that lost nothing leaves no file."""
        self._last = self.read()
        if self._last.accepted == self._last.sealed and not self._last.dropped:
            self._path.unlink(missing_ok=True)
        self._cells.release()
        self._map.close()
        os.close(self._fd)


def _claim(path: Path, content: bytes) -> int:
    """A locked descriptor of a new file; locked and complete before it has its name, so nobody takes it for an orphan."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write_all(fd, content, at=0)  # real bytes: a hole touched through the map on a full disk would be a SIGBUS
        os.fsync(fd)
        os.link(draft, path)
    except FileExistsError:
        os.close(fd)
        raise WriterTaken(
            f"a log writer {path.stem!r} exists already", where=str(path), mend="give each process a name of its own"
        ) from None
    except OSError:
        os.close(fd)
        raise
    finally:
        draft.unlink()
    return fd


def _write_all(fd: int, data: bytes | bytearray, *, at: int) -> None:
    with memoryview(data) as view:
        done = 0
        while done < len(view):
            done += os.pwrite(fd, view[done:], at + done)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
