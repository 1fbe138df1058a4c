"""What a gateway process is given: one file with the application of a release, the providers, keys, limits and prices."""

from __future__ import annotations

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

_SECRET = re.compile(r"secret://env/([A-Za-z_][A-Za-z0-9_]*)")


def prepare_gateway(store: Store, ref: str, digest: Digest, deployment: JsonObject, release: Digest, *, cache: Path) -> Serving:
    """Write the file of a deployment and give its command. Raises ReleaseMalformed, ObjectDamaged."""
    config = gateway_config(store, digest, deployment, release, cache=cache)
    folder = store.root / "serving" / short(digest)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "gateway.json"
    temporary = file.with_suffix(".tmp")
    temporary.write_bytes(canonical_json(config))
    temporary.replace(file)
    command = (sys.executable, "-m", "shipway.gateway", "--config", str(file))
    return Serving(ref, digest, release, command, workers_of(deployment), secrets=tuple(sorted(set(_secrets(config)))))


def gateway_config(store: Store, digest: Digest, deployment: JsonObject, release: Digest, *, cache: Path) -> JsonObject:
    """The file of a gateway process (kind "gateway", version 1)."""
    settings = cast("Mapping[str, Json]", deployment["gateway"])
    state = store.root / "gateway"
    state.mkdir(parents=True, exist_ok=True)
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
        "keys": settings["keys"],
        "fallback": _fallback(settings, {part.name for part in held}),
        "timeout_seconds": settings["timeout_seconds"],
        "retries": settings["retries"],
        "exact_cache": settings["exact_cache"],
        "semantic_errors": settings["semantic_errors"],
        "budget": settings["budget"],
        "rate_per_minute": settings["rate_per_minute"],
        "ledger_down": settings["ledger_down"],
        "ledger": str(state / "ledger.sqlite"),
        "log_directory": str(store.log_folder("calls")),
        "prices": store.get(cast("Digest", prices), "prices") if prices else None,
        "prices_digest": str(prices or ""),
        "cache_directory": str(cache),
    }


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
