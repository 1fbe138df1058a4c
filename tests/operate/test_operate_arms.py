"""Arms as the ref says, with real processes: one move brings them, the next takes them away, live stands in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from operate_help import (
    Load,
    Project,
    ask,
    endpoint,
    move,
    move_arms,
    releases,
    supervising,
    wait_for,
)

from shipway.kernel.digest import Digest
from shipway.operate import compact
from shipway.release import AskedArm, load_components, put_release
from shipway.store import Store

pytest_plugins = ["cli_fixtures"]


@pytest.fixture(scope="module")
def released(fitted: Project) -> Project:
    """A model that brings no code answers in the process of the live one."""
    return fitted


def arms_of(url: str, users: range) -> dict[int, str]:
    return {user: ask(url, user)["x-shipway-arm"] for user in users}


def recorded(store: Store) -> Counter[tuple[str, str]]:
    """Rows of the log by arm and release."""
    import polars as pl

    files = sorted((store.log_folder("predictions") / "table").glob("*.parquet"))
    if not files:
        return Counter()
    rows = pl.concat([pl.read_parquet(file, columns=["arm", "release"]) for file in files]).iter_rows()
    return Counter((str(arm), str(release)) for arm, release in rows)


def test_arms_come_and_go_by_moves_of_the_ref_under_load_and_all_that_they_answer_is_recorded(project: Project) -> None:
    one, two = releases(project)
    move(project, one)
    with supervising(project) as supervisor:
        supervisor.step()
        url = str(endpoint(project)["url"])
        with Load(url, clients=1, keeping=1) as load:
            move_arms(project, one, AskedArm("candidate", two, 0.2), AskedArm("shadow", two, 1.0))
            supervisor.step()
            small = arms_of(url, range(60))
            assert set(small.values()) == {"live", "candidate"}
            assert "arms" not in endpoint(project)
            move(project, two)
            supervisor.step()
            assert "x-shipway-arm" not in ask(url, 1), "one release alone says nothing of arms"
        assert load.failures == []
        assert set(load.answers) == {one, two}

    def all_there() -> bool:
        compact(project.store)
        return set(recorded(project.store)) == {
            ("live", one),
            ("live", two),
            ("candidate", two),
            ("shadow", two),
        }

    wait_for(all_there, seconds=20)


def elsewhere(project: Project, release: Digest) -> Digest:
    """The release in an environment that cannot be made."""
    store = project.store
    value = {**store.get(next(p.digest for p in load_components(store, release) if p.kind == "environment"))}
    value["lock"] = store.put_bytes(b"numpy", "text/plain").to_json()
    changed = store.put(value)
    parts = load_components(store, release)
    return put_release(store, [replace(part, digest=changed) if part.kind == "environment" else part for part in parts])


def test_live_answers_for_an_arm_whose_environment_cannot_be_made_and_the_record_says_why(project: Project) -> None:
    one, _ = releases(project)
    two = elsewhere(project, one)
    move(project, one)
    said: list[str] = []
    with supervising(project, said) as supervisor:
        move_arms(project, one, AskedArm("candidate", two, 1.0))
        supervisor.step()
        row = endpoint(project)
        headers = ask(str(row["url"]), 1)
        assert (headers["x-shipway-arm"], headers["x-shipway-arm-failed"]) == ("live", "candidate")
        assert (headers["x-shipway-release"], row["problem"]) == (one, None)
        arms = row["arms"]
        assert isinstance(arms, dict)
        assert list(arms) == ["candidate"]
        assert any("arm candidate does not answer, and live does instead" in line for line in said)
        told = len(said)
        supervisor.step()
        assert len(said) == told, "it is told once"
