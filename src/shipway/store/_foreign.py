"""Another tool's remote: files by key, in a folder, a bucket or what fsspec opens. What the keys mean is that tool's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from shipway.store._bucket import Bucket, Keyed, is_bucket
from shipway.store._faults import disk_fault
from shipway.store._hashed import write_all

_AT_ONCE = 8  # what waits for an object store waits for several answers


class Foreign:
    """For use by several threads. Raises ObjectsAddress when it is opened, ObjectsDown and ObjectsRefused when it is asked.

    place: a folder, or an address as s3://BUCKET/PREFIX or ssh://HOST/PATH; variables: of the environment, before those that
    are set.
    """

    def __init__(self, place: Path | str, variables: Mapping[str, str]) -> None:
        self.folder = place if isinstance(place, Path) else None
        self._bucket = None if isinstance(place, Path) else _open(place, variables)
        self.where = str(place)

    def has(self, key: str) -> bool:
        if self.folder:
            return (self.folder / key).is_file()
        return self._asked.look(key) is not None

    @contextmanager
    def fetched(self, key: str, work: Path) -> Iterator[Path | None]:
        """A file of this machine with the bytes, for as long as the block lasts; None when there is none under the key."""
        if self.folder:
            path = self.folder / key
            yield path if path.is_file() else None
            return
        content = self._asked.read(key)
        if content is None:
            yield None
            return
        work.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=work)
        try:
            with open(handle, "wb", buffering=0) as out:
                for chunk in content.chunks:
                    write_all(out.fileno(), chunk)
            os.chmod(name, 0o444)
            yield Path(name)
        except OSError as problem:
            raise disk_fault(problem, work) or problem from problem
        finally:
            Path(name).unlink(missing_ok=True)

    def send(self, files: Mapping[str, Path]) -> int:
        """Put files under keys where there is nothing yet, each whole or not at all; how many were put."""
        missing = [key for key, there in zip(files, self._there(files), strict=True) if not there]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            try:
                for _ in pool.map(lambda key: self._put(key, files[key]), missing):
                    pass
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return len(missing)

    def _there(self, keys: Collection[str]) -> list[bool]:
        if self.folder:
            return [self.has(key) for key in keys]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self.has, keys))

    def _put(self, key: str, source: Path) -> None:
        if self.folder:
            put_link(source, self.folder / key, link=False)
        else:
            self._asked.put(key, source, replace=True)

    @property
    def _asked(self) -> Keyed:
        assert self._bucket is not None, "what is no folder is a bucket"
        return self._bucket


def _open(url: str, variables: Mapping[str, str]) -> Keyed:
    if is_bucket(url):
        return Bucket(url, {**os.environ, **variables})
    from shipway.store._bucket_fsspec import FsspecBucket

    return FsspecBucket(url)


def put_link(source: Path, target: Path, *, link: bool) -> bool:
    """Put a read-only file under a name, whole or not at all: by a second name for it, else as a copy. Returns: whether linked.

    Raises StoreFull.
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        linked = link and _linked(source, draft)
        if not linked:
            with source.open("rb", buffering=0) as given, draft.open("xb", buffering=0) as out:
                while chunk := given.read(1 << 20):
                    write_all(out.fileno(), chunk)
                os.fchmod(out.fileno(), 0o444)
        os.replace(draft, target)
        draft.unlink(missing_ok=True)  # a rename does nothing where both are one file already
    except OSError as problem:
        draft.unlink(missing_ok=True)
        raise disk_fault(problem, target.parent) or problem from problem
    return linked


def _linked(source: Path, draft: Path) -> bool:
    try:
        os.link(source, draft)
    except OSError:  # another file system, or all the names that a file can have
        return False
    return True
