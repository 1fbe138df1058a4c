"""Where a release is on its way through the environments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shipway.access import Actor, KeyRing
from shipway.gate import move_ref
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.release import Component, Stage, _stages, put_release, stages_of
from shipway.spec import DeploySpec
from shipway.store import Store, open_store

ANN = Actor("ann@example.org", frozenset({"admin"}))
DEPLOYS = [
    DeploySpec(name="a@prod", application="a", environment="prod", after="staging"),
    DeploySpec(name="a@staging", application="a", environment="staging", after="dev"),
    DeploySpec(name="a@dev", application="a", environment="dev"),
]
START = datetime(2026, 11, 23, tzinfo=UTC)


class Ticking:
    """Each look at it is a minute later."""

    def __init__(self) -> None:
        self._at = START

    def now(self) -> datetime:
        self._at += timedelta(minutes=1)
        return self._at


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = open_store(tmp_path, "points", create=True, clock=Ticking())
    yield found
    found.close()


def release(store: Store, number: int) -> Digest:
    return put_release(store, [Component("model", "m", store.put({"kind": "model", "version": 1, "n": number}))])


def go(store: Store, environment: str, found: Digest, workers: int = 1) -> datetime:
    record: JsonObject = {
        "kind": "deployment", "version": 1, "application": "a", "environment": environment, "after": None,
        "release": store.descriptor(found, media.OCI_INDEX).to_json(), "scale": {"workers": workers},
    }  # fmt: skip
    return move_ref(store, KeyRing([]), ANN, ref=f"deploy/a@{environment}", target=store.put(record)).at


def test_environments_stand_in_their_order_and_say_since_when_a_release_is_live(store: Store) -> None:
    one, two = release(store, 1), release(store, 2)
    first = go(store, "dev", one)
    go(store, "dev", one, workers=2)  # another scale is the same release
    staged = go(store, "staging", one)
    replaced = go(store, "dev", two)
    go(store, "dev", two, workers=3)
    assert stages_of(store, DEPLOYS, one) == (
        Stage("deploy/a@dev", None, first, replaced),
        Stage("deploy/a@staging", "dev", staged, None),
        Stage("deploy/a@prod", "staging"),
    )
    assert [stage.live for stage in stages_of(store, DEPLOYS, two)] == [True, False, False]


def test_a_release_that_came_back_is_live_since_then(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stages, "_PAGE", 3)
    one, two = release(store, 1), release(store, 2)
    for found in (one, two):
        go(store, "dev", found)
    back = go(store, "dev", one)
    for workers in range(2, 12):  # more moves than are read at a time
        go(store, "dev", one, workers)
    (stage, *_) = stages_of(store, DEPLOYS, one)
    assert (stage.since, stage.until) == (back, None)
    gone = stages_of(store, DEPLOYS, two)[0]
    assert gone.until == back
