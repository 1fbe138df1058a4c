"""The documents below an address in a bucket: one listing, and the bytes of what was never read under the tag that it has now.

Whether something changed is said by the listing alone. Tags that were seen are a cache: without it everything is read once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shipway.kernel.digest import Digest, digest_bytes, parse_digest
from shipway.rag._globs import matcher
from shipway.store import SourceBucket, SourceObject

SCHEMES = ("s3://", "gs://", "az://")
_AT_ONCE = 8  # a request takes about 20 ms, nearly all of it waiting

Tags = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """Where a document is."""

    bucket: SourceBucket
    key: str

    def read(self) -> bytes | None:
        """Its bytes as they are now; None when it is gone."""
        return self.bucket.read(self.key)


def is_of_source(source: str, include: Iterable[str], address: str) -> bool:
    """Whether an object, there or gone, is a document of a source. address: as in s3://BUCKET/KEY.

    >>> is_of_source("s3://acme/docs/", ["**/*.md"], "s3://acme/docs/a/b.md")
    True
    """
    below = source.rstrip("/") + "/"
    return source.startswith(SCHEMES) and address.startswith(below) and matcher(include)(address.removeprefix(below))


def digests_of(bucket: SourceBucket, listed: Sequence[SourceObject], *, cache: Path) -> dict[str, Digest]:
    """The digest of each of these; what is gone since it was listed has none.

    cache: a folder for tags that were seen. Raises ObjectsDown, ObjectsRefused.
    """
    path = cache / f"{digest_bytes(bucket.where.encode())[7:23]}.json"
    known, found, unknown = _load(path), dict[str, Digest](), list[SourceObject]()
    for one in listed:
        seen = known.get(one.key)
        if seen and seen[0] == one.tag:
            found[one.key] = parse_digest(seen[1])
        else:
            unknown.append(one)
    tags = {one.key: one.tag for one in listed}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for one, digest_now in zip(unknown, pool.map(lambda one: _digest(bucket, one.key), unknown), strict=True):
            if digest_now is not None:
                found[one.key] = digest_now
    if unknown or known.keys() != found.keys():
        _save(path, {key: (named, digest) for key, digest in found.items() if (named := tags[key])})
    return found


def _digest(bucket: SourceBucket, key: str) -> Digest | None:
    data = bucket.read(key)
    return None if data is None else digest_bytes(data)


def _load(path: Path) -> Tags:
    """What is remembered; nothing when the file is not there or was not written here."""
    try:
        found = json.loads(path.read_bytes())
        return {str(key): (str(tag), parse_digest(digest)) for key, (tag, digest) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _save(path: Path, tags: Tags) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(tags))
        temporary.replace(path)
    except OSError:  # a full disk: everything is read again
        with suppress(OSError):
            temporary.unlink()
