"""The predictor's ASGI application: what is asked of it goes to its pages or to its predictions, and an answer comes back."""

from __future__ import annotations

from shipway.kernel.clock import Ids
from shipway.kernel.errors import ShipwayError
from shipway.kernel.pages import SharedPages
from shipway.kernel.split import LIVE
from shipway.protocols._figures import Figures
from shipway.protocols._http import ClientGone, Receive, Reply, Scope, Send, send_reply
from shipway.protocols._pages import Pages
from shipway.protocols._predicting import BODY_BYTES, Predicting
from shipway.protocols._refusals import Refusals
from shipway.protocols._split import RELEASE_HEADER, answering_releases, own_headers
from shipway.protocols._traces import Tracer
from shipway.serve import ARM_HEADER, Arrays, Batcher, Split

_LAST = (b"connection", b"close")


class PredictorApp:
    """Open Inference v2, KServe's V1, MLflow's scoring, health and metrics of one predictor, as an ASGI application.

    server_version: what server metadata says; golden: the model's golden rows, examples in the description of this API;
    body_bytes: the largest body, packed or unpacked; shared: pages of metrics, where other processes answer at the same
    address; browsers: whether pages in browsers may ask; replaced: how many processes died here before this one; cpu_price:
    US dollars for an hour of a processor. Where it is mounted, `root_path` of a request is what comes before its routes.
    Another protocol asks the same `pages` and `predicting`.
    """

    def __init__(
        self,
        batcher: Batcher | Split,
        *,
        server_version: str,
        golden: tuple[Arrays, Arrays] = ({}, {}),
        body_bytes: int = BODY_BYTES,
        ids: Ids | None = None,
        shared: SharedPages | None = None,
        browsers: bool = False,
        replaced: int = 0,
        cpu_price: float | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer, self.predictor, self.body_bytes = tracer, batcher.predictor, body_bytes
        self.splits = isinstance(batcher, Split)
        who, releases = self.predictor.identity, tuple(answering_releases(batcher if isinstance(batcher, Split) else None))
        self.refusals = Refusals(ids)
        self.figures = Figures(batcher, pages=shared, tracer=tracer, replaced=replaced, cpu_price=cpu_price)
        self.predicting = Predicting(
            batcher, self.figures, self.refusals, releases=releases, tracer=tracer, browsers=browsers, body_bytes=body_bytes
        )
        self._wires = self.predicting.wires
        self.pages = Pages(
            self.predictor,
            self.figures,
            server_version=server_version,
            golden=golden,
            releases=releases,
            posted=frozenset(self._wires),
        )
        self._headers = [(RELEASE_HEADER, who.release.encode())]
        if who.arm != LIVE:
            self._headers.append((ARM_HEADER, who.arm.encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; nothing that goes wrong inside leaves as a traceback."""
        if scope["type"] != "http":
            return
        path = route_path(scope)
        try:
            wire = self._wires.get(path)
            if wire and scope["method"] == "POST":
                reply = await self.predicting.infer(wire, path, dict(scope["headers"]), receive)
            else:
                reply = self._page(path, scope["method"], scope.get("root_path", ""))
        except ClientGone:
            return
        await send_reply(send, reply, own_headers(reply, self._headers) if self.splits else self._headers)

    def leave(self) -> None:
        """Another process answers at this address from now on: each answer is the last on its connection."""
        if not self.figures.away:
            self.figures.away = True
            self._headers.append(_LAST)
            self.figures.keep()

    def stay(self) -> None:
        """It is this process again that answers."""
        if self.figures.away:
            self.figures.away = False
            self._headers.remove(_LAST)
            self.figures.keep()

    def close(self) -> None:
        """Leaves to the others what this process has counted."""
        if self._tracer:
            self._tracer.close()
        self.predicting.close()
        self.figures.keep()

    def _page(self, path: str, method: str, root: str) -> Reply:
        try:
            return self.pages.find(path, method, root)
        except ShipwayError as problem:
            return self.refusals.reply(problem)


def route_path(scope: Scope) -> str:
    """The path below where the application is mounted: since ASGI 2.3 the path of a request begins with its root_path."""
    path, base = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(base) if base and path.startswith(f"{base}/") else path
