"""The gateway and LiteLLM's proxy over one instant provider, in turn, in one run. Writes bench/results/gateway.json.

Ours has a key, a rate, two budgets, prices and records on; the exact cache is off but where it is measured. The load is wrk
on the same machine; the peer is installed from requirements/bench-gateway.lock into an environment of its own.
"""

import asyncio
import hashlib
import json
import os
import platform
import re
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LOCK = ROOT / "requirements" / "bench-gateway.lock"
KEY = "sk-" + secrets.token_hex(24)
BODY = {"model": "instant", "messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 64}
PLAIN, STREAM, CACHED = BODY, {**BODY, "stream": True}, {**BODY, "temperature": 0}

_USAGE = {"prompt_tokens": 14, "completion_tokens": 100, "total_tokens": 114}
_CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "instant"}
_MESSAGE = {"role": "assistant", "content": "Paris is the capital of France."}
_WHOLE = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "instant",
    "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop"}],
    "usage": _USAGE,
}


class Load(NamedTuple):
    """What wrk saw: requests a second, the median latency in milliseconds, answers that were no success."""

    rate: float
    p50: float
    errors: int


class Server(NamedTuple):
    """A running server: its address, its process and the seconds until its first answer."""

    url: str
    pid: int
    ready: float


class Instant(asyncio.Protocol):
    """Answers every request at once: a whole answer, or a hundred chunks when the body asks for a stream."""

    def __init__(self) -> None:
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            size = int(found[1]) if (found := re.search(rb"content-length: *(\d+)", head)) else 0
            if len(self._data) < end + 4 + size:
                return
            body, self._data = self._data[end + 4 : end + 4 + size], self._data[end + 4 + size :]
            self._transport.write(STREAM_ANSWER if b'"stream":true' in body.replace(b" ", b"") else WHOLE_ANSWER)


