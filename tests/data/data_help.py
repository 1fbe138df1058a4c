"""Real files and real stores for the tests of `shipway.data`."""

from __future__ import annotations

import os
import time
from pathlib import Path

import polars as pl

from shipway.data import Profile
from shipway.kernel.canonical import Json
from shipway.store import Store, open_store


def new_store(root: Path) -> Store:
    """The store of one process; a second call stands for a second process."""
    root.mkdir(exist_ok=True)
    return open_store(root, "test", create=True)


def write_months(folder: Path, months: int = 3) -> Path:
    """A small Parquet file per month in nested folders."""
    for month in range(1, months + 1):
        path = folder / f"2013/{month:02d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"month": [month] * 4, "delay": [1.5, None, -2.0, 30.0 * month]}).write_parquet(path)
    return folder


def rewrite(path: Path, data: bytes) -> None:
    """New content of the same size under the same inode, with the old modification time put back."""
    status = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def flip_byte(path: Path, place: int) -> None:
    """One byte of an object changes on the disk."""
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(bytes(data))


def wait_for_a_new_tick() -> None:
    """A file written now has another ctime than one written before."""
    time.sleep(0.02)


def approximately(one: Json, other: Json) -> bool:
    """Whether two JSON values are equal, numbers with a fraction to 1e-9 of their size."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(approximately(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(approximately(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-9 * max(1.0, abs(one), abs(other))
    return one == other


def same_profile(one: Profile, other: Profile) -> bool:
    return approximately(one.to_json(), other.to_json())
