"""Models that run here: a provider with weights of its own and no address is served by a child process of the gateway."""

from __future__ import annotations

from contextlib import ExitStack

import msgspec

from shipway.gateway._config import GatewayConfig, ProviderConfig
from shipway.kernel.errors import ShipwayError
from shipway.llm import LocalServer, start_local


class WeightsOther(ShipwayError):
    """The weights that lie here are not those that the release has locked."""

    code = "gateway.weights-other"


def with_local_models(config: GatewayConfig, running: ExitStack) -> GatewayConfig:
    """The configuration with the addresses of local models, which run until `running` closes.

    Raises LocalModelMissing, LocalModelFailed, WeightsOther. Call it from a thread that lives as long as they should.
    """
    found: list[ProviderConfig] = []
    for part in config.providers:
        local = part.object.get("local")
        if not local or part.url:
            found.append(part)
            continue
        server = running.enter_context(start_local(str(local), model=str(part.object["model"])))
        _check_weights(part, server)
        found.append(msgspec.structs.replace(part, url=server.url))
    return msgspec.structs.replace(config, providers=found)


def _check_weights(part: ProviderConfig, server: LocalServer) -> None:
    locked = part.object.get("weights")
    if locked is not None and locked != server.weights:
        what = f"the weights of {part.name} are {server.weights}, and the release has locked {locked}"
        raise WeightsOther(what, where=part.name, mend="install the package that the release was made with, or release anew")
