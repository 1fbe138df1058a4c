"""A change of data: files, rows and columns. Only files that differ are read, and what was found is kept by both digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Descriptor, Digest
from shipway.release._described import Described, Look, counted, cut, listed, object_of
from shipway.release._trees import TreeChange, compare_trees

COMPARED = "compared"  # state rows: rows of two snapshots compared, by both digests and the key


def describe_data(look: Look, source: Digest, target: Digest, name: str = "") -> Described:
    """Files, rows and columns that came, went and changed; name: of the data set, whose contract says what names a row."""
    before, after = (look.store.get(digest, "snapshot") for digest in (source, target))
    if "in_place" in before or "in_place" in after:
        return _in_place(look, source, target)
    change = compare_trees(look.store, *(Descriptor.from_json(record["root"]).digest for record in (before, after)))
    files = {"added": len(change.added), "removed": len(change.removed), "changed": len(change.changed)}
    words = f"{counted(files['added'], 'file')} added, {files['removed']} removed, {files['changed']} changed"
    rows = _rows(look, source, target, change, _key(look, name))
    told = [words, *_row_words(rows), *_column_words(rows)]
    note = (str(rows["note"]),) if rows.get("note") else ()
    return Described("; ".join(told), (*note, *cut(_paths(change), look.lines, noun="file")), {"files": files, **rows})


def _in_place(look: Look, source: Digest, target: Digest) -> Described:
    """Of data in place the files alone: what a description may read is what is in the store."""
    from shipway.data import compare_files, identities, read_in_place, snapshot_files

    sides = []
    for digest in (source, target):
        found = read_in_place(look.store, digest)
        sides.append({file.path: file for file in (identities(found) if found else snapshot_files(look.store, digest))})
    change = compare_files(*sides)
    words = f"{counted(len(change.added), 'file')} added, {len(change.removed)} removed, {len(change.changed)} changed in place"
    lines = [f"+{file.path} {file.size:,} bytes" for file in change.added] + [f"-{file.path}" for file in change.removed]
    lines += [f"{old.path} {old.size:,} -> {new.size:,} bytes" for old, new in change.changed]
    files = {"added": len(change.added), "removed": len(change.removed), "changed": len(change.changed)}
    return Described(words, cut(lines, look.lines, noun="file"), {"files": files})


def _paths(change: TreeChange) -> list[str]:
    lines = [f"+{file.path} {file.size:,} bytes" for file in change.added]
    lines += [f"-{file.path}" for file in change.removed]
    return lines + [f"{old.path} {old.size:,} -> {new.size:,} bytes" for old, new in change.changed]


def _key(look: Look, name: str) -> tuple[str, ...]:
    """The columns that name a row: the first that the contract in force says are unique together."""
    from shipway.gate import policy_in_force

    contract = policy_in_force(look.store).contracts.get(name) if name else None
    unique = look.store.get(contract, "contract").get("unique") if contract else None
    first = unique[0] if isinstance(unique, list) and unique else []
    return tuple(str(column) for column in first) if isinstance(first, list) else ()


def _rows(look: Look, source: Digest, target: Digest, change: TreeChange, key: Sequence[str]) -> JsonObject:
    """The rows as they were compared before, or compared now and kept."""
    store, place = look.store, f"{source}..{target}" + "".join(f"+{column}" for column in key)
    known = store.state(COMPARED, place)
    if known and known.value.get("version") == 1:
        return object_of(known.value["rows"])
    from shipway.data import compare_rows

    found = compare_rows(store, change.only(source=True), change.only(source=False), key=key)
    columns: list[Json] = [{"name": column.name, "from": column.source, "to": column.target} for column in found.columns]
    rows: JsonObject = {
        "before": found.before,
        "after": found.after,
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "key": list(found.key),
        "columns": columns,
        "note": found.note,
    }
    store.put_state(COMPARED, place, {"version": 1, "rows": rows})
    return rows


def _row_words(rows: JsonObject) -> list[str]:
    numbers = {name: rows.get(name) for name in ("before", "after", "added", "removed", "changed")}
    if numbers["added"] is None:
        return [] if numbers["before"] is None else [f"{numbers['before']:,} -> {numbers['after']:,} rows in them"]
    changed = f", {numbers['changed']:,} changed" if numbers["changed"] is not None else ""
    key = cast("list[str]", rows.get("key") or [])
    by = f" by {', '.join(key)}" if key else ""
    added, removed = cast("int", numbers["added"]), cast("int", numbers["removed"])
    return [f"{counted(added, 'row')} added, {removed:,} removed{changed}{by}"]


def _column_words(rows: JsonObject) -> list[str]:
    words = []
    for column in cast("list[Mapping[str, str | None]]", rows.get("columns") or []):
        old, new = column["from"], column["to"]
        words.append(f"+{column['name']} {new}" if old is None else f"-{column['name']}" if new is None else
                     f"{column['name']} {old} -> {new}")  # fmt: skip
    return [f"columns {listed(words)}"] if words else []


def describe_profile(look: Look, source: Digest, target: Digest) -> Described:
    """Rows of the reference, and the columns that came and went."""
    before, after = (look.store.get(digest, "profile") for digest in (source, target))
    words = [] if before["rows"] == after["rows"] else [f"{before['rows']:,} -> {after['rows']:,} rows of reference"]
    old, new = (object_of(record["columns"]) for record in (before, after))
    words += [f"+{name}" for name in sorted(new.keys() - old.keys())] + [f"-{name}" for name in sorted(old.keys() - new.keys())]
    moved = sum(1 for name in old.keys() & new.keys() if old[name] != new[name])
    words += [f"{counted(moved, 'column')} distributed otherwise"] if moved else []
    words += [f"{key} distributed otherwise" for key in ("score", "outcomes") if before.get(key) != after.get(key)]
    return Described(listed(words), (), {"columns": moved + len(old.keys() ^ new.keys())})
