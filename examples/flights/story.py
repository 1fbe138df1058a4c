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
from datetime import date, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from paging import firing, missing_tools, pager, wait_for, watching  # noqa: E402
from telling import WAIT_SECONDS, Story, finish, get, read_options, short, start_anew  # noqa: E402 - it lies beside our folder

FILES = ("shipway.yaml", "flights.py", "requirements.in", "requirements.lock")
APP, REF = "delay@prod", "deploy/delay@prod"
MONTHS = [f"2013-{month:02d}" for month in range(1, 10)]


def serving(story: Story, release: str) -> str:
    """Wait until the deployment's predictor answers for this release; its address."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        for found in story.ask("deployments")["deployments"]:
            url = found.get("endpoint")
            if found["release"] == release and url and release in get(f"{url}/v2/models/delay"):
                return str(url)
        time.sleep(0.1)
    sys.exit(f"no predictor of {release} after {WAIT_SECONDS:.0f} s")


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
        first, python = _first_release(story, months)
        paged = _replay(story, months, first, python)
        _retrain(story, months, first, python)
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
        "paged": paged,
        "challenger": challenger,
        "gate": story.gate,
        "rebuild": rebuilt,
        "tamper": tampered,
        "seconds": {"total": round(time.monotonic() - started, 1), "by_step": story.steps},
    }


def _first_release(story: Story, months: Path) -> tuple[str, str]:
    with story.part("init", "A project, and January's flights"):
        story.folder.mkdir(parents=True)
        for name in FILES:
            shutil.copy(HERE / name, story.folder)
        _arrive(story, months, MONTHS[0])
        story.run("init")
        taken = story.run("data", "snapshot")["data"]
        story.say(", ".join(f"{t['name']} {t['bytes']:,} bytes" for t in taken))
    with story.part("up", "The control plane: page, API, MLflow"):
        story.say(story.start_up())
    with story.part("run", "Features known before departure, a model, its held-out evaluation"):
        ran = story.run("run", "--why", "January")
        _say_metrics(story, ran)
    with story.part("gate", "A release, and a gate that refuses until it has seen evidence"):
        release = str(story.run("release", "--why", "the January model")["release"])
        story.gate_said(story.run("plan", APP)["gate"])
        refused = story.run("apply", APP, "--why", "too early", codes=(1,))
        story.say(f"refused: {refused['error']['what']}")
        story.run("check", APP)
        story.run("approve", APP, "--why", "looked at the evaluation")
        story.gate_said(story.run("apply", APP, "--why", "first release")["gate"])
    with story.part("serve", "A predictor that has reproduced its golden rows"):
        story.say(f"answers at {serving(story, release)}/v2/models/delay")
    return release, str(ran["python"])  # the booking system that is replayed uses the project's own feature code


def _replay(story: Story, months: Path, release: str, python: str) -> dict[str, Any] | None:
    with story.part("replay", "Six months of flights, asked before they depart; what came true arrives a day later"):
        for month in MONTHS[1:7]:
            _live_through(story, months, month, release, python)
    with story.part("page", "July, seen by Prometheus: what Shipway judged is what rings"):
        _wait_for_days(story, date(2013, 7, 31))
        paged = _page(story, release)
    with story.part("august", "August, while somebody looks"):
        _live_through(story, months, MONTHS[7], release, python)
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


def _retrain(story: Story, months: Path, release: str, python: str) -> None:
    with story.part("retrain", "A challenger trained on August, while January's model goes on"):
        taken = story.run("data", "snapshot")["data"]
        story.say(", ".join(f"{t['name']}: {t['read']:,} of {t['bytes']:,} bytes read" for t in taken))
        _say_metrics(story, story.run("run", "--why", "August, the latest mature month"))
        story.run("release", "--why", "the August model")
    with story.part("september", "September, still answered by January's model"):
        _live_through(story, months, MONTHS[-1], release, python)
        _wait_for_days(story, date(2013, 9, 30))


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
    with story.part("watch", "What the monitors said of each day"):
        watched = story.run("watch", APP, "--months", codes=(0, 1))
        for month in watched["months"]:
            pages = sorted({alert["monitor"] for alert in month["alerts"] if alert["severity"] == "page"})
            rates = f"predicted {month['predicted_rate']:.1%}, were late {month['base_rate']:.1%}"
            drifted = f"{len(month['drifted_features'])} features drifted"
            story.say(f"{month['month']}  {rates}, AUC {month['auc']:.3f}, {drifted}; pages: {', '.join(pages) or 'none'}")
    return watched


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


def _live_through(story: Story, months: Path, month: str, release: str, python: str) -> None:
    """A month's flights: their files arrive, each is asked for, and what came true is told."""
    _arrive(story, months, month)
    url, outcomes = serving(story, release), f"http://127.0.0.1:{story.port}/api/v1/outcomes"
    first = date.fromisoformat(f"{month}-01")
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    span = ["--from", str(first), "--to", str(last)]
    command = [python, HERE / "replay.py", "--data", months, "--predict", url, "--outcomes", outcomes, *span, "--progress"]
    environ = {**story.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    if done.returncode:
        sys.exit(done.stderr)
    story.say(done.stderr.strip().splitlines()[-1])


def _wait_for_days(story: Story, last: date) -> None:
    """Until the logs hold the last day: the predictor hands over a segment every few seconds."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        days = story.run("watch", APP, codes=(0, 1), quiet=True)["days"]
        if days and days[-1]["day"] == str(last):
            return
        time.sleep(1)
    sys.exit(f"the last judged day is not {last} after {WAIT_SECONDS:.0f} s")


def _arrive(story: Story, months: Path, month: str) -> None:
    """A month's files come into the project's data folder."""
    for name in ("flights", "weather"):
        folder = story.folder / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(months / name / f"{month}.parquet", folder)
    if not (story.folder / "data" / "planes").exists():
        shutil.copytree(months / "planes", story.folder / "data" / "planes")


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


def _say_metrics(story: Story, ran: dict[str, Any]) -> None:
    for model in ran["models"].values():
        for metric in model["metrics"]:
            story.say(f"{metric['name']:<18} {metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]")


if __name__ == "__main__":
    main()
