"""`data diff` as one document: files, rows, columns, values, days and partitions of two sets of files.

What was found is kept by what was compared, so that a second time nothing is read; and nothing heavy is imported for it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from shipway.data._compare import Digests, FilesChange, compare_files, files_on_disk
from shipway.data._errors import DataUnreadable, NotHere
from shipway.data._listing import Beside, InPlace, columns_beside, identities, read_in_place
from shipway.data._snapshot import object_file, root_of, snapshot_files
from shipway.kernel.canonical import Json, JsonObject, NotCanonical, canonical_json, parse_object, text_of_name
from shipway.kernel.digest import Digest, digest_bytes
from shipway.kernel.errors import ShipwayError
from shipway.store import Store, TreeFile

if TYPE_CHECKING:
    import polars as pl

    from shipway.data._column_summary import ColumnSummary
    from shipway.data._file_facts import FileFacts
    from shipway.data._rows import Matched, RowsRead
    from shipway.data._table_file import TableFile

DIFF = 1  # part of every name under which a comparison is kept
_TABLES = (".parquet", ".pq", ".arrow", ".feather", ".csv", ".jsonl", ".ndjson")
_KEPT = 500  # comparisons
_DAYS = 400  # days that are shown, those that differ first
_WIDE = 200  # partitions that are shown
_FILES = 1_000  # files of a kind that a document names


@dataclass(frozen=True, slots=True)
class DataSide:
    """One of two sets of files. files: by their path in it; place: where the bytes of each are.

    readable: whether bytes may be asked for; of data in place a file's digest names what is there. beside: of files of a table
    the columns that stand in their paths; they count where both sides have such, and not for a folder of the same files.
    """

    label: str
    files: Mapping[str, TreeFile]
    place: Mapping[str, Path]
    snapshot: Digest | None = None
    readable: bool = True
    beside: Mapping[str, Beside] = field(default_factory=dict)


def disk_side(path: Path, digests: Digests, *, label: str) -> DataSide:
    """The files at `path`, a folder or one file. Raises DataMissing, DataUnreadable."""
    files = files_on_disk(digests, path)
    return DataSide(label, files, {name: path / name if path.is_dir() else path for name in files})


def snapshot_side(store: Store, digest: Digest, *, label: str, beside: Digest | None = None) -> DataSide:
    """The files of a snapshot; where their bytes are is asked when they are read. Raises ObjectMissing, ObjectDamaged.

    Of data in place that were not brought here it is the list of what is there, and no bytes; so it is where that is all that
    can be had of the snapshot `beside` it, since only alike can be compared.
    """
    found = read_in_place(store, digest)
    if found is None or (is_here(store, digest) and (beside is None or is_here(store, beside))):
        side = _side(store, digest, label)
        return replace(side, beside=columns_beside(found)) if found else side
    return listed_side(found, label=label, snapshot=digest)


def listed_side(found: InPlace, *, label: str, snapshot: Digest | None = None) -> DataSide:
    """What is in place, by what names its bytes instead of their digests."""
    return DataSide(label, {file.path: file for file in identities(found)}, {}, snapshot, readable=False)


def is_here(store: Store, digest: Digest) -> bool:
    """Whether the bytes of a snapshot's files can be read: always, but for data in place that nobody brought here."""
    try:
        root_of(store, digest)
    except NotHere:
        return False
    return True


def _side(store: Store, digest: Digest, label: str) -> DataSide:
    files = {file.path: file for file in snapshot_files(store, digest)}
    return DataSide(label, files, _InStore(store, files, label), digest)


