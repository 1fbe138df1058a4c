"""Models that are made already: what determines one is named by a digest, and of the same a model is not made again.

As with steps, a row of state is believed only while the bytes that it names are in the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.digest import Descriptor, Digest, digest_bytes, parse_digest
from shipway.pipeline._functions import TakenFunctions
from shipway.pipeline._model_rows import ModelDeclared
from shipway.store import ObjectDamaged, ObjectMissing, Store

STATE_KIND = "modelled"


@dataclass(frozen=True, slots=True)
class ModelMade:
    """The model and its reference profile as objects; `scores` is the scored reference (Parquet) of `rows` rows."""

    model: Digest
    profile: Digest
    scores: Descriptor
    rows: int


@dataclass(frozen=True, slots=True)
class Origins:
    """Of a fine-tuned model, the records of its base model and its adapters as the model object holds them."""

    base: JsonObject | None = None
    adapters: tuple[JsonObject, ...] = ()


def model_key(
    model: ModelDeclared,
    *,
    file: Descriptor,
    reference: Descriptor,
    environment: Digest,
    overlay: Path,
    origins: Origins,
    functions: TakenFunctions | None = None,
    onnx: float | None = None,
    allow_pickle: bool = False,
) -> Digest:
    """The digest of `{"kind":"model-action","version":1,...}`: the values of both steps, what is declared, and who asks them.

    The overlay is named by its content, which is this Shipway's source: another one asks the golden rows itself.
    """
    declared: JsonObject = {"step": model.step, "reference": model.reference, "target": model.target}
    texts: JsonObject = {"texts": list(model.texts)} if model.texts else {}
    record: JsonObject = {
        "kind": "model-action", "version": 1, "file": file.digest, "reference": reference.digest,
        "declared": {**declared, "key": list(model.key), "time": model.time, **texts},
        "base": cast("Json", origins.base), "adapters": list(origins.adapters),
        "environment": environment, "overlay": overlay.name, **({"functions": functions.to_json()} if functions else {}),
        **({"onnx": onnx} if onnx is not None else {}), **({"allow_pickle": True} if allow_pickle else {}),
    }  # fmt: skip
    return digest_bytes(canonical_json(record))


def find_made(store: Store, key: Digest) -> ModelMade | None:
    """The model that was made of the same, unless something of it is gone."""
    row = store.state(STATE_KIND, key)
    if row is None:
        return None
    value = row.value
    model, profile = (parse_digest(str(value[name])) for name in ("model", "profile"))
    made = ModelMade(model, profile, Descriptor.from_json(value["scores"]), int(cast("int", value["rows"])))
    try:
        manifest, _ = store.get(model, "model"), store.get(profile, "profile")
    except (ObjectMissing, ObjectDamaged):
        return None
    leaves = [Descriptor.from_json(manifest["file"]), Descriptor.from_json(manifest["golden"]), made.scores]
    if isinstance(own := manifest.get("functions"), Mapping):
        leaves.append(Descriptor.from_json(own["source"]))
    if isinstance(converted := manifest.get("onnx"), Mapping):
        leaves.append(Descriptor.from_json(converted["file"]))
    return made if all(store.objects.keeps(leaf.digest, leaf.size) for leaf in leaves) else None


def record_made(store: Store, key: Digest, made: ModelMade) -> None:
    """Remember a model that is in the store."""
    value: JsonObject = {"model": made.model, "profile": made.profile, "scores": made.scores.to_json(), "rows": made.rows}
    store.put_state(STATE_KIND, key, value)
