"""Step Functions on loopback: moto's, over HTTP, with pages of a history as AWS gives them, and with faults in between."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from asl_world import ONE_AT_A_TIME, REGION
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

SECRET = "not-a-real-secret"
Environ = dict[str, Any]
Start = Callable[..., Any]


@dataclass(frozen=True)
class Fault:
    """What is answered in place of what should be: AWS's word, with a status and headers; status None: nothing at all."""

    status: int | None
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    done: bool = False  # whether it does what it was asked all the same


@dataclass
class StatesServer:
    """asked: actions, in order; faults: answers to come, one a request, before it is as always; page: events at most."""

    url: str = ""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    page: int = 1000
    closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)

    @property
    def environ(self) -> dict[str, str]:
        """What a command needs to be a client of it."""
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true"}
        return {**keys, "AWS_ENDPOINT_URL": self.url, "AWS_REGION": REGION}

    def actions(self) -> list[str]:
        return [action for action, _ in self.asked]

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        action = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")[2]
        given = json.loads(body) if action else {}
        self.asked.append((action or "GetCallerIdentity", given))
        fault = self.faults.pop(0) if self.faults else None
        if fault is None or fault.done:
            with ONE_AT_A_TIME:
                data, status, headers = run_wsgi_app(self._moto, environ | {"wsgi.input": BytesIO(body)}, buffered=True)
            answer = Response(b"".join(data), status, headers)
            if action == "GetExecutionHistory" and answer.status_code == 200:
                answer.data = json.dumps(self._paged(json.loads(answer.data), given))
        if fault:
            if fault.status is None:
                self.closed.wait(30)
            said = {"__type": f"com.amazonaws.swf#{fault.code}", "message": "later\n\x1b[31m"}
            text = json.dumps(said).encode() if fault.body is None else fault.body
            answer = Response(text, fault.status or 500, {"Content-Type": "application/x-amz-json-1.0", **fault.headers})
        pieces: Iterable[bytes] = answer(environ, start)
        return pieces

    def _paged(self, found: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        """moto gives the whole history from its beginning, whatever it is asked for."""
        events = sorted(found["events"], key=lambda event: int(event["id"]), reverse=bool(given.get("reverseOrder")))
        if "nextToken" in given:
            events = [event for event in events if event["id"] < int(given["nextToken"])]
        shown = events[: min(self.page, given["maxResults"])]
        return {"events": shown} | ({"nextToken": str(shown[-1]["id"])} if len(shown) < len(events) else {})


@contextmanager
def serving() -> Iterator[StatesServer]:
    """The server, within `asl_world.aws`, whose account it shows."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = StatesServer()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    app.url = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield app
    finally:
        app.closed.set()
        server.shutdown()
        thread.join(10)
        server.server_close()
