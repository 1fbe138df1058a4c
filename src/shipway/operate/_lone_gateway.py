"""A gateway without a project: providers, keys and limits of one file, its ledger and log in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import digest_bytes, short
from shipway.kernel.errors import ShipwayError
from shipway.llm import resolve_prices
from shipway.operate._answering import provider_from_spec, running
from shipway.operate._gateway import private_folder, write_private
from shipway.operate._surroundings import custom_prices
from shipway.release import gateway_settings
from shipway.spec import Spec

if TYPE_CHECKING:
    from shipway.gateway import GatewayConfig


class NothingToPass(ShipwayError):
    """A gateway without a provider has nobody to pass calls on to."""

    code = "operate.nothing-to-pass"


@dataclass(frozen=True, slots=True)
class LoneGateway:
    """A gateway that is ready to serve; remarks: what whoever starts it should know."""

    config: GatewayConfig
    environ: Mapping[str, str]
    remarks: tuple[str, ...]

    def serve(self, port: int) -> int:
        """Serve on loopback until SIGTERM or Ctrl-C; the exit code. Call it from the main thread."""
        from shipway.gateway import run_gateway

        return run_gateway(self.config, port=port, environ=self.environ)


@contextmanager
def lone_gateway(spec: Spec, folder: Path, *, environ: Mapping[str, str]) -> Iterator[LoneGateway]:
    """The gateway of a file's providers; local ones are served as long as this lasts. Raises NothingToPass."""
    if not spec.providers:
        mend = "providers: {answer: {model: gpt-4o-mini, key: secret://env/OPENAI_KEY}}"
        raise NothingToPass("the file has no providers", where=str(spec.path), mend=mend)
    private_folder(folder)
    with ExitStack() as stack:
        config = _config(spec, folder, stack)
        open_to_all = () if spec.gateway.keys else ("no keys are set: whoever reaches the loopback address may call",)
        yield LoneGateway(config, environ, open_to_all)


def _config(spec: Spec, folder: Path, stack: ExitStack) -> GatewayConfig:
    from shipway.gateway import GatewayConfig

    providers = {name: provider_from_spec(found) for name, found in spec.providers.items()}
    reached = {name: stack.enter_context(running(provider)) for name, provider in providers.items()}
    prices = resolve_prices(providers.values(), on=datetime.now(UTC).date(), custom=custom_prices(spec))
    digest = digest_bytes(canonical_json(prices))
    write_private(folder / f"prices-{short(digest)}.json", canonical_json(prices))  # with it a bill can be made again
    settings: JsonObject = gateway_settings(spec, None)
    left_out = ("provider_keys", "sources", "prices")
    record: JsonObject = {
        "kind": "gateway",
        "version": 1,
        **{name: value for name, value in settings.items() if name not in left_out},
        "state_directory": str(folder),
        "log_directory": str(folder / "calls"),
        "providers": [
            {"name": name, "object": provider.to_object(), "key": provider.key, "url": reached[name].url}
            for name, provider in providers.items()
        ],
        "prices": prices,
        "prices_digest": digest,
    }
    (folder / "calls").mkdir(exist_ok=True)
    return msgspec.convert(record, GatewayConfig)
