"""Small tables of a log become large ones: thirty-two of one level make one of the next.

Readers are never stopped. `merged.json` beside the tables says which tables a merged one stands for, and changes as a whole;
one that has been replaced stays for an hour, for those who listed it before. Killed anywhere, the next call goes on. The one
process that compacts merges. Where a team's objects are in a bucket nobody does: tables are what is shared there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from shipway.kernel.digest import digest_bytes
from shipway.monitor._schema import column_notes, read_column_notes
from shipway.monitor._tables import MERGED, Merges, list_tables, read_merges, sync_folder, table_folder, write_table
from shipway.store import Store

TOGETHER = 32
_MOST_BYTES = 64 << 20  # of all that become one: bounds memory
_STAYS = timedelta(hours=1)  # what a reader has listed can be opened so long
_LEVEL = re.compile(r"\.m([0-9]+)-[0-9a-f]{12}\.parquet$")


class _Group(NamedTuple):
    level: int
    schema: tuple[tuple[str, str], ...]


def merge_tables(store: Store, stream: str, *, now: datetime) -> int:
    """One merge of a log, if there is enough for one; how many tables it took. Puts away what earlier ones have replaced."""
    if store.objects.bucket is not None:
        return 0
    folder = table_folder(store, stream)
    merges = _tidied(folder, read_merges(folder), now)
    waits = {f"{path.stem}.parquet" for path in (folder.parent / "unread").glob("*.seg")}  # may be taken again, whole then
    found = [path for path in list_tables(store, stream) if path.name not in waits]
    if len(found) < TOGETHER or not (taken := _enough(found)):
        return 0
    level = 1 + max(_level(path) for path in taken)
    names = [path.name for path in taken]
    name = f"{taken[0].name.partition('.')[0]}.m{level}-{digest_bytes(msgspec.json.encode(names))[7:19]}.parquet"
    _write(folder, msgspec.structs.replace(merges, pending=[name]))
    whole = pl.concat([pl.read_parquet(path, glob=False, hive_partitioning=False) for path in taken])
    write_table(whole, folder / name, notes=column_notes([read_column_notes(path) for path in taken]))
    sync_folder(folder)
    replaced = {**merges.merged, name: names}
    _write(folder, Merges(merged=replaced, at={**merges.at, name: int(now.timestamp())}))
    return len(taken)


def settle_merges(store: Store, stream: str) -> None:
    """Only merged tables and what is in none stay: for who takes tables elsewhere, without `merged.json`."""
    folder = table_folder(store, stream)
    if (merges := read_merges(folder)) == Merges():
        return
    _remove(folder, [*merges.pending, *(name for names in merges.merged.values() for name in names)])
    _write(folder, Merges())


def _tidied(folder: Path, merges: Merges, now: datetime) -> Merges:
    """Unfinished ones are removed, and what has been replaced for long enough; it is forgotten after as long again."""
    if merges == Merges():
        return merges
    _remove(folder, merges.pending)
    old = [name for name, at in merges.at.items() if now.timestamp() - at > _STAYS.total_seconds()]
    gone = [name for name in old if not any((folder / part).exists() for part in merges.merged[name])]
    for name in old:
        _remove(folder, merges.merged[name])
    forgotten = {name for name in gone if now.timestamp() - merges.at[name] > 2 * _STAYS.total_seconds()}
    kept = Merges(
        merged={name: names for name, names in merges.merged.items() if name not in forgotten},
        at={name: at for name, at in merges.at.items() if name not in forgotten},
    )
    if kept != merges:
        sync_folder(folder)
        _write(folder, kept)
    return kept


def _enough(tables: Iterable[Path]) -> list[Path]:
    """The first tables of one level and one schema that are many enough and together not too large."""
    groups: dict[_Group, list[Path]] = {}
    sizes: dict[_Group, int] = {}
    for path in tables:
        size = path.stat().st_size
        if size > _MOST_BYTES // 2:
            continue
        schema = pl.read_parquet_schema(path)
        group = _Group(_level(path), tuple((name, str(dtype)) for name, dtype in schema.items()))
        if sizes.get(group, 0) + size > _MOST_BYTES:
            return groups[group]
        groups.setdefault(group, []).append(path)
        sizes[group] = sizes.get(group, 0) + size
        if len(groups[group]) == TOGETHER:
            return groups[group]
    return []


def _level(path: Path) -> int:
    match = _LEVEL.search(path.name)
    return int(match[1]) if match else 0


def _remove(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _write(folder: Path, merges: Merges) -> None:
    draft = folder / f"{MERGED}.draft"
    with draft.open("wb") as file:
        file.write(msgspec.json.encode(merges, order="sorted"))
        file.flush()
        os.fsync(file.fileno())
    draft.rename(folder / MERGED)
    sync_folder(folder)
