"""Releases that take over from one another under load, by real processes: no request fails, and the way back is short."""

from __future__ import annotations

import os
import signal
import time

import pytest
from operate_help import Load, Project, descendants, endpoint, infer, move, releases, runs, supervising, wait_for

from shipway.kernel.digest import Digest
from shipway.operate import Supervisor, _group

pytest_plugins = ["cli_fixtures"]


def url_of(project: Project) -> str:
    return str(endpoint(project)["url"])


def pids_of(project: Project) -> list[int]:
    pids = endpoint(project)["pids"]
    assert isinstance(pids, list)
    return [int(str(pid)) for pid in pids]


def swap(project: Project, supervisor: Supervisor, release: Digest, load: Load) -> float:
    """Move and let the supervisor act; in how many seconds the first of the new answers was there."""
    move(project, release)
    seen, begun = len(load.answers), time.monotonic()
    supervisor.step()
    wait_for(lambda: release in load.answers[seen:])
    took = time.monotonic() - begun
    wait_for(lambda: len(load.answers) > seen + 20)
    return took


def test_releases_swap_24_times_under_load_and_no_request_fails(project: Project) -> None:
    one, two = releases(project)
    move(project, one)
    with supervising(project) as supervisor:
        supervisor.step()
        url, first = url_of(project), pids_of(project)
        with Load(url, clients=2, keeping=3) as load:
            swap(project, supervisor, two, load)
            second = pids_of(project)
            back = [swap(project, supervisor, release, load) for release in (one, two) * 11 + (one,)]
            wait_for(lambda: set(load.answers[-30:]) == {one})
        assert load.failures == []
        assert sorted(back)[len(back) // 2] < 1.0, "the release before is loaded and takes over at once"
        assert (url_of(project), pids_of(project)) == (url, first), "the very processes that answered before"
        assert all(runs(pid) for pid in second)
        assert (endpoint(project)["release"], endpoint(project)["problem"]) == (one, None)
        ours = {*first, *second} & descendants(os.getpid())
        assert ours == {*first, *second}
    assert not any(runs(pid) for pid in ours)
    assert endpoint(project) == {}


def test_who_asks_after_a_move_is_answered_by_what_it_moved_to_also_where_a_process_of_the_one_before_hangs(
    project: Project,
) -> None:
    one, two = releases(project)
    move(project, one)
    with supervising(project) as supervisor:
        supervisor.step()
        url = url_of(project)
        (hanging,) = pids_of(project)
        os.kill(hanging, signal.SIGSTOP)
        try:
            move(project, two)
            supervisor.step()
            assert {infer(url) for _ in range(5)} == {two}
        finally:
            os.kill(hanging, signal.SIGCONT)
        move(project, one)  # it says late that it stepped aside, and that is not taken for its coming back
        supervisor.step()
        assert pids_of(project) == [hanging]
        assert {infer(url) for _ in range(20)} == {one}
        move(project, two)
        supervisor.step()
        assert {infer(url) for _ in range(20)} == {two}


@pytest.mark.slow
def test_releases_start_anew_24_times_under_load_and_no_request_fails(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = releases(project)
    monkeypatch.setattr(_group, "WARM_SECONDS", 0.0)
    move(project, one, workers=2)
    with supervising(project) as supervisor:
        supervisor.step()
        with Load(url_of(project), clients=2, keeping=4) as load:
            for release in (two, one) * 12:
                before = pids_of(project)
                move(project, release, workers=2)
                supervisor.step()
                assert not {*before} & {*pids_of(project)}
                seen = len(load.answers)
                wait_for(lambda seen=seen, release=release: release in load.answers[seen:])  # type: ignore[misc]
            wait_for(lambda: set(load.answers[-30:]) == {one})
        assert load.failures == []
        left = descendants(os.getpid()) & {*before}
        wait_for(lambda: not any(runs(pid) for pid in left))


def test_what_stands_aside_ends_after_its_time_and_a_dead_one_is_started_anew(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = releases(project)
    move(project, one)
    with supervising(project) as supervisor:
        supervisor.step()
        url, first = url_of(project), pids_of(project)
        move(project, two)
        supervisor.step()
        os.kill(first[0], signal.SIGKILL)
        wait_for(lambda: not runs(first[0]))
        move(project, one)
        monkeypatch.setattr(_group, "WARM_SECONDS", 0.0)
        second = pids_of(project)
        supervisor.step()
        assert infer(url) == one
        supervisor.step()
        wait_for(lambda: not any(runs(pid) for pid in second))
