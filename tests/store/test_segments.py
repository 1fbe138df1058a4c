"""Log segments: what is acknowledged is readable, and what a kill takes has a size."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.store import (
    Frame,
    Gap,
    LogNotWritten,
    SegmentForeign,
    SegmentWriter,
    WriterTaken,
    list_segments,
    read_counts,
    read_segment,
    recover_writers,
)
from shipway.store._segment_format import MAGIC


def rows_on_disk(directory: Path) -> int:
    return sum(frame.rows for segment in list_segments(directory) for frame in read_segment(segment.path).frames)


def no_gap(gap: Gap) -> None:
    raise AssertionError(gap)


def written(directory: Path, payloads: list[bytes]) -> Path:
    """A sealed segment with these payloads, one row each."""
    writer = SegmentWriter(directory, "w")
    for payload in payloads:
        assert writer.append(payload, 1)
    writer.close()
    (segment,) = list_segments(directory)
    return segment.path


def test_what_was_appended_is_read_back_in_order(tmp_path: Path) -> None:
    payloads = [b"", b"a", os.urandom(70_000)]
    read = read_segment(written(tmp_path, payloads))
    assert read.frames == tuple(Frame(1, payload) for payload in payloads)
    assert read.lost_bytes == 0


def test_a_clean_close_leaves_only_sealed_segments(tmp_path: Path) -> None:
    written(tmp_path, [b"a"])
    assert [path.name for path in tmp_path.iterdir()] == ["w-00000001.seg"]
    assert recover_writers(tmp_path, no_gap) == ()


def test_a_writer_without_rows_leaves_nothing(tmp_path: Path) -> None:
    SegmentWriter(tmp_path, "idle").close()
    assert list(tmp_path.iterdir()) == []


def test_a_segment_cut_anywhere_gives_the_frames_before_the_cut(tmp_path: Path) -> None:
    path = written(tmp_path, [b"one", b"two", b"three"])
    whole, ends = path.read_bytes(), []
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        read = read_segment(path)
        assert [frame.payload for frame in read.frames] == [b"one", b"two", b"three"][: len(read.frames)]
        assert read.end + read.lost_bytes == cut
        ends.append(read.end)
    assert sorted(set(ends)) == [0, 8, 8 + 15, 8 + 30, 8 + 47]


def test_a_flipped_bit_anywhere_after_the_magic_stops_the_reading_there(tmp_path: Path) -> None:
    path = written(tmp_path, [b"one", b"two"])
    whole = path.read_bytes()
    for bit in range(8 * len(MAGIC), 8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        read = read_segment(path)
        assert len(read.frames) == (0 if bit // 8 < 8 + 15 else 1)
        assert read.lost_bytes


def test_a_tail_of_zeros_is_lost_bytes_and_no_frames(tmp_path: Path) -> None:
    path = written(tmp_path, [b"one"])
    path.write_bytes(path.read_bytes() + bytes(4096))
    read = read_segment(path)
    assert (len(read.frames), read.lost_bytes) == (1, 4096)


def test_random_bytes_never_raise_and_a_foreign_file_does(tmp_path: Path) -> None:
    path, rng = tmp_path / "w-00000001.seg", random.Random(7)
    for _ in range(200):
        path.write_bytes(MAGIC + rng.randbytes(rng.randrange(200)))
        read_segment(path)
    for short in (b"", MAGIC[:5], bytes(8)):
        path.write_bytes(short)
        assert read_segment(path) == ((), 0, len(short))
    path.write_bytes(b"PAR1 and so on")
    with pytest.raises(SegmentForeign, match="not a log segment"):
        read_segment(path)


def test_reading_goes_on_from_an_earlier_end_while_the_segment_grows(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w")
    writer.append_durable(b"first", 1)
    (segment,) = list_segments(tmp_path)
    assert not segment.sealed
    first = read_segment(segment.path)
    writer.append_durable(b"second", 2)
    second = read_segment(segment.path, offset=first.end)
    assert second.frames == (Frame(2, b"second"),)
    assert read_segment(segment.path, offset=second.end) == ((), second.end, 0)
    writer.close()


def test_segments_rotate_by_size_and_by_age(tmp_path: Path) -> None:
    by_size = SegmentWriter(tmp_path / "size", "w", rotate_bytes=1000)
    for _ in range(5):
        by_size.append_durable(bytes(600), 1)
    assert [segment.sealed for segment in list_segments(tmp_path / "size")] == [True, True, False]
    by_size.close()
    by_age = SegmentWriter(tmp_path / "age", "w", rotate_seconds=0.05, flush_seconds=0.01)
    by_age.append(b"a", 1)
    wait_for(lambda: [segment.sealed for segment in list_segments(tmp_path / "age")] == [True])
    by_age.close()
    assert rows_on_disk(tmp_path / "size") == 5


def test_two_writers_of_one_name_refuse_each_other(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w")
    with pytest.raises(WriterTaken, match="'w' exists already"):
        SegmentWriter(tmp_path, "w")
    writer.append(b"a", 1)
    assert recover_writers(tmp_path, no_gap) == ()  # it lives
    writer.close()
    assert rows_on_disk(tmp_path) == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["", "a/b", "../x", ".hidden", "x" * 200])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WriterTaken, match="no name"):
        SegmentWriter(tmp_path, name)


def test_a_full_buffer_refuses_and_counts_instead_of_waiting(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w", capacity_bytes=1000, flush_seconds=60)
    taken = [writer.append(bytes(400), 3) for _ in range(4)]
    assert taken == [True, True, False, False]
    assert writer.counts()[:4] == (6, 0, 0, 6)
    writer.close()
    (gap,) = recover_writers(tmp_path, lambda gap: None)
    assert (gap.lost_rows, gap.dropped, gap.readable) == (6, 6, 6)
    assert writer.append(b"late", 1) is False


def test_appends_of_many_threads_are_all_there(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w", flush_seconds=0.001, rotate_bytes=5000)
    threads = [threading.Thread(target=lambda: [writer.append(b"x" * 50, 1) for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        writer.append_durable(b"y", 1)
    for thread in threads:
        thread.join()
    writer.close()
    assert writer.counts().accepted == writer.counts().sealed == rows_on_disk(tmp_path) == 4050


def test_a_gap_is_given_again_when_recording_it_was_cut_short(tmp_path: Path) -> None:
    dead_writer(tmp_path)
    seen: list[Gap] = []

    def crash(gap: Gap) -> None:
        seen.append(gap)
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            recover_writers(tmp_path, crash)
    assert recover_writers(tmp_path, seen.append) == (seen[0],)
    assert seen == [seen[0]] * 3
    assert recover_writers(tmp_path, no_gap) == ()
    assert all(segment.sealed for segment in list_segments(tmp_path))


def test_the_name_of_a_dead_writer_is_free_again_after_its_gap_was_recorded(tmp_path: Path) -> None:
    dead_writer(tmp_path)
    with pytest.raises(WriterTaken):
        SegmentWriter(tmp_path, "dead")
    recover_writers(tmp_path, lambda gap: None)
    before = {segment.seq for segment in list_segments(tmp_path)}
    writer = SegmentWriter(tmp_path, "dead")
    writer.append(b"again", 1)
    writer.close()
    assert {segment.seq for segment in list_segments(tmp_path)} > before


def test_a_gap_stays_true_when_the_sealed_segments_were_consumed_long_ago(tmp_path: Path) -> None:
    child = start_writer(tmp_path, "busy", rotate_bytes=20_000)
    consumed, deadline = 0, time.monotonic() + 60
    while consumed < 500 and time.monotonic() < deadline:
        for segment in list_segments(tmp_path):
            if segment.sealed:
                consumed += sum(frame.rows for frame in read_segment(segment.path).frames)
                segment.path.unlink()
    kill(child)
    counts = read_counts(tmp_path / "busy.count")
    assert counts is not None
    gaps = recover_writers(tmp_path, lambda gap: None)
    assert consumed >= 500
    assert counts.accepted - consumed - rows_on_disk(tmp_path) == sum(gap.lost_rows for gap in gaps)


def one_kill(directory: Path, rng: random.Random) -> None:
    """Kill a writer at a random moment; the gap is exact and no missing row is older than a second."""
    child = start_writer(directory, "busy", rotate_bytes=rng.choice([5_000, 200_000, 10_000_000]))
    time.sleep(rng.uniform(0.02, 0.8))
    kill(child)
    killed = time.time_ns() // 1000
    counts = read_counts(directory / "busy.count")
    assert counts is not None
    assert counts.accepted > 0
    gaps = recover_writers(directory, lambda gap: None)
    times = [int(frame.payload[:20]) for segment in list_segments(directory) for frame in read_segment(segment.path).frames]
    assert counts.accepted - len(times) == sum(gap.lost_rows for gap in gaps)
    if gaps:
        assert times == sorted(times)
        assert killed - max(times, default=counts.started) < 1_000_000
        assert gaps[0].first <= gaps[0].last <= killed


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_at_a_random_moment_leaves_an_exact_gap(tmp_path: Path, seed: int) -> None:
    one_kill(tmp_path, random.Random())


@pytest.mark.slow
def test_kill_9_a_hundred_times(tmp_path: Path) -> None:
    rng = random.Random()
    for round_ in range(100):
        one_kill(tmp_path / str(round_), rng)


def test_a_full_disk_refuses_nothing_until_the_buffer_is_full_and_loses_nothing_when_it_ends(small_disk: Path) -> None:
    log = small_disk / "log"
    writer = SegmentWriter(log, "w", flush_seconds=0.01, capacity_bytes=100_000)
    ballast = small_disk / "ballast"
    fill(ballast)
    taken = sum(writer.append(bytes(1000), 1) for _ in range(150))
    assert 90 <= taken <= 110  # 100 wait in memory, a few fitted in the last page
    with pytest.raises(LogNotWritten, match="No space left"):
        writer.append_durable(b"outcome", 1)
    time.sleep(0.05)
    ballast.unlink()
    wait_for(lambda: writer.counts().written == taken)
    assert writer.append(b"and on", 1)
    writer.close()
    (gap,) = recover_writers(log, lambda gap: None)
    assert (gap.lost_rows, gap.dropped) == (150 - taken, 150 - taken)
    assert rows_on_disk(log) == taken + 1


def test_closing_on_a_full_disk_says_what_was_lost(small_disk: Path) -> None:
    log = small_disk / "log"
    writer = SegmentWriter(log, "w", flush_seconds=0.01)
    writer.append_durable(b"kept", 1)
    fill(small_disk / "ballast")
    for _ in range(50):
        assert writer.append(bytes(1000), 1)
    writer.close()
    (gap,) = recover_writers(log, lambda gap: None)
    assert gap.readable == rows_on_disk(log) >= 1
    assert gap.lost_rows == 51 - gap.readable > 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no permission to mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


CHILD = """
import sys, time
from pathlib import Path
from shipway.store import SegmentWriter
writer = SegmentWriter(Path(sys.argv[1]), sys.argv[2], rotate_bytes=int(sys.argv[3]), flush_seconds=0.02)
while True:
    writer.append(b"%020d" % (time.time_ns() // 1000) + b"x" * 60, 1)
    if writer.counts().accepted == 1:
        print("writing", flush=True)
    time.sleep(0.0001)
"""


def start_writer(directory: Path, name: str, rotate_bytes: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", CHILD, str(directory), name, str(rotate_bytes)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"writing\n"
    return child


def kill(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert child.stdout is not None
    child.stdout.close()


def dead_writer(directory: Path) -> None:
    """Leaves the files of a writer killed before its first flush."""
    code = CHILD.replace("flush_seconds=0.02", "flush_seconds=60")
    child = subprocess.Popen([sys.executable, "-c", code, str(directory), "dead", "1000"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    kill(child)


def wait_for(condition: object, seconds: float = 60.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
