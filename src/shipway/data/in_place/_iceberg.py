"""An Iceberg table at one of its snapshots: the data files that its manifests name. They are read by pyiceberg.

A catalog is configured as pyiceberg wants it, in `~/.pyiceberg.yaml` or `PYICEBERG_CATALOG__NAME__*`: secrets stay there.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from shipway.data._errors import DataMissing, RowsUnfit, SourceDown, SourceGone
from shipway.data._listing import Entry, InPlace
from shipway.data.in_place._files import BucketFiles, Files, FolderFiles
from shipway.data.in_place._write import write_bytes

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, Table
    from pyiceberg.table.snapshots import Snapshot

_CATALOG = "iceberg://"
_AT_ONCE = 8
_COPY = "take a copy: `shipway data snapshot` of a folder, or of a query"


class _Spot(NamedTuple):
    """Where a file is: below what, and its path there."""

    top: str
    path: str


class IcebergSource:
    """`iceberg://CATALOG/NAMESPACE.TABLE`, or `iceberg:` and the address of a `.metadata.json`."""

    def __init__(self, at: str, version: str | None, root: Path, environ: Mapping[str, str]) -> None:
        self._at, self._version, self._root, self._environ = at, version, root, environ
        self._opened: dict[str, Files] = {}

    def look(self) -> InPlace:
        table = self._table()
        snapshot = self._snapshot(table)
        self._refuse_renames(table, snapshot)
        entries = tuple(self._entry(task, table.location()) for task in self._tasks(table, snapshot))
        return InPlace("iceberg", self._at, entries, version=str(snapshot.snapshot_id), table=str(table.metadata.table_uuid))

    def fetch(self, entry: Entry, target: Path) -> None:
        assert entry.at is not None, "a file of a table is wherever its manifest says"
        spot = _spot(entry.at)
        chunks = self._files(spot).read(spot.path)
        if chunks is None:
            what = f"{entry.path} is not there any more: its snapshot of the table expired, or the file was deleted"
            mend = "take a snapshot of what the table is now; a tag of the table keeps its snapshot from expiring"
            raise SourceGone(what, where=entry.at, mend=mend)
        write_bytes(chunks, target, entry, where=entry.at)

    def readable(self, found: InPlace) -> Mapping[str, str | Path]:
        spots = [(entry, _spot(entry.at)) for entry in found.entries if entry.at is not None]
        for _, spot in spots:
            self._files(spot)  # one for all threads
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            sizes = list(pool.map(lambda one: self._files(one[1]).size(one[1].path), spots))
        return {
            entry.path: self._files(spot).place(spot.path)
            for (entry, spot), size in zip(spots, sizes, strict=True)
            if size == entry.size
        }

    def _files(self, spot: _Spot) -> Files:
        if spot.top not in self._opened:
            opened = BucketFiles(spot.top, self._environ) if spot.top.startswith("s3://") else FolderFiles(Path(spot.top))
            self._opened[spot.top] = opened
        return self._opened[spot.top]

    def _table(self) -> Table:
        try:
            from pyiceberg.catalog import load_catalog
            from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
            from pyiceberg.table import StaticTable
            from pyiceberg.utils.config import Config
        except ImportError as problem:
            raise SourceDown("pyiceberg is not installed", where=self._at, mend="pip install 'shipway[iceberg]'") from problem
        try:
            if self._at.startswith(_CATALOG):
                catalog, _, name = self._at.removeprefix(_CATALOG).partition("/")
                known = {word: str(value) for word, value in (Config().get_catalog_config(catalog) or {}).items()}
                return load_catalog(catalog, **known).load_table(name)
            bucket = self._at.startswith("s3://")
            place = self._at if bucket else str((self._root / self._at.removeprefix("file://")).absolute())
            return StaticTable.from_metadata(place, properties=self._properties(place) if bucket else {})
        except (NoSuchTableError, NoSuchNamespaceError, FileNotFoundError) as problem:
            mend = "correct the address under `from`"
            raise DataMissing(f"there is no Iceberg table at {self._at}", where=self._at, mend=mend) from problem
        except Exception as problem:  # a catalog may be anything, and what it says may hold its address with a password
            what = f"the Iceberg table cannot be looked at: {type(problem).__name__}"
            mend = "look at the catalog in ~/.pyiceberg.yaml or PYICEBERG_CATALOG__NAME__URI, and at its credentials"
            raise SourceDown(what, where=self._at, mend=mend) from problem

    def _properties(self, place: str) -> dict[str, str]:
        """What pyiceberg has to be told to read in a bucket by the credentials that we read with."""
        known = self._files(_spot(place)).options()
        words = {
            "aws_endpoint_url": "s3.endpoint",
            "aws_access_key_id": "s3.access-key-id",
            "aws_secret_access_key": "s3.secret-access-key",
            "aws_session_token": "s3.session-token",
            "aws_region": "s3.region",
        }
        return {words[name]: value for name, value in known.items() if name in words}

    def _snapshot(self, table: Table) -> Snapshot:
        """That of the version: the id of a snapshot, or the name of a branch or tag; else the newest."""
        asked = self._version
        if asked is None:
            found = table.current_snapshot()
        else:
            found = table.snapshot_by_id(int(asked)) if asked.isdecimal() else table.snapshot_by_name(asked)
        if found is None:
            what = (
                f"the table has no snapshot {asked} any more, or not yet" if asked else "nothing was written to the table yet"
            )
            raise SourceGone(what, where=self._at, mend="name a snapshot that the table's history shows")
        return found

    def _tasks(self, table: Table, snapshot: Snapshot) -> list[FileScanTask]:
        """Refused where the files alone are not the rows."""
        tasks = list(table.scan(snapshot_id=snapshot.snapshot_id).plan_files())
        for task in tasks:
            if task.delete_files:
                what = "the table has delete files, so its data files hold rows that are deleted"
                raise RowsUnfit(what, where=self._at, mend="rewrite its data files (compaction), then take a new snapshot")
            if task.file.file_format.value.lower() != "parquet":
                what = f"the table has {task.file.file_format.value} files, and only Parquet is read in place"
                raise RowsUnfit(what, where=self._at, mend=_COPY)
        return tasks

    def _refuse_renames(self, table: Table, snapshot: Snapshot) -> None:
        """Columns are fields with numbers: a file written before a renaming has the old name, or another column's."""
        schemas = table.schemas()
        now = schemas.get(snapshot.schema_id) if snapshot.schema_id is not None else None
        names = _names(now or table.schema())
        numbers = {name: number for number, name in names.items()}
        used = {one.schema_id for one in table.snapshots() if (one.sequence_number or 0) <= (snapshot.sequence_number or 0)}
        for number, schema in schemas.items():
            if number not in used and now is not None and number > now.schema_id:
                continue
            for field, name in _names(schema).items():
                if names.get(field, name) != name or numbers.get(name, field) != field:
                    what = f"column {name} was renamed or replaced in the table, so its files differ in what they call it"
                    raise RowsUnfit(what, where=self._at, mend=f"rewrite its data files, or {_COPY}")

    def _entry(self, task: FileScanTask, location: str) -> Entry:
        place, below = str(task.file.file_path), f"{location.rstrip('/')}/"
        path = place.removeprefix(below) if place.startswith(below) else f"elsewhere/{place.rpartition('/')[2]}"
        return Entry(path, int(task.file.file_size_in_bytes), at=place)


def _names(schema: Schema) -> Mapping[int, str]:
    from pyiceberg.schema import index_name_by_id

    return index_name_by_id(schema)


def _spot(place: str) -> _Spot:
    """
    >>> _spot("s3a://acme/t/data/0.parquet"), _spot("file:///t/0.parquet")
    (_Spot(top='s3://acme', path='t/data/0.parquet'), _Spot(top='/', path='t/0.parquet'))
    """
    scheme, colon, rest = place.partition("://")
    if not colon or scheme == "file":
        return _Spot("/", (rest if colon else place).lstrip("/"))
    if scheme not in ("s3", "s3a", "s3n"):
        raise SourceDown(f"files under {scheme}:// cannot be read in place", where=place, mend=_COPY)
    bucket, _, key = rest.partition("/")
    return _Spot(f"s3://{bucket}", key)
