"""An Iceberg table in place, written by the real library: its snapshots, what expires, what files do not say."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from data_help import new_store

pytest.importorskip("pyiceberg", reason="pyiceberg is not installed")

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))
from store_help import s3_client, s3_environ

from shipway.data import DataMissing, DataUnreadable, RowsUnfit, SourceDown, SourceGone, load_table, read_in_place
from shipway.data._listing import Entry, InPlace, put_in_place
from shipway.data.in_place import bring_files, check_in_place, open_source, parse_place, take_in_place
from shipway.kernel.digest import Digest
from shipway.store import Store

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = new_store(tmp_path / "project")
    yield found
    found.close()


def open_catalog(folder: Path, monkeypatch: pytest.MonkeyPatch, **more: str) -> SqlCatalog:
    """A catalog as a person configures it: in variables."""
    from pyiceberg.catalog.sql import SqlCatalog

    settings = {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse", **more}
    for word, value in settings.items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__ACME__{word.upper().replace('.', '__').replace('-', '_')}", value)
    catalog = SqlCatalog("acme", **settings)
    catalog.create_namespace("sales")
    return catalog


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlCatalog:
    return open_catalog(tmp_path, monkeypatch)


def make(catalog: SqlCatalog, **columns: list[Any]) -> Any:
    rows = pl.DataFrame(columns).to_arrow()
    table = catalog.create_table("sales.flights", schema=rows.schema)
    table.append(rows)
    return table


def take(store: Store, version: str | None = None, *, at: str = "iceberg://acme/sales.flights") -> Digest:
    source = open_source(parse_place(at, version=version), root=store.root.parent)
    return take_in_place(store, source, name="flights").digest


def rows_of(store: Store, digest: Digest) -> list[int]:
    return sorted(load_table(store, digest, name="flights").collect()["id"])


def test_a_snapshot_of_a_table_is_a_snapshot_and_stays_one(store: Store, catalog: SqlCatalog) -> None:
    table = make(catalog, id=[1, 2])
    first, number = take(store), str(table.current_snapshot().snapshot_id)
    table.append(pl.DataFrame({"id": [3]}).to_arrow())
    second = take(store)
    assert first != second
    assert take(store, number) == first
    assert take(store, "main") == second
    assert take(store, at=f"iceberg:{table.metadata_location}") != second  # another place, though the same files
    found = read_in_place(store, second)
    assert found
    assert (found.form, found.at, found.table) == ("iceberg", "iceberg://acme/sales.flights", str(table.metadata.table_uuid))
    assert all(entry.path.startswith("data/") for entry in found.entries)
    assert (rows_of(store, first), rows_of(store, second)) == ([1, 2], [1, 2, 3])
    check_in_place(store, second)
    assert bring_files(store, first)
    came = bring_files(store, second)
    assert came
    assert came.files == 1


def test_an_expired_snapshot_is_told(store: Store, catalog: SqlCatalog) -> None:
    table = make(catalog, id=[1])
    digest = take(store)
    for file in table.inspect.files()["file_path"].to_pylist():
        Path(file.removeprefix("file://")).unlink()
    with pytest.raises(SourceGone, match="its snapshot of the table expired"):
        bring_files(store, digest)
    with pytest.raises(SourceGone, match="its snapshot of the table expired"):
        rows_of(store, digest)
    with pytest.raises(SourceGone, match="no snapshot 77 any more"):
        take(store, "77")
    with pytest.raises(DataMissing, match="no Iceberg table at"):
        take(store, at="iceberg://acme/sales.nothing")
    with pytest.raises(SourceDown, match="cannot be looked at: ValueError") as raised:
        take(store, at="iceberg://unknown/sales.flights")
    assert "PYICEBERG_CATALOG__NAME__URI" in str(raised.value.mend)


def test_a_renamed_column_is_refused_after_it_was_renamed_and_not_before(store: Store, catalog: SqlCatalog) -> None:
    from pyiceberg.types import StringType

    table = make(catalog, id=[1], delay=[1.5])
    first = take(store)
    with table.update_schema() as change:
        change.add_column("origin", StringType())
    table.append(pl.DataFrame({"id": [2], "delay": [2.5], "origin": ["EWR"]}).to_arrow())
    rows = load_table(store, take(store), name="flights").sort("id").collect()
    assert rows["origin"].to_list() == [None, "EWR"]
    before = str(table.current_snapshot().snapshot_id)
    with table.update_schema() as change:
        change.rename_column("delay", "minutes")
    table.append(pl.DataFrame({"id": [3], "minutes": [3.5], "origin": ["JFK"]}).to_arrow())
    with pytest.raises(RowsUnfit, match="column delay was renamed or replaced"):
        take(store)
    assert rows_of(store, take(store, before)) == [1, 2]
    assert rows_of(store, first) == [1]


def test_a_table_with_delete_files_is_refused(store: Store, catalog: SqlCatalog) -> None:
    table = make(catalog, id=[1, 2, 3])
    _delete(table)
    with pytest.raises(RowsUnfit, match="delete files"):
        take(store)


def _delete(table: Any) -> None:
    """Add a manifest of position deletes to the newest snapshot, as engines do that merge on read; PyIceberg writes none."""
    from pyiceberg import manifest as format_
    from pyiceberg.typedef import Record

    class Deletes(format_.ManifestWriterV2):
        def content(self) -> format_.ManifestContent:
            return format_.ManifestContent.DELETES

        @property
        def _meta(self) -> dict[str, str]:
            return {**super()._meta, "content": "deletes"}

    snapshot, io = table.current_snapshot(), table.io
    place = f"{table.location()}/data/deletes.parquet"
    file = format_.DataFile.from_args(
        content=format_.DataFileContent.POSITION_DELETES,
        file_path=place,
        file_format=format_.FileFormat.PARQUET,
        partition=Record(),
        record_count=1,
        file_size_in_bytes=100,
    )
    status = format_.ManifestEntryStatus.ADDED
    entry = format_.ManifestEntry.from_args(
        status=status,
        snapshot_id=snapshot.snapshot_id,
        sequence_number=snapshot.sequence_number,
        file_sequence_number=snapshot.sequence_number,
        data_file=file,
    )
    out = io.new_output(f"{table.location()}/metadata/deletes.avro")
    with Deletes(table.spec(), table.schema(), out, snapshot.snapshot_id, "null") as writer:
        writer.add_entry(entry)
    manifests = [*snapshot.manifests(io), writer.to_manifest_file()]
    listing = io.new_output(snapshot.manifest_list)
    given = snapshot.snapshot_id, None, snapshot.sequence_number
    os.unlink(snapshot.manifest_list.removeprefix("file://"))
    with format_.write_manifest_list(2, listing, *given, "null") as lister:
        lister.add_manifests(manifests)


def test_a_listing_that_somebody_made_brings_no_file_that_is_no_table(store: Store, tmp_path: Path) -> None:
    (tmp_path / "id_ed25519").write_text("a secret of mine")
    entry = Entry("data/0", 16, at=f"file://{tmp_path}/id_ed25519")
    digest = put_in_place(
        store, InPlace("iceberg", "iceberg://acme/sales.flights", (entry,), version="1"), name="flights"
    ).digest
    with pytest.raises(DataUnreadable, match="is not a whole Parquet file"):
        bring_files(store, digest)


@pytest.mark.slow
@pytest.mark.slow
def test_a_table_in_a_bucket_is_read_there(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_environ().items():
        monkeypatch.setenv(name, value)
    bucket = f"iceberg-{os.getpid()}"
    s3_client(s3_environ()).create_bucket(Bucket=bucket)
    access = {
        "s3.endpoint": s3_environ()["AWS_ENDPOINT_URL"],
        "s3.access-key-id": "shipway",
        "s3.secret-access-key": "not a secret",
        "s3.region": "us-east-1",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        catalog = open_catalog(tmp_path, monkeypatch, warehouse=f"s3://{bucket}/warehouse", **access)
        table = make(catalog, id=[1, 2])
    digest = take(store, at=f"iceberg:{table.metadata_location}")
    assert rows_of(store, digest) == [1, 2]
    check_in_place(store, digest)
    assert bring_files(store, digest)
