"""A sync by a process that has only so much time."""

from __future__ import annotations

import pytest

from shipway.operate import TimeUp, sync_in_time
from shipway.rag import Progress, Silence, Synced, SyncRunning


class Clock:
    """Seconds that pass when somebody sleeps or works."""

    def __init__(self, left: float) -> None:
        self.now = left

    def left(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now -= seconds


class Syncs:
    """Syncs that find another at work so many times, and then embed so many batches of ten seconds each."""

    def __init__(self, clock: Clock, *, running: int = 0, batches: int = 0) -> None:
        self.clock, self.running, self.batches, self.done = clock, running, batches, 0

    def __call__(self, report: Progress) -> Synced:
        if self.running:
            self.running -= 1
            raise SyncRunning("another sync of index docs is running")
        report.started("index/docs embed")
        while self.done < self.batches:
            self.clock.pass_by(10)
            self.done += 1
            report.note(f"embedded {self.done} of {self.batches} chunks")
        report.finished("index/docs embed", 0.0)
        digest = "sha256:" + "0" * 64
        return Synced("index/docs", digest, 1, 1, 1, 1, 1.0, 1, 0, 0, (), changed_ref=True)  # type: ignore[arg-type]


def run(syncs: Syncs) -> Synced:
    clock = syncs.clock
    return sync_in_time(syncs, what="index docs", left=clock.left, report=Silence(), sleep=clock.pass_by)


def test_it_waits_until_the_other_sync_has_ended() -> None:
    clock = Clock(600.0)
    assert run(Syncs(clock, running=5)).changed_ref
    assert clock.now == 595.0


def test_it_stops_between_two_batches_and_goes_on_when_called_again() -> None:
    syncs = Syncs(Clock(75.0), batches=9)
    with pytest.raises(TimeUp) as caught:
        run(syncs)
    assert (caught.value.retry, syncs.done) == (True, 5)
    syncs.clock = Clock(600.0)
    assert run(syncs).changed_ref
    assert syncs.done == 9


def test_another_sync_that_takes_too_long_is_the_answer() -> None:
    clock = Clock(60.0)
    with pytest.raises(SyncRunning):
        run(Syncs(clock, running=1000))
    assert 30.0 <= clock.now < 31.0


def test_without_time_nothing_is_begun() -> None:
    syncs = Syncs(Clock(29.0), batches=1)
    with pytest.raises(TimeUp):
        run(syncs)
    assert syncs.done == 0
