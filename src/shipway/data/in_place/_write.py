"""Bytes that arrive, into a file of ours: as many as were said, or an error."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from shipway.data._errors import SourceDown, SourceGone
from shipway.data._listing import Entry


def write_bytes(chunks: Iterable[bytes], target: Path, entry: Entry, *, where: str) -> None:
    """Raises SourceGone for more bytes than a file had, SourceDown for fewer: an answer that broke off."""
    size = 0
    with target.open("wb") as out:
        for chunk in chunks:
            size += out.write(chunk)
            if size > entry.size:
                break
    if size == entry.size:
        return
    if size > entry.size:
        what = f"{entry.path} has more than the {entry.size:,} bytes that its snapshot says"
        raise SourceGone(what, where=where, mend="take a new snapshot, or restore the file that was there")
    what = f"of {entry.path} {size:,} of {entry.size:,} bytes came"
    raise SourceDown(what, where=where, mend="run this again; where it stays so, the file is another than in the snapshot")
