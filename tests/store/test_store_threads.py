from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from shipway.store._hashed import _AHEAD, copy_hashed
from shipway.store._threads import Threads

_CHUNKS = 4 * _AHEAD + 1


def test_work_is_done_in_order_by_one_thread_and_its_error_is_told_to_who_waits() -> None:
    done: list[int] = []

    def do(number: int) -> int:
        done.append(number)
        if number == 2:
            raise ValueError("two")
        return number * 10

    with Threads(1) as threads:
        work = [threads.begin(partial(do, number)) for number in range(4)]
        assert [work[at].result() for at in (3, 0, 1)] == [30, 0, 10]
        with pytest.raises(ValueError, match="two"):
            work[2].result()
    assert done == [0, 1, 2, 3]


def test_after_an_error_what_nobody_began_is_left_and_what_was_begun_is_ended() -> None:
    begun, go, done = threading.Event(), threading.Event(), list[str]()

    def slow() -> None:
        begun.set()
        go.wait(10)
        done.append("slow")

    def fail() -> None:
        with Threads(1) as threads:
            threads.begin(slow)
            threads.begin(lambda: done.append("never"))
            begun.wait(10)
            threading.Timer(0.05, go.set).start()
            raise ValueError("of the block")

    with pytest.raises(ValueError, match="of the block"):
        fail()
    assert done == ["slow"]


def test_who_is_told_to_end_waits_for_no_thread() -> None:
    begun, go, done = threading.Event(), threading.Event(), list[str]()

    def slow() -> None:
        begun.set()
        go.wait(10)
        done.append("slow")

    def told_to_end() -> None:
        with Threads(1) as threads:
            threads.begin(slow)
            begun.wait(10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        told_to_end()
    assert done == []
    go.set()


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    """A file of a few chunks more than are read ahead."""
    path = tmp_path / "large"
    path.write_bytes(b"".join(bytes([number]) * (1 << 20) for number in range(_CHUNKS)))
    yield path
    path.unlink()


def test_each_hash_sees_every_byte_in_order_and_so_does_the_copy(large: Path, tmp_path: Path) -> None:
    seen = hashlib.md5(usedforsecurity=False)
    out = os.open(tmp_path / "copy", os.O_RDWR | os.O_CREAT)
    digest, size = copy_hashed(large, out, None, seen.update)
    os.close(out)
    data = large.read_bytes()
    assert (digest, size) == (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
    assert seen.hexdigest() == hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert (tmp_path / "copy").read_bytes() == data


@pytest.mark.parametrize("at", [0, _AHEAD, _CHUNKS - 1])
def test_what_a_hash_raises_ends_the_copy(large: Path, at: int) -> None:
    def fail(chunk: memoryview) -> None:
        if chunk[0] == at:
            raise MemoryError(at)

    before = set(threading.enumerate())
    with pytest.raises(MemoryError):
        copy_hashed(large, None, None, fail)
    assert set(threading.enumerate()) <= before
