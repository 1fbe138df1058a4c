"""What a gateway process is given: one file with the application of a release, the providers, keys, limits and prices."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.digest import Digest, short
from shipway.operate._answering import parts_of
from shipway.operate._serve import Serving
from shipway.release import load_components, workers_of
from shipway.store import Store

READY_SECONDS = 130.0  # a model that it serves itself may take 120
DRAIN_SECONDS = 65.0  # it gives a long answer 60
_SECRET = re.compile(r"secret://env/([A-Za-z_][A-Za-z0-9_]*)")


def prepare_gateway(store: Store, ref: str, digest: Digest, deployment: JsonObject, release: Digest, *, cache: Path) -> Serving:
    """Write the file of a deployment and give its command. Raises ReleaseMalformed, ObjectDamaged."""
    config = gateway_config(store, digest, deployment, release, cache=cache)
    folder = store.root / "serving" / short(digest)
    folder.mkdir(parents=True, exist_ok=True)
    file = write_private(folder / "gateway.json", canonical_json(config))
    command = (sys.executable, "-m", "shipway.gateway", "--config", str(file))
    secrets = tuple(sorted({*_secrets(config), *store.objects.variables}))
    return Serving(ref, digest, release, command, workers_of(deployment), secrets, READY_SECONDS, DRAIN_SECONDS)


def private_folder(path: Path) -> Path:
    """A folder that its owner alone looks into, also when it was made for more people before."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)
    return path


def write_private(path: Path, data: bytes) -> Path:
    """The file as a whole or not at all, for its owner alone."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as out:
        out.write(data)
    return temporary.replace(path)


def gateway_config(store: Store, digest: Digest, deployment: JsonObject, release: Digest, *, cache: Path) -> JsonObject:
    """The file of a gateway process (kind "gateway", version 1)."""
    settings = cast("Mapping[str, Json]", deployment["gateway"])
    state = private_folder(store.root / "gateway")
    workers = workers_of(deployment)
    prices = settings["prices"]
    keys = cast("Mapping[str, str]", settings["provider_keys"])
    held = [part for part in load_components(store, release) if part.kind == "provider"]
    answering: list[Json] = [
        {"name": part.name, "object": store.get(part.digest, "provider"), "key": keys.get(part.name), "url": ""}
        for part in held
    ]
    return {
        "kind": "gateway",
        "version": 1,
        "state_directory": str(state),
        "applications": [_application(store, str(deployment["application"]), digest, release, settings)],
        "providers": [*answering, *_embedding(store, release, settings, {part.name for part in held})],
        "keys": [_shared(key, workers) for key in cast("list[Mapping[str, Json]]", settings["keys"])],
        "fallback": _fallback(settings, {part.name for part in held}),
        "timeout_seconds": settings["timeout_seconds"],
        "retries": settings["retries"],
        "exact_cache": settings["exact_cache"],
        "semantic_errors": settings["semantic_errors"],
        "budget": settings["budget"],
        "rate_per_minute": _shared(settings, workers)["rate_per_minute"],
        "ledger_down": settings["ledger_down"],
        "ledger": str(state / "ledger.sqlite"),
        "log_directory": str(store.log_folder("calls")),
        "prices": store.get(cast("Digest", prices), "prices") if prices else None,
        "prices_digest": str(prices or ""),
        "cache_directory": str(cache),
    }


def _shared(limited: Mapping[str, Json], workers: int) -> dict[str, Json]:
    """The same with the part of its rate that one of several processes may let through: they count each for itself."""
    rate = cast("float | None", limited["rate_per_minute"])
    return {**limited, "rate_per_minute": rate if rate is None or workers == 1 else max(1.0, rate / workers)}


def _fallback(settings: Mapping[str, Json], held: set[str]) -> dict[str, Json]:
    """The fallbacks whose providers this release holds: the settings are of the whole spec, and may be newer than it."""
    wanted = cast("Mapping[str, list[str]]", settings["fallback"])
    return {name: [other for other in others if other in held] for name, others in wanted.items() if name in held}


def _embedding(store: Store, release: Digest, settings: Mapping[str, Json], held: set[str]) -> Iterator[Json]:
    """The provider that embeds the questions, with its key, where the release's index has one and it is not there already."""
    parts = parts_of(store, release)
    if parts.index is None:
        return
    record = cast("Mapping[str, Json]", store.get(parts.index, "index")["embedder"])
    sources = cast("Mapping[str, Mapping[str, Json]]", settings["sources"])
    name = str(sources.get(parts.index_name or "", {}).get("embedder") or record["name"])
    if record["provider"] is not None and name not in held:
        keys = cast("Mapping[str, str]", settings["provider_keys"])
        yield {"name": name, "object": record["provider"], "key": keys.get(name), "url": ""}


def _application(store: Store, name: str, digest: Digest, release: Digest, settings: Mapping[str, Json]) -> dict[str, Json]:
    parts = parts_of(store, release)
    sources = cast("Mapping[str, Mapping[str, Json]]", settings["sources"])
    source = sources.get(parts.index_name or "", {})
    return {
        "name": name,
        "release": release,
        "deployment": digest,
        "prompt": store.get(parts.prompt, "prompt"),
        "provider": store.get(parts.provider, "provider"),
        "provider_name": parts.provider_name,
        "index": parts.index,
        "index_object": store.get(parts.index, "index") if parts.index else None,
        "passages": parts.passages or 1,
        "store_root": str(store.root.parent),
        "project": store.project,
        "backend": {"store": source.get("store", "local"), "url": source.get("url")},
    }


def _secrets(value: Json) -> Iterator[str]:
    """The names of the variables that the file refers to: the process gets these and no others."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _secrets(item)
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item)
    elif isinstance(value, str) and (match := _SECRET.fullmatch(value)):
        yield match[1]
