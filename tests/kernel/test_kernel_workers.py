from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.kernel.workers import AHEAD, Threads


def negative(number: int) -> int:
    return -number


@given(st.lists(st.integers(), max_size=30), st.integers(1, 4))
def test_results_come_in_the_order_of_the_parts_whoever_works(parts: list[int], count: int) -> None:
    assert list(Threads(count).map(negative, parts)) == [-part for part in parts]


def test_a_slow_part_is_not_overtaken_and_others_work_meanwhile() -> None:
    second = threading.Event()

    def work(part: int) -> int:
        if part == 0:
            assert second.wait(10)
        else:
            second.set()
        return part

    assert list(Threads(2).map(work, [0, 1])) == [0, 1]


def test_no_more_parts_are_begun_than_memory_was_promised_for() -> None:
    drawn: list[int] = []

    def parts() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    results = Threads(2).map(negative, parts())
    next(results)
    time.sleep(0.05)
    assert len(drawn) == 2 * AHEAD + 1


def test_what_a_part_raises_comes_at_its_place() -> None:
    results = Threads(2).map(lambda part: 1 // part, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
