"""The folder of a rebuild: claimed by one at a time, begun again when it was interrupted, and filled from the store."""

from __future__ import annotations

import errno
import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from shipway.access import KeyRing
from shipway.data import BROUGHT, brought_root, verify_snapshot
from shipway.data.in_place import bring_files
from shipway.gate import load_evidence
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor, Digest, parse_digest, short
from shipway.kernel.errors import ShipwayError
from shipway.pipeline import Report, checkout_tree
from shipway.release._describe_llm import prompt_lines
from shipway.release._manifest import Component, is_plain, reach
from shipway.store import FOLDER, ObjectDamaged, ObjectMissing, Store, StoreFull

_MARKER = ".rebuilding"  # holds the release, and the lock of whoever is at work; removed at the end
_OURS = (FOLDER, "code", "data", "prompt", "index")


class RebuildRefused(ShipwayError):
    """The folder for the rebuild is in use, or a part of the release is not as it was made."""

    code = "release.rebuild-refused"


@contextmanager
def claim_folder(folder: Path, release: Digest, report: Report) -> Iterator[None]:
    """The folder for a rebuild of this release, empty; what an interrupted one of the same release left is removed.

    Raises RebuildRefused (somebody's files, another release's leftovers, another rebuild at work), StoreFull.
    """
    check_folder(folder)
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / _MARKER, "a+") as marker:
            _take(marker, folder, release, report)
            yield
            (folder / _MARKER).unlink()


def check_folder(folder: Path) -> None:
    """Raises RebuildRefused for a folder with anything in it that no interrupted rebuild has left."""
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if found - {_MARKER, *_OURS} or (found and _MARKER not in found) or folder.is_file():
        raise RebuildRefused(f"{folder} is not empty", where=str(folder), mend="name a new folder")


def verify_components(store: Store, components: tuple[Component, ...], report: Report) -> None:
    """Every byte, before anything is made of it; damage is told with the name that a user knows."""
    report.note(f"reading {len(components)} components")
    for component in components:
        if not is_plain(component.name):
            what = f"a {component.kind} named {component.name[:60]!r} has no place in the folder"
            raise RebuildRefused(what, where=component.digest, mend="do not trust whoever made this release")
        if component.kind == "data":
            came = bring_files(store, component.digest)
            if came and came.files:
                report.note(f"brought {came.files:,} files of {component.name} from where they are in place")
            verify_snapshot(store, component.digest, name=component.name)
            continue
        try:
            store.get(component.digest)
            for leaf in _leaves(store, component):
                store.objects.verify(leaf.digest)
        except (ObjectDamaged, ObjectMissing) as problem:
            name = f"{component.kind} {component.name}".rstrip()
            raise RebuildRefused(f"the {name} is damaged: {problem.what}", where=problem.where, mend=problem.mend) from problem


def check_trees(store: Store, keys: KeyRing, components: tuple[Component, ...]) -> None:
    """Data in place are the bytes that the run of the model was given, as its provenance says. Raises RebuildRefused."""
    models = [component.digest for component in components if component.kind == "model"]
    runs = [run for model in models for run in load_evidence(store, keys, model, predicate=media.PROVENANCE_PREDICATE)]
    for component in components:
        row = store.state(BROUGHT, component.digest) if component.kind == "data" else None
        told = {tree for run in runs if (tree := tree_of(run.predicate, component.name, component.digest))}
        if row and told and row.value["root"] not in told:
            what = f"the data {component.name} are in place, and are not the bytes any more that the model was made from"
            mend = "restore them there; who changed bytes under one version, or one ETag, has to be found"
            raise RebuildRefused(what, where=component.digest, mend=mend)


def tree_of(provenance: JsonObject, name: str, snapshot: Digest) -> str | None:
    """The tree of a snapshot of data in place that a run was given; None where its provenance tells none."""
    definition = provenance.get("buildDefinition")
    resolved = definition.get("resolvedDependencies") if isinstance(definition, Mapping) else None
    for entry in resolved if isinstance(resolved, list) else ():
        if isinstance(entry, Mapping) and entry.get("name") == f"data/{name}":
            digest, notes = entry.get("digest"), entry.get("annotations")
            held = isinstance(digest, Mapping) and digest.get("sha256") == snapshot.removeprefix("sha256:")
            tree = notes.get("tree") if held and isinstance(notes, Mapping) else None
            return tree if isinstance(tree, str) else None
    return None


def copy_components(store: Store, fresh: Store, release: Digest, components: tuple[Component, ...], report: Report) -> None:
    """Objects and their blobs into the rebuild's own store, where every step has to be run again."""
    fresh.objects.put(store.objects.get(release))
    blobs: dict[Digest, int] = {}
    for component in components:
        fresh.objects.put(store.objects.get(component.digest))
        blobs |= {leaf.digest: leaf.size for leaf in _leaves(store, component)}
        if component.kind == "data" and (row := store.state(BROUGHT, component.digest)):
            blobs |= _brought(store, parse_digest(str(row.value["root"])))
            fresh.put_state(BROUGHT, component.digest, row.value)
    report.note(f"copying {len(blobs):,} files, {sum(blobs.values()) / 1e6:,.1f} MB")
    for digest in blobs:
        fresh.objects.put_file(store.objects.path(digest))


def _brought(store: Store, root: Digest) -> dict[Digest, int]:
    """The folders and files of data in place, as they were brought: the runs of the rebuild are given the same bytes."""
    folders = {node: len(data) for node, data in store.tree_nodes(root)}
    return folders | {file.digest: file.size for file in store.tree(root)}


def _leaves(store: Store, component: Component) -> Iterator[Descriptor]:
    """What a rebuild needs; of a pipeline nothing: what its steps made is made again, and did not come with a bundle."""
    return iter(()) if component.kind == "pipeline" else reach(store, component.digest)


def restore_files(fresh: Store, components: tuple[Component, ...], folder: Path) -> None:
    """The files as a person knows them, beside the store."""
    for component in components:
        if component.kind in ("code", "data"):
            record = fresh.get(component.digest)
            kept = brought_root(fresh, component.digest, record) if "in_place" in record else None
            checkout_tree(fresh, kept or Descriptor.from_json(record["root"]).digest, folder / component.kind / component.name)
        if component.kind == "index":
            corpus = Descriptor.from_json(fresh.get(component.digest)["corpus"]).digest
            checkout_tree(fresh, corpus, folder / "index" / component.name)
        if component.kind == "prompt":
            (folder / "prompt").mkdir(exist_ok=True)
            lines = prompt_lines(fresh.get(component.digest, "prompt"))
            (folder / "prompt" / f"{component.name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _take(marker: IO[str], folder: Path, release: Digest, report: Report) -> None:
    try:
        fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RebuildRefused(
            "another rebuild is at work in this folder", where=str(folder), mend="wait for it, or name a new folder"
        ) from None
    marker.seek(0)
    left = marker.read().strip()
    if left and left != release:
        raise RebuildRefused(
            f"{folder} holds an unfinished rebuild of {short(left)}", where=str(folder), mend="remove it, or name a new folder"
        )
    if left:
        report.note("an earlier rebuild was interrupted here: beginning again")
    for name in _OURS:
        shutil.rmtree(folder / name, ignore_errors=True)
    marker.truncate(0)
    marker.write(release)
    marker.flush()


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """A full disk, as an error of ours: running it again in the same folder begins again."""
    try:
        yield
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise StoreFull(
            "no room left for the rebuild", where=str(folder), mend="free some space and run it again in the same folder"
        ) from problem
