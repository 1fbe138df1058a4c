"""A small Argo Server on loopback: the paths, bodies and answers of the real one, over the interpreter."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from argo_typed import submit_problems, typed_problems
from argo_world import Cluster, Run

TOKEN = "not-a-real-token"
_PATH = re.compile(r"/api/v1/workflows/(?P<namespace>[^/]+)/(?P<name>[^/]+)(?P<action>/terminate)?")


class Fault:
    """What the server answers in place of what it should: a status with headers, or with None nothing at all."""

    def __init__(self, status: int | None, headers: Mapping[str, str] | None = None, *, body: bytes = b"", done: bool = False):
        self.status, self.headers, self.body = status, headers or {}, body
        self.done = done  # whether it does what it was asked all the same


class ArgoServer(ThreadingHTTPServer):
    """asked: method and path of each request; faults: answers to come, one for each request, before it is as always."""

    daemon_threads = True

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cluster = cluster
        self.runs: dict[str, tuple[dict[str, Any], Run]] = {}
        self.threads: list[threading.Thread] = []
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.faults: list[Fault] = []
        self.problems: list[str] = []
        self.closed = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def submit(self, namespace: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.problems += submit_problems(body)
        options = body["submitOptions"]
        name, template = options["name"], body["resourceName"]
        if template not in self.cluster.library:
            said = f'workflowtemplates.argoproj.io "{template}" not found'
            return 404, {"code": 5, "message": said, "details": []}
        if name in self.runs:
            return 409, {"code": 6, "message": f'workflows.argoproj.io "{name}" already exists', "details": []}
        given = dict(one.split("=", 1) for one in options["parameters"])
        run = Run(self.cluster, self.cluster.library[template], given, name=name)
        labels = dict(one.split("=", 1) for one in options["labels"].split(","))
        made = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{len(self.runs)}", "labels": labels},
            "spec": {
                "arguments": {"parameters": [{"name": key, "value": value} for key, value in given.items()]},
                "workflowTemplateRef": {"name": template},
            },
        }
        self.runs[name] = (made, run)
        thread = threading.Thread(target=run.execute)
        thread.start()
        self.threads.append(thread)
        return 200, self.shown(name)

    def shown(self, name: str) -> dict[str, Any]:
        made, run = self.runs[name]
        status = json.loads(json.dumps(run.status))
        if status["phase"] != "Pending":  # the controller has not seen it yet
            stored = self.cluster.library[made["spec"]["workflowTemplateRef"]["name"]]
            status["storedWorkflowTemplateSpec"] = stored
        else:
            status = {}
        shown = {**made, "status": status}
        self.problems += typed_problems(shown)
        return shown


class _Handler(BaseHTTPRequestHandler):
    server: ArgoServer

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        server = self.server
        server.asked.append((self.command, self.path))
        length = int(self.headers.get("Content-Length", "0"))
        body = json.loads(self.rfile.read(length)) if length else {}
        fault = server.faults.pop(0) if server.faults else None
        if fault and not fault.done:
            self._fail(fault)
            return
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, {"code": 16, "message": "token not valid"})
            return
        match = _PATH.fullmatch(self.path)
        assert match, self.path
        status, found = self._done(match["namespace"], match["name"], match["action"], body)
        if fault:
            self._fail(fault)
        else:
            self._send(status, found)

    def _done(self, namespace: str, name: str, action: str | None, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        server = self.server
        if self.command == "POST" and name == "submit":
            server.bodies.append(body)
            return server.submit(namespace, body)
        if name not in server.runs:
            return 404, {"code": 5, "message": f'workflows.argoproj.io "{name}" not found', "details": []}
        if self.command == "PUT" and action:
            server.runs[name][1].stop()
        return 200, server.shown(name)

    def _fail(self, fault: Fault) -> None:
        if fault.status is None:
            self.server.closed.wait(30)
            return
        self._send(fault.status, {"code": 14, "message": "later\n\x1b[31m"}, fault.headers, fault.body)

    def _send(self, status: int, found: object, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        data = body or json.dumps(found).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serving(cluster: Cluster) -> Iterator[ArgoServer]:
    """The server, until the test is over and every run has ended."""
    server = ArgoServer(cluster)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.closed.set()
        for _, run in server.runs.values():
            run.stop()
        if cluster.hold:
            cluster.hold.set()
        for one in server.threads:
            one.join(60)
        server.shutdown()
        thread.join(10)
        server.server_close()
