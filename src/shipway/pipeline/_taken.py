"""Snapshots of a project's data sets, from files, from queries and of data in place, and their refs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.data import DataMissing, Snapshot, SourceChanged, take_snapshot
from shipway.kernel.digest import Digest
from shipway.pipeline._hands import Hands
from shipway.pipeline._labels import check_branch, label_ref
from shipway.store import Store, while_working

if TYPE_CHECKING:
    from pathlib import Path

    from shipway.data.in_place import Source
    from shipway.data.sql import Address, Query
    from shipway.spec import DataSpec, PlaceSpec, QuerySpec, Spec

_Files = dict[str, Digest]
QUERY = "query"  # state rows: what the snapshot at data/<name> was read with, by the name


@dataclass(frozen=True, slots=True)
class DataTaken:
    """A data set's snapshot and whether its ref moved to it. rows: how many were read of a query; None of files."""

    name: str
    snapshot: Snapshot
    moved: bool
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """How the files that a query gives now differ from those of its snapshot, by path; unchanged: how many do not."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: int


@while_working
def snapshot_data(
    hands: Hands,
    spec: Spec,
    data: DataSpec,
    *,
    report: Callable[[str, int], None] | None = None,
    why: str = "",
    whole: bool = False,
    branch: str | None = None,
) -> DataTaken:
    """Take the snapshot of a data set and point `data/<name>` at it, or `data/<name>@<branch>`.

    whole: read all rows of a query that appends. Raises LabelTaken, DataMissing, DataUnreadable, StoreFull, and of a query
    what take_query raises.
    """
    if data.query is None and data.place is None:
        return snapshot_folder(hands, spec.root / data.path, name=data.name, report=report, why=why, branch=branch)
    rows, ref = None, label_ref(data.name, branch)
    check_branch(hands, ref)
    if data.query:
        from shipway.data.sql import take_query

        address, query = open_query(hands, spec, data, data.query)
        before = None if whole else _before(hands, data, data.query, query, ref)
        taken = take_query(hands.store, address, query, name=data.name, before=before, report=report)
        snapshot, rows = taken.snapshot, taken.rows
    elif data.place:
        from shipway.data.in_place import take_in_place

        snapshot = take_in_place(hands.store, open_place(spec, data.place), name=data.name)
    moved = _point(hands, ref, snapshot, name=data.name, why=why)
    if data.query:
        value = {"snapshot": snapshot.digest, "sql": _sum(query), "from": address.shown}
        known = hands.store.state(QUERY, data.name)
        if known is None or known.value != value:
            hands.store.put_state(QUERY, data.name, value)
    return DataTaken(data.name, snapshot, moved, rows)


@while_working
def snapshot_folder(
    hands: Hands,
    path: Path,
    *,
    name: str,
    report: Callable[[str, int], None] | None = None,
    why: str = "",
    branch: str | None = None,
) -> DataTaken:
    """As snapshot_data, of files that are there. What moves the ref is made ready while a large file is hashed."""
    ref = label_ref(name, branch)
    check_branch(hands, ref)
    snapshot = take_snapshot(hands.store, path, report=report, beside=lambda: _ready(hands))
    return DataTaken(name, snapshot, _point(hands, ref, snapshot, name=name, why=why))


def _ready(hands: Hands) -> None:
    """A tenth of a second of imports and of looks at keys. Raises what opening the keys raises."""
    import rfc8785  # noqa: F401 - for who asks for it next, as the others

    from shipway.gate import move_ref  # noqa: F401
    from shipway.pipeline._contracted import attest_contract  # noqa: F401

    hands.opened  # noqa: B018


def _point(hands: Hands, ref: str, snapshot: Snapshot, *, name: str, why: str) -> bool:
    """Move a ref through its gate, with the verdict of its contract; whether it was elsewhere."""
    from shipway.gate import move_ref
    from shipway.pipeline._contracted import attest_contract

    present = hands.store.ref(ref)
    if present is None or present.digest != snapshot.digest:
        who = hands.store, hands.signer, hands.keys, hands.actor
        attest_contract(*who, name=name, snapshot=snapshot.digest)
    return move_ref(hands.store, hands.keys, hands.actor, ref=ref, target=snapshot.digest, why=why).changed


def measure_changed(hands: Hands, spec: Spec, data: DataSpec) -> Changed:
    """Look again where data come from or are, and compare with `data/<name>`; nothing is kept. Raises as snapshot_data."""
    ref = hands.store.ref(f"data/{data.name}")
    if data.place:
        then, now = _in_place(hands.store, ref.digest if ref else None, open_place(spec, data.place))
    else:
        then, now = _asked(hands, spec, data, ref.digest if ref else None)
    both = then.keys() & now.keys()
    same = {path for path in both if then[path] == now[path]}
    differing = now.keys() - then.keys(), then.keys() - now.keys(), both - same
    added, removed, changed = (tuple(sorted(paths)) for paths in differing)
    return Changed(added, removed, changed, len(same))


def open_place(spec: Spec, place: PlaceSpec) -> Source:
    """Where data in place are. Raises SourceDown, ObjectsAddress."""
    from shipway.data.in_place import open_source, parse_place

    return open_source(parse_place(place.address, version=place.version), root=spec.root)


def _in_place(store: Store, before: Digest | None, source: Source) -> tuple[_Files, _Files]:
    """Files by path, of the snapshot and now. One that was not in place has none of these."""
    from shipway.data import identities, read_in_place

    found = read_in_place(store, before) if before else None
    sides = [identities(one) if one else () for one in (found, source.look())]
    return {file.path: file.digest for file in sides[0]}, {file.path: file.digest for file in sides[1]}


def _asked(hands: Hands, spec: Spec, data: DataSpec, before: Digest | None) -> tuple[_Files, _Files]:
    """As _in_place, of a query that is run for it."""
    from shipway.data import snapshot_files
    from shipway.data.sql import measure_query

    assert data.query is not None, "files are compared by measure_status"
    address, query = open_query(hands, spec, data, data.query)
    past = _before(hands, data, data.query, query, f"data/{data.name}")
    then = {file.path: file.digest for file in snapshot_files(hands.store, before)} if before else {}
    now = measure_query(hands.store, address, query, name=data.name, before=past)
    return then, {file.path: file.digest for file in now}


def open_query(hands: Hands, spec: Spec, data: DataSpec, asked: QuerySpec) -> tuple[Address, Query]:
    """The database and the query of a data set. Raises as open_sql."""
    return open_sql(hands, spec, asked, what=data.name)


def open_sql(hands: Hands, spec: Spec, asked: QuerySpec, *, what: str) -> tuple[Address, Query]:
    """The database and the query that the spec names for `what`. Raises DataMissing, SecretMissing, SourceDown."""
    from shipway.data.sql import Query, parse_address
    from shipway.llm import secret_value

    try:
        text = (spec.root / asked.sql).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        mend = "write it there, or correct the path under `sql`"
        raise DataMissing(f"cannot read the query of {what}", where=str(spec.root / asked.sql), mend=mend) from problem
    place = secret_value(asked.address, hands.environ) if asked.address.startswith("secret://") else asked.address
    return parse_address(place, root=spec.root), Query(text, asked.key, asked.watermark, where=asked.sql)


def _before(hands: Hands, data: DataSpec, asked: QuerySpec, query: Query, name: str) -> Digest | None:
    """The snapshot of a ref to append to. Raises SourceChanged when another query made it."""
    ref = hands.store.ref(name)
    if ref is None or not asked.watermark:
        return None
    known = hands.store.state(QUERY, data.name)
    if known and known.value.get("snapshot") == ref.digest and known.value.get("sql") != _sum(query):
        what = f"the query of {data.name} is not the one whose rows are there, and new rows would be appended to its"
        raise SourceChanged(what, where=asked.sql, mend=f"read all rows: shipway data snapshot {data.name} --whole")
    return ref.digest


def _sum(query: Query) -> str:
    """Of what decides which rows there are; comments and spaces around it do not."""
    return hashlib.sha256(repr((query.text.strip(), query.order)).encode()).hexdigest()
