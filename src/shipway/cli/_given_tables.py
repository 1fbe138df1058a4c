"""A table that a person names: a file, a folder of files, or an address in an object store. No project is asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.cli._settings import Settings

if TYPE_CHECKING:
    from shipway.data import Frame

_PLACES = ("s3://", "delta:", "iceberg://", "lakefs://")


@contextmanager
def open_table(
    settings: Settings, text: str, report: Callable[[str], None], *, doubt: Callable[[str], None]
) -> Iterator[Frame]:
    """Its rows, unread. What an address brought here goes with the block. doubt: hears of files that seem cut.

    Raises DataMissing, DataUnreadable, DataEmpty.
    """
    if not text.startswith(_PLACES):
        yield _local(settings.directory / text, text, doubt)
        return
    from shipway.data.in_place import copy_files, open_source, parse_place

    with tempfile.TemporaryDirectory(prefix="shipway-") as folder:
        source = open_source(parse_place(text), root=settings.directory, environ=settings.environ)
        copy_files(source, Path(folder), report=report)
        yield _local(Path(folder) / "files", text, doubt)


def _local(path: Path, text: str, doubt: Callable[[str], None]) -> Frame:
    from shipway.data import load_file, load_files

    if not path.is_dir():
        frame = load_file(path)
        _doubt([path], doubt)
        return frame
    files = sorted(file for file in path.rglob("*") if file.is_file() and not _hidden(file.relative_to(path)))
    frame = load_files([(file.relative_to(path).as_posix(), file) for file in files], name=text, where=text)
    _doubt(files, doubt)
    return frame


def _doubt(files: list[Path], doubt: Callable[[str], None]) -> None:
    from shipway.data import cut_short

    for why in filter(None, map(cut_short, files)):
        doubt(why)


def _hidden(path: Path) -> bool:
    """What a writer has not finished, or says about its own work, as Spark and others do."""
    return any(part.startswith((".", "_")) for part in path.parts)
