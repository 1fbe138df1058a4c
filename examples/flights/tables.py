"""The flights' section of docs/monitoring.md from bench/results/flights.json, at the end of `make year`: no number by hand.

    python tables.py

What was so is a definition of `truth.py`; here is only how the words and the numbers stand beside each other.
"""

import json
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from verdicts import INFORMING, month_of_window

ROOT = Path(__file__).resolve().parents[2]
RESULT, PAGE = ROOT / "bench" / "results" / "flights.json", ROOT / "docs" / "monitoring.md"
BEGIN, END = "<!-- made by examples/flights/tables.py -->\n", "<!-- /made -->\n"
JUDGED = {"base_rate": "base rate", "calibration": "calibration", "performance": "ranking"}
Month = dict[str, Any]


def main() -> None:
    """Write the section."""
    page = PAGE.read_text()
    PAGE.write_text(replaced(page, rendered()))


def replaced(page: str, section: str) -> str:
    """The page with that section between its marks."""
    return re.sub(f"(?<={re.escape(BEGIN)}).*?(?={re.escape(END)})", lambda _: section, page, flags=re.DOTALL)


def rendered() -> str:
    """The section of the run that is kept."""
    return render_year(json.loads(RESULT.read_text()))


def render_year(report: dict[str, Any]) -> str:
    """The whole section, tables and the sentences that count."""
    months = report["months"]
    parts = [_so(report), _said(report), _words(report), _incidents(report["incidents"])]
    parts += [_estimates(months, report["truth"]), _drift(months), _gains(months), _undecided(months), _ran(report)]
    return "\n".join(parts)


def _so(report: dict[str, Any]) -> str:
    rows = [
        [
            month["month"],
            f"{so['rows']:,}",
            _percent(so["predicted"]),
            _percent(so["realised"]),
            *(
                _interval(so[name], signed=name in ("skill", "base_rate"))
                for name in ("auc", "skill", "base_rate", "calibration")
            ),
        ]
        for month in report["months"]
        if (so := month["so"])
    ]
    heads = ["month", "flights", "predicted late", "were late", "AUC", "Brier skill", "base-rate error", "calibration error"]
    return f"**What was so.** AUC in the reference: {_interval(report['truth']['reference'])}.\n\n{_table(heads, rows)}"


def _said(report: dict[str, Any]) -> str:
    names = [*JUDGED, "dead_columns", "schema", *INFORMING]
    rows = [[month["month"], *(_counts(month["days"].get(name)) for name in names)] for month in report["months"]]
    total = [[sum(month["days"][name][verdict] for month in report["months"]) for verdict in range(3)] for name in names]
    rows.append(["all", *map(_counts, total)])
    head = f"**What the monitors said** of {report['days']} days: passed / failed / undecided."
    dead = {day: features for month in report["months"] for day, features in month["so"]["dead"].items()}
    found = ", ".join(f"{day} ({len(features)}: {', '.join(features)})" for day, features in dead.items())
    as_many = all(len(month["so"]["dead"]) == month["days"]["dead_columns"][1] for month in report["months"])
    told = f"Features without a value, from the files: on {found}; "
    told += f"`dead_columns` failed on {'as many' if as_many else 'other'} days."
    return f"{head}\n\n{_table(['month', *(f'`{name}`' for name in names)], rows)}\n{told}\n"


def _words(report: dict[str, Any]) -> str:
    months, beyond = report["months"], report["truth"]["beyond"]
    rows = [[month["month"], *(_word(month, name) for name in JUDGED)] for month in months]
    counted = []
    for place, name in enumerate(JUDGED.values(), start=1):
        rightly, wolf, missed = (_listed(_held(rows, place, word)) for word in ("failed rightly", "cried wolf", "missed"))
        counted.append(f"{name} failed rightly in {rightly}, cried wolf in {wolf}, missed {missed}")
    limits = ", ".join(f"{JUDGED[name]} {limit:g}" for name, limit in beyond.items())
    wrong = {month["month"]: [name for name in JUDGED if _wrong(month, name)] for month in months}
    pages = [alert for one in report["incidents"] for alert in one["alerts"] if alert["monitor"] in JUDGED]
    rightly = sum(alert["monitor"] in wrong[month_of_window(alert["first_day"], months[0]["month"])] for alert in pages)
    head = f"**Who was right.** Thresholds: {limits}. Days are those whose windows lie mostly in the month."
    told = f"So {'; '.join(counted)}. Of {len(pages)} pages {rightly} opened on a window that lies mostly in a wrong month."
    return f"{head}\n\n{_table(['month', *JUDGED.values()], rows)}\n{told}\n"


