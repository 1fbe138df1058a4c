"""What DVC tracks becomes a snapshot: each file is read once, and comes by a second name for DVC's own object where it can."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shipway.data._errors import DataEmpty
from shipway.data._snapshot import Snapshot
from shipway.data.dvc._errors import DvcDamaged, DvcMissing
from shipway.data.dvc._files import DvcOut
from shipway.data.dvc._manifest import Listed, parse_manifest
from shipway.data.dvc._repo import DvcRepo, object_keys
from shipway.data.dvc._sums import DvcSums
from shipway.kernel.digest import Digest
from shipway.store import Foreign, Store, TreeFile, while_working

_LARGE = 8 << 20  # bytes from which hashing a file is worth a thread
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Imported:
    """A snapshot of what DVC tracks at a path. linked: files that came without a copy of their bytes."""

    out: DvcOut
    snapshot: Snapshot
    linked: int


@while_working
def import_out(
    store: Store, repo: DvcRepo, out: DvcOut, *, remote: Foreign | None = None, report: Callable[[str, int], None] | None = None
) -> Imported:
    """Take the snapshot of an out from DVC's cache, else from the files that are there, else from a remote.

    report: called with name and size in bytes after each file. Raises DvcMissing and DvcDamaged before there is a snapshot,
    DvcMalformed, DataEmpty, FileUnreadable, StoreFull, ObjectsDown, ObjectsRefused.
    """
    return _Import(store, repo, out, remote, report).run()


class _Import:
    """One out on its way into the store."""

    def __init__(
        self, store: Store, repo: DvcRepo, out: DvcOut, remote: Foreign | None, report: Callable[[str, int], None] | None
    ) -> None:
        self._store, self._repo, self._out, self._remote, self._report = store, repo, out, remote, report
        self._sums: dict[Digest, str] = {}
        self.linked = self.read = 0

    def run(self) -> Imported:
        out, store = self._out, self._store
        listed = self._listing() if out.folder else (Listed(os.path.basename(out.path), out.md5),)
        if not listed:
            raise DataEmpty(f"{out.path} holds no files", where=out.where, mend="put the data there, or remove its .dvc file")
        found = self._bring(listed)
        store.sums.add(self._sums)
        store.save_digests()
        tree = store.put_listing(found)
        size = sum(file.size for file in found)
        digest = store.put({"kind": "snapshot", "version": 1, "root": tree.to_json(), "files": len(found), "bytes": size})
        return Imported(out, Snapshot(digest, len(found), size, self.read), self.linked)

    def _listing(self) -> tuple[Listed, ...]:
        out = self._out
        for path in self._repo.objects(out.md5, folder=True, legacy=out.legacy):
            if path.is_file():
                return self._parsed(path, str(path))
        with self._fetched(out.md5, folder=True) as fetched:
            if fetched is not None:
                return self._parsed(fetched, self._remote.where if self._remote else str(fetched))
        raise self._missing(out.md5 + ".dir", f"the list of the files of {out.path}")

    def _parsed(self, path: Path, where: str) -> tuple[Listed, ...]:
        data, sums = path.read_bytes(), DvcSums(legacy=self._out.legacy)
        sums.update(data)
        if not sums.fits(self._out.md5):
            raise _damaged(f"the list of the files of {self._out.path}", where, self._out.md5, sums.md5)
        return parse_manifest(data, where=where)

    def _bring(self, listed: Sequence[Listed]) -> list[TreeFile]:
        """Files in the order of the list; small ones one after another, large ones in threads."""
        places = [(one, self._there(one)) for one in listed]
        large = [(one, path) for one, path in places if path and path.stat().st_size >= _LARGE]
        kept: dict[str, tuple[Digest, int]] = {}
        with ThreadPoolExecutor(_THREADS) as pool:
            try:
                done = pool.map(lambda item: self._kept(*item), large)
                kept |= {one.path: found for (one, _), found in zip(large, done, strict=True)}
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        files: list[TreeFile] = []
        for one, path in places:
            digest, size = kept[one.path] if one.path in kept else self._kept(one, path)
            files.append(TreeFile(one.path, digest, size, self._executable(one)))
            if self._report:
                self._report(one.path, size)
        return files

    def _there(self, one: Listed) -> Path | None:
        """Where the bytes are on this machine: DVC's object, else the file itself."""
        known = self._repo.objects(one.md5, folder=False, legacy=self._out.legacy)
        return next((path for path in (*known, self._work(one)) if path.is_file() and not path.is_symlink()), None)

    def _work(self, one: Listed) -> Path:
        path = self._repo.root / self._out.path
        return path / one.path if self._out.folder else path

    def _kept(self, one: Listed, path: Path | None) -> tuple[Digest, int]:
        if path is not None:
            return self._adopted(one, path, copied=path == self._work(one))
        with self._fetched(one.md5, folder=False) as fetched:
            if fetched is not None:
                return self._adopted(one, fetched, copied=bool(self._remote and self._remote.folder))
        raise self._missing(one.md5, f"{self._out.path}/{one.path}" if self._out.folder else self._out.path)

    def _adopted(self, one: Listed, path: Path, *, copied: bool) -> tuple[Digest, int]:
        """The object of a file whose sum is as DVC says. copied: the file is a person's or a team's, and may change."""
        sums, before = DvcSums(legacy=self._out.legacy), os.stat(path).st_nlink
        put = self._store.objects.put_file if copied else self._store.objects.adopt
        digest, size = put(path, also=sums.update)
        if not sums.fits(one.md5):
            name = f"{self._out.path}/{one.path}" if self._out.folder else self._out.path
            if path == self._work(one):
                raise self._missing(one.md5, f"{name} as its .dvc file says it (the file there has changed)")
            raise _damaged(name, str(path), one.md5, sums.md5)
        self._sums[digest] = sums.md5
        self.read += size
        self.linked += os.stat(path).st_nlink > before
        return digest, size

    def _executable(self, one: Listed) -> bool:
        """As the file is that is there; DVC itself knows of no execute bit inside a folder."""
        try:
            status = os.lstat(self._work(one))
        except OSError:
            return self._out.executable and not self._out.folder
        return stat.S_ISREG(status.st_mode) and bool(status.st_mode & 0o100)

    @contextmanager
    def _fetched(self, md5: str, *, folder: bool) -> Iterator[Path | None]:
        if self._remote is None:
            yield None
            return
        for key in object_keys(md5, folder=folder, legacy=self._out.legacy):
            with self._remote.fetched(key, self._store.root / "cache" / "fetched") as path:
                if path is not None:
                    yield path
                    return
        yield None

    def _missing(self, md5: str, name: str) -> DvcMissing:
        asked = (
            f"neither the cache nor {self._remote.where}"
            if self._remote
            else "the cache does not, and there is no remote to ask"
        )
        what = f"{name} is missing: {asked} has {md5}" if self._remote else f"{name} is missing: {asked}, for {md5}"
        mend = "dvc pull where it can be had, or name the remote: shipway import dvc --remote NAME"
        return DvcMissing(what, where=self._out.where, mend=mend)


def _damaged(name: str, where: str, wanted: str, found: str) -> DvcDamaged:
    what = f"{name} is damaged in DVC's cache or remote: its MD5 is {found}, not {wanted}"
    return DvcDamaged(what, where=where, mend="remove that object, then dvc fetch, or dvc add the data again")
