"""One file of a table as a comparison knows it, and its rows in parts of a fixed size, so that nothing depends on who reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import polars as pl

from shipway.data._errors import DataUnreadable
from shipway.data._listing import Beside
from shipway.data._table import Scan, scan_of, with_beside
from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import Digest, digest_bytes

PART = 1 << 18  # rows of a part: some ten megabytes, and enough that starting one is nothing


@dataclass(frozen=True)
class TableFile:
    """name: as a person knows it, which says its format; path: where its bytes are; beside: columns that stand in its path."""

    name: str
    path: Path
    digest: Digest
    beside: Beside = ()

    def __post_init__(self) -> None:
        with _told(self.name, self.path):
            status = self.path.stat()
        self.__dict__["_status"] = (status.st_ino, status.st_size, status.st_mtime_ns)

    @property
    def _first(self) -> tuple[int, int, int]:
        return cast("tuple[int, int, int]", self.__dict__["_status"])

    @cached_property
    def schema(self) -> dict[str, pl.DataType]:
        """Raises DataUnreadable."""
        with _told(self.name, self.path):
            return dict(self._frame.collect_schema())

    @cached_property
    def rows(self) -> int:
        """Of Parquet and Arrow the footer alone is read. Raises DataUnreadable."""
        with _told(self.name, self.path):
            return int(self._scan([self.path]).select(pl.len()).collect(engine="streaming").item())

    def as_it_was(self) -> bool:
        """Whether the file is still what it was when this was first asked of it."""
        try:
            status = self.path.stat()
        except OSError:
            return False
        return self._first == (status.st_ino, status.st_size, status.st_mtime_ns)

    @property
    def identity(self) -> Digest:
        """Names its rows: those of a file without columns beside it are its bytes."""
        if not self.beside:
            return self.digest
        return digest_bytes(canonical_json({"file": self.digest, "beside": [list(column) for column in self.beside]}))

    @property
    def _frame(self) -> pl.LazyFrame:
        frame = self._scan([self.path])
        return with_beside(frame, self.beside, self.name, there=frame.collect_schema()) if self.beside else frame

    @property
    def _scan(self) -> Scan:
        scan = scan_of(self.name)
        if scan is None:
            raise DataUnreadable(f"{self.name} is no table by its name", where=str(self.path), mend="leave it out")
        return scan

    def parts(self, columns: Sequence[str], size: int = PART) -> Iterator[pl.DataFrame]:
        """The rows in order, `size` at a time, some ahead of who takes them."""
        held = pl.DataFrame()
        with _told(self.name, self.path):
            batches = self._frame.select(columns).collect_batches(maintain_order=True, chunk_size=size)
            for batch in batches:
                held = held.vstack(batch) if held.width else batch
                while held.height >= size:
                    yield held.slice(0, size)
                    held = held.slice(size)
        if held.height:
            yield held

    def pick(self, places: pl.Series, columns: Sequence[str]) -> pl.DataFrame:
        """These rows (numbers from 0, rising), and `place`, in that order. Raises DataUnreadable."""
        with _told(self.name, self.path):
            numbered = self._frame.select(columns).with_row_index("\0place")
            wanted = numbered.filter(pl.col("\0place").is_in(places.cast(pl.UInt32).implode()))
            return wanted.collect(engine="streaming").sort("\0place")


class _told:
    """What Polars or the disk says becomes one error with the file's name."""

    def __init__(self, name: str, path: Path) -> None:
        self._name, self._path = name, path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, problem: BaseException | None, _trace: object) -> None:
        if isinstance(problem, pl.exceptions.PolarsError | pl.exceptions.PanicException | OSError):
            reason = str(problem).partition("\n")[0][:200]
            what = f"{self._name} cannot be read: {reason}"
            raise DataUnreadable(what, where=str(self._path), mend="write this file again") from problem