class _InStore(Mapping[str, Path]):
    """Where the bytes of a snapshot's files are; raises ObjectMissing for one that is not there."""

    def __init__(self, store: Store, files: Mapping[str, TreeFile], label: str) -> None:
        self._store, self._files, self._label = store, files, label

    def __getitem__(self, path: str) -> Path:
        return object_file(self._store, self._files[path], name=self._label)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a comparison goes by. key: columns that name a row; must: refuse when they are not in both; contract: an object of
    that kind, judged on both sides; whole: measure also the columns of files that both have; rows: without it files alone.
    """

    key: tuple[str, ...] = ()
    must: bool = False
    contract: JsonObject | None = None
    whole: bool = True
    rows: bool = True


def compare_data(
    before: DataSide, after: DataSide, asked: Asked, *, folder: Path | None, report: RowsRead | None = None
) -> JsonObject:
    """What differs, as the document `data-diff` has it below `files`, `rows`, `columns` and so on.

    folder: where signatures, summaries and comparisons are kept; None keeps none. report: told of the rows while they are read.
    Raises DataUnreadable, KeyMissing.
    """
    if not (before.beside and after.beside):
        before, after = (replace(side, beside={}) for side in (before, after))
    name = _name(before, after, asked)
    known = _load(folder, name)
    if known is not None:
        return known
    changes = compare_files(before.files, after.files)
    document = _files(changes)
    tables = any(path.lower().removesuffix(".gz").removesuffix(".zst").endswith(_TABLES) for path in
                 (*before.files, *after.files))  # fmt: skip
    if tables and asked.rows and not changes.same and before.readable and after.readable:
        document |= _tables(before, after, changes, asked, folder, report)
    _keep(folder, name, document)
    return document


def _name(before: DataSide, after: DataSide, asked: Asked) -> Digest:
    sides: list[Json] = []
    for side in (before, after):
        listed = "".join(f"{text_of_name(os.fsencode(path))}\0{file.digest}\0{file.executable}\n"
                         for path, file in sorted(side.files.items()))  # fmt: skip
        if side.beside:
            listed += json.dumps(sorted(side.beside.items()))
        sides.append(digest_bytes(listed.encode()))
    return digest_bytes(canonical_json({"diff": DIFF, "sides": sides, "key": list(asked.key), "must": asked.must,
                                        "contract": asked.contract, "whole": asked.whole,
                                        "rows": asked.rows and before.readable and after.readable}))  # fmt: skip


def _load(folder: Path | None, name: Digest) -> JsonObject | None:
    if folder is None:
        return None
    path = folder / "diffs" / f"{name.removeprefix('sha256:')}.json"
    with suppress(OSError, NotCanonical):
        value = parse_object(path.read_bytes())
        if (value.get("kind"), value.get("version"), value.get("of")) == ("kept-diff", DIFF, name):
            os.utime(path)
            return cast("JsonObject", value["diff"])
    return None


def _keep(folder: Path | None, name: Digest, document: JsonObject) -> None:
    """A full disk costs a later comparison, nothing else."""
    if folder is None:
        return
    value = {"kind": "kept-diff", "version": DIFF, "of": name, "diff": document}
    data = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")  # columns keep their order
    kept = folder / "diffs"
    with suppress(OSError):
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=kept, delete=False) as out:
            out.write(data)
        os.replace(out.name, kept / f"{name.removeprefix('sha256:')}.json")
        old = sorted(kept.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)[_KEPT:]
        for path in old:
            path.unlink(missing_ok=True)


def _files(changes: FilesChange) -> dict[str, Json]:
    """files: how many there are of each word; below the words, the first of them."""
    counts: dict[str, Json] = {word: len(getattr(changes, word)) for word in ("added", "removed", "changed", "moved")}
    return {
        "files": counts,
        "added": [file_row(file) for file in changes.added[:_FILES]],
        "removed": [file_row(file) for file in changes.removed[:_FILES]],
        "changed": [
            {"path": file_row(new)["path"], "before": file_row(old), "after": file_row(new)}
            for old, new in changes.changed[:_FILES]
        ],
        "moved": [{"from": text_of_name(os.fsencode(old)), **file_row(new)} for old, new in changes.moved[:_FILES]],
    }


def file_row(file: TreeFile) -> JsonObject:
    path = text_of_name(os.fsencode(file.path))
    return {"path": path, "digest": file.digest, "size": file.size, "executable": file.executable}


def _tables(
    before: DataSide, after: DataSide, changes: FilesChange, asked: Asked, folder: Path | None, report: RowsRead | None
) -> dict[str, Json]:
    from shipway.data._file_facts import FactsCache
    from shipway.data._rows import match_tables, measure_files

    cache = FactsCache(folder / "rows" if folder else None)
    moved = [(old, new) for old, new in changes.moved if before.beside.get(old) != after.beside.get(new.path)]
    changed = [*changes.changed, *((before.files[old], new) for old, new in moved)]
    gone = _table_files(before, [*changes.removed, *(old for old, _ in changed)])
    come = _table_files(after, [*changes.added, *(new for _, new in changed)])
    if not gone and not come:
        return {}
    matched = match_tables(gone, come, key=asked.key, cache=cache, must=asked.must, report=report)
    other = {file.path for file in (*changes.added, *(new for _, new in changed))}
    same = _table_files(after, [file for path, file in after.files.items() if path not in other]) if asked.whole else []
    common = measure_files(same, matched.shared or ("",), matched.change.key, cache, report)
    facts = dict(zip((file.digest for file in (*gone, *come, *same)), (*matched.facts, *common), strict=True))
    sides = [*zip(gone, matched.facts, strict=False)], [*zip(come, matched.facts[len(gone) :], strict=True)]
    document: dict[str, Json] = {"rows": _rows(matched, sum(each.read for each in (*matched.facts, *common)))}
    document |= _seen(gone, come, matched)
    document |= _columns(*([*(each for _, each in side), *common] for side in sides))
    document["partitions"] = _partitions(before, after, facts)
    _check_unchanged((*gone, *come, *same))
    if asked.contract is not None:
        document |= _verdicts(before, after, asked.contract)
    return document


def _table_files(side: DataSide, files: Sequence[TreeFile]) -> list[TableFile]:
    from shipway.data._table import scan_of
    from shipway.data._table_file import TableFile

    return [TableFile(file.path, side.place[file.path], file.digest, side.beside.get(file.path, ()))
            for file in sorted(files, key=lambda file: file.path) if scan_of(file.path)]  # fmt: skip


def _check_unchanged(files: Sequence[TableFile]) -> None:
    """What was read is what was hashed. Raises DataUnreadable."""
    for file in files:
        if not file.as_it_was():
            raise DataUnreadable(f"{file.name} changed while it was read", where=str(file.path), mend="compare again")


def _rows(matched: Matched, read: int) -> JsonObject:
    found = matched.change
    columns: list[Json] = [{"name": column.name, "from": column.source, "to": column.target} for column in found.columns]
    return {
        "before": found.before,
        "after": found.after,
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "key": list(found.key),
        "repeated": list(found.repeated),
        "compared": list(matched.shared),
        "columns": columns,
        "note": found.note,
        "files_read": read,
    }


def _seen(gone: Sequence[TableFile], come: Sequence[TableFile], matched: Matched) -> dict[str, Json]:
    from shipway.data._cells import look_at

    if matched.match is None:
        return {}
    seen = look_at(gone, come, matched.match, matched.shared, matched.change.key)
    cells: list[Json] = [
        {"column": name, "changed": count} for name, count in sorted(seen.cells.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    samples: JsonObject = {"changed": list(seen.changed), "added": list(seen.added), "removed": list(seen.removed)}
    return {"cells": {"rows": seen.looked, "columns": cells}, "samples": samples}


def _columns(before: Sequence[FileFacts], after: Sequence[FileFacts]) -> dict[str, Json]:
    """Of both sides as a whole: distributions, guesses at names, and rows by day of the columns that hold times."""
    from shipway.data._column_summary import NumberSummary
    from shipway.data._distribution import compare_column, guess_renames

    old, new = _totals(before), _totals(after)
    both = [name for name in old if name in new]
    compared = [compare_column(name, old[name], new[name]) for name in both]
    gone, come = ({name: one[name] for name in one if name not in other} for one, other in ((old, new), (new, old)))
    renamed: list[Json] = [
        {"from": one.source, "to": one.target, "likeness": one.likeness} for one in guess_renames(gone, come)
    ]
    days: list[Json] = []
    for name in both:
        one, other = old[name], new[name]
        if isinstance(one, NumberSummary) and isinstance(other, NumberSummary) and (one.days or other.days):
            days.append({"column": name, **_counted(one.days, other.days, _DAYS)})
    return {"columns": [column.to_json() for column in compared], "renamed": renamed, "days": days}


def _totals(facts: Sequence[FileFacts]) -> dict[str, ColumnSummary]:
    """The columns of all files in the order of the first; what a file has not is null in its rows."""
    from shipway.data._column_summary import nulls_only
    from shipway.data._distribution import total_of

    names = dict.fromkeys(name for each in facts for name in each.columns)
    return {
        name: total_of([each.columns.get(name) or nulls_only(len(each.signature.keys)) for each in facts]) for name in names
    }


def _counted(before: Mapping[str, int], after: Mapping[str, int], most: int) -> dict[str, Json]:
    """Both counts of each name, those that differ first where there are more than are shown."""
    names = sorted(before.keys() | after.keys())
    odd = [name for name in names if before.get(name, 0) != after.get(name, 0)]
    kept = names if len(names) <= most else sorted(odd[:most] or names[:most])
    rows: list[Json] = [{"name": name, "before": before.get(name, 0), "after": after.get(name, 0)} for name in kept]
    return {"counts": rows, "different": len(odd), "of": len(names)}


def _partitions(before: DataSide, after: DataSide, facts: Mapping[Digest, FileFacts]) -> JsonObject:
    """Rows by the folder that files are in, as far as their rows were counted."""
    counts = []
    for side in (before, after):
        found: Counter[str] = Counter()
        for path, file in side.files.items():
            if file.digest in facts:
                found[path.rpartition("/")[0] or "."] += len(facts[file.digest].signature.keys)
        counts.append(found)
    return _counted(counts[0], counts[1], _WIDE)


def _verdicts(before: DataSide, after: DataSide, contract: JsonObject) -> dict[str, Json]:
    """The rules of the contract that have another verdict after than before, and the whole."""
    from shipway.data._contract import measure_contract

    try:
        results = [measure_contract(contract, _all_rows(side)) for side in (before, after)]
    except ShipwayError as problem:
        return {"contract": {"note": f"not judged: {problem.what}", "before": None, "after": None, "flips": []}}
    old = {check.name: check for check in results[0].checks}
    flips: list[Json] = [
        {"name": check.name, "before": old[check.name].to_json(), "after": check.to_json()}
        for check in results[1].checks
        if check.name in old and old[check.name].verdict != check.verdict
    ]
    return {"contract": {"note": "", "before": results[0].check.to_json(), "after": results[1].check.to_json(), "flips": flips}}


def _all_rows(side: DataSide) -> pl.LazyFrame:
    """Raises DataEmpty, DataUnreadable."""
    from shipway.data._table import load_beside, load_files

    paths = sorted(side.files)
    if side.beside:
        return load_beside([(path, side.place[path], side.beside.get(path, ())) for path in paths], name=side.label)
    return load_files([(path, side.place[path]) for path in paths], name=side.label)
