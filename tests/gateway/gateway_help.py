"""A gateway process and a provider process for tests: started, asked, read afterwards."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from shipway.store import CallRecord, decode_record, list_segments, read_segment, recover_writers

HERE = Path(__file__).parent
RATES = {"input": 1.0, "cached": 0.25, "written": 1.25, "output": 4.0, "source": "custom"}


def provider_object(model: str, url: str, shape: str = "openai", **parameters: Any) -> dict[str, Any]:
    """The object of a provider in a gateway's file."""
    fixed = {"kind": "provider", "version": 1, "shape": shape, "local": None, "weights": None}
    return {**fixed, "model": model, "url": url, "parameters": parameters}


@dataclass
class Upstream:
    """The provider process."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def plan(self, *behaviours: str) -> None:
        """What the next requests get, one each; forgets what was seen."""
        post(f"http://127.0.0.1:{self.port}/next", list(behaviours))

    def tell(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/seen", timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    @property
    def seen(self) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = self.tell()["seen"]
        return seen


@contextmanager
def upstream() -> Iterator[Upstream]:
    """A provider on loopback."""
    command = [sys.executable, str(HERE / "gateway_upstream.py")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Upstream(process, int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@dataclass
class Running:
    """A gateway process."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    ready: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def metrics(self) -> dict[str, float]:
        """Every sample of the metrics page."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def records(self) -> list[CallRecord]:
        """Every record of the log, after the gateway has ended."""
        if self.process.poll() is None:
            assert self.stop() == 0
        return read_records(self.folder / "calls")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()


def read_records(folder: Path) -> list[CallRecord]:
    """Records of a log folder, torn segments recovered first, in the order of their ids."""
    recover_writers(folder, lambda _: None)
    found = []
    for segment in list_segments(folder):
        for frame in read_segment(segment.path).frames:
            record = decode_record(frame.payload)
            assert isinstance(record, CallRecord)
            found.append(record)
    return sorted(found, key=lambda record: record.id)


def config_of(folder: Path, up: str, **more: Any) -> dict[str, Any]:
    """A gateway over the provider at `up`: `gpt` (OpenAI's shape) and `claude` (Anthropic's), prices for both."""
    names = ["gpt", "claude", "spare", "frozen", "embed"]
    models = {name: name for name in names}
    providers = [
        {"name": name, "object": provider_object(models[name], up, "anthropic" if name == "claude" else "openai", **extra)}
        for name, extra in [("gpt", {}), ("claude", {}), ("spare", {}), ("frozen", {"temperature": 0}), ("embed", {})]
    ]
    prices = {"kind": "prices", "version": 1, "date": "2026-11-23", "source": "custom", "limits": {}}
    prices["rates"] = {f"{name}/{models[name]}": RATES for name in names}
    return {
        "kind": "gateway",
        "version": 1,
        "state_directory": str(folder / "state"),
        "log_directory": str(folder / "calls"),
        "providers": providers,
        "prices": prices,
        "prices_digest": "sha256:" + "1" * 64,
        "timeout_seconds": 5.0,
        **more,
    }


def start(folder: Path, config: dict[str, Any], environ: dict[str, str] | None = None, *more: str) -> Running:
    """A gateway process that answers, with more options; raises AssertionError with what it said when it does not."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "gateway.json"
    file.write_text(json.dumps(config))
    sock = socket.create_server(("127.0.0.1", 0), backlog=512)
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "shipway.gateway", "--config", str(file), "--fd", str(sock.fileno())]
    command += ["--ready-fd", str(writer), "--die-with-parent", str(os.getpid()), *more]
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen(
            command, pass_fds=(sock.fileno(), writer), stdout=log, stderr=log, env={**os.environ, **(environ or {})}
        )
    os.close(writer)
    port = sock.getsockname()[1]
    sock.close()
    with os.fdopen(reader) as pipe:
        said = json.loads(pipe.readline() or "{}")
    if not said.get("ready"):
        process.wait()
        raise AssertionError(said or (folder / "gateway.log").read_text())
    return Running(process, port, folder, said)


class Answered:
    """A plain HTTP answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def post(url: str, body: Any, headers: dict[str, str] | None = None) -> Answered:
    """POST of JSON (or of bytes as they are); an error status is an answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"content-type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Answered(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as problem:
        with problem:
            return Answered(problem.code, {k.lower(): v for k, v in problem.headers.items()}, problem.read())


def chat(model: str, text: str = "What is the capital of France?", **more: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def wait_until(condition: Any, seconds: float = 60.0) -> None:
    """Returns once the condition holds; fails when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
