"""The files of a place in a folder of ours, without a store and a snapshot: for whoever reads them once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from shipway.data._errors import DataEmpty
from shipway.data._listing import InPlace, check_paths
from shipway.data.in_place._source import Source
from shipway.kernel.canonical import JsonObject, canonical_json


def copy_files(source: Source, folder: Path, *, report: Callable[[str], None]) -> None:
    """Bring what is there now into `folder / "files"`; after a kill it goes on, or anew where something there changed.

    Raises DataEmpty, DataUnreadable (keys that are no paths), and what a Source raises.
    """
    found = source.look()
    if not found.entries:
        raise DataEmpty(f"nothing is at {found.at}", where=found.at, mend="correct the address")
    check_paths((entry.path for entry in found.entries), where=found.at)
    listing, record = canonical_json(_listing(found)), folder / "listing.json"
    if not record.is_file() or record.read_bytes() != listing:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        record.write_bytes(listing)
    for entry in found.entries:
        target, partial = folder / "files" / entry.path, folder / "partial"
        if not target.is_file():
            report(f"bringing {entry.path}")
            source.fetch(entry, partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(target)


def _listing(found: InPlace) -> JsonObject:
    files = [[entry.path, entry.size, entry.tag, entry.version] for entry in found.entries]
    return {"kind": "brought", "version": 1, "at": found.at, "of": found.version, "files": list(files)}
