"""Where `shipway score` reads and writes beside files of this machine: a bucket, a table, a data set of the project."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shipway.cli._settings import Project

_PLACES = ("s3://", "delta:", "iceberg://", "lakefs://")
_BUCKETS = ("s3://", "gs://", "az://")


@contextmanager
def open_given(project: Project, text: str, out: str, report: Callable[[str], None]) -> Iterator[Path]:
    """The file or folder that IN means, on this machine. What was brought goes when the scoring has ended well."""
    path = project.settings.directory / text
    if text.startswith(_PLACES):
        from shipway.data.in_place import copy_files, open_source, parse_place

        folder = _folder(project, text, out)
        root = project.settings.directory
        copy_files(open_source(parse_place(text), root=root, environ=project.settings.environ), folder, report=report)
        yield folder / "files"
        shutil.rmtree(folder)
    elif text.startswith("data/") and not path.exists():
        from shipway.cli._checkout import bring_files
        from shipway.cli._data import find_snapshot

        digest = find_snapshot(project, text)
        folder = _folder(project, digest, out)
        bring_files(project, digest, str(folder), name=text, link="auto", force=False)
        yield folder
        shutil.rmtree(folder)
    else:
        yield path


@contextmanager
def open_out(project: Project, text: str, *, replace: bool) -> Iterator[Path]:
    """Where OUT is written; one in a bucket is put there when all of it is written. Raises OutputRefused."""
    if not text.startswith(_BUCKETS):
        yield project.settings.directory / text
        return
    from shipway.operate import OutputRefused
    from shipway.store import stands_in_bucket, upload

    environ = project.settings.environ
    if not replace and stands_in_bucket(text, environ):
        raise OutputRefused(f"{text} is there already", where=text, mend="another name, or --again to replace it")
    folder = _folder(project, "out", text)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / text.rpartition("/")[2]
    target.unlink(missing_ok=True)  # of one that ended before it was put
    yield target
    upload(text, target, environ)
    shutil.rmtree(folder)


def _folder(project: Project, *named: str) -> Path:
    from shipway.kernel.digest import digest_bytes, short

    return project.store.root / "cache" / "score" / short(digest_bytes("\0".join(named).encode()))
