"""Wheels in the store: an environment is made from them, without an index, on every machine of their platform."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from shipway.environment._lock import lock_hashes
from shipway.environment._overlay import overlay_lock
from shipway.environment._wheels import is_wheel_name, platform_tag
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Descriptor, Digest, digest_bytes, parse_digest
from shipway.kernel.errors import ShipwayError
from shipway.store import Store

_AGAIN = "import the bundle again, or one of somebody you trust"
KEPT = "wheels"  # state rows: the wheels objects of a lock by platform, by the lock's digest


class WheelsMalformed(ShipwayError):
    """A wheels object names files that no wheel can have, or lacks what it promises."""

    code = "environment.wheels-malformed"


def keep_files(store: Store, lock: bytes, files: Sequence[Path], *, python: str) -> Digest:
    """Keep these wheels of a lock for this platform as blobs, an object that names them, and the row that finds it."""
    found = {path.name: store.put_file(path, media.WHEEL) for path in files}
    digest = store.put(wheels_object(digest_bytes(lock), platform=platform_tag(python), files=found))
    register_wheels(store, [digest])
    return digest


def wheels_object(lock: Digest, *, platform: str, files: Mapping[str, Descriptor]) -> JsonObject:
    """Which files, by name, one platform installs for a lock."""
    entries: list[JsonObject] = [{"name": name, "data": files[name].to_json()} for name in sorted(files)]
    return {"kind": "wheels", "version": 1, "lock": lock, "platform": platform, "files": entries}


def register_wheels(store: Store, wheels: Iterable[Digest]) -> None:
    """Make wheels objects known that came from elsewhere. Raises WheelsMalformed, ObjectMissing, ObjectDamaged."""
    for digest in wheels:
        value = store.get(digest, "wheels")
        lock, files = parse_digest(str(value["lock"])), _files(value)
        allowed = _allowed(store, lock)
        for name, data in files.items():
            if allowed is not None and data.digest not in allowed:
                raise WheelsMalformed(f"the wheel {name} is not in the lock that it is for", where=digest, mend=_AGAIN)
            if not store.objects.keeps(data.digest, data.size):
                raise WheelsMalformed(f"the wheel {name} is not in the store", where=digest, mend=_AGAIN)
        row = store.state(KEPT, lock)
        known = cast("Mapping[str, Json]", row.value["platforms"]) if row else {}
        if known.get(str(value["platform"])) != digest:
            store.put_state(KEPT, lock, {"platforms": {**known, str(value["platform"]): digest}})


def _allowed(store: Store, lock: Digest) -> frozenset[Digest] | None:
    """What a lock lets in; None for one that is not here yet. uv asks the lock again when it installs."""
    if lock == digest_bytes(overlay_lock()):
        return lock_hashes(overlay_lock())
    return lock_hashes(store.objects.get(lock)) if store.objects.has(lock) else None


def kept_wheels(store: Store, lock: Digest, *, python: str) -> Digest | None:
    """The wheels object of a lock for this platform, None when the store has none."""
    row = store.state(KEPT, lock)
    platforms = cast("Mapping[str, Json]", row.value["platforms"]) if row else {}
    found = platforms.get(platform_tag(python))
    return parse_digest(str(found)) if found else None


@contextmanager
def lay_out_wheels(store: Store, wheels: Digest | None) -> Iterator[Path | None]:
    """A folder of these wheels under their names, read and hashed, for as long as it is needed; None gives None."""
    if wheels is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="shipway-wheels-") as folder:
        for name, data in _files(store.get(wheels, "wheels")).items():
            (Path(folder) / name).symlink_to(store.objects.verify(data.digest, name=f"the wheel {name}"))
        yield Path(folder)


def _files(value: JsonObject) -> dict[str, Descriptor]:
    """By name; it may come from somebody else, and a name must not climb out of the folder that it is laid out in."""
    files = value.get("files")
    if not isinstance(files, list) or not isinstance(value.get("lock"), str) or not isinstance(value.get("platform"), str):
        raise WheelsMalformed("a wheels object says which lock and platform its files are for")
    found = {}
    for entry in files:
        name = str(entry.get("name")) if isinstance(entry, Mapping) else ""
        if not is_wheel_name(name):
            raise WheelsMalformed(f"{name[:120]!r} is not the name of a wheel")
        found[name] = Descriptor.from_json(cast("JsonObject", entry).get("data"))
    return found
