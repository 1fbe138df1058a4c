"""All flights of 2013 on the default monitors, by the commands that a user types, beside what was so: `make year`.

    python year.py --report ../../bench/results/flights.json

January's model answers every flight from February to December. At the end of each month `shipway retrain` makes a challenger
and says whether live is stale; a month later `shipway check` says what that challenger would have gained. What was so is found
by `truth.py`, which knows nothing of Shipway. `tables.py` makes the tables of docs/monitoring.md from the report.
"""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from living import APP, REF, first_release, live_through, span_of, wait_for_days  # noqa: E402
from telling import Story, finish, read_options, start_anew  # noqa: E402 - it lies beside our folder
from verdicts import by_month, in_order, numbers  # noqa: E402

MONTHS = [f"2013-{month:02d}" for month in range(2, 13)]
AGREE = 1e-3


def main() -> None:
    options = read_options(__doc__ or "", HERE.parents[1] / ".year", "bench/results/flights.json", 4785)
    base = options.folder.resolve()
    start_anew(base)
    months, started = base / "months", time.monotonic()
    subprocess.run([sys.executable, HERE / "get_data.py", months], check=True, capture_output=True)
    story = Story(base / "flights", options.port)
    try:
        lived, python = live(story, months)
    except BaseException:
        finish(story, stay=False)
        raise
    with story.part("truth", "What was so, found without Shipway"):
        subprocess.run([python, HERE / "truth.py", "--data", months, "--out", base / "truth.json"], check=True)
    truth = json.loads((base / "truth.json").read_text())
    report = {
        "kind": "flights-year",
        "version": 1,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(time.monotonic() - started),
        **lived,
        "truth": {"reference": truth["reference"], "beyond": truth["beyond"]},
        "months": [_joined(*both) for both in zip(lived["months"], truth["months"], strict=True)],
    }
    options.report.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\n{report['seconds']:.0f} s in all; {options.report} has every number.", flush=True)
    finish(story, stay=options.demo == "stay")


def live(story: Story, months: Path) -> tuple[dict[str, Any], str]:
    """The year; what was said of it, and the Python of the project's environment."""
    release, python = first_release(story, months)
    gains, stale = {}, {}
    challenger = None
    for month in MONTHS:
        with story.part(month, f"{month}, answered by January's model"):
            live_through(story, months, month, release, python)
            first, last = span_of(month)
            wait_for_days(story, last)
            if challenger is not None:
                checked = story.run("check", APP, "--release", challenger, "--days", f"{first}..{last}")
                gains[month] = {c["name"]: numbers(c) for c in checked["checks"] if c["against"]}
                story.say(f"the challenger would have gained {gains[month]['auc']['value']:+.4f} AUC")
            retrained = story.run("retrain", APP, "--why", f"trained on {month}")
            challenger = str(retrained["challenger"])
            stale[month] = {key: retrained["staleness"][key] for key in ("verdict", "value", "low", "high", "n", "text")}
            story.say(f"staleness: {stale[month]['text']}")
    with story.part("watch", "What the monitors said"):
        watched = story.run("watch", APP, "--months", codes=(0, 1))
        incidents = story.run("incident", APP, codes=(0, 1))["incidents"]
    judged = by_month(watched["days"], MONTHS)
    return {
        "ref": REF,
        "days": len(watched["days"]),
        "months": [_month(record, judged, gains, stale) for record in watched["months"]],
        "incidents": [_incident(one) for one in reversed(incidents)],
        "requests": {
            reading["monitor"]: [reading["check"]["verdict"], reading["check"]["text"]] for reading in watched["readings"]
        },
    }, python


def _month(record: dict[str, Any], judged: dict[str, Any], gains: dict[str, Any], stale: dict[str, Any]) -> dict[str, Any]:
    month, counted = record["month"], judged[record["month"]]
    found = {key: record[key] for key in ("month", "n", "labels", "base_rate", "predicted_rate", "auc", "estimated")}
    for key in ("days", "windows"):
        found[key] = {name: in_order(verdicts) for name, verdicts in counted[key].items()}
    found |= {"features": in_order(counted["features"]), "last": counted["last"]}
    return {**found, "drifted_features": len(record["drifted_features"]), "gain": gains.get(month), "staleness": stale[month]}


def _incident(one: dict[str, Any]) -> dict[str, Any]:
    """Without the tickets of `staleness`, which are of the wall clock."""
    told = ("monitor", "severity", "first_day", "last_day", "value", "low", "high")
    alerts = [alert for alert in one["alerts"] if alert["monitor"] != "staleness"]
    return {
        "first_day": one["first_day"],
        "last_day": max((alert["last_day"] for alert in alerts), default=one["last_day"]),
        "alerts": [{**{key: alert[key] for key in told}, "text": alert.get("text", "")} for alert in alerts],
        "informing": sorted({monitor.partition(".")[0] for monitor in one["informing"]}),
        "causes": [{key: cause[key] for key in ("kind", "likelihood", "text")} for cause in one["causes"]],
    }


def _joined(said: dict[str, Any], so: dict[str, Any]) -> dict[str, Any]:
    """A month as it was said and as it was; the numbers that both have must be the same ones."""
    pairs = [(said["predicted_rate"], so["predicted"]), (said["base_rate"], so["realised"]), (said["auc"], so["auc"]["value"])]
    if said["n"] != so["rows"] or any(abs(ours - theirs) > AGREE for ours, theirs in pairs):
        sys.exit(f"{said['month']}: the log says {said['n']} rows and {pairs}, the truth {so['rows']}")
    return {**said, "so": {key: value for key, value in so.items() if key != "month"}}


if __name__ == "__main__":
    main()
