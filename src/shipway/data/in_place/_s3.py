"""A prefix of a bucket: an object is told by its version id, where the bucket keeps versions, else by its ETag."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shipway.data._errors import SourceGone
from shipway.data._listing import Entry, InPlace
from shipway.data.in_place._write import write_bytes
from shipway.store import KeyVersion, VersionedBucket

_ALONE = (".parquet", ".pq", ".arrow", ".feather", ".csv")  # what Polars reads out of a bucket in pieces


class BucketSource:
    """`s3://BUCKET/PREFIX`. Keys that end in a slash and hold nothing are how consoles draw folders: they are left out."""

    def __init__(self, at: str, environ: Mapping[str, str]) -> None:
        self._bucket, self._at = VersionedBucket(at, environ), at

    def look(self) -> InPlace:
        return InPlace("s3", self._at, tuple(self._entry(one) for one in self._bucket.list() if not _is_folder(one)))

    def fetch(self, entry: Entry, target: Path) -> None:
        key = self._key(entry)
        chunks = self._bucket.read(key, version=entry.version, tag=entry.tag)
        if chunks is None:
            raise self._gone(key, entry)
        write_bytes(chunks, target, entry, where=f"s3://{self._bucket.bucket}/{key}")

    def readable(self, found: InPlace) -> Mapping[str, str | Path]:
        """Of a version that is not the newest Polars knows nothing: that one is fetched."""
        now = {entry.path: entry for entry in self.look().entries}
        return {
            entry.path: f"s3://{self._bucket.bucket}/{self._key(entry)}"
            for entry in found.entries
            if now.get(entry.path) == entry and entry.path.lower().endswith(_ALONE)
        }

    def _entry(self, one: KeyVersion) -> Entry:
        prefix = self._bucket.prefix
        alone = one.key == prefix
        path = one.key.rpartition("/")[2] if alone else one.key.removeprefix(f"{prefix}/" if prefix else "")
        return Entry(path, one.size, one.tag, one.version, at=one.key if alone else None)

    def _key(self, entry: Entry) -> str:
        return entry.at or (f"{self._bucket.prefix}/{entry.path}" if self._bucket.prefix else entry.path)

    def _gone(self, key: str, entry: Entry) -> SourceGone:
        where = f"s3://{self._bucket.bucket}/{key}"
        if entry.version:
            what = f"version {entry.version} of {entry.path} is not there any more: it expired, or somebody deleted it"
            mend = "restore it from a backup, or take a new snapshot; keep old versions longer in the bucket's lifecycle"
            return SourceGone(what, where=where, mend=mend)
        now = self._bucket.now(key)
        happened = "was overwritten" if now else "was deleted"
        what = f"{entry.path} {happened} since its snapshot, and the bucket keeps no versions: its bytes are gone"
        mend = "put the same bytes there again, or take a new snapshot; versioning of the bucket prevents this"
        return SourceGone(what, where=where, mend=mend)


def _is_folder(one: KeyVersion) -> bool:
    return one.key.endswith("/") and one.size == 0
