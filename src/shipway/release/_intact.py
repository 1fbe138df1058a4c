"""Whether a release can still be served: looked at before a deployment is moved to it."""

from __future__ import annotations

from collections.abc import Iterable

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor, Digest, DigestMalformed
from shipway.kernel.errors import ShipwayError
from shipway.release._manifest import Component, load_components, reach
from shipway.store import Store

_SERVED = frozenset({"model", "environment"})  # what a predictor loads; the rest is needed to rebuild
_SEARCHED = ("members", "vectors")  # what a gateway reads of an index; its corpus is needed to sync and to rebuild


class ReleaseDamaged(ShipwayError):
    """A part of the release that serving needs is missing or not as it was."""

    code = "release.damaged"


def check_intact(store: Store, release: Digest) -> None:
    """Read and hash what a predictor or a gateway would load; of the rest, the objects alone. Raises ReleaseDamaged,
    ObjectDamaged.

    Data are not read: they are gigabytes, and a rollback has to be done in a second. `shipway rebuild` reads all of it.
    """
    for component in load_components(store, release):
        record = store.get(component.digest)
        if component.kind in _SERVED:
            _check_leaves(store, component, reach(store, component.digest))
        if component.kind == "index":
            _check_leaves(store, component, _searched(component, record))


def _searched(component: Component, record: JsonObject) -> list[Descriptor]:
    try:
        return [Descriptor.from_json(record.get(leaf)) for leaf in _SEARCHED]
    except DigestMalformed as problem:
        what = f"the index {component.name} of the release lacks what is searched: {problem.what}"
        raise ReleaseDamaged(what, where=component.digest, mend="shipway rag sync, then shipway release") from problem


def _check_leaves(store: Store, component: Component, leaves: Iterable[Descriptor]) -> None:
    for leaf in leaves:
        try:
            store.objects.verify(leaf.digest)
        except ShipwayError as problem:
            what = f"the {component.kind} {component.name} of the release is damaged: {problem.what}"
            raise ReleaseDamaged(
                what, where=problem.where, mend="name another release, or restore the file from a backup"
            ) from problem
