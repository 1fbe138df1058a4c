"""Where a fine-tuned model comes from: what the spec names becomes what the model object says for good."""

from __future__ import annotations

from collections.abc import Mapping

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.pipeline._made import Origins
from shipway.pipeline._model_rows import ModelRefused
from shipway.spec import ModelSpec, OriginSpec
from shipway.store import Store


def bases_first(models: Mapping[str, ModelSpec], *, where: str | None) -> list[ModelSpec]:
    """The models in an order in which each comes after those of this project that it was made from.

    where: the file that declares them. Raises ModelRefused.
    """
    ordered: dict[str, ModelSpec] = {}
    waiting = dict(models)
    while waiting:
        ready = [name for name, model in waiting.items() if not _refs(model) & {f"model/{other}" for other in waiting}]
        if not ready:
            what = f"the models {', '.join(waiting)} come from one another"
            raise ModelRefused(what, where=where, mend="one of them has to be first: correct base: and adapters:")
        ordered |= {name: waiting.pop(name) for name in ready}
    return list(ordered.values())


def find_origins(store: Store, model: ModelSpec, known: Mapping[str, Digest]) -> Origins:
    """The records of a model's base and adapters. known: refs that this run has made or taken; others are where they are.

    Raises RefMissing, ObjectMissing (a digest that is not in the store).
    """
    base = _record(store, model.base, known) if model.base else None
    return Origins(base, tuple(_record(store, origin, known) for origin in model.adapters))


def _record(store: Store, origin: OriginSpec, known: Mapping[str, Digest]) -> JsonObject:
    if origin.ref:
        return {"name": origin.name, "digest": known.get(origin.ref) or store.resolve(origin.ref)}
    if origin.kept and origin.digest:
        store.get(Digest(origin.digest))
    said = {"name": origin.name, "revision": origin.revision, "digest": origin.digest}
    return {key: value for key, value in said.items() if value}


def _refs(model: ModelSpec) -> set[str]:
    return {origin.ref for origin in (model.base, *model.adapters) if origin and origin.ref}