def _http(media_type: str, body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def _chunk(value: dict[str, object]) -> bytes:
    data = b"data: " + json.dumps({**_CHUNK, **value}).encode() + b"\n\n"
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _stream_answer() -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    pieces = [{"choices": [{"index": 0, "delta": {"content": f"word{n} "}, "finish_reason": None}]} for n in range(100)]
    last = [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": _USAGE}]
    done = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
    return head + b"".join(_chunk(value) for value in [*pieces, *last]) + done


WHOLE_ANSWER, STREAM_ANSWER = _http("application/json", json.dumps(_WHOLE).encode()), _stream_answer()


async def serve_instant() -> None:
    """The provider, until it is ended."""
    server = await asyncio.get_running_loop().create_server(Instant, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@contextmanager
def started(command: list[str], folder: Path, name: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose output goes to a file; ended afterwards."""
    with (folder / f"{name}.out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **environ}, cwd=folder)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def instant(folder: Path) -> Iterator[Server]:
    """The provider."""
    with started([sys.executable, str(HERE / "gateway.py"), "--instant"], folder, "instant", {}) as process:
        while not (said := (folder / "instant.out").read_text().strip()):
            time.sleep(0.02)
        yield Server(f"http://127.0.0.1:{said}", process.pid, 0.0)


@contextmanager
def ours(folder: Path, upstream: str, *, cache: bool) -> Iterator[Server]:
    """Our gateway, with everything on."""
    name = "cached" if cache else "ours"
    file, port = folder / f"{name}.json", _free_port()
    file.write_text(json.dumps(_our_config(folder / name, upstream, cache=cache)))
    command = [sys.executable, "-m", "shipway.gateway", "--config", str(file), "--port", str(port)]
    begun = time.perf_counter()
    with started(command, folder, name, {}) as process:
        url = f"http://127.0.0.1:{port}"
        yield Server(url, process.pid, _first_answer(url, begun, process))


def _our_config(folder: Path, upstream: str, *, cache: bool) -> dict[str, object]:
    fixed = {"kind": "provider", "version": 1, "shape": "openai", "local": None, "weights": None, "parameters": {}}
    rates = {"input": 0.15, "cached": 0.075, "written": None, "output": 0.6}
    budget = {"usd": 1e6, "window_seconds": 86400}
    key = "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()
    return {
        "kind": "gateway",
        "version": 1,
        "state_directory": str(folder),
        "log_directory": str(folder / "calls"),
        "providers": [{"name": "instant", "object": {**fixed, "model": "instant", "url": f"{upstream}/v1"}}],
        "keys": [{"name": "team", "key": key, "budget": budget, "rate_per_minute": 1e9}],
        "budget": budget,
        "rate_per_minute": 1e9,
        "exact_cache": cache,
        "prices": {"kind": "prices", "version": 1, "rates": {"instant/instant": rates}, "limits": {}},
    }


@contextmanager
def litellm(folder: Path, upstream: str) -> Iterator[Server]:
    """LiteLLM's proxy: one worker, a master key, no database, nothing fetched."""
    port, config = _free_port(), folder / "litellm.yaml"
    parameters = {"model": "openai/instant", "api_base": f"{upstream}/v1", "api_key": "none"}
    models = [{"model_name": "instant", "litellm_params": parameters}]
    config.write_text(json.dumps({"model_list": models, "general_settings": {"master_key": KEY}}))  # JSON is YAML
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_TELEMETRY": "False"}
    where = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    command = [str(_peer() / "bin" / "litellm"), "--config", str(config), *where]
    begun = time.perf_counter()
    with started(command, folder, "litellm", {**quiet, "LITELLM_MASTER_KEY": KEY}) as process:
        url = f"http://127.0.0.1:{port}"
        yield Server(url, process.pid, _first_answer(url, begun, process))


def _peer() -> Path:
    """The peer's environment, made when it is not there; named by its lock."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder = Path.home() / ".cache" / "shipway" / "bench" / f"litellm-{digest}"
    if not (folder / ".ready").exists():
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
        install = [uv, "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK)]
        subprocess.run(install, check=True, env={**os.environ, "VIRTUAL_ENV": str(folder)})
        (folder / ".ready").touch()
    return folder


def _first_answer(url: str, begun: float, process: subprocess.Popen[bytes]) -> float:
    """Seconds until the first call is answered."""
    while True:
        try:
            ask(url, PLAIN)
            return time.perf_counter() - begun
        except (OSError, urllib.error.URLError):
            if process.poll() is not None or time.perf_counter() - begun > 180:
                sys.exit(f"{process.args} did not answer: look at its output")
            time.sleep(0.02)


def ask(url: str, body: dict[str, object]) -> bytes:
    """One call."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def load(url: str, body: dict[str, object], connections: int, folder: Path) -> Load:
    """wrk for some seconds over so many connections."""
    script = folder / "post.lua"
    said = json.dumps(body).replace("\\", "\\\\").replace("'", "\\'")
    script.write_text(
        f"wrk.method='POST'\nwrk.body='{said}'\nwrk.headers['content-type']='application/json'\n"
        f"wrk.headers['authorization']='Bearer {KEY}'\n"
    )
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--timeout", "20s", "--latency", "-s", str(script)]
    text = subprocess.run([*command, f"{url}/v1/chat/completions"], capture_output=True, text=True, check=True).stdout
    p50 = re.search(r"50%\s+([\d.]+)(us|ms|s)", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    lost = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    if not p50 or not rate:
        sys.exit(text)
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}[p50[2]]
    errors = int(bad[1] if bad else 0) + sum(map(int, lost.groups() if lost else ()))
    return Load(float(rate[1]), float(p50[1]) * scale, errors)


def memory_mb(pid: int) -> float:
    """Proportional set size of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert own
    return int(own[1]) / 1024 + sum(memory_mb(int(child)) for child in children)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


class Cell(NamedTuple):
    """A load that every server gets."""

    name: str
    body: dict[str, object]
    connections: int


ONE, MANY, CHUNKS, HIT = (
    Cell("one", PLAIN, 1),
    Cell("many", PLAIN, 16),
    Cell("chunks", STREAM, 1),
    Cell("hit", CACHED, 1),
)


def measure(folder: Path) -> tuple[dict[tuple[str, str], list[Load]], dict[str, float]]:
    """Loads by server and cell; memory and seconds to the first answer by server."""
    loads: dict[tuple[str, str], list[Load]] = {}
    with (
        instant(folder) as upstream,
        ours(folder, upstream.url, cache=False) as gateway,
        ours(folder, upstream.url, cache=True) as cached,
        litellm(folder, upstream.url) as peer,
    ):
        for server, url in (("ours", gateway.url), ("litellm", peer.url)):
            for word, body in ((b"Paris", PLAIN), (b"word99", STREAM)):
                assert word in ask(url, body), server
        for _ in range(ROUNDS):
            for cell in (ONE, MANY, CHUNKS):
                for name, server in (("direct", upstream), ("ours", gateway), ("litellm", peer)):
                    loads.setdefault((name, cell.name), []).append(load(server.url, cell.body, cell.connections, folder))
            loads.setdefault(("ours", HIT.name), []).append(load(cached.url, HIT.body, HIT.connections, folder))
        facts = {"ours_mb": memory_mb(gateway.pid), "litellm_mb": memory_mb(peer.pid)}
    return loads, facts | {"ours_ready": gateway.ready, "litellm_ready": peer.ready}


def main() -> None:
    """Measure all, print, write, and fail when a bar does not hold."""
    with tempfile.TemporaryDirectory() as name:
        loads, facts = measure(Path(name))
    errors = sum(load.errors for (server, _), found in loads.items() if server == "ours" for load in found)
    rows = _rows(loads, facts)
    (HERE / "results" / "gateway.json").write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        print("{figure:<58} {ours:>9} {unit:<10} {peer_name} {peer}  bar {bar}  holds {holds}".format(**row))
    print(f"errors of ours: {errors}")
    sys.exit(0 if all(row["holds"] for row in rows) and not errors else 1)


def _rows(loads: dict[tuple[str, str], list[Load]], facts: dict[str, float]) -> list[dict[str, object]]:
    def p50(server: str, cell: Cell) -> float:
        return statistics.median(load.p50 for load in loads[server, cell.name])

    def rate(server: str, cell: Cell) -> float:
        return statistics.median(load.rate for load in loads[server, cell.name])

    def added(server: str, cell: Cell) -> float:
        return p50(server, cell) - p50("direct", cell)

    ours_rate, peer_rate = rate("ours", MANY), rate("litellm", MANY)
    least, most = float.__ge__, float.__le__
    return [
        _row("added to a call, 1 connection, p50", "ms", added("ours", ONE), added("litellm", ONE), 1.5, most),
        _row("calls, 16 connections", "requests/s", ours_rate, peer_rate, 1000.0, least),
        _row("calls, 16 connections, times LiteLLM", "x", ours_rate / peer_rate, 1.0, 15.0, least),
        _row(
            "added to a stream of 100 chunks, 1 connection, p50",
            "ms",
            added("ours", CHUNKS),
            added("litellm", CHUNKS),
            3.0,
            most,
        ),
        _row(
            "a hit of the exact cache, 1 connection, p50",
            "ms",
            p50("ours", HIT),
            p50("direct", ONE),
            1.0,
            most,
            "the provider itself",
        ),
        _row("memory after the load (PSS)", "MB", facts["ours_mb"], facts["litellm_mb"], 120.0, most),
        _row("from start to the first answer", "s", facts["ours_ready"], facts["litellm_ready"], 2.0, most),
    ]


def _row(
    figure: str,
    unit: str,
    value: float,
    peer: float,
    bar: float,
    holds: Callable[[float, float], bool],
    peer_name: str = "LiteLLM proxy 1.106.2",
) -> dict[str, object]:
    return {
        "figure": f"gateway: {figure}",
        "unit": unit,
        "ours": round(value, 3),
        "peer": round(peer, 3),
        "peer_name": peer_name,
        "ratio": round(value / peer, 4),
        "bar": bar,
        "holds": holds(float(value), bar),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }


if __name__ == "__main__":
    if sys.argv[1:] == ["--instant"]:
        asyncio.run(serve_instant())
    else:
        main()
