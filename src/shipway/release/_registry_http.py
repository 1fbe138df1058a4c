"""HTTP to one registry: challenges answered, redirects followed without credentials, faults as errors that name the host.

The standard library's client, for a registry needs streams of known length in both directions, ranges, and a say over
which host gets which header; libraries that speak the protocol push files from disk and bring an HTTP stack of their own.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlencode, urljoin, urlsplit

from shipway.kernel.canonical import NotCanonical, parse_object
from shipway.kernel.errors import ShipwayError
from shipway.release._registry_auth import Challenge, Credentials, parse_challenge
from shipway.release._registry_target import Target, is_loopback

TRIES = 3
_WAIT = 0.2  # seconds before the second try, doubled before the third
_TIMEOUT = 60.0  # seconds without a byte
_MOST_REDIRECTS = 5
_MOST_ANSWER = 8 << 20  # bytes of an answer that is no blob
_SLOW_DOWN = 429
Body = bytes | Callable[[], Iterator[bytes | memoryview]]
FAULTS = (OSError, http.client.HTTPException)  # ssl.SSLError and timeouts are OSErrors


class RegistryDown(ShipwayError):
    """A registry that does not answer, cuts the connection, or says that something broke there."""

    code = "release.registry-down"
    retry = True


class RegistryRefused(ShipwayError):
    """A registry that does not let us, does not have it, or does not take it."""

    code = "release.registry-refused"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `stream` is read once, by whoever asked, who then calls `end`."""

    status: int
    headers: Mapping[str, str]
    stream: http.client.HTTPResponse
    url: str
    down: Callable[[BaseException], RegistryDown]
    hang_up: Callable[[], None]

    def header(self, name: str) -> str:
        return self.headers.get(name.lower(), "")

    def read(self, limit: int = _MOST_ANSWER) -> bytes:
        """The body, `limit` bytes at most. Raises RegistryDown when the connection breaks."""
        try:
            data = self.stream.read(limit)
            if self.stream.length and len(data) < limit:  # the library says nothing of that when it is given a limit
                raise OSError(f"the connection was cut, {self.stream.length:,} bytes before the end")
            return data
        except FAULTS as problem:
            raise self.down(problem) from problem
        finally:
            self.end()

    def end(self) -> None:
        """The connection is of no use any more when something of the answer is still on its way."""
        if not self.stream.isclosed():
            self.hang_up()


