"""promtool, amtool and the servers behind them, as Debian packages them; where one is missing, a test fails and names it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import yaml

from shipway.deploy import Files

PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "amtool": "prometheus-alertmanager",
    "prometheus-alertmanager": "prometheus-alertmanager",
}


def tool(name: str) -> str:
    """Its path."""
    found = shutil.which(name)
    assert found, f"{name} is not on the path: apt-get install {PACKAGES[name]}"
    return found


def said(*command: str, text: str | None = None, code: int = 0) -> str:
    """What a tool said; it ends with `code`."""
    words = [tool(command[0]), *command[1:]]
    done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def write(files: Files, home: Path) -> Path:
    """The files below a folder."""
    for path, text in files.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)
    return home


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        text = answer.read().decode()
        return json.loads(text) if text.startswith(("{", "[")) else text


@dataclass
class Prometheus:
    """A Prometheus server on loopback."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        found = _get(f"{self.url}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        assert found["status"] == "success", found
        result: list[dict[str, Any]] = found["data"]["result"]
        return result

    def alerts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = _get(f"{self.url}/api/v1/alerts")["data"]["alerts"]
        return found

    def targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = _get(f"{self.url}/api/v1/targets?state=active")["data"]["activeTargets"]
        return found


def eventually(look: Any, *, seconds: float = 120, what: str = "") -> Any:
    """The first answer that is not empty."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError):
            if found := look():
                return found
        time.sleep(0.1)
    raise AssertionError(f"nothing after {seconds:.0f} s: {what}")


@contextmanager
def _server(command: list[str], ready: str, log: Path) -> Iterator[None]:
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=log.parent, env={**os.environ, "GOMAXPROCS": "1"})
        try:
            eventually(lambda: process.poll() is None and _get(ready), what=f"{command[0]}: {log}")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def quick(home: Path, targets: dict[str, list[str]], alertmanager: str | None = None) -> None:
    """The rendered files, changed as an installation changes them: addresses of what is scraped and told, here on loopback; and
    looks every second instead of every 15, so that a test need not wait. Rules and labels stay as they are.
    """
    path = home / "prometheus.yml"
    config = yaml.safe_load(path.read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager] if alertmanager else []
    path.write_text(yaml.safe_dump(config))
    for job, addresses in targets.items():
        file = home / "targets" / f"{job}.yml"
        groups = yaml.safe_load(file.read_text())
        for group, address in zip(groups, addresses, strict=True):
            group["targets"] = [address]
        file.write_text(yaml.safe_dump(groups))
    for rules in (home / "rules").glob("*.yml"):
        rules.write_text(rules.read_text().replace("interval: 15s", "interval: 1s"))


@contextmanager
def running_prometheus(home: Path) -> Iterator[Prometheus]:
    """Prometheus with the configuration in a folder."""
    address = f"127.0.0.1:{free_port()}"
    command = [tool("prometheus"), f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}",
               f"--web.listen-address={address}", "--rules.alert.resend-delay=1s", "--log.level=warn"]  # fmt: skip
    with _server(command, f"http://{address}/-/ready", home / "prometheus.log"):
        yield Prometheus(f"http://{address}")


@contextmanager
def running_alertmanager(home: Path, port: int) -> Iterator[str]:
    """Alertmanager with the configuration in a folder; its address. No cluster: nothing else is listened to."""
    address = f"127.0.0.1:{port}"
    command = [tool("prometheus-alertmanager"), f"--config.file={home / 'alertmanager.yml'}", f"--storage.path={home / 'am'}",
               f"--web.listen-address={address}", "--cluster.listen-address="]  # fmt: skip
    with _server(command, f"http://{address}/-/ready", home / "alertmanager.log"):
        yield address


class Webhook:
    """What Alertmanager posts to a loopback address: `posts`, oldest first."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        posts = self.posts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                posts.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/page"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
