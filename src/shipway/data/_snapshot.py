"""A snapshot: the files of a data set as one digest. Equal data have equal digests: no name and no time is inside."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, cast

from shipway.data._errors import DataEmpty, DataMissing, DataUnreadable
from shipway.kernel.digest import Descriptor, Digest
from shipway.store import ObjectDamaged, ObjectMissing, Store, TreeFile, while_working

PARQUET_SUFFIXES = (".parquet", ".pq")
_PARQUET_BYTES = tuple(map(str.encode, PARQUET_SUFFIXES))
_MAGIC = b"PAR1"
_SMALLEST = 12  # bytes: magic, length of the footer, magic


class Snapshot(NamedTuple):
    """A snapshot just taken: its digest, its files and their bytes, and how many bytes were read to take it."""

    digest: Digest
    files: int
    bytes: int
    read: int


@while_working
def take_snapshot(
    store: Store,
    path: Path,
    *,
    report: Callable[[str, int], None] | None = None,
    beside: Callable[[], None] | None = None,
) -> Snapshot:
    """Keep the files at `path` (a folder, or one file); files that the stat cache knows are not read again.

    Unless their object is gone, has another size, or was found damaged by a verify: then it is written anew.
    report: called with name and size in bytes after each file; beside: of put_tree. Raises DataMissing, DataEmpty,
    DataUnreadable (a cut Parquet file), FileUnreadable (a link, no permission, changed while it was read), StoreFull.
    """
    _check_place(store, path)
    tracked = path.with_name(f"{path.name}.dvc").exists()  # then DVC asks for the MD5 of the same bytes
    tree, writer = store.put_tree(path, report=report, md5=tracked, beside=beside)
    if writer.files == 0:
        raise DataEmpty(f"{path.name or path} holds no files", where=str(path), mend="put the data there, or correct its path")
    # Judged on the kept bytes, not on the user's: those may change between a look and the copy.
    for below, kept in writer.listing(*_PARQUET_BYTES):
        name = os.fsdecode(below)
        check_parquet(store.objects.path(kept), name=name, where=path / name if path.is_dir() else path)
    digest = store.put({"kind": "snapshot", "version": 1, "root": tree.to_json(), "files": writer.files, "bytes": writer.bytes})
    return Snapshot(digest, writer.files, writer.bytes, writer.read)


def snapshot_files(store: Store, digest: Digest) -> tuple[TreeFile, ...]:
    """The files of a snapshot in the order of their paths. Raises ObjectMissing, ObjectDamaged, ObjectUnexpected."""
    return tuple(sorted(store.tree(root_of(store, digest)), key=lambda file: file.path))


def verify_snapshot(store: Store, digest: Digest, *, name: str) -> None:
    """Read and hash every byte of a snapshot; `name` is the user's name for it. Taking it again mends what is damaged.

    Raises ObjectDamaged or ObjectMissing with `name/path` of the first file that is not as it was.
    """
    for file in _named_files(store, digest, name):
        object_path = object_file(store, file, name=name)
        try:
            store.objects.verify(file.digest, name=f"{name}/{file.path}")
        except OSError as problem:
            raise DataUnreadable(f"cannot read {name}/{file.path}: {problem.strerror}", where=str(object_path)) from problem


def object_file(store: Store, file: TreeFile, *, name: str) -> Path:
    """Where the bytes of a snapshot's file are, unverified. Raises ObjectMissing."""
    if not store.objects.has(file.digest):
        raise ObjectMissing(
            f"{name}/{file.path} is missing from the store: no object {file.digest}",
            where=store.objects.where,
            mend="restore it from a backup or take the snapshot again",
        )
    return store.objects.path(file.digest)


def check_parquet(content: Path, *, name: str, where: Path | str) -> None:
    """Raise DataUnreadable unless a file called *.parquet begins and ends as one; the footer is where a cut shows."""
    if not name.lower().endswith(PARQUET_SUFFIXES):
        return
    with content.open("rb", buffering=0) as source:
        size = os.fstat(source.fileno()).st_size
        head = source.read(len(_MAGIC))
        source.seek(max(0, size - 8))
        tail = source.read(8)
    if size < _SMALLEST or head != _MAGIC:
        why = f"it is {size:,} bytes and does not begin with {_MAGIC.decode()}" if size else "it is empty"
    elif tail[4:] != _MAGIC:
        why = f"its footer is missing after {size:,} bytes, so it was cut short"
    elif (footer := int.from_bytes(tail[:4], "little")) > size - _SMALLEST:
        why = f"its footer of {footer:,} bytes does not fit into its {size:,} bytes, so it was cut"
    else:
        return
    raise DataUnreadable(f"{name} is not a whole Parquet file: {why}", where=str(where), mend="write or copy this file again")


def check_exists(path: Path) -> None:
    """Raise DataMissing unless there is something at `path`."""
    if not path.exists():
        raise DataMissing(f"no file or folder {path}", where=str(path), mend="make it, or correct the path of this data set")


def _check_place(store: Store, path: Path) -> None:
    check_exists(path)
    if store.root.resolve().is_relative_to(path.resolve()):
        raise DataUnreadable(
            f"{path} holds the store itself", where=str(store.root), mend="put the data into a folder of its own"
        )


def root_of(store: Store, digest: Digest) -> Digest:
    """The root of a snapshot's tree. Raises ObjectMissing, ObjectDamaged, ObjectUnexpected, NotHere for data in place."""
    record = store.get(digest, "snapshot")
    if "in_place" not in record:
        return Descriptor.from_json(record["root"]).digest
    from shipway.data._listing import brought_root  # its types cost what opening the store does

    return brought_root(store, digest, record)


def _named_files(store: Store, digest: Digest, name: str) -> Iterator[TreeFile]:
    """As snapshot_files, but damage to the snapshot's own nodes is told with its name."""
    try:
        yield from snapshot_files(store, digest)
    except (ObjectDamaged, ObjectMissing) as problem:
        raise cast("type[ObjectDamaged]", type(problem))(
            f"the list of files of {name}: {problem.what}", where=problem.where, mend=problem.mend
        ) from problem
