"""The bytes of data in place, brought into the store once: each file hashed, and held against what it was before.

What is known of a file is kept by what names its bytes, so a second snapshot brings only what is new, and whoever brings a file
again, after its copy was removed, finds the same bytes or is told. Killed anywhere, the next one goes on.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from shipway.data._errors import SourceGone
from shipway.data._listing import BROUGHT, TABLES, Entry, InPlace, read_in_place
from shipway.data._snapshot import check_parquet
from shipway.data.in_place._source import Address, Source, open_source
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest, parse_digest
from shipway.store import ObjectMissing, Store, StoreFull, TreeFile, while_working

FETCHED = "fetched"  # state rows: the digest of bytes that were brought, by what names them in place
_AT_ONCE = 8
_BATCH = 64  # files that wait on the disk for their turn
_OLD = 86_400  # seconds after which a folder of fetched files is a killed one's


@dataclass(frozen=True, slots=True)
class Fetched:
    """The tree of a snapshot's files, how many of them came just now, and their bytes."""

    root: Digest
    files: int
    bytes: int


@while_working
def bring_files(
    store: Store, digest: Digest, *, report: Callable[[str, int], None] | None = None, environ: Mapping[str, str] = os.environ
) -> Fetched | None:
    """Bring the files of a snapshot of data in place into the store; None for a snapshot whose files are there anyway.

    report: called with path and size after each. Raises SourceGone, DataUnreadable (a cut Parquet file), StoreFull and what a
    Source raises; what came before stays.
    """
    found = read_in_place(store, digest)
    if found is None:
        return None
    row = store.state(BROUGHT, digest)
    if row is not None and _is_whole(store, root := parse_digest(str(row.value["root"]))):
        return Fetched(root, 0, 0)
    files, came = _bring(store, found, found.entries, report, environ)
    root = store.put_listing(files).digest
    if row is None or row.value.get("root") != root:
        store.put_state(BROUGHT, digest, {"version": 1, "root": root})
    return Fetched(root, len(came), sum(entry.size for entry in came))


@while_working
def lasting_files(
    store: Store, found: InPlace, entries: Sequence[Entry], *, environ: Mapping[str, str] = os.environ
) -> Mapping[str, Path]:
    """Where the bytes of some files of data in place are, by their paths, after those that are not here were brought."""
    files, _ = _bring(store, found, entries, None, environ)
    return {file.path: store.objects.path(file.digest) for file in files}


def _is_whole(store: Store, root: Digest) -> bool:
    """Whether all of a tree that was brought is here, as in the store of a rebuild, which was given it."""
    if not store.objects.has(root):
        return False
    try:
        files = list(store.tree(root))
    except ObjectMissing:
        return False
    return all(store.objects.keeps_each([(file.digest, file.size) for file in files]))


def files_here(store: Store, found: InPlace, entries: Sequence[Entry]) -> dict[str, Digest]:
    """The digests of those whose bytes were brought and are in the store, by their paths."""
    return _here(store, _known(store, found, entries), entries)


def _here(store: Store, known: Mapping[str, Digest], entries: Sequence[Entry]) -> dict[str, Digest]:
    once = [(entry, known[entry.path]) for entry in entries if entry.path in known]
    kept = store.objects.keeps_each([(digest, entry.size) for entry, digest in once])
    return {entry.path: digest for (entry, digest), there in zip(once, kept, strict=True) if there}


def _bring(
    store: Store,
    found: InPlace,
    entries: Sequence[Entry],
    report: Callable[[str, int], None] | None,
    environ: Mapping[str, str],
) -> tuple[list[TreeFile], list[Entry]]:
    known = _known(store, found, entries)
    here = _here(store, known, entries)
    todo = [entry for entry in entries if entry.path not in here]
    if todo:
        source = open_source(Address(found.form, found.at, found.version), root=store.root.parent, environ=environ)
        with _folder(store) as folder:
            for start in range(0, len(todo), _BATCH):
                batch = todo[start : start + _BATCH]
                here |= _bring_batch(store, source, found, batch, known, folder, report)
    return [TreeFile(entry.path, here[entry.path], entry.size, executable=False) for entry in entries], todo


def _known(store: Store, found: InPlace, entries: Sequence[Entry]) -> dict[str, Digest]:
    """The digests of files that were once brought, by their paths."""
    rows = {row.key: row for row in store.states(FETCHED)} if len(entries) > _BATCH else None
    known = {}
    for entry in entries:
        name = found.identity(entry)
        row = rows.get(name) if rows is not None else store.state(FETCHED, name)
        if row is not None:
            known[entry.path] = parse_digest(str(row.value["digest"]))
    return known


def _bring_batch(
    store: Store,
    source: Source,
    found: InPlace,
    batch: Sequence[Entry],
    known: Mapping[str, Digest],
    folder: Path,
    report: Callable[[str, int], None] | None,
) -> dict[str, Digest]:
    here: dict[str, Digest] = {}

    def fetch(numbered: tuple[int, Entry]) -> Path:
        target = folder / str(numbered[0])
        source.fetch(numbered[1], target)
        return target

    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        for entry, path in zip(batch, pool.map(fetch, enumerate(batch)), strict=True):
            here[entry.path] = _keep(store, found, entry, path, known.get(entry.path))
            if report:
                report(entry.path, entry.size)
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StoreFull("no room left while bringing files", where=str(folder), mend="free some space") from problem
    finally:
        pool.shutdown(cancel_futures=True)
        new: dict[str, JsonObject] = {
            found.identity(entry): {"version": 1, "digest": here[entry.path]} for entry in batch if entry.path in here
        }
        if new:
            store.put_states(FETCHED, new)
    return here


def _keep(store: Store, found: InPlace, entry: Entry, path: Path, before: Digest | None) -> Digest:
    shown = entry.path if found.form not in TABLES or entry.path.endswith(".parquet") else f"{entry.path}.parquet"
    check_parquet(path, name=shown, where=f"{found.at}/{entry.path}")
    digest = store.put_file(path).digest
    path.unlink()
    if before is not None and digest != before:
        what = f"{entry.path} has other bytes than when it was brought before, under the same name of its version"
        raise SourceGone(what, where=found.at, mend="find out who changed it there; take a new snapshot if that was right")
    return digest


@contextmanager
def _folder(store: Store) -> Iterator[Path]:
    """Where files are until they are hashed; what killed ones left goes after a day."""
    base = store.root / "cache" / "fetch"
    try:
        base.mkdir(parents=True, exist_ok=True)
        for old in base.iterdir():
            with suppress(OSError):
                if time.time() - old.stat().st_mtime > _OLD:
                    shutil.rmtree(old)
        folder = Path(tempfile.mkdtemp(dir=base))
    except OSError as problem:
        raise StoreFull("no room for files to arrive", where=str(base), mend="free some space") from problem
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
