"""The whole loop on real flights: the commands that a user types, one after another, with what they said.

    python story.py --demo once --report report.json

Works in a folder of its own (`.demo` in the checkout, made anew each time). Every number comes out of a command or the
API; nothing is known beforehand. With `--demo stay` the control plane goes on running at the end.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from living import APP, REF, first_release, live_through, serving, wait_for_days  # noqa: E402
from paging import firing, missing_tools, pager, wait_for, watching  # noqa: E402
from telling import Story, finish, read_options, short, start_anew  # noqa: E402 - it lies beside our folder
from verdicts import INFORMING, VERDICTS, by_month, in_order  # noqa: E402

MONTHS = [f"2013-{month:02d}" for month in range(1, 10)]


def main() -> None:
    options = read_options(__doc__ or "", HERE.parents[1] / ".demo", "report.json", 4780)
    base = options.folder.resolve()
    start_anew(base)
    months = base / "months"
    subprocess.run([sys.executable, HERE / "get_data.py", months], check=True, capture_output=True)
    story = Story(base / "flights", options.port)
    report = tell(story, months)
    options.report.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\n{report['seconds']['total']:.0f} s in all; {options.report} has every number.", flush=True)
    finish(story, stay=options.demo == "stay")


def tell(story: Story, months: Path) -> dict[str, Any]:
    """The story; the report."""
    started = time.monotonic()
    try:
        first, python = first_release(story, months)
        paged = _replay(story, months, first, python)
        stale = _retrain(story, months, first, python)
        challenger = _challenge(story)
        watched = _watch(story)
        _roll_back(story, first)
        rebuilt, tampered = _rebuild(story, first), _tamper(story, first)
        history = story.run("log", REF)["history"]
    except BaseException:
        finish(story, stay=False)
        raise
    return {
        "releases": _releases(story),
        "live": story.ask("deployments")["deployments"][0]["release"],
        "history": [{k: move[k] for k in ("ref", "from", "to", "who", "when", "why", "outcome")} for move in reversed(history)],
        "days": len(watched["days"]),
        "months": watched["months"],
        "verdicts": watched["verdicts"],
        "incidents": watched["incidents"],
        "staleness": stale,
        "paged": paged,
        "challenger": challenger,
        "gate": story.gate,
        "rebuild": rebuilt,
        "tamper": tampered,
        "seconds": {"total": round(time.monotonic() - started, 1), "by_step": story.steps},
    }


def _replay(story: Story, months: Path, release: str, python: str) -> dict[str, Any] | None:
    with story.part("replay", "Six months of flights, asked before they depart; what came true arrives a day later"):
        for month in MONTHS[1:7]:
            live_through(story, months, month, release, python)
    with story.part("page", "July, seen by Prometheus: what Shipway judged is what rings"):
        wait_for_days(story, date(2013, 7, 31))
        paged = _page(story, release)
    with story.part("august", "August, while somebody looks"):
        live_through(story, months, MONTHS[7], release, python)
    return paged


def _page(story: Story, release: str) -> dict[str, Any] | None:
    """What arrived at a pager by the rendered rules and routes; None on a machine without Prometheus."""
    if missing := missing_tools():
        story.say(f"{' and '.join(missing)} are not on the path: nothing rings here")
        return None
    rendered = story.folder.parent / "watching"
    with pager() as (url, posts):
        with (story.folder / "shipway.yaml").open("a") as spec:
            spec.write(f"\ntargets:\n  alerts: {{page: '{url}'}}\n")
        for target in ("prometheus", "alertmanager"):
            story.run("render", target, "-o", str(rendered / target))
        predictor = serving(story, release).removeprefix("http://")
        with watching(rendered, {"control:9464": f"127.0.0.1:{story.port}", "delay-prod:8080": predictor}) as prometheus:
            rings = wait_for(lambda: firing(prometheus), "alert that fires")
            wait_for(lambda: posts, "page")
    for alert in posts[0]["alerts"]:
        story.say(f"{alert['annotations']['summary']}. {alert['annotations']['description']}")
    received = [{**alert["labels"], **alert["annotations"]} for post in posts for alert in post["alerts"]]
    return {"firing": rings, "receiver": posts[0]["receiver"], "received": received}


def _retrain(story: Story, months: Path, release: str, python: str) -> dict[str, Any]:
    """The word of the monitor `staleness`."""
    with story.part("retrain", "A challenger trained on August, while January's model goes on"):
        taken = story.run("data", "snapshot")["data"]
        story.say(", ".join(f"{t['name']}: {t['read']:,} of {t['bytes']:,} bytes read" for t in taken))
        retrained = story.run("retrain", APP, "--why", "the August model")
        for check in (check for check in retrained["checks"] if check["low"] is not None):
            story.say(f"{check['name']}: {check['value']:+.4f} [{check['low']:+.4f}, {check['high']:+.4f}] {check['text']}")
        stale = retrained["staleness"]
        story.say(f"staleness: {stale['verdict']}, {stale['text']}")
    with story.part("september", "September, still answered by January's model"):
        live_through(story, months, MONTHS[-1], release, python)
        wait_for_days(story, date(2013, 9, 30))
    return dict(stale)


def _challenge(story: Story) -> dict[str, Any]:
    with story.part("challenger", "The challenger against live on the same September flights"):
        checked = story.run("check", APP, "--days", "2013-09-01..2013-09-30")
        for check in checked["checks"]:
            if check["against"]:
                story.say(f"{check['name']}: {check['value']:+.4f} [{check['low']:+.4f}, {check['high']:+.4f}] {check['text']}")
        gain = next(check for check in checked["checks"] if check["against"] and check["name"] == "auc")
        plan = story.run("plan", APP)
        for change in plan["changes"]:
            story.say(f"{change['kind']} {change['name']}: {change['text']}")
        story.gate_said(plan["gate"])
        story.run("approve", APP, "--why", "ranks better on September; Brier is undecided")
        applied = story.run("apply", APP, "--why", "the challenger ranks better")
        story.gate_said(applied["gate"])
        serving(story, applied["to"])
    numbers = {"auc_gain": gain["value"], "low": gain["low"], "high": gain["high"]}
    return {"digest": checked["release"], "month": "2013-08", **numbers}


def _watch(story: Story) -> dict[str, Any]:
    """What was said of the days, of the incidents and without labels; `verdicts`: counted by month."""
    with story.part(
        "watch", "What the default monitors said, month by month, beside what drift or an estimate would have said"
    ):
        watched = story.run("watch", APP, "--months", codes=(0, 1))
        counted = by_month(watched["days"], MONTHS[1:])
        for month in watched["months"]:
            _say_month(story, month, counted[month["month"]])
        incidents = story.run("incident", APP, codes=(0, 1))["incidents"]
        for one in reversed(incidents):
            monitors = ", ".join(sorted({alert["monitor"] for alert in one["alerts"]}))
            story.say(f"{one['severity']} {one['first_day']} to {one['last_day']}: {monitors}")
            for cause in one["causes"][:1]:
                story.say(f"  {cause['likelihood']}: {cause['text']}")
    verdicts = {
        month: {name: dict(zip(VERDICTS, in_order(days), strict=True)) for name, days in found["days"].items()}
        for month, found in counted.items()
    }
    return {**watched, "incidents": incidents, "verdicts": verdicts}


def _say_month(story: Story, month: dict[str, Any], counted: dict[str, Any]) -> None:
    """What was so, who failed and who could not tell, and what nobody is woken by."""
    days = {name: in_order(verdicts) for name, verdicts in counted["days"].items()}
    failed = [f"{name} {fail} days" for name, (_, fail, _) in days.items() if fail and name not in INFORMING]
    undecided = [f"{name} {open_} days" for name, (_, _, open_) in days.items() if open_ and name not in INFORMING]
    rates = f"predicted {month['predicted_rate']:.1%}, were late {month['base_rate']:.1%}"
    ranking = f"AUC {month['auc']:.3f} [{month['auc_low']:.3f}, {month['auc_high']:.3f}]"
    story.say(f"{month['month']}  {rates}, {ranking}")
    story.say(f"         failed: {', '.join(failed) or 'none'}; undecided: {', '.join(undecided) or 'none'}")
    drifted = f"drift alone: {days['drift'][1]} of {sum(days['drift'])} days"
    estimated = month["estimated"]
    story.say(f"         without labels: {estimated['base_rate']:.1%} late, AUC {estimated['roc_auc']:.3f}; {drifted}")


def _roll_back(story: Story, first: str) -> None:
    with story.part("rollback", "Back to what was live before"):
        started = time.monotonic()
        moved = story.run("rollback", REF, "--why", "practice")
        seconds = time.monotonic() - started
        assert moved["to"] == first
        serving(story, first)
        story.say(
            f"the ref moved in {seconds:.2f} s, its predictor answered {time.monotonic() - started:.2f} s after the command"
        )
        for move in story.run("log", REF)["history"]:
            story.say(f"{move['when'][:19]}  {move['outcome']:<8} {short(move['from'])} -> {short(move['to'])}  {move['why']}")


def _rebuild(story: Story, release: str) -> dict[str, Any]:
    with story.part("rebuild", "The first release, made again in a new folder"):
        rebuilt = story.run("rebuild", release, "--in", str(story.folder.parent / "rebuilt"))
        story.say(rebuilt["equality"])
    return {"equality": rebuilt["equality"]}


def _tamper(story: Story, release: str) -> dict[str, Any]:
    with story.part("tamper", "A copy of the project with one byte of January flipped"):
        copy = story.folder.parent / "tampered"
        shutil.copytree(story.folder, copy, ignore=shutil.ignore_patterns("mlflow", "logs", "serving"))
        file = f"flights/{MONTHS[0]}.parquet"
        _flip_a_byte(copy, (story.folder / "data" / file).read_bytes())
        refused = story.run("rebuild", release, "--in", str(copy.parent / "refused"), codes=(1,), folder=copy)
        what = str(refused["error"]["what"])
        story.say(f"refused: {what}")
    return {"refused": file in what, "file": what.split(" ")[0]}


def _flip_a_byte(project: Path, content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    path = project / ".shipway" / "objects" / digest[:2] / digest[2:]
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _releases(story: Story) -> list[dict[str, Any]]:
    made = [record for record in story.run("log", "release/delay")["history"] if record["outcome"] == "moved"]
    return [{"digest": m["to"], "name": m["why"], "created": m["when"]} for m in reversed(made)]


if __name__ == "__main__":
    main()
