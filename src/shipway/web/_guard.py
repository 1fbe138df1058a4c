"""What stands before every request: only known names as host, no writing from other sites, safe headers on answers.

A page is drawn without scripts, so the policy forbids them all: text that got through as markup would still do nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shipway.kernel.errors import ShipwayError
from shipway.web._errors import HostRefused, OriginRefused, error_response

HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# The pages with a form. A browser that sends no referrer sends Origin: null with a form, and then could not write here.
_FORMS = ("/review", "/plans/", "/data/", "/incidents/")
_FORM_HEADERS = {
    "Content-Security-Policy": _POLICY.replace("form-action 'none'", "form-action 'self'"),
    "Referrer-Policy": "same-origin",
}


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = HOSTS) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        refusal = refusal_of(str(scope["method"]), Headers(scope=scope), self._hosts)
        await Headed(error_response(refusal) if refusal else self._app)(scope, receive, send)


class Headed:
    """An ASGI application whose answers carry the safe headers, whoever asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_security(MutableHeaders(scope=message), str(scope["path"]))
            await send(message)

        await self._app(scope, receive, send_headed if scope["type"] == "http" else send)


def add_security(headers: MutableHeaders, path: str) -> None:
    """The headers that every answer carries; nothing is kept by a browser unless the answer itself says so."""
    headers.update(SECURITY_HEADERS)
    if path.startswith(_FORMS):
        headers.update(_FORM_HEADERS)
    headers.setdefault("Cache-Control", "no-store")


def refusal_of(method: str, headers: Headers, known: Collection[str] = HOSTS) -> ShipwayError | None:
    """Why this request is not answered, from its method and headers; None when it may pass."""
    hosts = headers.getlist("host")
    if len(hosts) != 1 or _host_name(hosts[0]) not in known:
        shown = ", ".join(hosts) or "none"
        return HostRefused(f"host {shown[:100]!r} is not this machine", mend="use http://localhost or http://127.0.0.1")
    if method in _SAFE_METHODS:
        return None
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    if (origin is not None and not _same(origin, hosts[0])) or site not in ("none", "same-origin"):
        return OriginRefused(
            f"a page of {(origin or site)[:100]!r} asks to write here", mend="send it from a program, without Origin"
        )
    return None


def _host_name(host: str) -> str:
    """The name in a Host header, in lower case and without its port; empty when it is malformed."""
    if "@" in host or "/" in host:
        return ""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises ValueError for what is no port
    except ValueError:
        return ""
    return parts.hostname or ""


def _same(origin: str, host: str) -> bool:
    return origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")