def _word(month: Month, name: str) -> str:
    """What was so, and whether the monitor said it."""
    so, (passed, failed, undecided) = month["so"]["words"][name], month["windows"][name]
    if so.endswith("wrong"):
        said = f"**failed rightly**, {_days(failed)}" if failed else f"**missed**, {_days(undecided)} undecided"
    else:
        said = f"**cried wolf**, {_days(failed)}" if failed else "quiet" if passed else "quiet, undecided"
    return f"{so}: {said}"


def _held(rows: Iterable[Sequence[str]], place: int, word: str) -> list[str]:
    """The months of which it stands there."""
    return [row[0] for row in rows if f"**{word}**" in row[place]]


def _listed(names: Sequence[str]) -> str:
    return f"{len(names)} ({', '.join(names)})" if names else "none"


def _incidents(incidents: Sequence[dict[str, Any]]) -> str:
    of_days = [one for one in incidents if one["alerts"]]
    rows = [
        [
            f"{one['first_day']} to {one['last_day']}",
            ", ".join(sorted({_family(alert["monitor"]) for alert in one["alerts"]})),
            _texts(one["alerts"]),
            f"{one['causes'][0]['likelihood']}: {one['causes'][0]['text']}" if one["causes"] else "",
        ]
        for one in of_days
    ]
    heads = ["incident", "pages", "what its last failing day said", "first cause"]
    return f"**Incidents: {len(of_days)}.**\n\n{_table(heads, rows)}"


def _texts(alerts: Sequence[dict[str, Any]]) -> str:
    """The last words of each monitor; of many columns one and how many more there are."""
    texts: dict[str, list[str]] = {}
    for alert in alerts:
        texts.setdefault(alert["monitor"].partition(".")[0], []).append(alert["text"])
    more = {name: len(held) - 1 for name, held in texts.items() if name not in JUDGED}
    return "; ".join(held[-1] + (f" and {more[name]} more" if more.get(name) else "") for name, held in texts.items())


def _family(monitor: str) -> str:
    return "`" + monitor.partition(".")[0] + "`"


def _estimates(months: Sequence[Month], truth: dict[str, Any]) -> str:
    limit, ranking = truth["beyond"]["base_rate"], truth["beyond"]["performance"]
    heads = ["month", "late: estimated", "were", "AUC: estimated", "was", "Brier: estimated", "was", "scores seen before",
             "base-rate error it expects"]  # fmt: skip
    rows = []
    for month in months:
        found, so = month["estimated"], month["so"]
        rates = [_percent(found["base_rate"]), _percent(so["realised"])]
        others = [f"{found['roc_auc']:.3f}", _interval(so["auc"]), f"{found['brier']:.3f}", _interval(so["brier"])]
        said = f"{so['predicted'] - found['base_rate']:+.3f}: {_expected(month, limit)}"
        rows.append([month["month"], *rates, *others, _percent(found["supported"]), said])
    missed, wolf = (_held(rows, -1, word) for word in ("misses it", "cries wolf"))
    outside = [sum(not _inside(month, *keys) for month in months) for keys in (("auc", "roc_auc"), ("brier", "brier"))]
    fell = sum(truth["reference"]["value"] - month["estimated"]["roc_auc"] > ranking for month in months)
    wrong = sum(_wrong(month, "base_rate") for month in months)
    expected = [month["so"]["predicted"] - month["estimated"]["base_rate"] for month in months]
    came = [month["so"]["base_rate"]["value"] for month in months]
    told = (
        f"The base-rate error that it expects is between {min(expected):+.3f} and {max(expected):+.3f} in every month; "
        f"what came true was between {min(came):+.3f} and {max(came):+.3f}. Had it paged at {limit:g} it would have missed "
        f"{len(missed)} of {wrong} wrong months ({', '.join(missed) or 'none'}) and cried wolf in {_listed(wolf)}. "
        f"Its AUC lies outside the interval of what was in {outside[0]} of {len(months)} months, "
        f"its Brier score in {outside[1]}; it saw a fall in ranking by {ranking:g} in {fell or 'none'}.\n"
    )
    return f"**What CBPE said without a label** (`estimated` of `watch --months`).\n\n{_table(heads, rows)}\n{told}"


