"""Bytes between files and memory, hashed on the way: what objects are kept with, and knows no store."""

from __future__ import annotations

import errno
import fcntl
import filecmp
import hashlib
import io
import itertools
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.kernel.digest import Descriptor, Digest
from shipway.store._clone import NO_CLONES, clone_into
from shipway.store._types import FileUnreadable, ObjectDamaged

if TYPE_CHECKING:
    from shipway.store._threads import Later

_LARGE = 16 << 20  # bytes from which a second thread for the hash is worth it
_SHARED = 1 << 20  # bytes from which shared blocks are worth the question
_AHEAD = 6  # chunks that are read before the first of them is hashed: with it they stay in a cache of the processor
CHUNK = 1 << 20  # reads of 1 MiB: hashing then dominates the system calls
_HUGE = 256 << 20  # bytes from which half as many handings over between threads are worth twice the memory


def damaged(path: Path | str, expected: Digest, found: Digest, *, name: str | None = None) -> ObjectDamaged:
    """The error for bytes that are not what their name says; `name` is the user's own name for the file."""
    what = f"{name} is damaged" if name else "an object is damaged"
    return ObjectDamaged(
        f"{what}: its content is {found}, not {expected}",
        where=str(path),
        mend="restore this file from a backup or take the snapshot again",
    )


def hash_file(path: Path, report: Callable[[int], None] | None = None) -> Digest:
    """The digest of a file's content, read in chunks. report: called with the bytes of each."""
    with path.open("rb", buffering=0) as source:
        return hash_open(source, report)


def hash_open(source: io.FileIO, report: Callable[[int], None] | None = None) -> Digest:
    hasher = hashlib.sha256()
    while chunk := source.read(CHUNK):
        hasher.update(chunk)
        if report:
            report(len(chunk))
    return Digest("sha256:" + hasher.hexdigest())


