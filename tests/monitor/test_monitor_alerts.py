from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from monitor_logs import FIRST_DAY, OTHER_RELEASE, REF, RELEASE

from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.monitor import Alert, DayVerdict, Finding, Severity, fold_alerts

LETTERS = {"f": Verdict.FAIL, "p": Verdict.PASS, "?": Verdict.INCONCLUSIVE}


def verdicts(story: str, *, monitor: str = "calibration", severity: Severity = Severity.PAGE) -> list[DayVerdict]:
    """A day a letter: f fails, p passes, ? is inconclusive; upper case is another release."""
    return [_verdict(number, letter, monitor, severity) for number, letter in enumerate(story)]


def _verdict(number: int, letter: str, monitor: str, severity: Severity) -> DayVerdict:
    release: Digest = OTHER_RELEASE if letter.isupper() else RELEASE
    check = Check(monitor, LETTERS[letter.lower()], value=number / 100, threshold=0.05)
    day = FIRST_DAY + timedelta(days=number)
    return DayVerdict(REF, day, release, day, 28, 100, 100, (Finding(severity, check),))


def lives(alerts: tuple[Alert, ...]) -> list[tuple[int, int, int | None]]:
    """First, last and resolving day by number."""
    return [
        (_number(alert.first_day), _number(alert.last_day), None if alert.resolved is None else _number(alert.resolved))
        for alert in alerts
    ]


def _number(day: date) -> int:
    return (day - FIRST_DAY).days


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ("", []),
        ("pp?", []),
        ("pf", [(1, 1, None)]),
        ("ffpff", [(0, 4, None)]),
        ("ffppp", [(0, 1, 4)]),
        ("fpp?p", [(0, 0, 4)]),
        ("fppfppp", [(0, 3, 6)]),
        ("f?????", [(0, 0, None)]),
        ("f???????", [(0, 0, 7)]),
        ("f??????f", [(0, 7, None)]),
        ("fpppf", [(0, 0, 3), (4, 4, None)]),
        ("ffPf", [(0, 1, 2), (3, 3, None)]),
        ("ffFf", [(0, 1, 2), (2, 2, 3), (3, 3, None)]),
    ],
)
def test_an_alert_opens_lasts_and_is_resolved(story: str, expected: list[tuple[int, int, int | None]]) -> None:
    assert lives(fold_alerts(verdicts(story))) == expected


def test_an_alert_tells_the_numbers_of_its_last_failing_day_and_survives_json() -> None:
    (alert,) = fold_alerts(verdicts("pffp"))
    assert (alert.value, alert.threshold, alert.open, alert.key) == (0.02, 0.05, True, f"{REF}/calibration/2013-02-02")
    assert Alert.from_json(alert.to_json()) == alert
    (done,) = fold_alerts(verdicts("fppp"))
    assert (Alert.from_json(done.to_json()), done.to_json()["status"]) == (done, "resolved")


def test_an_alert_is_as_loud_as_it_has_ever_been() -> None:
    days = [
        *verdicts("f", severity=Severity.INFORM),
        *verdicts("pf")[1:],
        *verdicts("ppf", severity=Severity.INFORM)[2:],
    ]
    (alert,) = fold_alerts(days)
    assert alert.severity is Severity.PAGE


def test_what_is_only_reported_is_never_an_alert() -> None:
    assert fold_alerts(verdicts("fff", severity=Severity.REPORT)) == ()


def test_an_alert_of_a_monitor_that_is_switched_off_ends_with_the_first_day_without_it() -> None:
    others = verdicts("ffffff", monitor="base_rate")
    days = [
        replace(other, findings=(*other.findings, *day.findings)) for other, day in zip(others, verdicts("ff"), strict=False)
    ]
    off = {alert.monitor: alert for alert in fold_alerts([*days, *others[2:]])}
    assert off["calibration"].resolved == FIRST_DAY + timedelta(days=2)
    assert off["base_rate"].open


def test_a_day_that_nothing_loud_has_judged_has_not_passed() -> None:
    (quiet,) = verdicts("p", severity=Severity.REPORT)
    assert (quiet.verdict, replace(quiet, findings=()).verdict) == (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE)
    assert quiet.window()["text"] == "2013-02-01 to 2013-02-01: no monitor that can page or open a ticket has judged"
    assert verdicts("p")[0].window()["text"] == "2013-02-01 to 2013-02-01"


def test_a_verdict_survives_json_and_does_not_count_drift() -> None:
    (drift,) = verdicts("f", monitor="drift.temp", severity=Severity.INFORM)
    assert DayVerdict.from_json(drift.to_json()) == drift
    assert drift.verdict is Verdict.INCONCLUSIVE
    assert "no monitor that can page" in drift.text
    assert verdicts("f")[0].verdict is Verdict.FAIL