def _expected(month: Month, limit: float) -> str:
    """What a page on the estimated base-rate error would have been."""
    expected, so = month["so"]["predicted"] - month["estimated"]["base_rate"], month["so"]["base_rate"]["value"]
    alarm = abs(expected) > limit
    if _wrong(month, "base_rate"):
        return "sees it" if alarm and expected * so > 0 else "**misses it**"
    return "**cries wolf**" if alarm else "quiet"


def _wrong(month: Month, name: str) -> bool:
    return bool(month["so"]["words"][name].endswith("wrong"))


def _inside(month: Month, name: str, key: str) -> bool:
    return bool(month["so"][name]["low"] <= month["estimated"][key] <= month["so"][name]["high"])


def _drift(months: Sequence[Month]) -> str:
    fine = [month for month in months if not any(_wrong(month, name) for name in JUDGED)]
    lines = []
    for name, what in (("drift", "drift of any feature"), ("prediction_drift", "drift of the predictions")):
        failed, whole = (sum(part(month["days"][name]) for month in months) for part in (_failed, sum))
        alone, of = (sum(part(month["days"][name]) for month in fine) for part in (_failed, sum))
        lines.append(
            f"Had {what} paged, it would have done so on {failed} of {whole} days: on {alone} of the {of} days "
            f"of the {len(fine)} months in which nothing was wrong, and on {failed - alone} of the other {whole - of}."
        )
    passed, failed, undecided = (sum(month["features"][verdict] for month in months) for verdict in range(3))
    lines.append(f"By features and days `drift` passed {passed:,}, failed {failed:,} and was undecided on {undecided:,}.")
    return "**What drift alone would have said.** " + " ".join(lines) + "\n"


def _failed(counts: Sequence[int]) -> int:
    return counts[1]


def _gains(months: Sequence[Month]) -> str:
    rows = []
    for before, month in pairwise(months):
        gain, again, said = month["gain"], month["so"]["gain"], before["staleness"]
        word = {"fail": "ticket", "pass": "passes", "inconclusive": "undecided"}[said["verdict"]]
        asked = f"{word}: {_interval(said, signed=True)}, {said['n']:,} flights"
        ours = [_interval(gain[name], signed=True) for name in ("auc", "brier")]
        rows.append(
            [month["month"], *ours, _interval(again["auc"], signed=True), _interval(again["brier"], signed=True), asked]
        )
    gains = [month["gain"] for month in months if month["gain"]]
    better, sharper = sum(gain["auc"]["low"] > 0 for gain in gains), sum(gain["brier"]["high"] < 0 for gain in gains)
    worse = sum(gain["auc"]["high"] < 0 or gain["brier"]["low"] > 0 for gain in gains)
    heads = ["month", "AUC, challenger minus live", "Brier, less is better", "AUC, without Shipway", "Brier, without",
             "`staleness` when it was made"]  # fmt: skip
    told = (
        f"It surely ranks better in {better} of {len(rows)} months, its Brier score is surely better in {sharper}, "
        f"and one of the two is surely worse in {worse}.\n"
    )
    head = "**What a challenger would have gained**: trained on three weeks of the month before, paired on the month's flights."
    return f"{head}\n\n{_table(heads, rows)}\n{told}"


def _undecided(months: Sequence[Month]) -> str:
    rows = []
    for month in months:
        for name in (name for name in JUDGED if _wrong(month, name)):
            last = month["last"][name]
            if last["verdict"] == "inconclusive":
                more = f"about {last['more_days']:,}" if last["more_days"] else "no number of them"
                rows.append([month["month"], f"`{name}`", _interval(last, signed=name == "base_rate"), more])
    head = "**Wrong, and undecided on the month's last day**: how many more days like those of its window would decide."
    return f"{head}\n\n{_table(['month', 'monitor', 'value', 'more days'], rows)}"


def _ran(report: dict[str, Any]) -> str:
    said = {name: verdict for name, (verdict, _) in report["requests"].items() if name != "staleness"}
    requests = ", ".join(f"`{name}` {verdict}" for name, verdict in said.items())
    return (
        "The monitors of requests look at the last hour of the wall clock, in "
        f"{report['seconds'] // 60} minutes of which the year went by: {requests}.\n"
        f"One run of `make year` on {report['machine']}; `bench/results/flights.json` has every number.\n"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _counts(counts: Sequence[int] | None) -> str:
    return " / ".join(map(str, counts)) if counts else ""


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _days(number: int) -> str:
    return f"{number} day" if number == 1 else f"{number} days"


def _interval(found: dict[str, float], *, signed: bool = False) -> str:
    value, low, high = (found[key] for key in ("value", "low", "high"))
    if value is None:
        return "none"
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]" if signed else f"{value:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
