"""A table as a person names it: a file, or a snapshot of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.cli._data_sides import is_path
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.data import Frame
    from shipway.kernel.digest import Digest


@dataclass(frozen=True, slots=True)
class AskedTable:
    """snapshot: its digest when it is one; None for a file."""

    frame: Frame
    name: str
    snapshot: Digest | None = None


def open_table(settings: Settings, text: str) -> AskedTable:
    """A file by its path (no project is needed), else NAME, NAME~1, RELEASE:NAME or a digest.

    Raises DataMissing, DataUnreadable, DataEmpty, SnapshotUnknown, SpecMissing.
    """
    from shipway.data import load_file, load_table

    if is_path(settings, text) or "." in text:
        return AskedTable(load_file(settings.directory / text), text)
    from shipway.cli._data import find_snapshot

    project = Project(settings)
    digest = find_snapshot(project, text)
    name = text.rpartition(":")[2].removeprefix("data/").partition("~")[0]
    return AskedTable(load_table(project.store, digest, name=name), name, digest)
