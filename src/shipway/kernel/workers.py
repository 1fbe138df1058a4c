"""Work over parts, by whoever has hands: a Protocol, and threads of this process. Results come in the order of the parts.

What is done to a part never depends on who does it, and parts are cut by the data, never by the number of workers: so a
sum in part order is the same bits wherever it was made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")

AHEAD = 2  # parts a worker that are begun before their results are taken: bounds memory, and leaves nobody idle


class Workers(Protocol):
    """Hands for work that falls into parts."""

    def map(self, work: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """work(part) for each part, in order, a few parts ahead of whoever takes them. work: of a
        module, so that it can travel.

        Raises what work raises, at the place of its part; parts after it may have been worked on in vain.
        """
        ...


class Threads:
    """Workers of this process; one does part after part without a thread."""

    def __init__(self, count: int = 1) -> None:
        self.count = count

    def map(self, work: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """As Workers.map."""
        if self.count <= 1:
            yield from map(work, parts)
            return
        pool = ThreadPoolExecutor(self.count)
        try:
            yield from in_order(lambda part: pool.submit(work, part).result, parts, ahead=AHEAD * self.count)
        finally:
            pool.shutdown(cancel_futures=True)


def in_order(begin: Callable[[Part], Callable[[], Result]], parts: Iterable[Part], *, ahead: int) -> Iterator[Result]:
    """The results in the order of the parts. begin: starts a part and gives what waits for it; ahead: most that are begun.

    >>> list(in_order(lambda part: lambda: part * 2, [1, 2, 3], ahead=2))
    [2, 4, 6]
    """
    begun: deque[Callable[[], Result]] = deque()
    for part in parts:
        if len(begun) >= ahead:
            yield begun.popleft()()
        begun.append(begin(part))
    while begun:
        yield begun.popleft()()
