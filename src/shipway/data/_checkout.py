"""A snapshot brought back to disk: afterwards the folder holds its files and nothing else.

What is there and equal stays. What would be lost, because no snapshot has it, stops the checkout before anything changes.
Killed anywhere, every file is the old one or the new one, and the next run goes on.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from shipway.data._checkout_many import bring_all
from shipway.data._errors import CheckoutRefused, DataUnreadable
from shipway.data._link import Bringer, Way
from shipway.data._snapshot import object_file, root_of, snapshot_files
from shipway.kernel.collector import uncollected
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.store import FileObjects, Store, StoreFull, TreeFile, share_out, while_working

_MANY = 1000  # files from which on a checkout into an empty folder is work for all cores from the first look on
_LARGE = 4 << 20  # bytes from which the copy of one file is worth a thread
_THREADS = 4
_PATIENCE = 1.0  # seconds: what a killed checkout had others do ends after a few files
_STAGING = ".shipway-checkout"

_WAYS = (Way.COPY, Way.REFLINK, Way.HARDLINK)  # what is done where several are: the first of them
_FAILED = b"\xff"

Report = Callable[[str, int], None]
_Item = tuple[TreeFile, str]  # a file, and where its bytes are


class CheckedOut(NamedTuple):
    """Files written, removed and kept as they were; bytes written; how the files came."""

    written: int
    removed: int
    kept: int
    bytes: int
    way: Way


@while_working
@uncollected()
def check_out(
    store: Store, digest: Digest, path: Path, *, way: Way = Way.AUTO, force: bool = False, report: Report | None = None
) -> CheckedOut:
    """Make the folder at `path` hold the files of a snapshot; a snapshot of one file replaces a file at `path`.

    force: also where files that no snapshot has are replaced or removed. report: name and bytes after each file. Raises
    CheckoutRefused, DataUnreadable, ObjectMissing (before anything changes), ObjectDamaged, StoreFull.
    """
    brought = _bring_many(store, digest, path, way, report)
    if brought is not None:
        return brought
    files = {file.path: file for file in snapshot_files(store, digest)}
    if path.is_file() and not path.is_symlink() and list(files) == [path.name]:
        return _Checkout(store, path.parent, files, force=force, only=path.name).run(way, report)
    return _Checkout(store, path, files, force=force).run(way, report)


def _bring_many(store: Store, digest: Digest, path: Path, way: Way, report: Report | None) -> CheckedOut | None:
    """Many files into an empty folder; None where that is not so, or where anything was wrong: who looks at each tells what."""
    snapshot, objects = store.get(digest, "snapshot"), store.objects
    files = snapshot.get("files")
    if not isinstance(files, int) or files < _MANY or not isinstance(objects, FileObjects) or not _is_empty(path):
        return None
    with suppress(OSError, ShipwayError):
        path.mkdir(parents=True, exist_ok=True)
        with _alone(path), _staging(path) as staging:
            if _is_folded(staging) or not _is_empty(path, but=staging):
                return None
            done = bring_all(objects, path, root_of(store, digest), staging, way, report)
            if done.whole:
                return CheckedOut(done.files, 0, 0, done.bytes, next(one for one in (*_WAYS, way) if one in done.ways))
    return None


def _is_empty(path: Path, *, but: Path | None = None) -> bool:
    """Whether nothing is there, or a folder without anything in it."""
    try:
        with os.scandir(path) as inside:
            return not path.is_symlink() and all(but is not None and one.path == os.fspath(but) for one in inside)
    except FileNotFoundError:
        return not path.is_symlink()
    except OSError:
        return False


def _silence(_path: str, _size: int) -> None:
    """Nobody is told."""


def twins(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of paths that are one path where case and the composition of letters do not count.

    >>> twins(["a/x", "A/y", "b"])
    [('A', 'a')]
    """
    import unicodedata  # for the few file systems where it counts

    seen: dict[str, str] = {}
    found = set[tuple[str, str]]()
    for path in paths:
        names = path.split("/")
        for depth in range(1, len(names) + 1):
            part = "/".join(names[:depth])
            other = seen.setdefault(unicodedata.normalize("NFC", part).casefold(), part)
            if other != part:
                found.add((min(other, part), max(other, part)))
    return sorted(found)


