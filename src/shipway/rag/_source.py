"""Where documents come from: a folder, a file, a tree of a Git repository, a bucket; what is no text is named, not lost."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from shipway.kernel.digest import Digest, digest_bytes
from shipway.rag._bucket import SCHEMES, BucketPlace, digests_of
from shipway.rag._errors import SourceEmpty, SourceUnreadable
from shipway.rag._git import GitBlob, list_tree, read_blobs
from shipway.rag._globs import matcher
from shipway.store import SourceBucket, Store

MAX_BYTES = 16 << 20  # a larger text is a dump or a log, whose chunks would drown the documents
GIT = "git:"
_NEVER = {".git", ".hg", ".svn", ".shipway", "__pycache__"}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One document of a source. key: its path below the source; size in bytes.

    changed: seconds of the Unix epoch when it came to be as it is here: the later of mtime and ctime, because a copied or
    unpacked file keeps an mtime from long before; for Git the time of the revision, at the latest (commit_times knows more);
    in a bucket when it was put.
    """

    key: str
    digest: Digest
    size: int
    changed: float
    place: Path | GitBlob | BucketPlace


class Unreadable(NamedTuple):
    """A document that is left out, and why."""

    key: str
    reason: str


class Unreached(Unreadable):
    """A document that the system did not give: nobody knows whether it is text, and it may well be there tomorrow."""

    __slots__ = ()


class Listing(NamedTuple):
    """The documents of a source in the order of their keys, and what cannot be one of them."""

    files: tuple[SourceFile, ...]
    unreadable: tuple[Unreadable, ...]


class Document(NamedTuple):
    """A document as it was read: its bytes may be newer than its listing, and `digest` is theirs."""

    key: str
    digest: Digest
    data: bytes


def list_source(store: Store, source: str, include: Iterable[str] = (), *, root: Path) -> Listing:
    """The documents at `source`: a folder or file below `root` (or an absolute path), `git:REPOSITORY[@REVISION]`, or
    `s3://BUCKET/PREFIX`.

    include: globs over keys, all when empty. Files that the store's stat cache knows are not read, nor what a bucket has under
    a tag that was seen here. Links are followed to files inside the source only. Raises SourceEmpty when nothing is there,
    SourceUnreadable when it cannot be listed; of a bucket ObjectsAddress, ObjectsDown, ObjectsRefused.
    """
    wanted, elsewhere = matcher(include), source.startswith((GIT, *SCHEMES))
    if source.startswith(SCHEMES):
        listing = _list_bucket(store, source, wanted)
    else:
        listing = _list_git(source, wanted, root) if elsewhere else _list_files(store, root / source, wanted)
    if not listing.files and not listing.unreadable:
        raise SourceEmpty(
            f"{source} lists no document",
            where=source if elsewhere else str(root / source),
            mend="correct source and include; an index is never emptied by an empty listing",
        )
    return listing


def read_source(files: Sequence[SourceFile]) -> Iterator[Document | Unreadable]:
    """Each file's bytes as they are now, or why it is no text. Git's come from one process."""
    blobs = read_blobs([file.place for file in files if isinstance(file.place, GitBlob)])
    for file in files:
        try:
            data = next(blobs) if isinstance(file.place, GitBlob) else _bytes(file.place)
        except OSError as problem:
            yield Unreached(file.key, problem.strerror or "cannot be read")
            continue
        reason = why_no_text(data)
        yield Unreadable(file.key, reason) if reason else Document(file.key, digest_bytes(data), data)


def _bytes(place: Path | BucketPlace) -> bytes:
    if isinstance(place, Path):
        return place.read_bytes()
    data = place.read()
    if data is None:
        raise FileNotFoundError(errno.ENOENT, "gone since it was listed")
    return data


def why_no_text(data: bytes) -> str | None:
    """Why these bytes are no document; None when they are.

    >>> why_no_text(b"caf\\xc3\\xa9"), why_no_text(b"caf\\xe9"), why_no_text(b"PK\\x00")
    (None, 'not UTF-8 at byte 3', 'has NUL bytes')
    """
    if len(data) > MAX_BYTES:
        return _too_large(len(data))
    if b"\0" in data:
        return "has NUL bytes"
    try:
        data.decode()
    except UnicodeDecodeError as problem:
        return f"not UTF-8 at byte {problem.start}"
    return None


