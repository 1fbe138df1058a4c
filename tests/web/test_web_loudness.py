"""One tone for each severity of what fails: a row, the cells of its strip and the legend of the Monitor page say the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from web_project import FIRST_DAY, REF

from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import digest_bytes
from shipway.monitor import DayVerdict, Finding, Reading, ReadingPoint, Severity
from shipway.spec import MonitorSpec, default_monitors
from shipway.web._monitor_view import MonitorPage, make_monitor_page

RELEASE = digest_bytes(b"release")
LATENCY = MonitorSpec(name="latency", ticket=2.0)
NOW = datetime(2013, 2, 9, tzinfo=UTC)


def checked(name: str, severity: Severity, *, fails: bool) -> Finding:
    return Finding(severity, Check(name, Verdict.FAIL if fails else Verdict.PASS, 0.3 if fails else 0.0, threshold=0.1))


def read(severity: Severity) -> Reading:
    """A reading that passed, and fails now."""
    check = checked("latency", severity, fails=True).check
    points = (ReadingPoint(NOW - timedelta(days=2), 0.0, Verdict.PASS), ReadingPoint(NOW, 0.3, Verdict.FAIL))
    return Reading(REF, "latency", NOW, severity, RELEASE, check, {}, points)


def page_of(days: list[tuple[Finding, ...]], readings: tuple[Reading, ...] = ()) -> MonitorPage:
    judged = [
        DayVerdict(REF, FIRST_DAY + timedelta(days=n), RELEASE, FIRST_DAY, 1, 100, 90, findings)
        for n, findings in enumerate(days)
    ]
    usual = default_monitors("local")
    monitors = [*(usual[name] for name in ("calibration", "base_rate", "drift")), LATENCY]
    return make_monitor_page(REF, monitors, judged, readings, (), (), (), unfit={}, now=NOW)


@pytest.mark.parametrize(
    ("severity", "tone", "word"),
    [(Severity.PAGE, "fail", "fail"), (Severity.TICKET, "ticket", "fail"), (Severity.INFORM, "informs", "informs")],
)
def test_a_row_and_its_strip_say_a_failing_finding_alike(severity: Severity, tone: str, word: str) -> None:
    page = page_of([(checked("drift.temp", severity, fails=False),), (checked("drift.temp", severity, fails=True),)])
    (row,) = [row for row in page.rows if row.monitor == "Drift of temp"]
    assert (row.tone, row.says, row.severity) == (tone, word, severity.value)
    assert page.strips is not None
    (strip,) = page.strips.strips
    assert [cell.tone for cell in strip.cells] == ["pass", tone]
    assert strip.cells[-1].title == f"{FIRST_DAY + timedelta(days=1)}: {word}"


def test_the_loudest_finding_of_a_day_gives_the_strip_its_tone() -> None:
    """A lost column pages, a new one is a ticket: a day with both pages."""
    quiet, loud = checked("drift.a", Severity.TICKET, fails=True), checked("drift.b", Severity.PAGE, fails=True)
    told = checked("drift.c", Severity.INFORM, fails=True)
    page = page_of([(told,), (told, quiet), (quiet, loud, told), (checked("drift.b", Severity.PAGE, fails=False), told)])
    assert page.strips is not None
    assert [cell.tone for cell in page.strips.strips[0].cells] == ["informs", "ticket", "fail", "informs"]


def test_a_reading_has_the_tone_of_its_severity() -> None:
    page = page_of([(checked("calibration", Severity.PAGE, fails=True),)], (read(Severity.TICKET),))
    assert page.strips is not None
    assert [[cell.tone for cell in strip.cells] for strip in page.strips.strips] == [["fail"], ["pass", "ticket"]]
    assert [(row.monitor, row.tone) for row in page.rows[:2]] == [("Calibration error", "fail"), ("Latency", "ticket")]


def test_rows_stand_by_how_loud_they_are() -> None:
    page = page_of([(checked("drift.temp", Severity.INFORM, fails=True), checked("calibration", Severity.PAGE, fails=True),
                     checked("base_rate", Severity.PAGE, fails=False))])  # fmt: skip
    assert [row.tone for row in page.rows] == ["fail", "informs", "", "pass"]
