"""Registries for tests: Debian's docker-registry, and a small honest one written from the OCI distribution spec 1.1, which
has the referrers API and bearer tokens and can be told to misbehave.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from shipway.kernel.digest import digest_bytes

_PATH = re.compile(r"/v2/(?P<name>[a-z0-9/]+)/(?P<what>blobs/uploads|blobs|manifests|referrers)/(?P<ref>[^?]*)")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def docker_registry(folder: Path, *, htpasswd: str | None = None, tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Debian's docker-registry 2.8.2 over loopback: its host and port. tls: certificate and key."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    auth = ""
    if htpasswd:
        (folder / "htpasswd").write_text(htpasswd)
        auth = f"auth:\n  htpasswd:\n    realm: test\n    path: {folder / 'htpasswd'}\n"
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n"
        f"    rootdirectory: {folder / 'data'}\nhttp:\n  addr: 127.0.0.1:{port}\n"
        + (f"  tls:\n    certificate: {tls[0]}\n    key: {tls[1]}\n" if tls else "")
        + auth
    )
    child = subprocess.Popen(
        ["docker-registry", "serve", str(folder / "config.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await(port, child)
        yield f"127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(10)


def _await(port: int, child: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        assert child.poll() is None, "docker-registry ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("docker-registry does not listen")


@dataclass
class Misbehaviour:
    """What the small registry does wrong. Counters go down to zero and then it behaves.

    break_get: blobs cut after half; break_manifest: manifests; break_put: uploads cut after half; fail: answers of 500;
    lie: serves other bytes of this digest; redirect: sends blobs' readers to this address; slow: seconds before each answer.
    """

    break_get: int = 0
    break_manifest: int = 0
    break_put: int = 0
    fail: int = 0
    lie: str = ""
    lose: str = ""
    redirect: str = ""
    slow: float = 0.0


@dataclass
class State:
    """What the registry keeps, and what it was asked. token: asks for a bearer token; user: for a user and password."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    bad: Misbehaviour = field(default_factory=Misbehaviour)
    token: bool = False
    valid: str = "t0ken"  # the token that is given and taken
    user: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, Authorization
    received: int = 0
    begun: int = 0
    host: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def small_registry(**how: object) -> Iterator[State]:
    """The small registry, until the end of the block."""
    state = State(**how)  # type: ignore[arg-type]
    handler = type("Handler", (_Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    state: State
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        return None

    def _answer(self, status: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.get("length", str(len(data))))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _cut_in_half(self, data: bytes, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self._cut()

    def _cut(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _begin(self) -> re.Match[str] | None:
        """Whether the caller is let in and the server behaves; the parts of the path."""
        state = self.state
        state.asked.append((self.command, self.path, self.headers.get("Authorization", "")))
        time.sleep(state.bad.slow)
        if self.path.startswith("/token"):
            wanted = "Basic " + base64.b64encode(state.user.encode()).decode()
            good = not state.user or self.headers.get("Authorization") == wanted
            self._answer(200 if good else 401, json.dumps({"token": state.valid}).encode() if good else b"")
            return None
        held = self.headers.get("Authorization", "")
        if state.token and held != f"Bearer {state.valid}":
            self._drain()
            challenge = f'Bearer realm="http://{state.host}/token",service="test",scope="x"'
            self._answer(401, WWW_Authenticate=challenge)
            return None
        if state.user and not state.token and held != "Basic " + base64.b64encode(state.user.encode()).decode():
            self._drain()
            self._answer(401, WWW_Authenticate='Basic realm="test"')
            return None
        if state.bad.fail > 0 and self.command in ("PUT", "GET", "PATCH"):
            state.bad.fail -= 1
            self._drain()
            self._answer(500, b'{"errors":[{"code":"UNKNOWN","message":"disk on fire"}]}')
            return None
        match = _PATH.match(urlsplit(self.path).path)
        if match is None:
            self._answer(404)
        return match

    def _drain(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        match = self._begin()
        if match is None:
            return
        what, ref, state = match["what"], match["ref"], self.state
        if what == "blobs/uploads":
            self._answer(
                204, Range=f"0-{max(len(state.uploads[ref]) - 1, 0)}", Location=f"/v2/{match['name']}/blobs/uploads/{ref}"
            )
        elif what == "blobs":
            self._blob(ref)
        elif what == "referrers":
            entries = [
                {"mediaType": kind, "digest": digest, "size": len(data), "artifactType": json.loads(data).get("artifactType")}
                for digest, (kind, data) in state.manifests.items()
                if (json.loads(data).get("subject") or {}).get("digest") == ref
            ]
            kind = "application/vnd.oci.image.index.v1+json"
            data = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()
            self._answer(200, data, Content_Type=kind)
        else:
            digest = state.tags.get(ref, ref)
            if digest not in state.manifests:
                self._answer(404)
                return
            kind, data = state.manifests[digest]
            if state.bad.break_manifest > 0:
                state.bad.break_manifest -= 1
                self._cut_in_half(data, 200)
                return
            self._answer(200, b"{}" if state.bad.lie == digest else data, Content_Type=kind, Docker_Content_Digest=digest)

    def _blob(self, ref: str) -> None:
        state = self.state
        if ref not in state.blobs or ref == state.bad.lose:
            self._answer(404)
            return
        if state.bad.redirect and self.command == "GET":
            self._answer(307, Location=state.bad.redirect + self.path)
            return
        data = bytes(len(state.blobs[ref])) if ref == state.bad.lie else state.blobs[ref]
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if state.bad.break_get > 0 and self.command == "GET" and len(data) - start > 1000:
            state.bad.break_get -= 1
            self._cut_in_half(data[start:], 206 if start else 200)
            return
        self._answer(206 if start else 200, data[start:])

    def do_POST(self) -> None:
        match = self._begin()
        if match:
            with self.state.lock:
                self.state.begun += 1
                name = f"u{self.state.begun}"
                self.state.uploads[name] = bytearray()
            self._answer(202, Location=f"/v2/{match['name']}/blobs/uploads/{name}?state=x")

    def do_PATCH(self) -> None:
        match = self._begin()
        if match is None:
            return
        upload, length = self.state.uploads[match["ref"]], int(self.headers["Content-Length"])
        assert int(self.headers["Content-Range"].partition("-")[0]) == len(upload)
        if self.state.bad.break_put > 0:
            self.state.bad.break_put -= 1
            upload += self.rfile.read(length // 2)
            self.state.received += length // 2
            self._cut()
            return
        upload += self.rfile.read(length)
        self.state.received += length
        self._answer(202, Location=f"/v2/{match['name']}/blobs/uploads/{match['ref']}", Range=f"0-{len(upload) - 1}")

    def do_PUT(self) -> None:
        match = self._begin()
        if match is None:
            return
        data, state = self._drain(), self.state
        state.received += len(data)
        if match["what"] == "blobs/uploads":
            whole = bytes(state.uploads.pop(match["ref"])) + data
            wanted = parse_qs(urlsplit(self.path).query)["digest"][0]
            if digest_bytes(whole) != wanted:
                self._answer(400, b'{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match"}]}')
                return
            state.blobs[wanted] = whole
            self._answer(201)
            return
        digest, manifest = digest_bytes(data), json.loads(data)
        state.manifests[digest] = (self.headers["Content-Type"], data)
        if not match["ref"].startswith("sha256:"):
            state.tags[match["ref"]] = digest
        subject = manifest.get("subject")
        self._answer(201, **({"OCI_Subject": subject["digest"]} if subject else {}))


@contextmanager
def cutting_proxy(host: str, *, after: int, cuts: int) -> Iterator[str]:
    """Forwards to a registry, and cuts the first connections that carry more than `after` bytes to it."""
    upstream = (host.rpartition(":")[0], int(host.rpartition(":")[2]))
    left = [cuts]
    door = socket.create_server(("127.0.0.1", 0))

    def forward(source: socket.socket, sink: socket.socket, *, limited: bool) -> None:
        sent = 0
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
                sent += len(data)
                if limited and left[0] > 0 and sent > after:
                    left[0] -= 1
                    break
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def serve() -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return
            there = socket.create_connection(upstream)
            pair = [
                threading.Thread(target=forward, args=(client, there), kwargs={"limited": True}, daemon=True),
                threading.Thread(target=forward, args=(there, client), kwargs={"limited": False}, daemon=True),
            ]
            for thread in pair:
                thread.start()
            threading.Thread(target=_close_after, args=(pair, client, there), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{door.getsockname()[1]}"
    finally:
        door.close()


def _close_after(threads: list[threading.Thread], *sockets: socket.socket) -> None:
    for thread in threads:
        thread.join()
    for one in sockets:
        one.close()
