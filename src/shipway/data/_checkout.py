"""A snapshot brought back to disk: afterwards the folder holds its files and nothing else.

What is there and equal stays. What would be lost, because no snapshot has it, stops the checkout before anything changes.
Killed anywhere, every file is the old one or the new one, and the next run goes on.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shipway.data._errors import CheckoutRefused, DataUnreadable
from shipway.data._link import Bringer, Way
from shipway.data._snapshot import object_file, snapshot_files
from shipway.data._status import files_below
from shipway.kernel.digest import Digest
from shipway.store import Store, StoreFull, TreeFile, while_working

_LARGE = 4 << 20  # bytes from which the copy of one file is worth a thread
_THREADS = 4
_STAGING = ".shipway-checkout"

Report = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """Files written, removed and kept as they were; bytes written; how the files came."""

    written: int
    removed: int
    kept: int
    bytes: int
    way: Way


@while_working
def check_out(
    store: Store, digest: Digest, path: Path, *, way: Way = Way.AUTO, force: bool = False, report: Report | None = None
) -> CheckedOut:
    """Make the folder at `path` hold the files of a snapshot; a snapshot of one file replaces a file at `path`.

    force: also where files that no snapshot has are replaced or removed. report: name and bytes after each file. Raises
    CheckoutRefused, DataUnreadable, ObjectMissing (before anything changes), ObjectDamaged, StoreFull.
    """
    files = {file.path: file for file in snapshot_files(store, digest)}
    if path.is_file() and not path.is_symlink() and list(files) == [path.name]:
        return _Checkout(store, path.parent, files, force=force, only=path.name).run(way, report)
    return _Checkout(store, path, files, force=force).run(way, report)


def twins(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of paths that are one path where case and the composition of letters do not count.

    >>> twins(["a/x", "A/y", "b"])
    [('A', 'a')]
    """
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
        self._folders = {head for path in files for head in _heads(path)}

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
        todo = [(file, self._source(file)) for path, file in self._files.items() if path not in equal]
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

    def _source(self, file: TreeFile) -> Path:
        if not self._store.objects.keeps(file.digest, file.size):
            source = object_file(self._store, file, name=self._root.name)
            self._store.objects.verify(file.digest, name=file.path)  # says what is wrong with it
            what = f"{file.path} has not the {file.size:,} bytes in the store that its snapshot says"
            raise DataUnreadable(what, where=str(source), mend="take the snapshot again, or pull it")
        return self._store.objects.path(file.digest)

    def _there(self) -> dict[str, bytes]:
        """Every file, link or other thing at the root, by path."""
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

    def _write(self, todo: list[tuple[TreeFile, Path]], way: Way, report: Report | None) -> Way:
        done = way
        with _staging(self._root) as staging:
            _refuse_twins(staging, self._files)
            bringer, root = Bringer(way, staging), os.fspath(self._root)

            def bring(item: tuple[TreeFile, Path]) -> tuple[TreeFile, Way]:
                file, source = item
                return file, bringer.bring(source, f"{root}/{file.path}", executable=file.executable)

            small = [item for item in todo if item[0].size < _LARGE]
            large = [item for item in todo if item[0].size >= _LARGE]
            for file, came in _both(map(bring, small), bring, large):
                done = came
                if report:
                    report(file.path, file.size)
        return done


def _both(
    small: Iterator[tuple[TreeFile, Way]],
    bring: Callable[[tuple[TreeFile, Path]], tuple[TreeFile, Way]],
    large: list[tuple[TreeFile, Path]],
) -> Iterator[tuple[TreeFile, Way]]:
    """Large files in threads, whose copies wait for the disk; small ones are quicker one after the other."""
    yield from small
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            yield from pool.map(bring, large)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _heads(path: str) -> Iterator[str]:
    names = path.split("/")
    return ("/".join(names[:depth]) for depth in range(1, len(names)))


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Two checkouts of one folder at once would undo each other; the kernel forgets the locks of the dead."""
    handle = os.open(root, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckoutRefused("another checkout of this folder goes on", where=str(root), mend="wait for it") from None
        yield
    finally:
        os.close(handle)


@contextmanager
def _staging(root: Path) -> Iterator[Path]:
    """A folder for what is not whole yet: beside the root, or in it where the root is a file system of its own."""
    beside = root.parent if root.parent.stat().st_dev == root.stat().st_dev and os.access(root.parent, os.W_OK) else root
    staging = beside / (_STAGING if beside == root else f"{_STAGING}-{root.name}")
    shutil.rmtree(staging, ignore_errors=True)  # of a killed one
    staging.mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _refuse_twins(staging: Path, files: Mapping[str, TreeFile]) -> None:
    """Where a file system takes `a` and `A` for one name, a snapshot with both cannot be there."""
    probe = staging / "probe"
    probe.touch()
    folded = (staging / "PROBE").exists()
    probe.unlink()
    if folded and (pairs := twins(files)):
        what = f"{pairs[0][0]!r} and {pairs[0][1]!r} are one name on this file system"
        raise CheckoutRefused(what, where=str(staging.parent), mend="check out on a file system that tells them apart")


def _fault(problem: OSError, root: Path, way: Way) -> CheckoutRefused | StoreFull:
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull("no room left while writing the files", where=str(root), mend="free some space and run it again")
    if way in (Way.REFLINK, Way.HARDLINK):
        what = f"this file system cannot do a {way} here: {problem.strerror}"
        return CheckoutRefused(what, where=str(root), mend="leave --link out, or say --link copy")
    return CheckoutRefused(f"cannot write {problem.filename or root}: {problem.strerror}", where=str(root))
