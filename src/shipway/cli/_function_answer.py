"""Calls of an application as a function gets them: from API Gateway, a function's own address, or a load balancer.

Mangum translates events to ASGI and back; what answers is the gateway as everywhere. It stays open between calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from shipway.cli._function_project import FunctionProject, FunctionUnready
from shipway.cli._output import Output
from shipway.kernel.errors import ShipwayError
from shipway.protocols import EventUnknown

if TYPE_CHECKING:
    from mangum import Mangum
    from mangum.types import LambdaContext

    from shipway.operate import AnsweringHere

LIFE_SECONDS = 3600.0  # then it is opened again: a secret that was changed is the new one


class Answering:
    """One function's gateway, opened with the first call. Not for several threads: a function has one call at a time."""

    def __init__(self, open_project: Callable[[], FunctionProject], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._open_project, self._clock = open_project, clock
        self._opened: tuple[AnsweringHere, Mangum, asyncio.AbstractEventLoop] | None = None
        self._since = 0.0

    def __call__(self, event: object, context: object) -> Mapping[str, object]:
        """The answer to one call. Raises EventUnknown, and what keeps the gateway from opening."""
        check_http_event(event)
        if self._opened and self._clock() - self._since > LIFE_SECONDS:
            self.close()
        here, adapter, _ = self._opened or self._open()
        answer: dict[str, Any] = adapter(cast("dict[str, Any]", event), cast("LambdaContext", context))
        try:
            here.send_records()
        except Exception as problem:  # an answer is not lost with its record; the next call tries again
            said = problem.render() if isinstance(problem, ShipwayError) else f"{type(problem).__name__}: {problem}"
            Output(False).note(f"records are not sent: {said}")
        return answer

    def _open(self) -> tuple[AnsweringHere, Mangum, asyncio.AbstractEventLoop]:
        from mangum import Mangum

        from shipway.kernel.digest import parse_digest
        from shipway.operate import open_answering

        project = self._open_project()
        environ = project.settings.environ
        name, release = environ.get("SHIPWAY_DEPLOYMENT", ""), environ.get("SHIPWAY_RELEASE", "")
        if not name or not release:
            mend = "SHIPWAY_DEPLOYMENT=APP@ENV and SHIPWAY_RELEASE=sha256:..."
            raise FunctionUnready("what shall be answered from is not set", where="the variables of the function", mend=mend)
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            ref = f"deploy/{name.removeprefix('deploy/')}"
            keys, cache = project.keys, project.cache
            here = open_answering(project.store, keys, ref, parse_digest(release), cache=cache, environ=environ)
        except BaseException:
            loop.close()
            project.store.close()
            raise
        self._opened, self._since = (here, Mangum(here, lifespan="off"), loop), self._clock()
        return self._opened

    def close(self) -> None:
        """Hang up everywhere."""
        if self._opened:
            (here, _, loop), self._opened = self._opened, None
            loop.run_until_complete(here.close())
            loop.close()
            here.store.close()


def check_http_event(event: object) -> None:
    """Raises EventUnknown unless this is a call of API Gateway (payload 2.0), a function's own address or a load balancer."""
    found: Mapping[str, object] = event if isinstance(event, Mapping) else {}
    about = found.get("requestContext")
    if isinstance(about, Mapping) and (_is_of_gateway(found, about.get("http")) or ("elb" in about and _is_of_balancer(found))):
        return
    shown = ", ".join(sorted(map(str, found))[:8]) or type(event).__name__
    mend = "call it through API Gateway (HTTP API), the function's own address or an Application Load Balancer"
    raise EventUnknown(f"no call of a shape that is known: {shown[:200]}", mend=mend)


def _is_of_gateway(event: Mapping[str, object], asked: object) -> bool:
    named = isinstance(asked, Mapping) and all(isinstance(asked.get(name), str) for name in ("method", "path", "sourceIp"))
    return named and event.get("version") == "2.0" and isinstance(event.get("headers"), Mapping)


def _is_of_balancer(event: Mapping[str, object]) -> bool:
    named = all(isinstance(event.get(name), str) for name in ("httpMethod", "path"))
    return named and isinstance(event.get("headers") or event.get("multiValueHeaders"), Mapping)
