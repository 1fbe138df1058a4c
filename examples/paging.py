"""A pager for a story: the rendered files in a real Prometheus and a real Alertmanager, and what they post to a webhook.

The rendered files are changed as an installation changes them, in a copy: addresses, all of loopback here; and a story does not
wait 15 seconds for each look (1 s) nor 10 for company (1 s). Rules, labels and routes stay as they are.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOOLS = ("prometheus", "prometheus-alertmanager")  # as Debian calls packages and programs
WAIT_SECONDS = 60.0


def missing_tools() -> list[str]:
    """What is not on the path."""
    return [name for name in TOOLS if shutil.which(name) is None]


@contextmanager
def pager() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a webhook, and what is posted to it."""
    posts: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/page", posts
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def watching(rendered: Path, changes: dict[str, str]) -> Iterator[str]:
    """Prometheus and Alertmanager with the files below a folder; the address of Prometheus. changes: text -> its stand-in."""
    address, alertmanager = _free_address(), _free_address()
    changes = {**changes, "alertmanager:9093": alertmanager, ": 15s": ": 1s", "group_wait: 10s": "group_wait: 1s"}
    for file in rendered.rglob("*.yml"):
        text = file.read_text()
        for written, there in changes.items():
            text = text.replace(written, there)
        file.write_text(text)
    routes, scrapes = rendered / "alertmanager" / "alertmanager.yml", rendered / "prometheus" / "prometheus.yml"
    with (
        _running("prometheus-alertmanager", rendered, alertmanager, f"--config.file={routes}",
                 f"--storage.path={rendered / 'am'}", "--cluster.listen-address="),
        _running("prometheus", rendered, address, f"--config.file={scrapes}", f"--storage.tsdb.path={rendered / 'tsdb'}",
                 "--rules.alert.resend-delay=1s"),  # the first is lost while it looks for Alertmanager
    ):  # fmt: skip
        yield f"http://{address}"


def firing(prometheus: str) -> list[dict[str, str]]:
    """The labels of every alert that fires."""
    with urllib.request.urlopen(f"{prometheus}/api/v1/alerts", timeout=10) as answer:
        return [alert["labels"] for alert in json.load(answer)["data"]["alerts"] if alert["state"] == "firing"]


def wait_for(what: Any, name: str) -> Any:
    """The first answer that is not empty."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        with suppress(OSError):
            if found := what():
                return found
        time.sleep(0.2)
    raise SystemExit(f"no {name} after {WAIT_SECONDS:.0f} s")


@contextmanager
def _running(name: str, folder: Path, address: str, *options: str) -> Iterator[None]:
    with (folder / f"{name}.log").open("w") as log:
        command = [name, *options, f"--web.listen-address={address}"]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**os.environ, "GOMAXPROCS": "1"})
        try:
            wait_for(lambda: process.poll() is None and _ready(address), f"{name} ({log.name})")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _ready(address: str) -> bool:
    with urllib.request.urlopen(f"http://{address}/-/ready", timeout=5) as answer:
        return bool(answer.status == 200)


def _free_address() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"
