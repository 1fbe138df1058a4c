"""The one file of a gateway process: applications, providers, keys, limits, prices, where its ledger and log are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from shipway.gateway._errors import ConfigMalformed
from shipway.kernel.errors import nearest


class BudgetConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most `usd` within any `window_seconds`."""

    usd: float
    window_seconds: float


class KeyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A caller. key: `secret://...` or `sha256:` and 64 digits, the hash of the key; groups: that its readers are in, none
    when left out; tenant: keys of one tenant share cached answers, its own name when left out.
    """

    name: str
    key: str
    budget: BudgetConfig | None = None
    rate_per_minute: float | None = None
    groups: list[str] | None = None
    tenant: str | None = None


class ProviderConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider, by its name: the `provider` object, the reference of its key, and where a local one answers."""

    name: str
    object: dict[str, Any]
    key: str | None = None
    url: str = ""


class BackendConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an index is searched: `local`, `pgvector` or `milvus`; key: a reference to its password or token."""

    store: str = "local"
    url: str | None = None
    key: str | None = None


class ApplicationConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What answers to `model: NAME`: prompt, provider and index of one release. Its key and address are those of the
    provider of that name in `providers`.
    """

    name: str
    release: str
    deployment: str
    prompt: dict[str, Any]
    provider: dict[str, Any]
    provider_name: str
    index: str | None = None
    index_object: dict[str, Any] | None = None
    passages: int = 4
    store_root: str | None = None
    project: str = ""
    backend: BackendConfig = BackendConfig()


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """kind "gateway", version 1; paths are absolute. It needs providers and a state directory, nothing of a project.

    prices: the object `prices`, whose digest each record of a call names; ledger: file of the budgets, below
    state_directory when left out; log_directory: None keeps no records; max_output_tokens: what a call without a limit of
    its own may write, where a budget applies; cache_bytes: memory of the exact cache; pass_through: whether callers may name
    providers and their models; when left out, only where there are no applications.
    """

    kind: Literal["gateway"]
    version: Literal[1]
    state_directory: str
    applications: list[ApplicationConfig] = []
    providers: list[ProviderConfig] = []
    keys: list[KeyConfig] = []
    fallback: dict[str, list[str]] = {}
    timeout_seconds: float = 60.0
    retries: int = 2
    exact_cache: bool = True
    cache_bytes: int = 32 << 20
    semantic_errors: float | None = None
    budget: BudgetConfig | None = None
    rate_per_minute: float | None = None
    ledger_down: Literal["refuse", "allow"] = "refuse"
    ledger: str | None = None
    log_directory: str | None = None
    prices: dict[str, Any] | None = None
    prices_digest: str = ""
    max_output_tokens: int = 4096
    cache_directory: str | None = None
    pass_through: bool | None = None

    @property
    def passes_through(self) -> bool:
        """Whether callers may name providers and their models."""
        return not self.applications if self.pass_through is None else self.pass_through

    @property
    def ledger_path(self) -> Path:
        return Path(self.ledger) if self.ledger else Path(self.state_directory) / "ledger.sqlite"


def cache_folder(config: GatewayConfig) -> Path:
    """Where things that can be made again are kept: graphs of embedders."""
    return Path(config.cache_directory) if config.cache_directory else Path.home() / ".cache" / "shipway"


_MEND = "the file of a gateway has kind, version, state_directory, and providers or applications"


def load_config(path: Path) -> GatewayConfig:
    """Reads the file of a gateway; raises ConfigMalformed naming the field."""
    try:
        record = msgspec.json.decode(path.read_bytes())
        if isinstance(record, dict):
            _refuse_unknown(record, path)
        config = msgspec.convert(record, GatewayConfig)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as problem:  # ValidationError is a DecodeError
        raise ConfigMalformed(f"cannot read the gateway's configuration: {problem}", where=str(path), mend=_MEND) from problem
    _check_names(config, path)
    return config


def _refuse_unknown(record: dict[str, Any], path: Path) -> None:
    known = list(GatewayConfig.__struct_fields__)
    for name in record:
        if name not in known:
            near = nearest(name, known)
            mend = f"did you mean {near!r}?" if near else f"known are {', '.join(known)}"
            raise ConfigMalformed(f"unknown field {name!r}", where=str(path), mend=mend)


def _check_names(config: GatewayConfig, path: Path) -> None:
    """A name is one thing; where an application and a provider share one, callers get the application."""
    for what, names in (
        ("application", [application.name for application in config.applications]),
        ("provider", [provider.name for provider in config.providers]),
        ("key", [key.name for key in config.keys]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigMalformed(f"the {what} {twice[0]!r} comes twice", where=str(path), mend="give each a name of its own")
    known = [provider.name for provider in config.providers]
    for name in [*config.fallback, *(other for others in config.fallback.values() for other in others)]:
        if name not in known and name not in [app.provider_name for app in config.applications]:
            near = nearest(name, known)
            mend = f"did you mean {near!r}?" if near else "name a provider of this file"
            raise ConfigMalformed(f"fallback names the provider {name!r}, which is not there", where=str(path), mend=mend)
