"""Files that a person names on the command line: written whole or not at all, read with an error that says why not."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from shipway.kernel.errors import ShipwayError


class FileUnusable(ShipwayError):
    """A file named on the command line cannot be read or written."""

    code = "cli.file-unusable"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place and rename it: whoever reads it finds the old one or the new one. Raises FileUnusable."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with open(handle, "wb") as out:
                out.write(data)
                os.fchmod(handle, 0o644)
                out.flush()
                os.fsync(handle)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise FileUnusable(
            f"cannot write {path.name}: {problem.strerror}", where=str(path), mend="name another file"
        ) from problem


def read_whole(path: Path, *, limit: int = 10_000_000) -> bytes:
    """The bytes of a file of at most `limit`. Raises FileUnusable."""
    try:
        with path.open("rb") as source:
            data = source.read(limit + 1)
    except OSError as problem:
        what = f"cannot read {path.name}: {problem.strerror}"
        raise FileUnusable(what, where=str(path), mend="correct its name") from problem
    if len(data) > limit:
        raise FileUnusable(f"{path.name} is larger than {limit:,} bytes", where=str(path), mend="name another file")
    return data
