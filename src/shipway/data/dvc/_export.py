"""A snapshot as DVC has it: objects and lists in its cache or remote, a `.dvc` file beside the data. Equal bytes are linked."""

from __future__ import annotations

import hashlib
import os
import posixpath
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shipway.data._errors import DataUnreadable
from shipway.data._snapshot import object_file, snapshot_files
from shipway.data.dvc._errors import DvcUnsupported
from shipway.data.dvc._files import DvcOut, render_dvc_file, update_dvc_file
from shipway.data.dvc._manifest import render_manifest
from shipway.data.dvc._repo import DvcRepo, object_keys, read_text
from shipway.kernel.digest import Digest
from shipway.store import Foreign, Store, TreeFile, put_link, while_working

_MARK = 0o444  # DVC believes an object of this mode and hashes any other


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written for DVC. cached: objects that its cache had not; sent: those that the remote had not."""

    out: DvcOut
    cached: int
    sent: int
    written: bool


def describe_snapshot(store: Store, digest: Digest, path: str, *, folder: bool) -> DvcOut:
    """How DVC knows a snapshot at a path below the repository. Sums that are not known are read. Raises ObjectMissing."""
    return describe_files(store, snapshot_files(store, digest), path, folder=folder)


def describe_files(store: Store, files: Sequence[TreeFile], path: str, *, folder: bool) -> DvcOut:
    """As describe_snapshot, of files that are objects. Raises DvcUnsupported for a name that is no UTF-8."""
    for file in files:
        if _is_odd(file.path):
            what = f"{file.path!r} of {path} is a name that is no UTF-8, and DVC keeps only such"
            raise DvcUnsupported(what, where=path, mend="rename the file")
    sums = md5_of(store, files)
    size = sum(file.size for file in files)
    if not folder:
        (file,) = files
        return DvcOut(path, sums[file.digest], False, file.size, None, file.executable)
    _, md5 = render_manifest({file.path: sums[file.digest] for file in files})
    return DvcOut(path, md5, True, size, len(files))


def md5_of(store: Store, files: Iterable[TreeFile]) -> dict[Digest, str]:
    """The MD5 of each, which are read where it is not known. Raises ObjectMissing."""
    digests = {file.digest for file in files}
    known = store.sums.find(digests)
    new: dict[Digest, str] = {}
    for digest in sorted(digests - known.keys()):
        md5 = hashlib.md5(usedforsecurity=False)
        for chunk in store.objects.read(digest):
            md5.update(chunk)
        new[digest] = md5.hexdigest()
    store.sums.add(new)
    return known | new


@while_working
def export_files(
    store: Store,
    repo: DvcRepo,
    files: Sequence[TreeFile],
    out: DvcOut,
    *,
    remote: Foreign | None = None,
    report: Callable[[str, int], None] | None = None,
) -> tuple[int, int]:
    """Put the objects of an out, and the list of a folder after them, into DVC's cache and a remote; how many each had not.

    Raises ObjectMissing, StoreFull, ObjectsDown, ObjectsRefused.
    """
    sums = md5_of(store, files)
    cached, sources = 0, dict[str, Path]()
    for file in files:
        (key,) = object_keys(sums[file.digest], folder=False, legacy=False)
        source, target = object_file(store, file, name=out.path), repo.cache / key
        cached += _cache(source, target, file.size)
        sources[key] = source
        if report:
            report(file.path, file.size)
    sent = remote.send(sources) if remote else 0
    if out.folder:
        data, md5 = render_manifest({file.path: sums[file.digest] for file in files})
        (key,) = object_keys(md5, folder=True, legacy=False)
        with tempfile.TemporaryDirectory() as work:
            source = Path(work) / "list"
            source.write_bytes(data)
            cached += _cache(source, repo.cache / key, len(data), link=False)
            sent += remote.send({key: source}) if remote else 0
    return cached, sent


def write_dvc_file(repo: DvcRepo, out: DvcOut) -> bool:
    """Write `PATH.dvc` and the line of `.gitignore`; whether the file is another one than before.

    Raises DvcMalformed and DvcUnsupported for one that is there and says something else.
    """
    path = repo.root / f"{out.path}.dvc"
    name = f"{out.path}.dvc"
    before = read_text(path, name) if path.exists() else None
    text = render_dvc_file(out) if before is None else update_dvc_file(before, name, out)
    if text != before:
        replace_text(path, text)
    ignore(repo, out.path)
    return text != before


def ignore(repo: DvcRepo, path: str) -> None:
    """Keep a path that DVC tracks out of Git, as DVC does: by a line in the `.gitignore` beside it."""
    if not any((place / ".git").exists() for place in (repo.root, *repo.root.parents)):
        return
    folder = repo.root / posixpath.dirname(path)
    line = "/" + "".join(f"\\{letter}" if letter in "[]!*#?" else letter for letter in posixpath.basename(path))
    place = folder / ".gitignore"
    text = read_text(place, ".gitignore") if place.exists() else ""
    if line not in text.splitlines():
        replace_text(place, text + ("" if not text or text.endswith("\n") else "\n") + line + "\n")


def replace_text(path: Path, text: str) -> None:
    """Write a file of the repository whole or not at all. Raises DataUnreadable."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8", newline="")
        os.replace(draft, path)
    except OSError as problem:
        draft.unlink(missing_ok=True)
        raise DataUnreadable(f"cannot write {path.name}: {problem.strerror}", where=str(path)) from problem


def _cache(source: Path, target: Path, size: int, *, link: bool = True) -> int:
    """Whether the cache had not this object; one of another size or mode is written anew, as DVC would find it damaged."""
    try:
        status = os.lstat(target)
        if status.st_size == size and status.st_mode & 0o777 == _MARK:
            return 0
    except OSError:
        pass
    put_link(source, target, link=link)
    return 1


def _is_odd(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return True
    return False
