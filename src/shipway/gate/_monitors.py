"""What monitors said of a release, out of the one statement that a window or a reading leaves. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, CheckMalformed, Verdict, worst
from shipway.spec import MONITORS

WINDOW = "window"


def monitors_in(whole: Check, predicate: JsonObject) -> Iterator[Check]:
    """The check of each monitor in a window's statement; several of one monitor, as of drift, are one: the worst of them.

    Numbers that a window only reports (`auc`) are no monitor's word. None where one of the checks cannot be read.
    """
    records = predicate.get("checks")
    if whole.name != WINDOW or not isinstance(records, list):
        return
    said: dict[str, list[Check]] = {}
    for record in records:
        if not isinstance(record, dict):
            raise CheckMalformed("a check of the window is no object")
        check = Check.from_json(record)
        monitor = check.name.partition(".")[0]
        if monitor in MONITORS and check.threshold is not None:
            said.setdefault(monitor, []).append(check)
    for monitor, checks in said.items():
        yield checks[0] if len(checks) == 1 and checks[0].name == monitor else _together(monitor, checks)


def _together(monitor: str, checks: list[Check]) -> Check:
    verdict = worst([check.verdict for check in checks])
    named = [check.name.partition(".")[2] or check.name for check in checks if check.verdict is verdict]
    text = "" if verdict is Verdict.PASS else ", ".join(named[:5])
    return Check(monitor, verdict, threshold=checks[0].threshold, n=checks[0].n, text=text)
