"""The one file that a supervisor hands to a predictor process: which model, for which release, logging where."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from shipway.kernel.errors import ShipwayError, nearest


class ConfigMalformed(ShipwayError):
    """serving.json is missing, no JSON, or not what this version of Shipway writes."""

    code = "serve.config-malformed"


class ArmConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A release beside the live one. buckets: from, up to; config: its own serving.json; url: where a process of its own
    answers, None: the process of the live one.
    """

    name: str
    release: str
    buckets: list[tuple[int, int]]
    config: str
    url: str | None = None


class SplitConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How units are divided among arms; unit: `request`, `header:NAME` or `column:NAME`."""

    salt: str
    unit: str
    arms: list[ArmConfig]


class ServingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """kind "serving", version 1. release and deployment are digests; model is the manifest; paths are absolute.

    key and time name the columns that are logged and never fed to the model; log_directory: None keeps no log. functions_file:
    the modules around the model, where it has some. log_sample: the share of requests that is logged;
    batch_seconds, memory_bytes: what a call of the model may take and this process may hold before it is replaced; split: other
    releases beside this one, where it does not answer alone.
    """

    kind: Literal["serving"]
    version: Literal[1]
    application: str
    environment: str
    release: str
    deployment: str
    arm: str = "live"
    model: dict[str, Any]
    model_file: str
    golden_file: str
    model_name: str
    log_directory: str | None
    functions_file: str | None = None
    log_sample: float = 1.0
    batch_seconds: float = 60.0
    memory_bytes: int | None = None
    usd_per_cpu_hour: float | None = None
    split: SplitConfig | None = None
    key: list[str] = []
    time: str | None = None


def load_config(path: Path) -> ServingConfig:
    """Reads serving.json; raises ConfigMalformed naming the field."""
    mend = "serving.json is written by `shipway serve`; start the predictor through it"
    try:
        record = msgspec.json.decode(path.read_bytes())
        if isinstance(record, dict):
            _refuse_unknown(record, path)
        return msgspec.convert(record, ServingConfig)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as problem:  # ValidationError is a DecodeError
        raise ConfigMalformed(f"cannot read the serving configuration: {problem}", where=str(path), mend=mend) from problem


def _refuse_unknown(record: dict[str, Any], path: Path) -> None:
    known = list(ServingConfig.__struct_fields__)
    for name in record:
        if name not in known:
            near = nearest(name, known)
            mend = f"did you mean {near!r}?" if near else f"known are {', '.join(known)}"
            raise ConfigMalformed(f"unknown field {name!r}", where=str(path), mend=mend)