class _Checkout:
    """One checkout: what is there is compared first, then the folder changes."""

    def __init__(
        self, store: Store, root: Path, files: Mapping[str, TreeFile], *, force: bool, only: str | None = None
    ) -> None:
        self._store, self._root, self._files, self._force = store, root, files, force
        self._only = only  # the one file of the folder that is looked at
        self._folders = {head for folder in {path.rpartition("/")[0] for path in files} for head in _heads(f"{folder}/")}

    def run(self, way: Way, report: Report | None) -> CheckedOut:
        try:
            self._refuse_place()
            self._root.mkdir(parents=True, exist_ok=True)
            with _alone(self._root):
                return self._run(way, report)
        except OSError as problem:
            raise _fault(problem, self._root, way) from problem

    def _run(self, way: Way, report: Report | None) -> CheckedOut:
        there = self._there()
        equal = {name for name in there.keys() & self._files.keys() if self._is_equal(there[name], self._files[name])}
        self._store.save_digests()
        gone = sorted(there.keys() - self._files.keys())
        if not self._force:
            self._refuse_losses([*gone, *sorted((there.keys() & self._files.keys()) - equal)], there)
        todo = self._sources([file for path, file in self._files.items() if path not in equal])
        for name in gone:
            os.unlink(there[name])
        self._make_folders()
        done = self._write(todo, way, report) if todo else way
        return CheckedOut(len(todo), len(gone), len(equal), sum(file.size for file, _ in todo), done)

    def _refuse_place(self) -> None:
        """A link in the place of the root is never followed."""
        if self._root.is_symlink() or (self._root.exists() and not self._root.is_dir()):
            what = f"{self._root} is in the way: it is no folder"
            raise CheckoutRefused(what, where=str(self._root), mend="remove it, or check out elsewhere")

    def _sources(self, files: list[TreeFile]) -> list[_Item]:
        """Where the bytes of each are, after a look that all are there."""
        objects = self._store.objects
        if objects.bucket is not None:
            return [(file, os.fspath(self._source(file))) for file in files]
        root = os.fspath(objects.root)
        for file, kept in zip(files, objects.keeps_each([(file.digest, file.size) for file in files]), strict=True):
            if not kept:
                self._source(file)
        return [(file, f"{root}/{file.digest[7:9]}/{file.digest[9:]}") for file in files]

    def _source(self, file: TreeFile) -> Path:
        if not self._store.objects.keeps(file.digest, file.size):
            source = object_file(self._store, file, name=self._root.name)
            self._store.objects.verify(file.digest, name=file.path)  # says what is wrong with it
            what = f"{file.path} has not the {file.size:,} bytes in the store that its snapshot says"
            raise DataUnreadable(what, where=str(source), mend="take the snapshot again, or pull it")
        return self._store.objects.path(file.digest)

    def _there(self) -> dict[str, bytes]:
        """Every file, link or other thing at the root, by path."""
        from shipway.data._status import files_below

        if self._only:
            one = os.fsencode(self._root.absolute() / self._only)
            return {self._only: one} if os.path.lexists(one) else {}
        return {name: path for name, path in files_below(self._root) if not name.startswith(f"{_STAGING}/")}

    def _is_equal(self, path: bytes, file: TreeFile) -> bool:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size != file.size or bool(status.st_mode & 0o100) != file.executable:
            return False
        return self._store.digest_of(path, status) == file.digest

    def _refuse_losses(self, names: list[str], there: Mapping[str, bytes]) -> None:
        lost = [name for name in names if not self._is_kept(there[name])]
        if lost:
            more = f" and {len(lost) - 1:,} more" if len(lost) > 1 else ""
            what = f"{lost[0]!r}{more} would be lost: no snapshot has the content"
            mend = "take a snapshot first (shipway data snapshot), or give --force"
            raise CheckoutRefused(what, where=os.fsdecode(there[lost[0]]), mend=mend)

    def _is_kept(self, path: bytes) -> bool:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            return False
        return self._store.objects.keeps(self._store.digest_of(path, status), status.st_size)

    def _make_folders(self) -> None:
        """The folders of the snapshot, and no others; a file or link in the place of one was removed before."""
        if self._only is None:
            for folder, _, _ in os.walk(self._root, topdown=False):
                name = os.path.relpath(folder, self._root)
                if name != "." and name not in self._folders and name != _STAGING:
                    os.rmdir(folder)
        for name in sorted(self._folders):
            (self._root / name).mkdir(exist_ok=True)

    def _write(self, todo: list[_Item], way: Way, report: Report | None) -> Way:
        """Large files in threads, whose copies wait for the disk; small ones in processes."""
        told = report or _silence
        small = [item for item in todo if item[0].size < _LARGE]
        large = [item for item in todo if item[0].size >= _LARGE]
        with _staging(self._root) as staging:
            _refuse_twins(staging, self._files)
            ways = set(_bring_small(small, os.fspath(self._root), staging, way, told))
            ways |= _bring_large(large, os.fspath(self._root), staging, way, told) if large else set()
        return next(one for one in (*_WAYS, way) if one in ways)


