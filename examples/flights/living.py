"""What the demo's story and the whole year have in common: a project, its first release, a month that is lived through."""

import shutil
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from telling import WAIT_SECONDS, Story, get  # noqa: E402 - it lies beside our folder

FILES = ("shipway.yaml", "flights.py", "requirements.in", "requirements.lock")
APP, REF = "delay@prod", "deploy/delay@prod"
FIRST_MONTH = "2013-01"


def serving(story: Story, release: str) -> str:
    """The address of the deployment's predictor, once it answers for this release."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        for found in story.ask("deployments")["deployments"]:
            url = found.get("endpoint")
            if found["release"] == release and url and release in get(f"{url}/v2/models/delay"):
                return str(url)
        time.sleep(0.1)
    sys.exit(f"no predictor of {release} after {WAIT_SECONDS:.0f} s")


def first_release(story: Story, months: Path) -> tuple[str, str]:
    """January's model goes live, through its gate; its release, and the Python of the project's environment."""
    with story.part("init", "A project, and January's flights"):
        story.folder.mkdir(parents=True)
        for name in FILES:
            shutil.copy(HERE / name, story.folder)
        arrive(story, months, FIRST_MONTH)
        story.run("init")
        taken = story.run("data", "snapshot")["data"]
        story.say(", ".join(f"{t['name']} {t['bytes']:,} bytes" for t in taken))
    with story.part("up", "The control plane: page, API, MLflow"):
        story.say(story.start_up())
    with story.part("run", "Features known before departure, a model, its held-out evaluation"):
        ran = story.run("run", "--why", "January")
        say_metrics(story, ran)
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


def live_through(story: Story, months: Path, month: str, release: str, python: str) -> None:
    """A month's flights: their files arrive, each is asked for, and what came true is told."""
    arrive(story, months, month)
    url, outcomes = serving(story, release), f"http://127.0.0.1:{story.port}/api/v1/outcomes"
    first, last = span_of(month)
    span = ["--from", str(first), "--to", str(last)]
    command = [python, HERE / "replay.py", "--data", months, "--predict", url, "--outcomes", outcomes, *span, "--progress"]
    environ = {**story.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    if done.returncode:
        sys.exit(done.stderr)
    story.say(done.stderr.strip().splitlines()[-1])


def span_of(month: str) -> tuple[date, date]:
    """The first and the last day of a month."""
    first = date.fromisoformat(f"{month}-01")
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def wait_for_days(story: Story, last: date) -> None:
    """Until the logs hold the last day: the predictor hands over a segment every few seconds."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        days = story.run("watch", APP, codes=(0, 1), quiet=True)["days"]
        if days and days[-1]["day"] == str(last):
            return
        time.sleep(1)
    sys.exit(f"the last judged day is not {last} after {WAIT_SECONDS:.0f} s")


def arrive(story: Story, months: Path, month: str) -> None:
    """A month's files come into the project's data folder."""
    for name in ("flights", "weather"):
        folder = story.folder / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(months / name / f"{month}.parquet", folder)
    if not (story.folder / "data" / "planes").exists():
        shutil.copytree(months / "planes", story.folder / "data" / "planes")


def say_metrics(story: Story, ran: dict[str, Any]) -> None:
    """The held-out evaluation of what was run."""
    for model in ran["models"].values():
        for metric in model["metrics"]:
            story.say(f"{metric['name']:<18} {metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]")