def open_object(path: Path | str) -> io.FileIO:
    """The file of an object. Raises FileNotFoundError, and ObjectDamaged for what is no file: a pipe would be waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as problem:
        if problem.errno in (errno.ELOOP, errno.ENXIO):  # links in a circle, a socket
            raise no_file(path) from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise no_file(path)
    return io.FileIO(handle, "rb")


def no_file(path: Path | str) -> ObjectDamaged:
    what = "what stands in the place of an object is no file"
    return ObjectDamaged(what, where=str(path), mend="remove it, then restore the file from a backup or make it again")


def write_all(out: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(out, view) :]


def copy_hashed(
    source: Path | str,
    out: int | None,
    report: Callable[[int], None] | None,
    also: Callable[[memoryview], None] | None = None,
) -> tuple[Digest, int]:
    """Hash and copy in one pass; a file that changes meanwhile is refused. out: None to hash alone; also: sees every byte.

    What is a hole in a sparse file is one in the copy. Where the file system lets two files share their blocks, nothing is
    copied, and what is hashed is what is kept.
    """
    hasher, size = hashlib.sha256(), 0
    try:
        handle = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as problem:
        raise _unreadable(source, problem) from problem
    try:
        before = os.fstat(handle)
        holes = before.st_blocks * 512 < before.st_size
        shared = out is not None and before.st_size >= _SHARED and _clones(out, handle)
        kept = out if shared and out is not None else handle
        chunk_size = 2 * CHUNK if before.st_size >= _HUGE and not holes else CHUNK
        chunks = _chunks(kept, source, before.st_size, chunk_size)
        hashers = [hasher.update, *([also] if also else [])]
        for chunk in _hashed(chunks, hashers) if before.st_size < _LARGE else _hashed_beside(chunks, hashers):
            if out is not None and not shared:
                if holes and not bytes(chunk).strip(b"\0"):
                    os.lseek(out, len(chunk), os.SEEK_CUR)  # a hole stays one
                else:
                    write_all(out, chunk)
            size += len(chunk)
            if report:
                report(len(chunk))
        if out is not None and holes and not shared:
            os.ftruncate(out, size)
        after = os.fstat(handle)
    finally:
        os.close(handle)
    if _moment(before) != _moment(after) or size != after.st_size:
        raise FileUnreadable(
            f"{Path(source).name} changed while it was read", where=str(source), mend="run it again when it is still"
        )
    return Digest("sha256:" + hasher.hexdigest()), size


def _clones(out: int, source: int) -> bool:
    try:
        clone_into(out, source)
    except OSError as problem:
        if problem.errno not in NO_CLONES:
            raise
        return False
    return True


def _chunks(handle: int, source: Path | str, expected: int, size_each: int) -> Iterator[memoryview]:
    """The bytes of a file, each chunk good until _AHEAD after it were asked for: new memory costs as much as the copy."""
    count, each, size = _AHEAD + 1 if expected >= _LARGE else 1, min(size_each, expected + 1), 0
    for buffer in itertools.cycle(memoryview(bytearray(each)) for _ in range(count)):  # made when its turn comes first
        try:
            read = os.readv(handle, [buffer])
        except OSError as problem:  # a folder, a disk that fails
            raise _unreadable(source, problem) from problem
        if not read:
            return
        size += read
        yield buffer[:read]
        if size == expected:  # what comes after it, if anything, shows in the next stat
            return


def _hashed(chunks: Iterator[memoryview], hashers: Sequence[Callable[[memoryview], None]]) -> Iterator[memoryview]:
    for chunk in chunks:
        for hasher in hashers:
            hasher(chunk)
        yield chunk


def _hashed_beside(chunks: Iterator[memoryview], hashers: Sequence[Callable[[memoryview], None]]) -> Iterator[memoryview]:
    """The same chunks; a thread for each hash works on one while it is used and the next ones are read.

    As the slowest hash is what a large file waits for, several chunks wait for it: it never waits for whoever reads.
    """
    from shipway.store._threads import Threads

    with ExitStack() as stack:
        threads = [stack.enter_context(Threads(1)) for _ in hashers]
        waiting: deque[list[Later[None]]] = deque()
        for chunk in chunks:
            waiting.append([one.begin(partial(hasher, chunk)) for one, hasher in zip(threads, hashers, strict=True)])
            yield chunk
            if len(waiting) == _AHEAD:  # woken once for several chunks, by the last of them
                _all_done([waiting.popleft() for _ in range(_AHEAD // 2)])
        _all_done(waiting)


def _all_done(work: Iterable[list[Later[None]]]) -> None:
    """Wait for what is done in order, from its end. Raises what any of it raised."""
    for later in itertools.chain.from_iterable([*work][::-1]):
        later.result()


def _unreadable(source: Path | str, problem: OSError) -> FileUnreadable:
    return FileUnreadable(f"cannot read {Path(source).name}: {problem.strerror}", where=str(source))


def receive_hashed(wanted: Descriptor, chunks: Iterable[bytes | memoryview], out: int) -> tuple[Digest, int]:
    return _received(wanted, chunks, out, hashlib.sha256(), 0)


def continue_hashed(wanted: Descriptor, read: Callable[[int], Iterable[bytes | memoryview]], out: int) -> tuple[Digest, int]:
    """As receive_hashed, after what the file has already. read: the bytes from a place on.

    What it has is read once, and is believed or not at the end: when the whole is wrong, all of it is asked for anew, once.
    """
    hasher, size = hashlib.sha256(), 0
    while chunk := os.read(out, CHUNK):
        hasher.update(chunk)
        size += len(chunk)
    if 0 < size <= wanted.size:
        with suppress(ObjectDamaged):
            return _received(wanted, read(size) if size < wanted.size else (), out, hasher, size)
    os.ftruncate(out, 0)
    os.lseek(out, 0, os.SEEK_SET)
    return receive_hashed(wanted, read(0), out)


def _received(
    wanted: Descriptor, chunks: Iterable[bytes | memoryview], out: int, hasher: hashlib._Hash, size: int
) -> tuple[Digest, int]:
    for chunk in chunks:
        size += len(chunk)
        if size > wanted.size:
            raise ObjectDamaged(f"{wanted.digest} is longer than the {wanted.size} bytes that it should have")
        hasher.update(chunk)
        write_all(out, chunk)
    found = Digest("sha256:" + hasher.hexdigest())
    if (found, size) != (wanted.digest, wanted.size):
        raise ObjectDamaged(f"{size} bytes are {found}, not the {wanted.size} of {wanted.digest}")
    return found, size


def _moment(status: os.stat_result) -> tuple[int, int, int]:
    """What a write changes; ctime also where a writer puts the old mtime back."""
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size


def holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def is_shared_copy(path: str, other: str, size: int) -> bool:
    """Whether a whole object with another name somewhere, as of another tool's cache, has the bytes of another file."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    shared = stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and stat.S_IMODE(status.st_mode) == 0o444
    return shared and status.st_size == size and filecmp.cmp(path, other, shallow=False)


def remove_unheld(path: Path) -> None:
    """Raises BlockingIOError when a writer holds the file: the kernel forgets the locks of the dead."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(handle)


def open_partial(path: str) -> int:
    """What is there already of a file that comes from elsewhere, for one writer alone; -1 where that cannot be.

    Another has it, there are no locks, or what has its name is no file of ours.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError:
        return -1
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(handle)
        if stat.S_ISREG(status.st_mode) and os.stat(path).st_ino == status.st_ino:  # else it was finished between the two
            return handle
    except OSError:
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return -1


def rename(temporary: str, final: str) -> None:
    try:
        os.replace(temporary, final)
    except FileNotFoundError:  # the first object whose digits begin so
        os.makedirs(os.path.dirname(final), exist_ok=True)
        os.replace(temporary, final)


def discard(temporary: str) -> None:
    if temporary:
        Path(temporary).unlink(missing_ok=True)


def fsync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
