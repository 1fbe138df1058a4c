"""Rebuild: restore a release's code, data and environment into a new folder, run its pipeline again, and compare.

Reads and hashes everything that it restores; caches nothing. The strongest equality that holds is the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from shipway.access import KeyRing, Signer
from shipway.environment import environment_object, parse_lock
from shipway.gate import attest
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.pipeline import Report
from shipway.release._manifest import Component, find_component, load_components
from shipway.release._rebuild_compare import Tolerances
from shipway.release._rebuild_folder import (
    RebuildRefused,
    check_folder,
    check_trees,
    claim_folder,
    copy_components,
    restore_files,
    verify_components,
)
from shipway.release._rebuild_model import ModelRebuild
from shipway.release._rebuild_show import Difference
from shipway.release._rebuilt import Equality, Rebuilt
from shipway.store import Store, open_store, while_working


@while_working
def rebuild_release(
    store: Store,
    release: Digest,
    folder: Path,
    *,
    cache: Path,
    report: Report,
    tolerances: Mapping[str, Mapping[str, float]] | None = None,
    lock: bytes | None = None,
    offline: bool = False,
    keys: KeyRing | None = None,
) -> Rebuilt:
    """Make a release again in a new folder, which keeps `code/`, `data/`, `prompt/`, `index/` and a store of its own.

    tolerances: of each model by name, as its `rebuild:` in the spec says. lock: packages to use instead of the release's own.
    offline: fetch nothing. keys: whose provenance is believed of what data in place were when the model was made. A release
    without a model is restored and read whole; its provider's answers cannot be made again, and `different` says so. Raises
    RebuildRefused (folder not empty, other data in place), ObjectDamaged and ObjectMissing naming the user's file, SourceGone,
    StepFailed, EnvironmentFailed, LockUnpinned, StoreFull.
    """
    check_folder(folder)
    components = load_components(store, release)
    verify_components(store, components, report)
    if keys is not None:
        check_trees(store, keys, components)
    with claim_folder(folder, release, report):
        fresh = open_store(folder, store.project, create=True, clock=store.clock, ids=store.ids)
        try:
            copy_components(store, fresh, release, components, report)
            restore_files(fresh, components, folder)
            if not any(part.kind == "model" for part in components):
                return _read_back(fresh, release, components, folder)
            model = _only_model(components)
            allowed = Tolerances.of((tolerances or {}).get(model.name, {}))
            environment = _environment(fresh, components, lock)
            work = ModelRebuild(store, fresh, components, environment, allowed, cache=cache, report=report)
            return replace(work.run(offline=offline), release=release, folder=folder)
        finally:
            fresh.close()


def attest_rebuild(store: Store, signer: Signer, rebuilt: Rebuilt) -> Digest:
    """Keep the proof as evidence about the release."""
    predicate: JsonObject = {**rebuilt.to_json(), "at": instant(store.clock.now())}
    kind = media.REBUILD_PREDICATE
    return attest(
        store, signer, subject=rebuilt.release, name="release", predicate_type=kind, predicate=predicate, label="rebuild"
    )


def _read_back(fresh: Store, release: Digest, components: tuple[Component, ...], folder: Path) -> Rebuilt:
    """What stands behind a provider's name is not ours to make again; the golden set is asked again instead."""
    prompt = fresh.get(find_component(components, "prompt").digest, "prompt")
    provider = find_component(components, "provider", str(prompt["provider"]))
    model = fresh.get(provider.digest, "provider")["model"]
    what = f"provider {provider.name} (model {model}) is not rebuildable; shipway eval asks it the golden set again"
    return Rebuilt(Equality.LOCKED, release, None, folder, Difference("provider", provider.name, what))


def _only_model(components: tuple[Component, ...]) -> Component:
    """One made again says nothing of another. Raises RebuildRefused for a release of several, which is none of ours."""
    models = [part for part in components if part.kind == "model"]
    if len(models) > 1:
        names = ", ".join(part.name for part in models)
        raise RebuildRefused(f"the release holds the models {names}, and a rebuild makes one", where=models[1].digest)
    return models[0]


def _environment(fresh: Store, components: tuple[Component, ...], lock: bytes | None) -> Digest:
    """The release's environment, or one like it with other packages. Raises LockUnpinned."""
    locked = find_component(components, "environment").digest
    if lock is None:
        return locked
    parse_lock(lock)
    python = str(fresh.get(locked, "environment")["python"])
    return fresh.put(environment_object(lock=fresh.put_bytes(lock, media.TEXT), python=python))
