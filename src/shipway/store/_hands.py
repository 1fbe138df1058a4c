"""Many small pieces of work shared out to all cores.

Half of the time of a small file is the system's and half Python's, so a second core needs a second process: a fork of this
one, which only works and says what it did through a pipe, and ends when nobody listens. A process with threads works alone.
"""

from __future__ import annotations

import fcntl
import gc
import os
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import TypeVar

from shipway.kernel.errors import ShipwayError

_WORTH = 1000  # items from which on a second process is
_PIPE = 1 << 20  # bytes that wait in a pipe while nobody reads: what an unprivileged process may ask for
_F_SETPIPE_SZ = 1031
_TOLD = 64  # items that are said at once
_FRAME = 8  # bytes of a length
_SIGKILL = 9  # everywhere; the module that names it takes half a millisecond, and this one is in every command's way

_T = TypeVar("_T")
_S = TypeVar("_S")


def share_out(
    items: Sequence[_T],
    work: Callable[[int, Sequence[_T]], Iterator[bytes]],
    *,
    size: int,
    tell: Callable[[int], None],
    weight: int | None = None,
) -> list[bytes | None]:
    """What `work` says of each item, in order; None of one that it was killed before.

    work: is given which hand it is and its share, raises nothing, and gives so many bytes (`size`) an item. It runs in another
    process where that is worth it, so it leaves no trace but on the disk. tell: the number of each that is done;
    weight: how many pieces of work the items are, where one is many.
    """
    found: list[bytes | None] = [None] * len(items)
    hands = min(_cores(), len(items), (len(items) if weight is None else weight) // _WORTH)
    if hands < 2 or not _alone():
        for number, said in enumerate(work(0, items)):
            found[number] = said
            tell(number)
        return found
    shares = [range(low, high) for low, high in pairwise(len(items) * hand // hands for hand in range(hands + 1))]
    works = [work(hand, items[share.start : share.stop]) for hand, share in enumerate(shares)]
    with _children(works, min(_PIPE, max(4096, size * len(shares[-1]))), told=_TOLD * size) as children:
        for hand, place, said in _gather([pipe for _, pipe in children], size):
            found[shares[hand][place]] = said
            tell(shares[hand][place])
    return found


def deal_out(
    items: Sequence[_T], there: Callable[[Sequence[_T]], bytes], here: Callable[[Sequence[_T]], None]
) -> Iterator[tuple[Sequence[_T], bytes]]:
    """Items dealt to all hands like cards, as nobody knows how long each takes; one hand's are done `here`, by this process.

    Gives what `there` said in another process of each other hand's, after its items; nothing of one that failed or was killed.
    """
    hands = min(_cores(), len(items))
    if hands < 2 or not _alone():
        here(items)
        return
    shares = [items[hand::hands] for hand in range(hands)]
    with _children([_framed(there, share) for share in shares[1:]], _PIPE, told=0) as children:
        here(shares[0])
        for share, (_, pipe) in zip(shares[1:], children, strict=True):
            said = _read_all(pipe)
            yield share, said[_FRAME:] if int.from_bytes(said[:_FRAME], "little") == len(said) - _FRAME else b""


def look_then_do(
    items: Sequence[_T],
    look: Callable[[int, Sequence[_T]], _S],
    do: Callable[[int, _S], Iterator[bytes]],
    *,
    size: int,
    between: Callable[[], None],
    tell: Callable[[bytes], None],
) -> bool:
    """Items dealt to all hands in two steps: nobody does anything before all have looked at their share and found no fault.

    look: is given which hand it is and its items, what it gives is for `do`; what it raises is never told: whoever asks looks
    again. do: says so many bytes (`size`) now and then, none of them all 0xff. between: done here, when all have looked. False:
    not all have looked and nothing was done, or what was begun was not ended.
    """
    hands = min(_cores(), len(items))
    if hands < 2 or not _alone():
        return _alone_here(items, look, do, between=between, tell=tell)
    end = b"\xff" * size
    given, taken = os.pipe2(os.O_CLOEXEC)
    with os.fdopen(given, "rb", buffering=0) as wait, os.fdopen(taken, "wb", buffering=0) as go:

        def work(hand: int) -> Iterator[bytes]:
            go.close()  # who waits is told when nobody is there any more to say go
            found = look(hand, items[hand::hands])
            yield end
            if wait.read(1):
                yield from do(hand, found)
                yield end

        works = [work(hand) for hand in range(1, hands)]
        with _children(works, _PIPE, told=0) as children, suppress(OSError, ShipwayError), go:
            pipes = [pipe for _, pipe in children]
            found = look(0, items[::hands])
            if [_read_one(pipe, size) for pipe in pipes] != [end] * len(pipes):
                return False
            between()
            go.write(bytes(hands))
            ended = 0
            for said in _gather_beside(do(0, found), pipes, size):
                if said == end:
                    ended += 1
                else:
                    tell(said)
            return ended == len(pipes)
        return False


def _gather_beside(here: Iterator[bytes], pipes: Sequence[int], size: int) -> Iterator[bytes]:
    """What this process says at work of its own, and between whiles what children have said; then what they still say."""
    voices = _Voices(pipes, size)
    for said in here:
        yield said
        yield from (other for _, _, other in voices.heard(wait=False))
    while voices.speaking:
        yield from (other for _, _, other in voices.heard(wait=True))


def _alone_here(
    items: Sequence[_T],
    look: Callable[[int, Sequence[_T]], _S],
    do: Callable[[int, _S], Iterator[bytes]],
    *,
    between: Callable[[], None],
    tell: Callable[[bytes], None],
) -> bool:
    try:
        found = look(0, items)
        between()
        for said in do(0, found):
            tell(said)
    except (OSError, ShipwayError):
        return False
    return True


def _read_one(pipe: int, size: int) -> bytes:
    found = b""
    while len(found) < size and (data := os.read(pipe, size - len(found))):
        found += data
    return found


def _framed(there: Callable[[Sequence[_T]], bytes], share: Sequence[_T]) -> Iterator[bytes]:
    """With its length before it, so that a cut one is known."""
    said = there(share)
    yield len(said).to_bytes(_FRAME, "little")
    yield said


def _read_all(pipe: int) -> bytes:
    found = bytearray()
    while data := os.read(pipe, _PIPE):
        found += data
    return bytes(found)


@contextmanager
def _children(works: Sequence[Iterator[bytes]], waiting: int, *, told: int) -> Iterator[list[tuple[int, int]]]:
    """A child a work: its id, and a pipe in which so many bytes may wait; it says `told` of them at once. All end with it."""
    children: list[tuple[int, int]] = []
    try:
        for work in works:
            children.append(_start(work, waiting, told))
        yield children
    except BaseException:
        for child, _ in children:
            with suppress(ProcessLookupError):
                os.kill(child, _SIGKILL)
        raise
    finally:
        for child, pipe in children:
            os.close(pipe)
            os.waitpid(child, 0)


def _start(work: Iterator[bytes], waiting: int, told: int) -> tuple[int, int]:
    """A child that works; its id, and where it says what it did. It holds the locks that this process holds."""
    given, out = os.pipe2(os.O_CLOEXEC)
    with suppress(OSError):
        fcntl.fcntl(out, _F_SETPIPE_SZ, waiting)
    child = os.fork()
    if child:
        os.close(out)
        return child, given
    try:
        gc.disable()  # to look at all objects would copy the memory that parent and child share
        os.close(given)
        unsent = bytearray()
        for said in work:
            unsent += said
            if len(unsent) >= told:
                _send(out, unsent)
        _send(out, unsent)
    finally:
        os._exit(0)  # whatever happened: what is missing in the pipe is done by who reads it


def _send(out: int, waiting: bytearray) -> None:
    while waiting:
        del waiting[: os.write(out, waiting)]


def _gather(pipes: Sequence[int], size: int) -> Iterator[tuple[int, int, bytes]]:
    """What children say until all are silent: whose, of which of its items, and what."""
    voices = _Voices(pipes, size)
    while voices.speaking:
        yield from voices.heard(wait=True)


class _Voices:
    """The pipes of children, each of which says so many bytes (`size`) at a time."""

    def __init__(self, pipes: Sequence[int], size: int) -> None:
        self._size, self._rest, self._counts = size, [bytearray() for _ in pipes], [0] * len(pipes)
        self._hands = {pipe: hand for hand, pipe in enumerate(pipes)}
        self._poll = select.poll()
        for pipe in pipes:
            self._poll.register(pipe, select.POLLIN)

    @property
    def speaking(self) -> bool:
        return bool(self._hands)

    def heard(self, *, wait: bool) -> Iterator[tuple[int, int, bytes]]:
        """What was said: whose, of which of its items, and what. wait: until something is."""
        for pipe, _ in self._poll.poll(None if wait else 0):
            hand, data, size = self._hands[pipe], os.read(pipe, _PIPE), self._size
            if not data:
                self._poll.unregister(pipe)
                del self._hands[pipe]
            self._rest[hand] += data
            whole = len(self._rest[hand]) // size
            for place in range(whole):
                yield hand, self._counts[hand] + place, bytes(self._rest[hand][place * size : (place + 1) * size])
            self._counts[hand] += whole
            del self._rest[hand][: whole * size]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _alone() -> bool:
    """Whether this process has one thread: a fork copies no others, and what they held would be held for ever."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False