def _list_files(store: Store, place: Path, wanted: Callable[[str], bool]) -> Listing:
    if not place.exists():
        raise SourceEmpty(f"{place.name} is not there", where=str(place), mend="put the documents there, or correct source")
    files: list[SourceFile] = []
    unreadable: list[Unreadable] = []
    for key, path in _walk(place, unreadable) if place.is_dir() else iter([(place.name, place)]):
        if wanted(key):
            found = _look(store, key, path, place)
            (files if isinstance(found, SourceFile) else unreadable).append(found)  # type: ignore[arg-type]
    store.save_digests()
    return Listing(tuple(sorted(files, key=lambda file: file.key)), tuple(sorted(u for u in unreadable if wanted(u.key))))


def _walk(folder: Path, unreadable: list[Unreadable]) -> Iterator[tuple[str, Path]]:
    """Every file below a folder with its key; a folder that cannot be listed is an error, since its files would seem gone."""
    pending = [("", folder)]
    while pending:
        below, place = pending.pop()
        try:
            entries = list(os.scandir(place))
        except OSError as problem:
            raise SourceUnreadable(f"cannot list {place.name}: {problem.strerror}", where=str(place)) from problem
        for entry in entries:
            key = below + entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _NEVER:
                    pending.append((key + "/", Path(entry.path)))
            elif _leads_to_folder(entry):
                unreadable.append(Unreadable(_printable(key), "a link to a folder"))
            else:
                yield key, Path(entry.path)


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links that lead to each other: told of when the file is looked at
        return False


def _look(store: Store, key: str, path: Path, source: Path) -> SourceFile | Unreadable:
    """The listing of one file, read only when the stat cache does not know it."""
    if _printable(key) != key:
        return Unreadable(_printable(key), "its name is not UTF-8")
    try:
        if path.is_symlink() and not path.resolve(strict=True).is_relative_to(source.resolve()):
            return Unreadable(key, "a link out of the source")
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return Unreadable(key, "not a regular file")
        if status.st_size > MAX_BYTES:
            return Unreadable(key, _too_large(status.st_size))
        digest = store.digest_of(path)
    except RuntimeError:  # how resolve tells of links that lead to each other, up to Python 3.12
        return Unreached(key, "a link that leads nowhere")
    except OSError as problem:
        return Unreached(key, problem.strerror or "cannot be read")
    return SourceFile(key, digest, status.st_size, max(status.st_mtime, status.st_ctime), path)


def _list_git(source: str, wanted: Callable[[str], bool], root: Path) -> Listing:
    place, _, revision = source.removeprefix(GIT).rpartition("@") if "@" in source else (source.removeprefix(GIT), "", "")
    entries = [entry for entry in list_tree(root / place, revision or "HEAD") if wanted(_printable(entry.key))]
    unreadable = [Unreadable(_printable(entry.key), why) for entry in entries if (why := _why_no_blob(entry))]
    blobs = [entry for entry in entries if not _why_no_blob(entry)]
    files = [
        SourceFile(blob.key, digest_bytes(data), len(data), blob.time, blob)
        for blob, data in zip(blobs, read_blobs(blobs), strict=True)
    ]
    return Listing(tuple(sorted(files, key=lambda file: file.key)), tuple(sorted(unreadable)))


def _list_bucket(store: Store, source: str, wanted: Callable[[str], bool]) -> Listing:
    bucket = SourceBucket(source)
    listed = [found for found in bucket.list() if wanted(found.key)]
    small = [found for found in listed if found.size <= MAX_BYTES]
    digests = digests_of(bucket, small, cache=store.root / "cache" / "tags")
    files = [
        SourceFile(found.key, digests[found.key], found.size, found.changed, BucketPlace(bucket, found.key))
        for found in small
        if found.key in digests
    ]
    large = [Unreadable(found.key, _too_large(found.size)) for found in listed if found.size > MAX_BYTES]
    return Listing(tuple(sorted(files, key=lambda file: file.key)), tuple(sorted(large)))


def _why_no_blob(entry: GitBlob) -> str | None:
    if _printable(entry.key) != entry.key:
        return "its name is not UTF-8"
    if not entry.regular:
        return "a link or a submodule"
    return _too_large(entry.size) if entry.size > MAX_BYTES else None


def _too_large(size: int) -> str:
    return f"{size:,} bytes, more than {MAX_BYTES >> 20} MiB"


def _printable(key: str) -> str:
    """The key as text that has a UTF-8 form; a name that is not UTF-8 arrives with surrogates inside."""
    return key.encode("utf-8", "replace").decode()
