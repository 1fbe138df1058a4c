"""The slow rounds beside the control loop: they follow, they look, and one fault does not end them."""

from __future__ import annotations

import shutil
import threading
import time

import pytest
from assistant_live import REF, Assistant, Parrot, forget_answers, outcomes, sync

from shipway.monitor import load_readings
from shipway.operate import Rounds, _rounds, golden_of, keep_prices, world_of
from shipway.release import apply_release
from shipway.spec import Spec

pytest_plugins = ["cli_assistant_fixtures"]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rounds, "FOLLOW_SECONDS", 0.0)
    monkeypatch.setattr(_rounds, "LOOK_SECONDS", 0.0)


def rounds(project: Assistant, said: list[str], *, spec: Spec | None = None) -> Rounds:
    hands, environ = project.hands, project.environ
    return Rounds(
        hands,
        environ=environ,
        spec=lambda: spec,
        world=lambda found: world_of(hands, found, environ=environ),
        report=said.append,
    )


def test_a_turn_looks_and_follows_and_says_so_once(live: Assistant) -> None:
    said: list[str] = []
    turning = rounds(live, said, spec=live.spec)
    live.write("docs/bakery.txt", "The bakery opens at five in the morning.\n")
    sync(live)
    turning.turn()
    turning.turn()
    newest = live.store.resolve("release/guide")
    assert said == [f"{REF} follows to {newest[7:19]}: moved"]
    assert {reading.monitor for reading in load_readings(live.store, REF)} == {"cost", "freshness", "sentinel"}
    assert outcomes(live) == ["moved", "moved"]


def test_a_refusal_is_said_once_with_what_is_missing(live: Assistant) -> None:
    said: list[str] = []
    turning = rounds(live, said, spec=live.spec)
    forget_answers(live)
    sync(live)
    for _ in range(3):
        turning.turn()
    assert len(said) == 1
    assert "refused: " in said[0]
    assert outcomes(live) == ["refused", "moved"]


def test_a_provider_that_is_down_is_told_once_and_the_loop_goes_on(live: Assistant, parrot: Parrot) -> None:
    said: list[str] = []
    turning = rounds(live, said, spec=live.spec)
    live.write("docs/bakery.txt", "The ferry to Holm has a bakery on its upper deck.\n")
    sync(live)
    parrot.down = True
    turning.turn()
    parrot.asked = []
    turning.turn()
    assert len([line for line in said if "follow" in line]) == 1
    assert "answered 503" in said[0]
    assert {reading.monitor for reading in load_readings(live.store, REF)} == {"cost", "freshness", "sentinel"}
    parrot.down = False
    turning.turn()
    assert said[-1].endswith(": moved")


def test_a_spec_that_cannot_be_read_stops_nothing(live: Assistant) -> None:
    said: list[str] = []
    live.write("docs/bakery.txt", "The bakery opens at five in the morning.\n")
    sync(live)
    rounds(live, said, spec=None).turn()
    assert [line.rpartition(": ")[2] for line in said] == ["moved"]


def test_a_deployment_that_cannot_be_looked_at_keeps_no_other_from_it(live: Assistant) -> None:
    """Two environments of one application: the documents of neither are there, and each is told by its name."""
    live.edit("  guide@prod:\n", "  guide@early: {target: gateway, monitors: {cost: {page: 5, window: 1d}}}\n  guide@prod:\n")
    hands, spec = live.hands, live.spec
    prices = keep_prices(live.store, spec, spec.deploy["guide@early"])
    golden = golden_of(live.store, spec)
    apply_release(hands.store, hands.keys, hands.actor, spec, spec.deploy["guide@early"], golden=golden, prices=prices)
    shutil.rmtree(live.root / "docs")
    said: list[str] = []
    turning = rounds(live, said, spec=spec)
    turning.turn()
    turning.turn()
    assert [line.partition(": ")[0] for line in said] == ["surroundings deploy/guide@early", f"surroundings {REF}"]
    for ref in ("deploy/guide@early", REF):
        assert {reading.monitor for reading in load_readings(live.store, ref)} == {"cost", "sentinel"}


def test_it_ends_soon_after_it_is_told_to(live: Assistant) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=rounds(live, [], spec=live.spec).run, args=(stop,))
    thread.start()
    time.sleep(0.5)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
