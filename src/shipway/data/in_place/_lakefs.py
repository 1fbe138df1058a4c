"""A path of a lakeFS repository at one commit: two questions of its API, and the bytes of each object.

The endpoint and the keys are those of lakectl (`LAKECTL_*`); no address holds any. What is staged on a branch and not committed
does not count.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

from shipway.data._errors import DataMissing, SourceDown, SourceGone
from shipway.data._listing import Entry, InPlace
from shipway.data.in_place._write import write_bytes
from shipway.store import ObjectsRefused

ENDPOINT = "LAKECTL_SERVER_ENDPOINT_URL"
KEY_ID = "LAKECTL_CREDENTIALS_ACCESS_KEY_ID"
SECRET = "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY"
_SECONDS = 60
_TRIES = 4
_PAGE = 1000
_CHUNK = 1 << 20


class LakeSource:
    """`lakefs://REPOSITORY/PATH` at a ref: the name of a branch, a tag or a commit, which is looked up once."""

    def __init__(self, at: str, ref: str, environ: Mapping[str, str]) -> None:
        self._at, self._ref = at, ref
        self._repository, _, self._path = at.removeprefix("lakefs://").partition("/")
        self._api = _Api(environ, where=at)

    def look(self) -> InPlace:
        commit = self._commit()
        entries = tuple(self._entry(one) for one in self._objects(commit) if not _is_folder(one))
        return InPlace("lakefs", self._at, entries, version=commit)

    def fetch(self, entry: Entry, target: Path) -> None:
        """Of the commit: its objects never change, so another ETag is another object under its name."""
        key = entry.at or (f"{self._path}/{entry.path}" if self._path else entry.path)
        where = f"lakefs://{self._repository}/{self._ref}/{key}"
        with self._api.open(f"{self._refs(self._ref)}/objects", {"path": key}) as answer:
            if answer.status in (404, 410):
                what = f"{entry.path} is not there any more: garbage collection took it, or its repository is gone"
                mend = "restore it in lakeFS, or take a new snapshot; retention rules say how long commits keep objects"
                raise SourceGone(what, where=where, mend=mend)
            self._api.refuse(answer, where)
            tag = (answer.getheader("ETag") or "").strip('"')
            if tag and entry.tag and tag != entry.tag:
                what = f"{entry.path} has another checksum than in its snapshot"
                raise SourceGone(what, where=where, mend="find out who changed it under its commit")
            write_bytes(_chunks(answer), target, entry, where=where)

    def readable(self, found: InPlace) -> Mapping[str, str | Path]:  # noqa: ARG002
        """Nothing: Polars does not speak its API."""
        return {}

    def _commit(self) -> str:
        found = self._api.ask(f"{self._refs(self._ref)}/commits", {"amount": "1"})
        results = found.get("results") if found is not None else None
        if not results:
            what = f"lakeFS knows no repository {self._repository} with a ref {self._ref}"
            raise DataMissing(what, where=self._at, mend="correct the address under `from`: lakefs://REPOSITORY/REF/PATH")
        return str(results[0]["id"])

    def _objects(self, commit: str) -> Iterator[Mapping[str, Any]]:
        prefix = f"{self._path}/" if self._path else ""
        yield from (found := list(self._list(commit, prefix)))
        if not found and self._path:
            yield from (one for one in self._list(commit, self._path) if one["path"] == self._path)

    def _list(self, commit: str, prefix: str) -> Iterator[Mapping[str, Any]]:
        after = ""
        while True:
            asked = {"prefix": prefix, "after": after, "amount": str(_PAGE), "user_metadata": "false", "presign": "false"}
            page = self._api.ask(f"{self._refs(commit)}/objects/ls", asked)
            if page is None:
                raise SourceGone(f"commit {commit} is not there any more", where=self._at, mend="take a new snapshot")
            yield from (one for one in page["results"] if one.get("path_type") == "object")
            if not page["pagination"]["has_more"]:
                return
            if page["pagination"]["next_offset"] <= after:
                raise SourceDown("lakeFS lists the same page again", where=self._at, mend="look at its server")
            after = page["pagination"]["next_offset"]

    def _entry(self, one: Mapping[str, Any]) -> Entry:
        path, alone = str(one["path"]), one["path"] == self._path
        name = path.rpartition("/")[2] if alone else path.removeprefix(f"{self._path}/" if self._path else "")
        return Entry(name, int(one["size_bytes"]), str(one["checksum"]).strip('"'), at=path if alone else None)

    def _refs(self, ref: str) -> str:
        return f"/repositories/{quote(self._repository, safe='')}/refs/{quote(ref, safe='')}"


class _Api:
    """Requests to one server; what it says in an error is not repeated."""

    def __init__(self, environ: Mapping[str, str], *, where: str) -> None:
        self._where = where
        endpoint = environ.get("LAKECTL_SERVER_ENDPOINT_URL")
        key = environ.get("LAKECTL_CREDENTIALS_ACCESS_KEY_ID")
        secret = environ.get("LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY")
        if not (endpoint and key and secret):
            missing = next(name for name, value in ((ENDPOINT, endpoint), (KEY_ID, key), (SECRET, secret)) if not value)
            raise ObjectsRefused(f"the variable {missing} is not set", where=where, mend="set the LAKECTL_* variables")
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ObjectsRefused(f"{ENDPOINT} is no address", where=where, mend="write it as https://HOST[:PORT]")
        if parts.scheme == "http" and not _is_here(parts.hostname):
            what = f"{ENDPOINT} would send keys over a network unencrypted"
            raise ObjectsRefused(what, where=where, mend="use https; plain http is for a server on this machine alone")
        self._https, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._base = parts.path.rstrip("/").removesuffix("/api/v1") + "/api/v1"
        self._header = {"Authorization": "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()}

    def ask(self, path: str, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        """A document; None for 404. Raises SourceDown, ObjectsRefused."""
        with self.open(path, query) as answer:
            if answer.status == 404:
                return None
            self.refuse(answer, self._where)
            try:
                found = json.loads(answer.read())
                if isinstance(found, dict):
                    return found
            except (ValueError, http.client.HTTPException, OSError):
                pass
        raise SourceDown("what answers is not lakeFS", where=self._where, mend=f"correct {ENDPOINT}")

    @contextmanager
    def open(self, path: str, query: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """An answer, of any status but those that a later try may not get."""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(0.1 * 2**attempt)
            try:
                connection, answer = self._request(f"{self._base}{path}?{urlencode(query)}")
            except (OSError, http.client.HTTPException) as problem:
                if attempt + 1 == _TRIES:
                    self._down(problem)
                continue
            with closing(connection), closing(answer):
                if answer.status >= 500 or answer.status == 429:
                    continue
                try:
                    yield answer
                except (ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException) as problem:
                    self._down(problem)  # and not a full disk of ours
                return
        self._down(None)

    def _request(self, target: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        made = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
        connection = made(self._host, self._port, timeout=_SECONDS)
        try:
            connection.request("GET", target, headers=self._header)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def refuse(self, answer: http.client.HTTPResponse, where: str) -> None:
        if answer.status in (401, 403):
            mend = f"look at {KEY_ID} and {SECRET}, and at what they may read"
            raise ObjectsRefused("lakeFS refuses these credentials, or this to them", where=where, mend=mend)
        if answer.status != 200:
            raise SourceDown(f"lakeFS answers with {answer.status}", where=where, mend="look at its server and its version")

    def _down(self, problem: Exception | None) -> NoReturn:
        what = "lakeFS cannot be reached, or went away"
        raise SourceDown(what, where=self._where, mend="run this again when it is back") from problem


def _chunks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := answer.read(_CHUNK):
        yield chunk


def _is_folder(one: Mapping[str, Any]) -> bool:
    return str(one["path"]).endswith("/") and not one["size_bytes"]


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
