"""The data sets of a project as a list shows them: what stands, what waits at its gate, which branches and tags there are."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.release._review import waiting_at
from shipway.store import Store


@dataclass(frozen=True, slots=True)
class DataSet:
    """One data set. digest: what stands, None before anything did; files, bytes: of it, None where it is not in this store.

    when, who, why: of its newest move. waits: what its gate refused since. branches: branches and tags of it.
    """

    name: str
    digest: Digest | None
    files: int | None
    bytes: int | None
    when: datetime | None
    who: str
    why: str
    waits: Digest | None
    branches: tuple[str, ...]

    def to_json(self) -> JsonObject:
        return {
            "name": self.name,
            "digest": self.digest,
            "files": self.files,
            "bytes": self.bytes,
            "when": instant(self.when) if self.when else None,
            "who": self.who,
            "why": self.why,
            "waits": self.waits,
            "branches": list(self.branches),
        }


def list_data(store: Store, known: tuple[str, ...] = ()) -> tuple[DataSet, ...]:
    """Every data set that a ref `data/NAME` is of, or that `known` names, by name; a few reads of an index each."""
    branches: dict[str, list[str]] = {name: [] for name in known}
    for ref in store.refs("data/"):
        name, _, branch = ref.name.removeprefix("data/").partition("@")
        branches.setdefault(name, []).extend([branch] if branch else [])
    return tuple(_data_set(store, name, tuple(branches[name])) for name in sorted(branches))


def _data_set(store: Store, name: str, branches: tuple[str, ...]) -> DataSet:
    present, waits = store.ref(f"data/{name}"), waiting_at(store, f"data/{name}")
    record = next(iter(store.lives(f"data/{name}", limit=1)), None)
    value: JsonObject = {}
    with suppress(ShipwayError):  # an object that is gone or damaged: its line is there all the same
        value = store.get(present.digest) if present else {}
    files, size = value.get("files"), value.get("bytes")
    return DataSet(
        name=name,
        digest=present.digest if present else None,
        files=files if isinstance(files, int) else None,
        bytes=size if isinstance(size, int) else None,
        when=record.at if record else None,
        who=record.actor if record else "",
        why=record.why if record else "",
        waits=waits,
        branches=branches,
    )
