"""HTTP to an Argo Server: a bounded number of attempts for what may pass, one clear error for what does not."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial
from http.client import HTTPException
from typing import cast
from urllib.parse import urlsplit

from shipway.kernel.canonical import Json, JsonObject
from shipway.pipeline._attempts import Away, Patience, one_line, retry_after
from shipway.pipeline._engine import EngineRefused

_LARGEST = 64 * 2**20  # bytes of an answer: the status of some ten thousand pods
_TIMEOUT, _PATIENCE = 30.0, 300.0  # seconds: of one request, and of one thing that is asked again and again
_BUSY = (429, 502, 503, 504)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a token must not go to where a server points."""

    def redirect_request(self, *_: object) -> None:
        return None


class ArgoClient:
    """server: `https://HOST:PORT`, or `HOST:PORT` as Argo's own command line has it; token: with or without `Bearer`.

    Raises EngineRefused for an address that is none, or that would send the token over the network unencrypted.
    """

    def __init__(
        self,
        server: str,
        token: str,
        *,
        timeout: float = _TIMEOUT,
        patience: float = _PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.server = _address(server, token)
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token.removeprefix('Bearer ').strip()}"
        self._timeout, self._patience = timeout, Patience(patience, clock, pause)
        direct = [urllib.request.ProxyHandler({})] if urlsplit(self.server).hostname in _LOOPBACK else []
        self._opener = urllib.request.build_opener(_Stay, *direct)

    def ask(self, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
        """Asked again while the server is busy or away, as long as patience lasts; the server may have done it each time.

        Raises EngineUnreachable, and EngineRefused for any other answer than success, and for one that is no JSON object.
        """
        mend = "the same command follows the run when the server is back; is ARGO_SERVER right?"
        once = partial(self._attempt, method, path, body)
        return self._patience.ask(once, who="the Argo Server", where=self.server, mend=mend)

    def _attempt(self, method: str, path: str, body: JsonObject | None) -> JsonObject:
        try:
            return self._once(method, path, body)
        except (OSError, HTTPException) as away:
            raise Away(_said_of(away)) from away

    def _once(self, method: str, path: str, body: JsonObject | None) -> JsonObject:
        data = None if body is None else json.dumps(body).encode()
        url = self.server + path
        request = urllib.request.Request(url, data=data, headers=self._headers, method=method)  # noqa: S310 - see _address
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                text = answer.read(_LARGEST + 1)
        except urllib.error.HTTPError as problem:
            with problem:
                said = _message(problem.read(65_536))
            what = f"the Argo Server answered {problem.code}{': ' + said if said else ''}"
            if problem.code in _BUSY:
                raise Away(what, wait=retry_after(problem.headers.get("Retry-After", ""))) from problem
            raise EngineRefused(what, where=url, mend=_mend(problem.code), status=problem.code) from problem
        if len(text) > _LARGEST:
            raise EngineRefused(f"the Argo Server's answer is larger than {_LARGEST:,} bytes", where=url)
        return _document(text, url)


def _address(server: str, token: str) -> str:
    text = server.strip()
    text = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        known = False
    if not known or parts.username or parts.query or parts.fragment or re.search(r"[\s\x00-\x1f]", text):
        raise EngineRefused("ARGO_SERVER is no address of a server", where="ARGO_SERVER", mend="https://HOST:PORT")
    if parts.scheme == "http" and token and parts.hostname not in _LOOPBACK:
        what = "ARGO_TOKEN would go over the network as it is"
        raise EngineRefused(what, where=text, mend="https://HOST:PORT, or kubectl port-forward and http://127.0.0.1:PORT")
    return text.rstrip("/")


def _document(text: bytes, url: str) -> JsonObject:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as problem:
        what = "what answers at ARGO_SERVER is no Argo Server: no JSON"
        raise EngineRefused(what, where=url, mend="the address of the server, and of its API") from problem
    if not isinstance(found, dict):
        raise EngineRefused("what answers at ARGO_SERVER is no Argo Server: no object", where=url, mend="look at the address")
    return cast("JsonObject", found)


def _message(text: bytes) -> str:
    """What the server says of an error, in one line; whatever else answers says nothing."""
    try:
        found: Json = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    said = found.get("message") if isinstance(found, Mapping) else None
    return one_line(said) if isinstance(said, str) else ""


def _mend(status: int) -> str | None:
    if status in (401, 403):
        return "ARGO_TOKEN: of a service account that may create, get and update workflows there"
    return "look at the server's log" if status >= 500 else None


def _said_of(problem: Exception) -> str:
    reason = problem.reason if isinstance(problem, urllib.error.URLError) else problem
    return "it took too long" if isinstance(reason, TimeoutError) else str(reason) or type(reason).__name__
