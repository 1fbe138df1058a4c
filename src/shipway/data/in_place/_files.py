"""Files of a table, by their path below it: in a folder of this machine, or in a bucket."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from shipway.store import VersionedBucket

_CHUNK = 1 << 20


class Files(Protocol):
    """Raises ObjectsAddress, ObjectsDown, ObjectsRefused of a bucket."""

    def read(self, path: str) -> Iterator[bytes] | None:
        """The bytes of a file; None when it is not there."""

    def sizes(self) -> Mapping[str, int]:
        """What is there now, in bytes."""

    def size(self, path: str) -> int | None:
        """Of one file, in bytes; None when it is not there."""

    def place(self, path: str) -> str | Path:
        """Where Polars finds a file."""

    def options(self) -> dict[str, str]:
        """What a library has to be told to read there; holds secrets."""


def open_files(at: str, root: Path, environ: Mapping[str, str]) -> Files:
    """The files below an address, or below a folder, which is relative to the root unless it is absolute."""
    return BucketFiles(at, environ) if at.startswith("s3://") else FolderFiles(root / at.removeprefix("file://"))


class FolderFiles:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, path: str) -> Iterator[bytes] | None:
        try:
            source = (self.folder / path).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

        def chunks() -> Iterator[bytes]:
            with source:
                while chunk := source.read(_CHUNK):
                    yield chunk

        return chunks()

    def sizes(self) -> Mapping[str, int]:
        found = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                file = os.path.join(folder, name)
                found[os.path.relpath(file, self.folder)] = os.stat(file).st_size
        return found

    def size(self, path: str) -> int | None:
        try:
            return (self.folder / path).stat().st_size
        except OSError:
            return None

    def place(self, path: str) -> str | Path:
        return self.folder / path

    def options(self) -> dict[str, str]:
        return {}


class BucketFiles:
    def __init__(self, at: str, environ: Mapping[str, str]) -> None:
        self._at, self._bucket = at, VersionedBucket(at, environ)

    def read(self, path: str) -> Iterator[bytes] | None:
        return self._bucket.read(self._key(path), version=None, tag=None)

    def sizes(self) -> Mapping[str, int]:
        below = self._key("")
        return {one.key.removeprefix(below): one.size for one in self._bucket.list()}

    def size(self, path: str) -> int | None:
        found = self._bucket.now(self._key(path))
        return found.size if found else None

    def place(self, path: str) -> str | Path:
        return f"s3://{self._bucket.bucket}/{self._key(path)}"

    def options(self) -> dict[str, str]:
        return self._bucket.scan_options()

    def _key(self, path: str) -> str:
        return f"{self._bucket.prefix}/{path}" if self._bucket.prefix else path
