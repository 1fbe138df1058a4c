"""What the monitors said of the days, counted by month."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

WINDOW = 28
OF_A_DAY = ("schema", "dead_columns")  # their window is the day itself
INFORMING = ("drift", "prediction_drift")
VERDICTS = ("pass", "fail", "inconclusive")


def by_month(days: list[dict[str, Any]], months: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By month how many days each monitor passed, failed and left undecided.

    days: of the month; windows: the days whose windows lie mostly in the month; features: of `drift`, days by features;
    last: the word on the month's last day.
    """
    found: dict[str, dict[str, Any]] = {
        month: {"days": {}, "windows": {}, "last": {}, "features": Counter()} for month in months
    }
    for day in days:
        own, mostly = found[day["day"][:7]], found[month_of_window(day["day"], months[0])]
        for name, checks in _families(day["checks"]).items():
            verdict = _worst(checks)
            own["days"].setdefault(name, Counter())[verdict] += 1
            (own if name in OF_A_DAY else mostly)["windows"].setdefault(name, Counter())[verdict] += 1
            if name == "drift":
                own["features"] += Counter(check["verdict"] for check in checks)
            elif len(checks) == 1:
                own["last"][name] = {**numbers(checks[0]), "verdict": verdict, "more_days": _more_days(checks[0], day)}
    return found


def month_of_window(day: str, first: str) -> str:
    """The month in which most of the window lies that ends with this day; first: the month in which the windows begin."""
    return max(f"{date.fromisoformat(day) - timedelta(days=WINDOW // 2 - 1):%Y-%m}", first)


def _families(checks: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """By monitor, without what is only reported."""
    families: dict[str, list[dict[str, Any]]] = {}
    for check in checks:
        if check["severity"] != "report":
            families.setdefault(check["name"].partition(".")[0], []).append(check)
    return families


def _worst(checks: list[dict[str, Any]]) -> str:
    said = {check["verdict"] for check in checks}
    return next(verdict for verdict in ("fail", "inconclusive", "pass") if verdict in said)


def _more_days(check: dict[str, Any], day: dict[str, Any]) -> int | None:
    """Of such days as those of the window, until the verdict is one; None where no number of them would do."""
    more = check["still_needed"]
    return round(more / (day["labels"] / day["days"])) if more and day["labels"] else None


def in_order(verdicts: Counter[str]) -> list[int]:
    """Passed, failed, undecided."""
    return [verdicts[verdict] for verdict in VERDICTS]


def numbers(check: dict[str, Any]) -> dict[str, Any]:
    return {key: check[key] for key in ("value", "low", "high")}
