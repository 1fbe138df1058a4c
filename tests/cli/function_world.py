"""What a function of AWS Lambda lives among, on loopback: the runtime API that its client asks, an embedder, a bucket with
notifications, a queue, a keeper of secrets.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Json = dict[str, Any]
_ids = itertools.count()


class Answer(NamedTuple):
    """What a function gave back. error: as the client told it, when the function raised."""

    value: Any
    error: Json | None


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server in a thread; its host and port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_words: object) -> None: ...

    def body(self) -> bytes:
        """The sender's client packs what is long into chunks."""
        if self.headers.get("transfer-encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Sandbox:
    """One function: the process of its runtime client, and the API that AWS offers to such a one."""

    def __init__(self) -> None:
        self.asked: queue.Queue[tuple[str, bytes, float]] = queue.Queue()
        self.given: dict[str, queue.Queue[Answer]] = {}
        self.log = Path()

    def invoke(self, event: object, *, seconds: float = 60.0, patience: float = 60.0) -> Answer:
        """The answer to one event; seconds: what is left until AWS would end it."""
        return self.begin(event, seconds=seconds)(patience)

    def begin(self, event: object, *, seconds: float = 60.0) -> Callable[[float], Answer]:
        id = f"request-{next(_ids)}"
        self.given[id] = queue.Queue()
        self.asked.put((id, json.dumps(event, ensure_ascii=False).encode(), time.time() + seconds))
        return lambda patience: self.given[id].get(timeout=patience)

    def said(self) -> str:
        """Its log."""
        return self.log.read_text()

    def handler(self) -> type[BaseHTTPRequestHandler]:
        sandbox = self

        class Api(Quiet):
            def do_GET(self) -> None:
                id, body, until = sandbox.asked.get()
                headers = {
                    "Lambda-Runtime-Aws-Request-Id": id,
                    "Lambda-Runtime-Deadline-Ms": str(int(until * 1000)),
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:docs",
                }
                self.answer(200, body, headers)

            def do_POST(self) -> None:
                body, (*_, id, what) = json.loads(self.body() or b"null"), self.path.split("/")
                self.answer(202, b"{}")
                if what == "error":
                    sandbox.given[id].put(Answer(None, body))
                else:
                    sandbox.given[id].put(Answer(body, None))

        return Api


@contextmanager
def function(name: str, folder: Path, home: Path, environ: dict[str, str]) -> Iterator[Sandbox]:
    """`shipway.cli.functions.NAME` in a process of its own, with nothing but these variables. home: its /tmp."""
    sandbox = Sandbox()
    home.mkdir(parents=True, exist_ok=True)
    sandbox.log = home / "function.log"
    with listening(sandbox.handler()) as where, sandbox.log.open("w") as log:
        given = {"PATH": os.environ["PATH"], "TMPDIR": str(home), "HOME": str(home), "SHIPWAY_CACHE": str(home / "cache")}
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", f"shipway.cli.functions.{name}"],
            cwd=folder,
            env={**given, "AWS_LAMBDA_RUNTIME_API": where, "AWS_LAMBDA_FUNCTION_NAME": "assistant-docs", **environ},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield sandbox
        finally:
            process.kill()
            process.wait()


@dataclass
class Embeddings:
    """A provider that embeds: a vector is a count of a text's letters. busy_until: when it answers at the earliest, in seconds
    of the clock; free: cleared, it does not answer until it is set; broken: a word that it cannot take.
    """

    where: str = ""
    calls: list[int] = field(default_factory=list)
    busy_until: float = 0.0
    broken: str = ""
    begun: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)

    @property
    def texts(self) -> int:
        """How many were embedded so far, but for the one by which the dimension is learnt."""
        return sum(self.calls)

    def reset(self) -> None:
        self.calls, self.busy_until, self.broken = [], 0.0, ""
        self.begun.clear()
        self.free.set()


@contextmanager
def embeddings() -> Iterator[Embeddings]:
    state = Embeddings()
    state.reset()

    class Api(Quiet):
        def do_POST(self) -> None:
            asked = json.loads(self.body())
            texts = asked["input"]
            if state.broken and any(state.broken in text for text in texts):
                self.answer(400, b'{"error": {"message": "no such word", "type": "bad"}}')
                return
            if texts != ["dimension"]:
                state.begun.set()
                time.sleep(max(0.0, state.busy_until - time.time()))
                assert state.free.wait(60)
                state.calls.append(len(texts))
            rows = [{"object": "embedding", "index": n, "embedding": vector(text)} for n, text in enumerate(texts)]
            usage = {"prompt_tokens": 1, "total_tokens": 1}
            self.answer(200, json.dumps({"object": "list", "data": rows, "model": asked["model"], "usage": usage}).encode())

        do_GET = do_POST

    with listening(Api) as where:
        state.where = f"http://{where}/v1"
        yield state


def vector(text: str) -> list[float]:
    counts = np.bincount(np.frombuffer(text.encode(), np.uint8) % 16, minlength=16) + 0.01
    return [float(value) for value in counts / np.linalg.norm(counts)]


def s3_record(name: str, bucket: str, key: str) -> Json:
    """A record as S3 writes it. key: as S3 quotes it."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2026-01-05T10:00:00.000Z",
        "eventName": name,
        "userIdentity": {"principalId": "AWS:AROA:ann"},
        "requestParameters": {"sourceIPAddress": "10.0.0.1"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "documents",
            "bucket": {"name": bucket, "ownerIdentity": {"principalId": "A3"}, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {"key": key, "size": 1024, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": "0055AED6DCD90281E5"},
        },
    }


def notification(*records: Json) -> Json:
    return {"Records": list(records)}


TEST_EVENT = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2026-01-05T10:00:00.000Z",
    "Bucket": "acme-docs",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
}


def queued(*bodies: object) -> Json:
    """Messages of a queue as Lambda hands them over. bodies: as text, or what becomes JSON."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1545082649183",
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": "1545082649185",
                },
                "messageAttributes": {},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:assistant-documents",
                "awsRegion": "eu-west-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def bridged(kind: str, bucket: str, key: str) -> Json:
    """As EventBridge hands it over; its key is the object's own."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": "aws.s3",
        "account": "123456789012",
        "time": "2026-01-05T10:00:00Z",
        "region": "eu-west-1",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {"key": key, "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184", "sequencer": "617f08299329d189"},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "source-ip-address": "1.2.3.4",
            "reason": "PutObject",
        },
    }


def called(path: str, body: object = None, *, method: str = "POST", headers: dict[str, str] | None = None) -> Json:
    """A call as API Gateway (HTTP API) and a function's own address hand it over."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "abc.lambda-url.eu-west-1.on.aws", "content-type": "application/json", **(headers or {})},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc",
            "domainName": "abc.lambda-url.eu-west-1.on.aws",
            "domainPrefix": "abc",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "curl/8"},
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2026:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "body": base64.b64encode(json.dumps(body).encode()).decode() if body is not None else None,
        "isBase64Encoded": body is not None,
    }


def balanced(path: str, body: object = None, *, method: str = "POST", headers: dict[str, str] | None = None) -> Json:
    """A call as an Application Load Balancer hands it over."""
    return {
        "requestContext": {
            "elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/guide/6d0e"}
        },
        "httpMethod": method,
        "path": path,
        "queryStringParameters": {},
        "headers": {
            "host": "guide-prod.ml.example.com",
            "content-type": "application/json",
            "x-forwarded-for": "10.0.3.4",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            **(headers or {}),
        },
        "body": json.dumps(body) if body is not None else "",
        "isBase64Encoded": False,
    }