class Registry:
    """One repository of a registry; each thread has connections of its own, all closed at the end of a `with` block."""

    def __init__(self, target: Target, credentials: Credentials | None) -> None:
        self.target = target
        self._credentials = credentials
        self._tokens: dict[str, str] = {}  # Authorization by scope
        self._scope = f"repository:{target.name}:pull"
        self._local = threading.local()
        self._all: list[http.client.HTTPConnection] = []  # of all threads

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_problem: object) -> None:
        for connection in self._all:
            with suppress(OSError):
                connection.close()

    @property
    def where(self) -> str:
        return self.target.where

    def will_push(self) -> None:
        """Ask for the right to push from now on."""
        self._scope = f"repository:{self.target.name}:pull,push"

    def url(self, path: str) -> str:
        """The address of something below the repository."""
        return f"{'http' if self.target.plain else 'https'}://{self.target.host}/v2/{self.target.name}/{path}"

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        length: int = 0,
        expect: tuple[int, ...] = (200,),
    ) -> Reply:
        """One request with its challenges and redirects. A body that is a function is asked anew for each attempt.

        Raises RegistryRefused for another status than expected, RegistryDown for 5xx and 429; faults of the connection come as
        they are, so that the caller can go on where it was.
        """
        answered = False
        for _ in range(_MOST_REDIRECTS):
            reply = self._send(method, url, self._signed(url, headers or {}), body, length)
            if reply.status == 401 and not answered and self._is_home(url):
                answered = True
                self._answer(reply)
                continue
            if reply.status in (301, 302, 303, 307, 308) and method in ("GET", "HEAD"):
                url = self._redirected(reply)
                continue
            if reply.status in expect:
                return reply
            raise self._refusal(method, reply)
        raise RegistryDown("the registry sends us around in circles", where=self.where)

    def ask_again(self, method: str, url: str, **how: object) -> Reply:
        """As ask, up to three times where the fault may pass. Only for what may be done twice."""
        for attempt in range(TRIES):
            try:
                return self.ask(method, url, **how)  # type: ignore[arg-type]
            except RegistryDown:
                if attempt == TRIES - 1:
                    raise
            except FAULTS as problem:
                if attempt == TRIES - 1:
                    raise self.down(problem) from problem
            pause(attempt)
        raise AssertionError

    def down(self, problem: BaseException) -> RegistryDown:
        """The error for a fault of the connection."""
        self.hang_up()
        said = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
        if isinstance(problem, ssl.SSLCertVerificationError):
            said = f"its certificate is not trusted: {problem.verify_message}"
        mend = "try again: what has arrived is not sent again"
        return RegistryDown(f"the registry {self.target.host} cannot be reached: {said}", where=self.where, mend=mend)

    def hang_up(self) -> None:
        """Close this thread's connections; the next request opens new ones."""
        for connection in self._connections().values():
            with suppress(OSError):
                connection.close()
        self._connections().clear()

    def join(self, location: str, base: str) -> str:
        """A Location that the registry gave. Raises RegistryRefused for one without TLS, but on this machine or where TLS was
        renounced.
        """
        try:
            url = urljoin(base, location)
            parts = urlsplit(url)
        except ValueError:
            raise RegistryRefused("the registry sends us to what is no address", where=self.where) from None
        renounced = self.target.plain and not is_loopback(self.target.host)
        if parts.scheme == "https" or (parts.scheme == "http" and (renounced or is_loopback(parts.netloc))):
            return url
        raise RegistryRefused(f"the registry sends us to {parts.scheme}://{parts.hostname}, without TLS", where=self.where)

    def _signed(self, url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """With what the registry let us in by; a realm that gives tokens is not asked so, for that one may have expired."""
        token = self._tokens.get(self._scope)
        return {**headers, "Authorization": token} if token and self._is_home(url) else headers

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: Body, length: int) -> Reply:
        parts = urlsplit(url)
        sent = {"User-Agent": "shipway", **headers}
        if callable(body) or body or method in ("POST", "PUT", "PATCH"):
            sent["Content-Length"] = str(length if callable(body) else len(body))
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection = self._connection(parts.scheme, parts.netloc)
            connection.request(method, path, body=body() if callable(body) else body, headers=sent)
            stream = connection.getresponse()
        except FAULTS:
            self.hang_up()
            raise
        found = {name.lower(): value for name, value in stream.getheaders()}
        return Reply(stream.status, found, stream, url, self.down, self.hang_up)

    def _connections(self) -> dict[tuple[str, str], http.client.HTTPConnection]:
        if not hasattr(self._local, "open"):
            self._local.open = {}
        found: dict[tuple[str, str], http.client.HTTPConnection] = self._local.open
        return found

    def _connection(self, scheme: str, host: str) -> http.client.HTTPConnection:
        known = self._connections()
        if (scheme, host) not in known:
            made = (
                http.client.HTTPSConnection(host, timeout=_TIMEOUT, context=ssl.create_default_context())
                if scheme == "https"
                else http.client.HTTPConnection(host, timeout=_TIMEOUT)
            )
            known[scheme, host] = made
            self._all.append(made)
        return known[scheme, host]

    def _is_home(self, url: str) -> bool:
        """Whether an address is the registry itself: its credentials go nowhere else."""
        parts = urlsplit(url)
        return parts.netloc == self.target.host and parts.scheme == ("http" if self.target.plain else "https")

    def _redirected(self, reply: Reply) -> str:
        reply.read()
        return self.join(reply.header("location"), reply.url)

    def _answer(self, reply: Reply) -> None:
        challenge = parse_challenge(reply.header("www-authenticate"))
        reply.read()
        if challenge is None:
            raise RegistryRefused("the registry asks for a way of signing in that is not known here", where=self.where)
        if challenge.scheme == "bearer":
            self._tokens[self._scope] = f"Bearer {self._token(challenge)}"
        elif self._credentials:
            self._tokens[self._scope] = self._credentials.basic()
        else:
            raise self._signed_out()

    def _token(self, challenge: Challenge) -> str:
        """A token from the realm, as the distribution's token protocol has it."""
        asked = {"service": challenge.service, "scope": self._scope}
        url = f"{challenge.realm}{'&' if '?' in challenge.realm else '?'}{urlencode({k: v for k, v in asked.items() if v})}"
        self.join(url, url)  # a realm without TLS gets nothing
        signed_in = {"Authorization": self._credentials.basic()} if self._credentials else {}
        reply = self._send("GET", url, signed_in, b"", 0)
        data = reply.read()
        if reply.status != 200:
            raise self._signed_out() if reply.status in (401, 403) else self._refusal("GET", reply, data)
        try:
            answer = parse_object(data)
        except NotCanonical:
            answer = {}
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise RegistryRefused("the registry's realm gave no token", where=urlsplit(url).netloc)
        return token

    def _signed_out(self) -> RegistryRefused:
        who = "these credentials" if self._credentials else "nobody without credentials"
        mend = f"docker login {self.target.host}, or set SHIPWAY_REGISTRY_USER and SHIPWAY_REGISTRY_PASSWORD"
        return RegistryRefused(f"the registry {self.target.host} lets {who} in", where=self.where, mend=mend)

    def _refusal(self, method: str, reply: Reply, data: bytes | None = None) -> ShipwayError:
        with suppress(RegistryDown):
            data = reply.read() if data is None and method != "HEAD" else data
        self.hang_up()
        said = _said(data or b"")
        what = f"the registry {self.target.host} answered {method} with {reply.status}{said}"
        if reply.status >= 500 or reply.status == _SLOW_DOWN:
            return RegistryDown(what, where=self.where, mend="try again: what has arrived is not sent again")
        if reply.status in (401, 403):
            return RegistryRefused(what, where=self.where, mend=self._signed_out().mend)
        return RegistryRefused(what, where=self.where)


def pause(attempt: int) -> None:
    time.sleep(_WAIT * 2**attempt)


def _said(data: bytes) -> str:
    """The first error of a registry's answer, in a few words (distribution spec, error codes)."""
    try:
        error = json.loads(data)["errors"][0]
        words = f"{error.get('code', '')} {error.get('message', '')}".strip()
        return f": {''.join(letter for letter in words if letter.isprintable())[:200]}" if words else ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""
