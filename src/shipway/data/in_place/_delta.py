"""A Delta Lake table at one of its versions: the files that its log names there. The log is read by deltalake."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from shipway.data._errors import DataMissing, RowsUnfit, SourceDown, SourceGone
from shipway.data._listing import Entry, InPlace
from shipway.data.in_place._files import FolderFiles, open_files
from shipway.data.in_place._write import write_bytes

if TYPE_CHECKING:
    from deltalake import DeltaTable

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/|/")
_OTHER_FORMAT = "take a copy: `shipway data snapshot` of a folder, or of a query"


class DeltaSource:
    """`delta:FOLDER` or `delta:s3://BUCKET/PREFIX`. Files never change under their names: sizes are proof enough."""

    def __init__(self, at: str, version: str | None, root: Path, environ: Mapping[str, str]) -> None:
        self._at, self._version, self._files = at, version, open_files(at, root, environ)

    def look(self) -> InPlace:
        table = self._open()
        metadata = table.metadata()
        self._refuse_unfit(table)
        kinds = {field["name"]: field["type"] for field in json.loads(table.schema().to_json())["fields"]}
        columns = tuple((name, str(kinds[name])) for name in sorted(metadata.partition_columns))
        return InPlace(
            "delta",
            self._at,
            tuple(self._entries(table)),
            version=str(table.version()),
            table=str(metadata.id),
            columns=columns,
        )

    def fetch(self, entry: Entry, target: Path) -> None:
        chunks = self._files.read(entry.path)
        if chunks is None:
            what = f"{entry.path} is not there any more: the table was vacuumed, or the file deleted"
            mend = "take a snapshot of a newer version; VACUUM with a longer retention keeps what snapshots name"
            raise SourceGone(what, where=f"{self._at}/{entry.path}", mend=mend)
        write_bytes(chunks, target, entry, where=f"{self._at}/{entry.path}")

    def readable(self, found: InPlace) -> Mapping[str, str | Path]:
        there = self._files.sizes()
        return {entry.path: self._files.place(entry.path) for entry in found.entries if there.get(entry.path) == entry.size}

    def _open(self) -> DeltaTable:
        try:
            from deltalake import DeltaTable
            from deltalake.exceptions import DeltaError, TableNotFoundError
        except ImportError as problem:
            raise SourceDown("deltalake is not installed", where=self._at, mend="pip install 'shipway[delta]'") from problem
        place = str(self._files.folder.absolute()) if isinstance(self._files, FolderFiles) else self._at
        asked = int(self._version) if self._version else None
        try:
            return DeltaTable(place, version=asked, storage_options=self._files.options() or None)
        except TableNotFoundError as problem:
            mend = "correct the address under `from`"
            raise DataMissing(f"there is no Delta table at {self._at}", where=self._at, mend=mend) from problem
        except (DeltaError, OSError, ValueError) as problem:
            if asked is not None and "version" in str(problem).lower():
                what = f"the table has no version {asked} any more, or not yet"
                raise SourceGone(what, where=self._at, mend="name a version that `DESCRIBE HISTORY` shows") from problem
            said = str(problem).partition("\n")[0][:200]
            mend = "look at the address and at the table's log"
            raise SourceDown(f"the log of the Delta table cannot be read: {said}", where=self._at, mend=mend) from problem

    def _refuse_unfit(self, table: DeltaTable) -> None:
        """Where the files alone are not the rows, a folder of them would be wrong without anybody noticing."""
        if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
            what = "the table maps its columns' names, so its files have others"
            raise RowsUnfit(what, where=self._at, mend=_OTHER_FORMAT)
        features = table.protocol().reader_features or []
        if "deletionVectors" in features and _deletes(table):
            what = "the table has deletion vectors, so its files hold rows that are deleted"
            raise RowsUnfit(what, where=self._at, mend="REORG TABLE ... APPLY (PURGE), then take the snapshot of that version")

    def _entries(self, table: DeltaTable) -> Iterator[Entry]:
        import polars as pl

        for row in pl.DataFrame(table.get_add_actions(flatten=False)).iter_rows(named=True):
            if _ABSOLUTE.match(row["path"]):
                what = f"the table is a shallow clone: {unquote(row['path'])[:200]} lies elsewhere"
                raise RowsUnfit(what, where=self._at, mend="name the table that it is a clone of, or make a deep one")
            columns = tuple(sorted((name, _text(value)) for name, value in (row.get("partition") or {}).items()))
            yield Entry(unquote(row["path"]), int(row["size_bytes"]), columns=columns)


def _deletes(table: DeltaTable) -> bool:
    """Whether there are deletion vectors, also ones that cannot be read."""
    from deltalake.exceptions import DeltaError

    try:
        return any(batch.num_rows for batch in table.deletion_vectors())
    except DeltaError:
        return True


def _text(value: Any) -> str | None:
    """A value of a column that stands in a path, as a listing has it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
