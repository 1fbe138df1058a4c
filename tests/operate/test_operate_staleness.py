from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))

from monitor_logs import NOW, REF, FakeClock, new_store

from shipway.access import Actor, open_keys
from shipway.gate import move_ref
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import digest_bytes, short
from shipway.monitor import Alert, Severity, load_alerts
from shipway.operate import Measured, judge_staleness, keep_staleness
from shipway.pipeline import Hands
from shipway.release import Component, deployment_object, put_release
from shipway.spec import ADDED_MONITORS, DeploySpec, MonitorSpec

CHALLENGER, LIVE, NEWER = (digest_bytes(text) for text in (b"challenger", b"live", b"newer challenger"))
MODEL = Component("model", "delay", digest_bytes(b"model"))
MONITOR = ADDED_MONITORS["staleness"]
ON = date(2026, 11, 23)
BETTER, UNDECIDED, NO_BETTER = (0.065, 0.03), (0.065, 0.06), (0.001, 0.01)


def compared(value: float, reach: float, *, against: bool = True) -> tuple[Measured, ...]:
    check = Check("auc", Verdict.INCONCLUSIVE, value, value - reach, value + reach, n=27_010, level=0.95)
    evaluation = Check("auc", Verdict.INCONCLUSIVE, 0.7, 0.68, 0.72, n=900)
    found = [Measured(MODEL, evaluation, CHALLENGER), Measured(MODEL, check, CHALLENGER, against=LIVE if against else None)]
    return tuple(found)


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [(BETTER, Verdict.FAIL), (UNDECIDED, Verdict.INCONCLUSIVE), (NO_BETTER, Verdict.PASS), ((-0.1, 0.02), Verdict.PASS)],
)
def test_live_is_stale_when_a_challenger_is_surely_better_by_the_threshold(
    numbers: tuple[float, float], verdict: Verdict
) -> None:
    found = judge_staleness(MONITOR, CHALLENGER, compared(*numbers), on=ON)
    assert (found.severity, found.check.verdict, found.check.threshold) == (Severity.TICKET, verdict, 0.02)
    assert found.check.text.startswith(f"challenger {short(CHALLENGER)}, compared on 2026-11-23, ranks ")
    assert found.check.text.endswith("better than live on the same 27,010 rows")


def test_without_rows_to_compare_on_nothing_is_said_and_a_lower_threshold_informs() -> None:
    found = judge_staleness(MONITOR, CHALLENGER, compared(0.1, 0.01, against=False), on=ON).check
    assert (found.verdict, found.value) == (Verdict.INCONCLUSIVE, None)
    both = MonitorSpec(name="staleness", ticket=0.1, inform=0.01)
    assert judge_staleness(both, CHALLENGER, compared(0.05, 0.01), on=ON).severity is Severity.INFORM


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    """A release is live."""
    signer, keys = open_keys(tmp_path / "keys")
    actor = Actor("ada@example.org", frozenset({"admin"}))
    store = new_store(tmp_path / "project", FakeClock())
    kinds: dict[str, Any] = {"model": "delay", "environment": "", "pipeline": ""}
    live = put_release(store, [Component(kind, name, store.put({"kind": kind, "version": 1})) for kind, name in kinds.items()])
    deploy = DeploySpec(name="delay@prod", application="delay", environment="prod")
    move_ref(store, keys, actor, ref=REF, target=store.put(deployment_object(store, live, deploy, {})))
    return Hands(store, signer, keys, actor, tmp_path / "cache")


@pytest.mark.parametrize("later", [UNDECIDED, NO_BETTER])
def test_a_ticket_ends_with_a_later_challenger_that_is_not_surely_better(hands: Hands, later: tuple[float, float]) -> None:
    clock: Any = hands.store.clock

    def ticket(days: int) -> Alert:
        """The newest, so many days after the first comparison."""
        clock.at = NOW + timedelta(days=days)
        return load_alerts(hands.store, REF)[-1]

    keep_staleness(hands, REF, CHALLENGER, compared(*BETTER))
    assert (ticket(0).open, ticket(0).severity) == (True, Severity.TICKET)
    assert ticket(10).text.startswith(f"challenger {short(CHALLENGER)}, compared on 2026-11-23, ranks +0.065 AUC")
    keep_staleness(hands, REF, NEWER, compared(*BETTER, against=False))
    assert ticket(20).open, "that one could not be compared is no word about live"
    assert keep_staleness(hands, REF, NEWER, compared(*later))
    assert ticket(21).resolved == date(2026, 12, 13)
    keep_staleness(hands, REF, NEWER, compared(*BETTER))
    again = ticket(21)
    assert (again.open, again.first_day, len(load_alerts(hands.store, REF))) == (True, date(2026, 12, 14), 2)
    assert again.text.startswith(f"challenger {short(NEWER)}, compared on 2026-12-14")
