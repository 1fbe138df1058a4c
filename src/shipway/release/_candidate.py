"""The candidate: a release made from what the component refs name now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from shipway.access import Actor, KeyRing
from shipway.gate import move_ref
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest, parse_digest, short
from shipway.pipeline import MADE
from shipway.release._answering import NothingToRelease, Weights, answers_prompt, components_of_prompt
from shipway.release._manifest import Component, put_release
from shipway.spec import DeploySpec, Spec
from shipway.store import Store, while_working


@dataclass(frozen=True, slots=True)
class Candidate:
    """A release that was made, the ref that names it, and remarks for the person who made it."""

    ref: str
    release: Digest
    components: tuple[Component, ...]
    notes: tuple[str, ...]


@while_working
def make_release(
    store: Store,
    keys: KeyRing,
    actor: Actor,
    spec: Spec,
    deploy: DeploySpec,
    *,
    weights: Weights | None = None,
    why: str = "",
) -> Candidate:
    """Lock the components of an application into a release and point `release/<application>` at it.

    Data, code and environment are those that made the model, not what their refs name by now. weights: asked for the digest
    of each local provider's weights, which are left open without it. Raises NothingToRelease.
    """
    components = _components(store, spec, deploy, weights)
    release = put_release(store, components)
    ref = f"release/{deploy.application}"
    move_ref(store, keys, actor, ref=ref, target=release, why=why)
    return Candidate(ref, release, tuple(components), tuple(_moved_since(store, components)))


def lock_release(store: Store, spec: Spec, deploy: DeploySpec, *, weights: Weights | None = None) -> Digest:
    """The release that make_release would make now; no ref moves. Raises NothingToRelease."""
    return put_release(store, _components(store, spec, deploy, weights))


def _components(store: Store, spec: Spec, deploy: DeploySpec, weights: Weights | None) -> list[Component]:
    if answers_prompt(spec, deploy):
        found = components_of_prompt(store, spec, deploy, weights)
        models = [name for name in spec.models if f"model/{name}" in deploy.uses]  # beside a prompt only when asked for
    else:
        found, models = set(), _models(spec, deploy)
    if len(models) > 1:  # a predictor answers for one, and so do check and rebuild
        names = ", ".join(models)
        raise NothingToRelease(f"{deploy.name} would hold {names}, and takes one model as yet", mend=f"uses: [{models[0]}]")
    return sorted(found.union(*(_components_of(store, name) for name in models)))


def _models(spec: Spec, deploy: DeploySpec) -> list[str]:
    models = [name for name in spec.models if not deploy.uses or f"model/{name}" in deploy.uses or name in deploy.uses]
    if not models:
        raise NothingToRelease(f"{deploy.name} has no model", where=str(spec.path), mend="add it under models:")
    return models


def _components_of(store: Store, name: str) -> set[Component]:
    ref = store.ref(f"model/{name}")
    made = store.state(MADE, ref.digest) if ref else None
    if ref is None or made is None:
        raise NothingToRelease(f"there is no model {name} yet", where=f"model/{name}", mend="shipway run")
    value: JsonObject = made.value
    single = {kind: parse_digest(str(value[kind])) for kind in ("code", "environment", "pipeline", "profile")}
    data = cast("Mapping[str, Json]", value["data"])
    return {
        Component("model", name, ref.digest),
        *(Component(kind, name, single[kind]) for kind in ("pipeline", "profile")),
        *(Component(kind, "", single[kind]) for kind in ("code", "environment")),
        *(Component("data", key, parse_digest(str(digest))) for key, digest in data.items()),
    }


def _moved_since(store: Store, components: list[Component]) -> list[str]:
    """Data refs that moved after the model was made from an older snapshot."""
    notes = []
    for component in (c for c in components if c.kind == "data"):
        ref = store.ref(f"data/{component.name}")
        if ref and ref.digest != component.digest:
            notes.append(
                f"data/{component.name} is at {short(ref.digest)} by now; the model was made from {short(component.digest)}"
            )
    return notes
