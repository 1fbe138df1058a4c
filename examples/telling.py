"""What the stories of the examples share: commands typed in a folder of their own, timed and told one after another."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

WAIT_SECONDS = 60.0


class Story:
    """Runs commands in the project's folder, remembers how long each part took, and tells what happened."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.shipway = str(Path(sys.executable).with_name("shipway"))
        self.environ = dict(os.environ)
        self.steps: dict[str, float] = {}
        self.gate: list[dict[str, Any]] = []
        self.up: subprocess.Popen[str] | None = None

    @contextmanager
    def part(self, name: str, title: str) -> Iterator[None]:
        """A part of the story with its title and its seconds."""
        print(f"\n{len(self.steps) + 1}. {title}", flush=True)
        started = time.monotonic()
        yield
        self.steps[name] = round(time.monotonic() - started, 2)

    def say(self, text: str) -> None:
        print(f"   {text}", flush=True)

    def run(
        self, *words: str, codes: tuple[int, ...] = (0,), folder: Path | None = None, quiet: bool = False
    ) -> dict[str, Any]:
        """A command and the document it answered with; any other exit code than expected ends the story."""
        if not quiet:
            print(f"   $ shipway {' '.join(words)}", flush=True)
        command = [self.shipway, *words, "--json"]
        done = subprocess.run(command, cwd=folder or self.folder, env=self.environ, capture_output=True, text=True, check=False)
        if done.returncode not in codes:
            sys.exit(f"{done.stderr}\nshipway {' '.join(words)} ended with {done.returncode}, expected {codes}")
        return {**json.loads(done.stdout), "exit": done.returncode}

    def ask(self, path: str) -> Any:
        """A document of the control plane's API."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=30) as answer:
            return json.load(answer)

    def start_up(self, *options: str) -> str:
        """Start the control plane; its address."""
        command = [self.shipway, "up", "--port", str(self.port), *options]
        log = (self.folder.parent / "up.log").open("w")
        self.up = subprocess.Popen(command, cwd=self.folder, env=self.environ, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.up.stdout is not None
        line = self.up.stdout.readline().strip()
        if not line:
            sys.exit(f"shipway up ended: see {log.name}")
        self.port = int(line.split("http://127.0.0.1:")[1].split(",")[0])
        return line

    def gate_said(self, gate: dict[str, Any]) -> None:
        self.gate.append({"verdict": gate["verdict"], "missing": gate["missing"]})
        self.say(f"gate: {gate['verdict']}" + "".join(f"\n     missing: {line}" for line in gate["missing"]))


def get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def short(digest: str | None) -> str:
    return digest[7:19] if digest else "nothing"


def start_anew(base: Path) -> None:
    marker = base / "made-by-the-demo"
    if base.exists() and not marker.exists():
        sys.exit(f"{base} exists and was not made by the demo")
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    marker.touch()


def finish(story: Story, *, stay: bool) -> None:
    if story.up is None:
        return
    if stay:
        print(f"\nshipway up goes on at http://127.0.0.1:{story.port} - Ctrl-C ends it.", flush=True)
        with suppress(KeyboardInterrupt):
            story.up.wait()
    if story.up.poll() is None:
        story.up.send_signal(signal.SIGTERM)
        story.up.wait(timeout=60)


def read_options(document: str, folder: Path, report: str, port: int, *, brief: str = "") -> argparse.Namespace:
    """brief: what is left out with --brief, where the story has such a form."""
    parser = argparse.ArgumentParser(description=document.splitlines()[0])
    parser.add_argument("--demo", choices=["once", "stay"], default="once")
    parser.add_argument("--report", type=Path, default=Path(report))
    parser.add_argument("--folder", type=Path, default=folder)
    parser.add_argument("--port", type=int, default=port)
    if brief:
        parser.add_argument("--brief", action="store_true", help=brief)
    return parser.parse_args()
