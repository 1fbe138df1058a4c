"""The gateway of a deployment inside a process that is not its own: a function of AWS Lambda, which lives from call to call."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from shipway.access import KeyRing
from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import RandomIds
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.operate._control import SHARE_SECONDS, gather
from shipway.operate._gateway import gateway_config
from shipway.release import pinned_deployment
from shipway.store import SegmentWriter, Store

if TYPE_CHECKING:
    from shipway.gateway import GatewayApp, GatewayConfig

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class AnswersNotHere(ShipwayError):
    """A deployment whose gateway cannot be part of a process that is one of many and ends at any time."""

    code = "operate.answers-not-here"


@dataclass(slots=True)
class AnsweringHere:
    """An ASGI application that answers as the gateway of one release does, and keeps its records until they are sent."""

    store: Store
    release: Digest
    app: GatewayApp
    log: SegmentWriter
    _sent: float = field(default=float("-inf"))

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """One request. Its host is not looked at: on loopback that keeps browsers' pages out, and here a key has to."""
        headers = [pair for pair in scope["headers"] if pair[0] != b"host"]
        await self.app({**scope, "headers": [(bytes(name), bytes(value)) for name, value in headers]}, receive, send)

    def send_records(self) -> None:
        """Bring what was recorded to the team's bucket, if the last time is a while ago. Raises what the store raises."""
        if time.monotonic() - self._sent >= SHARE_SECONDS:
            self.log.seal()
            gather(self.store)
            self._sent = time.monotonic()

    async def close(self) -> None:
        await self.app.close()
        self.log.close()


def open_answering(
    store: Store, keys: KeyRing, ref: str, release: Digest, *, cache: Path, environ: Mapping[str, str]
) -> AnsweringHere:
    """The gateway of a release that is or was live at a ref. environ: holds the secrets that it refers to.

    Raises AnswersNotHere, NeverLive, ReleaseRevoked, and what keeps a gateway from answering.
    """
    from shipway.gateway import GatewayConfig, open_app

    deployment = pinned_deployment(store, keys, ref, release)
    record = gateway_config(store, deployment, _of_gateway(store, deployment, ref), release, cache=cache)
    config = msgspec.convert(record, GatewayConfig)
    _check(config, ref)
    log = SegmentWriter(store.log_folder("calls"), f"gateway-{RandomIds().new()}")
    try:
        return AnsweringHere(store, release, open_app(config, environ, log), log)
    except BaseException:
        log.close()
        raise


def _of_gateway(store: Store, deployment: Digest, ref: str) -> JsonObject:
    value = store.get(deployment, "deployment")
    if value.get("gateway") is None:
        raise AnswersNotHere(f"{ref} answers no prompts", where=ref, mend="a deployment with `target: gateway`")
    return value


def _check(config: GatewayConfig, ref: str) -> None:
    """What a gateway that is one of many, and comes and goes, may not promise."""
    if not config.keys:
        mend = "gateway: {keys: {website: {key: secret://env/WEBSITE_KEY}}}"
        raise AnswersNotHere("the gateway has no keys, and whoever reaches its address might call", where=ref, mend=mend)
    if (config.budget or any(key.budget for key in config.keys)) and config.ledger_down != "allow":
        what = "a budget is counted in a file, and each copy of a function has one of its own"
        raise AnswersNotHere(what, where=ref, mend="`ledger_down: allow` if that will do, or serve it in a container")
    local = [part.name for part in config.providers if part.object.get("local")]
    if local:
        what = f"{', '.join(local)} is a local model, which a function does not start"
        raise AnswersNotHere(what, where=ref, mend="a provider with a url, or serve it in a container")