def _bring_small(items: list[_Item], root: str, staging: Path, way: Way, report: Report) -> Iterator[Way]:
    """How each came. One that did not come in another process is brought here, where it is told why."""

    def work(hand: int, share: Sequence[_Item]) -> Iterator[bytes]:
        own = staging / str(hand)
        own.mkdir()
        bringer = Bringer(way, own)
        for item in share:
            try:
                yield bytes((_WAYS.index(_bring(bringer, item, root)),))
            except OSError:
                yield _FAILED

    done = share_out(items, work, size=1, tell=lambda number: report(items[number][0].path, items[number][0].size))
    bringer = Bringer(way, staging)
    for item, said in zip(items, done, strict=True):
        yield _bring(bringer, item, root) if said in (None, _FAILED) else _WAYS[said[0]]


def _bring_large(items: list[_Item], root: str, staging: Path, way: Way, report: Report) -> set[Way]:
    """How they came, in threads."""
    from concurrent.futures import ThreadPoolExecutor

    bringer, ways = Bringer(way, staging), set[Way]()
    with ThreadPoolExecutor(_THREADS) as pool:
        work = [(item, pool.submit(_bring, bringer, item, root)) for item in items]
        try:
            for (file, _), future in work:
                ways.add(future.result())
                report(file.path, file.size)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return ways


def _bring(bringer: Bringer, item: _Item, root: str) -> Way:
    file, source = item
    return bringer.bring(source, f"{root}/{file.path}", executable=file.executable)


def _heads(path: str) -> Iterator[str]:
    names = path.split("/")
    return ("/".join(names[:depth]) for depth in range(1, len(names)))


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Two checkouts of one folder at once would undo each other; the kernel forgets the locks of the dead."""
    handle = os.open(root, os.O_RDONLY | os.O_CLOEXEC)
    try:
        until = time.monotonic() + _PATIENCE
        while not _locked(handle):
            if time.monotonic() > until:
                raise CheckoutRefused("another checkout of this folder goes on", where=str(root), mend="wait for it")
            time.sleep(0.01)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _staging(root: Path) -> Iterator[Path]:
    """A folder for what is not whole yet: beside the root, or in it where the root is a file system of its own."""
    beside = root.parent if root.parent.stat().st_dev == root.stat().st_dev and os.access(root.parent, os.W_OK) else root
    staging = beside / (_STAGING if beside == root else f"{_STAGING}-{root.name}")
    _clear(staging)  # of a killed one
    staging.mkdir()
    try:
        yield staging
    finally:
        _clear(staging)


def _clear(folder: Path) -> None:
    """Remove a folder with all in it, where it is there: most often there are empty ones alone."""
    with suppress(OSError):
        for inside in os.scandir(folder):
            os.rmdir(inside.path)
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return
    except OSError:
        import shutil  # four modules of packers

        shutil.rmtree(folder, ignore_errors=True)


def _refuse_twins(staging: Path, files: Mapping[str, TreeFile]) -> None:
    """Where a file system takes `a` and `A` for one name, a snapshot with both cannot be there."""
    if _is_folded(staging) and (pairs := twins(files)):
        what = f"{pairs[0][0]!r} and {pairs[0][1]!r} are one name on this file system"
        raise CheckoutRefused(what, where=str(staging.parent), mend="check out on a file system that tells them apart")


def _is_folded(staging: Path) -> bool:
    """Whether this file system takes `a` and `A` for one name."""
    probe = staging / "probe"
    probe.touch()
    folded = (staging / "PROBE").exists()
    probe.unlink()
    return folded


def _fault(problem: OSError, root: Path, way: Way) -> CheckoutRefused | StoreFull:
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull("no room left while writing the files", where=str(root), mend="free some space and run it again")
    if way in (Way.REFLINK, Way.HARDLINK):
        what = f"this file system cannot do a {way} here: {problem.strerror}"
        return CheckoutRefused(what, where=str(root), mend="leave --link out, or say --link copy")
    return CheckoutRefused(f"cannot write {problem.filename or root}: {problem.strerror}", where=str(root))
