from __future__ import annotations

import pytest

from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import digest_bytes
from shipway.monitor import Severity
from shipway.operate import Measured, judge_staleness
from shipway.release import Component
from shipway.spec import ADDED_MONITORS, MonitorSpec

CHALLENGER, LIVE = digest_bytes(b"challenger"), digest_bytes(b"live")
MODEL = Component("model", "delay", digest_bytes(b"model"))
MONITOR = ADDED_MONITORS["staleness"]


def compared(value: float, reach: float, *, against: bool = True) -> tuple[Measured, ...]:
    check = Check("auc", Verdict.INCONCLUSIVE, value, value - reach, value + reach, n=27_010, level=0.95)
    evaluation = Check("auc", Verdict.INCONCLUSIVE, 0.7, 0.68, 0.72, n=900)
    found = [Measured(MODEL, evaluation, CHALLENGER), Measured(MODEL, check, CHALLENGER, against=LIVE if against else None)]
    return tuple(found)


@pytest.mark.parametrize(
    ("value", "reach", "verdict"),
    [(0.065, 0.03, Verdict.FAIL), (0.065, 0.06, Verdict.INCONCLUSIVE), (0.001, 0.01, Verdict.PASS), (-0.1, 0.02, Verdict.PASS)],
)
def test_live_is_stale_when_a_challenger_is_surely_better_by_the_threshold(
    value: float, reach: float, verdict: Verdict
) -> None:
    found = judge_staleness(MONITOR, CHALLENGER, compared(value, reach))
    assert (found.severity, found.check.verdict, found.check.threshold) == (Severity.TICKET, verdict, 0.02)
    assert found.check.text.endswith("better than live on the same 27,010 rows")


def test_without_rows_to_compare_on_nothing_is_said_and_a_lower_threshold_informs() -> None:
    found = judge_staleness(MONITOR, CHALLENGER, compared(0.1, 0.01, against=False)).check
    assert (found.verdict, found.value) == (Verdict.INCONCLUSIVE, None)
    both = MonitorSpec(name="staleness", ticket=0.1, inform=0.01)
    assert judge_staleness(both, CHALLENGER, compared(0.05, 0.01)).severity is Severity.INFORM
