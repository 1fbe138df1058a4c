"""Where `shipway score` reads and writes beside files of this machine: a bucket, a table, a data set of the project."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.cli._settings import Project

if TYPE_CHECKING:
    from shipway.operate import Asked

_PLACES = ("s3://", "delta:", "iceberg://", "lakefs://")
_SQL = "sql:"
_BUCKETS = ("s3://", "gs://", "az://")


def open_asked(project: Project, text: str) -> Asked | None:
    """The query of a data set that `sql:NAME` means; None where IN is no such thing. Raises DataUnknown, Misused, DataMissing,
    SecretMissing, SourceDown.
    """
    if not text.startswith(_SQL) or (project.settings.directory / text).exists():
        return None
    from shipway.cli._data import chosen_data
    from shipway.cli._output import Misused
    from shipway.operate import Asked
    from shipway.pipeline import open_sql

    (data,) = chosen_data(project.spec, (text.removeprefix(_SQL),))
    if data.query is None:
        raise Misused(f"the data set {data.name} has no query", where=text, mend=f"data/{data.name}, or sql: under it")
    return Asked(data.name, *open_sql(project.hands, project.spec, data.query, what=data.name))


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


def in_bucket(text: str) -> bool:
    """Whether OUT is an address."""
    return text.startswith(_BUCKETS)


def check_bucket(project: Project, text: str, *, replace: bool) -> None:
    """Raises OutputRefused where OUT is in a bucket and there already."""
    from shipway.operate import OutputRefused
    from shipway.store import stands_in_bucket

    if in_bucket(text) and not replace and stands_in_bucket(text, project.settings.environ):
        raise OutputRefused(f"{text} is there already", where=text, mend="another name, or --again to replace it")


@contextmanager
def open_out(project: Project, text: str) -> Iterator[Path]:
    """Where OUT is written; one in a bucket is put there when all of it is written. What was scored stays until it is there."""
    if not in_bucket(text):
        yield project.settings.directory / text
        return
    from shipway.store import upload

    environ = project.settings.environ
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
