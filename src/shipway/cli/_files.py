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


def read_whole(path: Path) -> bytes:
    """The bytes of a file. Raises FileUnusable."""
    try:
        return path.read_bytes()
    except OSError as problem:
        raise FileUnusable(
            f"cannot read {path.name}: {problem.strerror}", where=str(path), mend="correct its name"
        ) from problem
