"""Work for a Ray cluster, with faults: each is a function of a part, as Shipway's own."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from shipway.data import DataUnreadable


def double(part: int) -> int:
    return part * 2


def process(part: int) -> int:
    return os.getpid()


def dies_once(folder: Path, part: int) -> int:
    """The worker of part 3 is gone in the middle, the first time."""
    if part == 3 and not (folder / "died").exists():
        (folder / "died").touch()
        os._exit(1)
    return part * 2


def dies_always(part: int) -> int:
    os._exit(1)


def fails(part: int) -> int:
    if part == 2:
        raise ValueError("part 2 is bad\nand more")
    return part


def refuses(part: int) -> int:
    raise DataUnreadable("sample/2.parquet cannot be read", where="2.parquet", mend="write it again")


def dying(folder: Path) -> partial[int]:
    return partial(dies_once, folder)
