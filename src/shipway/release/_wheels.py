"""The wheels of a release: kept with it, so that it is rebuilt and served where no package index is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from shipway.environment import collect_wheels, keep_files, kept_wheels, overlay_lock, register_wheels
from shipway.kernel import media
from shipway.kernel.digest import Descriptor, Digest, digest_bytes
from shipway.release._manifest import load_components, reach
from shipway.store import Store

WHEELS = media.media_type("wheels")


def keep_wheels(store: Store, release: Digest, *, cache: Path, report: Callable[[str], None]) -> tuple[Descriptor, ...]:
    """Keep every wheel that this platform needs for a release's environment and for serving its model.

    Returns the wheels objects (media type WHEELS), each followed by the wheels that it names: all that a bundle has to carry;
    nothing for a release without an environment. What the store has is not fetched. Raises WheelMissing, EnvironmentFailed.
    """
    found: list[Descriptor] = []
    for component in load_components(store, release):
        if component.kind != "environment":
            continue
        value = store.get(component.digest, "environment")
        python = str(value["python"])
        for lock in (store.objects.get(Descriptor.from_json(value["lock"]).digest), overlay_lock()):
            wheels = kept_wheels(store, digest_bytes(lock), python=python) or _collect(
                store, lock, python=python, cache=cache, report=report
            )
            found += [store.descriptor(wheels, WHEELS), *reach(store, wheels)]
    return tuple(found)


def restore_wheels(store: Store, descriptors: Iterable[Descriptor]) -> int:
    """Make wheels known that a bundle brought: how many wheels objects were among these descriptors.

    Their blobs must be in the store. Raises WheelsMalformed, ObjectMissing, ObjectDamaged.
    """
    digests = [descriptor.digest for descriptor in descriptors if descriptor.media_type == WHEELS]
    register_wheels(store, digests)
    return len(digests)


def _collect(store: Store, lock: bytes, *, python: str, cache: Path, report: Callable[[str], None]) -> Digest:
    """What is fetched stays in the cache until the store has all of it, so that an interrupted call goes on."""

    def known(digest: Digest) -> Path | None:
        path = store.objects.path(digest)
        return path if path.is_file() else None

    files = collect_wheels(lock, cache / "wheels", python=python, report=report, known=known)
    wheels = keep_files(store, lock, files, python=python)
    for file in files:
        file.unlink(missing_ok=True)
    return wheels
