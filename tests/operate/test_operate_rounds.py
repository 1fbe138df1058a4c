"""The slow rounds beside the control loop: they follow, they look, and one fault does not end them."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import suppress

import pytest
from assistant_live import REF, Assistant, Parrot, forget_answers, outcomes, sync

from shipway.kernel.check import Verdict
from shipway.kernel.digest import digest_bytes
from shipway.llm import ProviderRefused
from shipway.monitor import load_readings
from shipway.operate import follow_round, golden_of, keep_prices, look_round, world_of
from shipway.operate._patience import Patience
from shipway.release import apply_release
from shipway.spec import Spec

pytest_plugins = ["cli_assistant_fixtures"]
WATCHED = {"cost", "freshness", "sentinel", "contract", "errors", "latency", "silence"}


class Turning:
    """Both rounds of `shipway up`, turned by hand; the waits after failures pass when the test says so."""

    def __init__(self, project: Assistant, said: list[str], *, spec: Spec | None = None) -> None:
        hands, environ = project.hands, project.environ
        self.now = 0.0
        self.following = follow_round(
            hands,
            environ=environ,
            spec=lambda: spec,
            world=lambda found: world_of(hands, found, environ=environ),
            report=said.append,
            clock=lambda: self.now,
        )
        self.looking = look_round(hands, environ=environ, spec=lambda: spec, report=said.append)

    def turn(self) -> None:
        self.following.turn()
        self.looking.turn()


def rounds(project: Assistant, said: list[str], *, spec: Spec | None = None) -> Turning:
    return Turning(project, said, spec=spec)


def test_a_turn_looks_and_follows_and_says_so_once(live: Assistant) -> None:
    said: list[str] = []
    turning = rounds(live, said, spec=live.spec)
    live.write("docs/bakery.txt", "The bakery opens at five in the morning.\n")
    sync(live)
    turning.turn()
    turning.turn()
    newest = live.store.resolve("release/guide")
    assert said == [f"{REF} follows to {newest[7:19]}: moved"]
    assert {reading.monitor for reading in load_readings(live.store, REF)} == WATCHED
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
    assert {reading.monitor for reading in load_readings(live.store, REF)} == WATCHED
    parrot.down = False
    turning.now += 6
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
        kept = {reading.monitor: reading.check.verdict for reading in load_readings(live.store, ref)}
        assert kept.keys() == WATCHED
        assert kept["freshness"] is Verdict.INCONCLUSIVE


def test_a_provider_that_is_down_is_asked_less_and_less_often(live: Assistant, parrot: Parrot) -> None:
    """A look every second for an hour; the parrot counts what reaches it."""
    said: list[str] = []
    turning = rounds(live, said, spec=live.spec)
    live.write("docs/bakery.txt", "The ferry to Holm has a bakery on its upper deck.\n")
    sync(live)
    parrot.down, tries = True, []
    for second in range(2000):
        turning.now = float(second)
        before = parrot.refused
        turning.following.turn()
        if parrot.refused > before:
            tries.append(second)
    assert tries == [0, 5, 15, 35, 75, 155, 315, 615, 915, 1215, 1515, 1815]
    assert len(said) == 1, "the same fault is told once, though it is tried again"
    live.write("docs/bakery.txt", "The ferry to Holm has a bakery below its upper deck.\n")
    sync(live)
    before = parrot.refused
    turning.following.turn()
    assert parrot.refused > before, "another version is tried at once"


def test_a_problem_that_says_how_long_is_heard() -> None:
    now = 0.0
    patience, target, tried = Patience(lambda: now), digest_bytes(b"target"), []
    for second in range(200):
        now = float(second)
        with suppress(ProviderRefused), patience.trying(REF, target):
            tried.append(second)
            raise ProviderRefused("too many", where="answer", status=429, retry_after=90.0)
    assert tried == [0, 90, 180]
    with patience.trying("deploy/other@prod", target):
        pass
    now = 300.0
    with patience.trying(REF, target):
        pass
    with pytest.raises(ZeroDivisionError), patience.trying(REF, target):
        1 / 0  # noqa: B018
    now = 304.0
    with pytest.raises(ZeroDivisionError), patience.trying(REF, target):
        raise AssertionError("asked within five seconds")
    now = 305.0
    with patience.trying(REF, target):
        pass


@pytest.mark.parametrize("which", ["following", "looking"])
def test_it_ends_soon_after_it_is_told_to(live: Assistant, which: str) -> None:
    stop = threading.Event()
    turning = rounds(live, [], spec=live.spec)
    thread = threading.Thread(target=getattr(turning, which).run, args=(stop,))
    thread.start()
    time.sleep(0.5)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
