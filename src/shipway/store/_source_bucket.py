"""A bucket of documents that others write: listed and read, never written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from shipway.store._bucket import Bucket


class SourceObject(NamedTuple):
    """What a listing says of one. key: below the address; tag: changes with the bytes; changed: seconds of the Unix epoch."""

    key: str
    size: int
    tag: str | None
    changed: float


class SourceBucket:
    """Everything below `s3://BUCKET/PREFIX`. For use by several threads. Raises ObjectsAddress, ObjectsDown, ObjectsRefused."""

    def __init__(self, url: str) -> None:
        self._bucket = Bucket(url)
        self.where = self._bucket.where

    def list(self) -> Iterator[SourceObject]:
        """As it is now, in no order. Raises ObjectsRefused too when a key is no path (`a//b`, `a/../b`)."""
        for found in self._bucket.list(""):
            yield SourceObject(found.key, found.size, found.tag, found.changed)

    def read(self, key: str) -> bytes | None:
        """The bytes as they are now; None when there is nothing any more."""
        found = self._bucket.read(key)
        return None if found is None else b"".join(found.chunks)
