"""What follows from a plan in sentences, and that no setting changes in silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.access import open_keys
from shipway.gate import attest
from shipway.kernel import media
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.release import Component, Look, deployment_changes, put_release
from shipway.release._consequence import consequences
from shipway.store import Store, open_store


class World:
    def __init__(self, root: Path) -> None:
        self.store: Store = open_store(root / "store", "points", create=True)
        self.signer, self.keys = open_keys(root / "keys")
        self.look = Look(self.store, self.keys, root)

    def release(self, **parts: Any) -> Digest:
        """kind=number, or kind=fields."""
        kinds = {"data": "snapshot"}
        found = []
        for kind, value in parts.items():
            fields = value if isinstance(value, dict) else {"n": value}
            found.append(Component(kind, "x", self.store.put({"kind": kinds.get(kind, kind), "version": 1, **fields})))
        return put_release(self.store, found)

    def deployment(self, release: Digest, **changes: Any) -> Digest:
        record: dict[str, Any] = {
            "kind": "deployment", "version": 1, "application": "a", "environment": "prod", "target": "local",
            "scale": {"workers": 1}, "after": None, "follow": [], "outcomes": {}, "monitors": {},
            "release": self.store.descriptor(release, media.OCI_INDEX).to_json(),
        }  # fmt: skip
        return self.store.put({**record, **changes})

    def costs(self, release: Digest, usd: float) -> None:
        check = Check("golden.cost_usd", Verdict.INCONCLUSIVE, usd, usd / 2, usd * 2, n=40, level=0.95)
        attest(self.store, self.signer, subject=release, name="a", predicate_type=media.CHECK_PREDICATE,
               predicate={"check": check.to_json()}, label="golden.cost_usd")  # fmt: skip

    def said(self, before: Digest | None, after: Digest, live: Digest | None, release: Digest, **more: Any) -> tuple[str, ...]:
        changes = deployment_changes(self.look, before, after)
        return consequences(self.look, changes, live=live, release=release, source=before, target=after,
                            **{"policy_change": None, **more})  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.store.close()


def between(world: World, one: dict[str, Any], two: dict[str, Any]) -> tuple[str, ...]:
    live, release = world.release(**one), world.release(**two)
    return world.said(world.deployment(live), world.deployment(release), live, release)


RESTARTS = "serving restarts: 1 new worker of the predictor, the old ones drain"
SIGNATURE = {"inputs": [{"name": "x", "datatype": "FP64"}], "outputs": []}
GOLDEN = {"mediaType": "application/json", "digest": "sha256:" + "1" * 64, "size": 2}
ANSWERS = [
    ({"model": 1, "data": 1}, {"model": 2, "data": 2}, "answers may change: model differs"),
    ({"model": 1, "prompt": 1}, {"model": 2, "prompt": 2}, "answers may change: model and prompt differ"),
    ({"index": 1}, {"index": 1, "provider": 1}, "answers may change: provider differs"),
    ({"model": 1, "environment": 1}, {"model": 1, "environment": 2},
     "answers should stay: the model is the same, and runs with other packages"),
    ({"model": 1, "code": 1, "data": 1}, {"model": 1, "code": 2, "data": 2}, "answers stay: only code and data differ"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "two", "words"), ANSWERS)
def test_whether_answers_may_change_comes_first(world: World, one: dict[str, Any], two: dict[str, Any], words: str) -> None:
    assert between(world, one, two) == (words, RESTARTS)


def test_what_begins_and_what_stays_are_said(world: World) -> None:
    release = world.release(model=1)
    here = world.deployment(release)
    assert world.said(here, here, release, release) == ("nothing changes",)
    assert world.said(None, here, None, release) == (
        "answers begin: nothing is live there yet", "serving starts: predictor, 1 worker"
    )  # fmt: skip
    gateway = world.deployment(release, target="gateway", scale={"workers": 3})
    assert world.said(here, gateway, release, release)[:2] == (
        "answers stay: the release is the same",
        "serving restarts: 3 new workers of the gateway, the old ones drain",
    )
    other = world.store.descriptor(world.release(model=2), media.OCI_INDEX).to_json()
    for name, words in (
        ("candidate", "answers of live stay: the release is the same"),
        ("shadow", "answers stay: the release is the same"),
    ):
        arm: dict[str, Any] = {"name": name, "release": other, "buckets": [[0, 100]]}
        divided = world.deployment(release, split={"salt": "a", "unit": "request", "arms": [arm]})
        assert world.said(here, divided, release, release)[0] == words


def test_clients_that_have_to_change_the_price_of_an_answer_and_the_policy_are_said(world: World) -> None:
    wider = {**SIGNATURE, "inputs": [*SIGNATURE["inputs"], {"name": "late", "datatype": "BOOL"}]}
    model = {"signature": SIGNATURE, "golden": GOLDEN}
    live, release = world.release(model=model), world.release(model={**model, "signature": wider})
    world.costs(live, 0.0031)
    world.costs(release, 0.0024)
    monitors = {"cost": {"page": 5, "inform": None, "window_seconds": 86400}}
    before, after = world.deployment(live), world.deployment(release, monitors=monitors)
    policy = Digest("sha256:" + "7" * 64)
    said = world.said(before, after, live, release, policy_change=policy, missing=("approval: 0 of 1", "auc: no evidence"))
    assert said == (
        "answers may change: model differs",
        "clients have to change: input +late BOOL",
        "cost per answer: 0.0031 [0.00155, 0.0062] -> 0.0024 [0.0012, 0.0048] usd in golden",
        RESTARTS,
        "alerts change: monitors differ",
        "the policy 777777777777 is published first, and judges this move",
        "the gate still needs: approval: 0 of 1, auc: no evidence",
    )


PRICES = "sha256:" + "2" * 64
LIMIT = st.none() | st.sampled_from([0.05, 0.1])
MONITOR = st.fixed_dictionaries({"page": LIMIT, "inform": st.none(), "window_seconds": st.just(60)})
KEY = st.fixed_dictionaries({"name": st.sampled_from(["a", "b"]), "key": st.sampled_from(["secret://env/A", "secret://env/B"])})
BUDGET = st.fixed_dictionaries({"usd": st.integers(1, 2), "window_seconds": st.just(60)})
SOURCE = st.fixed_dictionaries({"source": st.sampled_from("xy")})
GATEWAY = st.fixed_dictionaries(
    {
        "budget": st.none() | BUDGET,
        "retries": st.integers(0, 1),
        "exact_cache": st.booleans(),
        "prices": st.none() | st.just(PRICES),
        "keys": st.lists(KEY, max_size=2, unique_by=lambda key: key["name"]),
        "provider_keys": st.dictionaries(st.just("p"), st.sampled_from("xy")),
        "sources": st.dictionaries(st.just("docs"), SOURCE),
    }
)
SETTINGS = st.fixed_dictionaries(
    {
        "target": st.sampled_from(["local", "gateway"]),
        "scale": st.fixed_dictionaries({"workers": st.integers(1, 2)}),
        "after": st.none() | st.just("staging"),
        "follow": st.lists(st.sampled_from(["index/a", "prompt/b"]), unique=True),
        "monitors": st.dictionaries(st.sampled_from(["drift", "cost"]), MONITOR),
        "outcomes": st.dictionaries(st.just("late"), st.fixed_dictionaries({"matures_seconds": st.integers(1, 2)})),
    },
    optional={"gateway": GATEWAY, "soak_seconds": st.integers(1, 2)},
)


@given(SETTINGS, SETTINGS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_setting_changes_in_words_or_not_at_all(world: World, one: dict[str, Any], two: dict[str, Any]) -> None:
    release = world.release(model=1)
    before, after = world.deployment(release, **one), world.deployment(release, **two)
    changes = deployment_changes(world.look, before, after)
    assert bool(changes) is (before != after)
    assert all(change.text.partition(": ")[2] for change in changes)
    assert deployment_changes(world.look, before, before) == ()


def test_callers_in_another_order_are_told_too(world: World) -> None:
    release = world.release(model=1)
    keys = [{"name": name, "key": "secret://env/A"} for name in "ab"]
    before, after = (world.deployment(release, gateway={"keys": found}) for found in (keys, keys[::-1]))
    (change,) = deployment_changes(world.look, before, after)
    assert "gateway.keys[0].name a -> b" in change.text
