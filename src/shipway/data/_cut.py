"""Files of text that end in the middle of a row: who copied or wrote one was interrupted, and it still reads as a table."""

from __future__ import annotations

import csv
import io
from pathlib import Path

_LOOKED = 1 << 20  # bytes at either end; of a longer line nothing is said


def cut_short(path: Path) -> str | None:
    """Why a CSV seems cut, in words: its last line does not end and has fewer fields than its header. None: it seems whole.

    Nothing is said of other formats, nor of a compressed file: these cannot be read when they are cut. A cut within the last
    field, or within a number, cannot be seen. Reads at most a megabyte of either end. Raises OSError.
    """
    if not path.name.lower().endswith(".csv"):
        return None
    with path.open("rb") as file:
        head = file.read(_LOOKED)
        file.seek(max(0, file.seek(0, io.SEEK_END) - _LOOKED))
        _, end, last = file.read().rpartition(b"\n")
    # A line of an even number of quotes does not begin within a field: that field would be open at the end.
    if not last or not end or not head.strip() or last.count(b'"') % 2:
        return None
    there, wanted = _fields(last), _fields(head)
    if not there or there >= wanted:
        return None
    return f"{path.name} seems cut: its last line has {there} of {wanted} fields and no end"


def _fields(data: bytes) -> int:
    """Of the first record; 0 where it is none."""
    try:
        return len(next(csv.reader(io.StringIO(data.decode("utf-8", "replace"), newline="")), []))
    except csv.Error:
        return 0
