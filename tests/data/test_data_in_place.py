"""Data in place in a bucket: what is recorded, what a later look says, and bytes that come when somebody needs them."""

from __future__ import annotations

import io
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from data_help import new_store
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))
from store_help import s3_client, s3_environ

from shipway.data import (
    BROUGHT,
    Asked,
    CheckoutRefused,
    DataEmpty,
    DataUnreadable,
    Keep,
    NotHere,
    SourceGone,
    brought_root,
    check_out,
    compare_data,
    find_unneeded,
    load_table,
    read_in_place,
    remove_unneeded,
    snapshot_files,
    snapshot_side,
    take_snapshot,
)
from shipway.data._listing import check_paths
from shipway.data.in_place import bring_files, check_in_place, copy_files, open_source, parse_place, take_in_place
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest, digest_bytes
from shipway.store import NewAudit, ObjectsRefused, Store

_numbers = itertools.count()


class Place:
    """A bucket of its own and whoever writes in it."""

    def __init__(self, bucket: str, client: Any) -> None:
        self.bucket, self.client, self.at = bucket, client, f"s3://{bucket}/flights"

    def put(self, name: str, data: bytes) -> str | None:
        found = self.client.put_object(Bucket=self.bucket, Key=f"flights/{name}", Body=data).get("VersionId")
        return None if found is None else str(found)

    def remove(self, name: str, version: str | None = None) -> None:
        more = {"VersionId": version} if version else {}
        self.client.delete_object(Bucket=self.bucket, Key=f"flights/{name}", **more)

    def take(self, store: Store) -> Digest:
        return take_in_place(store, open_source(parse_place(self.at), root=store.root.parent), name="flights").digest


def rows(*values: int) -> bytes:
    out = io.BytesIO()
    pl.DataFrame({"id": list(values), "delay": [float(value) for value in values]}).write_parquet(out)
    return out.getvalue()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Any:
    environ = s3_environ()
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return s3_client(environ)


@pytest.fixture(params=[True, False], ids=["versioned", "unversioned"])
def place(request: pytest.FixtureRequest, s3: Any) -> Place:
    return make_place(s3, versioned=request.param)


@pytest.fixture
def versioned(s3: Any) -> Place:
    return make_place(s3, versioned=True)


@pytest.fixture
def unversioned(s3: Any) -> Place:
    return make_place(s3, versioned=False)


def make_place(s3: Any, *, versioned: bool) -> Place:
    bucket = f"in-place-{os.getpid()}-{next(_numbers)}"
    s3.create_bucket(Bucket=bucket)
    if versioned:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return Place(bucket, s3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = new_store(tmp_path / "project")
    yield found
    found.close()


def test_a_snapshot_records_what_is_there_and_no_byte_of_it(place: Place, store: Store) -> None:
    versions = [place.put(f"2013/{month}.parquet", rows(month)) for month in (1, 2)]
    place.put("2013/", b"")  # as consoles draw a folder
    place.client.put_object(Bucket=place.bucket, Key="flights-of-others/x", Body=b"x")
    digest = place.take(store)
    found = read_in_place(store, digest)
    assert found is not None
    assert [(entry.path, entry.version, entry.size) for entry in found.entries] == [
        (f"2013/{month}.parquet", version, len(rows(month))) for month, version in zip((1, 2), versions, strict=True)
    ]
    assert place.take(store) == digest
    assert not store.objects.has(digest_bytes(rows(1)))
    assert len(list(store.objects.all())) == 2  # the snapshot and its listing
    with pytest.raises(NotHere, match="are in place at s3://"):
        snapshot_files(store, digest)


def test_equal_bytes_put_again_are_the_same_where_no_version_says_otherwise(unversioned: Place, store: Store) -> None:
    unversioned.put("a.parquet", rows(1))
    digest = unversioned.take(store)
    unversioned.remove("a.parquet")
    unversioned.put("a.parquet", rows(1))
    assert unversioned.take(store) == digest
    unversioned.put("a.parquet", rows(2))
    assert unversioned.take(store) != digest


def test_an_old_version_is_checked_out_after_it_was_overwritten(versioned: Place, store: Store, tmp_path: Path) -> None:
    versioned.put("a.parquet", rows(1))
    versioned.put("b.csv", b"id\n7\n")
    digest = versioned.take(store)
    versioned.put("a.parquet", rows(9))
    versioned.remove("b.csv")
    came = bring_files(store, digest)
    assert came
    assert came.files == 2
    check_out(store, digest, tmp_path / "out")
    assert (tmp_path / "out/a.parquet").read_bytes() == rows(1)
    assert (tmp_path / "out/b.csv").read_bytes() == b"id\n7\n"
    again = bring_files(store, digest)
    assert again
    assert (again.files, again.root) == (0, came.root)


def test_the_tree_that_came_is_that_of_the_same_files_in_a_folder(place: Place, store: Store, tmp_path: Path) -> None:
    for name in ("a b.parquet", "[x]*.parquet", "é/a%20b.parquet", "-rf", "CON/..x"):
        place.put(name, rows(len(name)))
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(rows(len(name)))
    came = bring_files(store, place.take(store))
    assert came
    assert came.root == store.put_tree(tmp_path / "folder")[0].digest


def test_what_is_gone_is_named_with_what_happened(place: Place, store: Store) -> None:
    version = place.put("a.parquet", rows(1))
    place.put("b.parquet", rows(2))
    digest = place.take(store)
    place.put("a.parquet", rows(5))
    place.remove("a.parquet", version)
    if version is None:
        place.put("a.parquet", rows(5))
    words = "is not there any more: it expired" if version else "was overwritten since its snapshot, and the bucket keeps no"
    with pytest.raises(SourceGone, match=words) as raised:
        bring_files(store, digest)
    assert raised.value.where == f"{place.at}/a.parquet"
    with pytest.raises(NotHere):
        snapshot_files(store, digest)
    if version is None:
        place.remove("a.parquet")
        with pytest.raises(SourceGone, match="was deleted"):
            bring_files(store, digest)
        place.put("a.parquet", rows(1))  # the same bytes again have the same ETag
        assert bring_files(store, digest)


def test_what_came_before_an_error_does_not_come_again(unversioned: Place, store: Store) -> None:
    for number in (1, 2, 3):
        unversioned.put(f"{number}.parquet", rows(number))
    digest = unversioned.take(store)
    unversioned.remove("3.parquet")
    with pytest.raises(SourceGone, match=r"3.parquet was deleted"):
        bring_files(store, digest)
    unversioned.put("3.parquet", rows(3))
    came = bring_files(store, digest)
    assert came
    assert came.files == 1


def test_a_new_version_brings_only_what_is_new(place: Place, store: Store) -> None:
    place.put("a.parquet", rows(1))
    bring_files(store, place.take(store))
    place.put("b.parquet", rows(2))
    came = bring_files(store, place.take(store))
    assert came
    assert (came.files, came.bytes) == (1, len(rows(2)))


def test_a_table_is_read_where_it_is_and_as_it_was(versioned: Place, store: Store) -> None:
    versioned.put("a.parquet", rows(1, 2))
    versioned.put("b.parquet", rows(3))
    digest = versioned.take(store)
    table = load_table(store, digest, name="flights")
    assert table.select(pl.col("id").sum()).collect().item() == 6
    check_in_place(store, digest)
    assert len(list(store.objects.all())) == 2
    versioned.put("b.parquet", rows(30))
    with pytest.raises(SourceGone, match=r"b.parquet changed while it was read"):
        check_in_place(store, digest)
    assert load_table(store, digest, name="flights").select(pl.col("id").sum()).collect().item() == 6
    check_in_place(store, digest)
    assert not store.objects.has(digest_bytes(rows(1, 2)))


def test_a_table_in_a_bucket_without_versions_is_not_read_as_something_else(unversioned: Place, store: Store) -> None:
    unversioned.put("a.csv", b"id\n1\n")
    unversioned.put("b.jsonl", b'{"id": 2}\n')
    digest = unversioned.take(store)
    assert sorted(load_table(store, digest, name="flights").collect()["id"]) == [1, 2]
    unversioned.put("a.csv", b"id\n9\n")
    with pytest.raises(SourceGone, match="was overwritten"):
        load_table(store, digest, name="flights")


def test_one_key_is_a_data_set_too(place: Place, store: Store) -> None:
    place.client.put_object(Bucket=place.bucket, Key="flights", Body=b"id\n1\n")
    found = read_in_place(store, digest := place.take(store))
    assert found
    assert [entry.path for entry in found.entries] == ["flights"]
    assert bring_files(store, digest)
    assert [file.path for file in snapshot_files(store, digest)] == ["flights"]


@pytest.mark.parametrize("key", ["../x", "/x", "a//b", "a/./b", "a/", "x" * 256])
def test_a_key_that_can_be_no_file_is_refused_by_name(unversioned: Place, store: Store, key: str) -> None:
    unversioned.put(key, b"data")
    with pytest.raises(DataUnreadable, match="is a name that no file below a folder can have"):
        unversioned.take(store)


def test_a_key_below_another_key_is_refused(unversioned: Place, store: Store) -> None:
    unversioned.put("a", b"1")
    unversioned.put("a/b", b"2")
    with pytest.raises(DataUnreadable, match="'a' is a file and a folder at once"):
        unversioned.take(store)


@given(st.lists(st.text(alphabet="ab./\0é\n", max_size=8), max_size=6))
def test_no_list_of_paths_that_is_let_through_leaves_the_folder(paths: list[str]) -> None:
    try:
        check_paths(paths, where="s3://acme")
    except DataUnreadable:
        return
    folder = Path("/data/flights")
    for path in paths:
        assert os.path.normpath(folder / path) == str(folder / path)
    assert not any(one != other and f"{other}/".startswith(f"{one}/") for one in paths for other in paths)


def test_a_listing_that_somebody_else_made_is_held_to_the_same(store: Store) -> None:
    listing = store.put({"kind": "listing", "version": 1, "files": [{"path": "../../.ssh/authorized_keys", "size": 1}]})
    descriptor: Json = {"mediaType": "application/vnd.shipway.listing.v1+json", "digest": listing, "size": 1}
    place: Json = {"form": "s3", "at": "s3://acme"}
    value: JsonObject = {"kind": "snapshot", "version": 1, "files": 1, "bytes": 1, "in_place": place, "listing": descriptor}
    with pytest.raises(DataUnreadable, match="no file below a folder"):
        bring_files(store, store.put(value))


def test_an_empty_prefix_a_cut_file_and_refused_credentials_are_told(
    unversioned: Place, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataEmpty, match="nothing of flights at s3://"):
        unversioned.take(store)
    unversioned.put("a.parquet", rows(1)[:-9])
    digest = unversioned.take(store)
    with pytest.raises(DataUnreadable, match=r"a.parquet is not a whole Parquet file"):
        bring_files(store, digest)
    with pytest.raises(DataUnreadable, match=r"flights/a.parquet cannot be read"):
        load_table(store, digest, name="flights")
    with pytest.raises(ObjectsRefused, match="no such bucket"):
        take_in_place(store, open_source(parse_place("s3://not-there-at-all/x"), root=store.root), name="x")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(store.root / "none"))
    with pytest.raises(ObjectsRefused, match="no credentials"):
        unversioned.take(store)


def test_copies_stay_while_their_snapshot_is_needed_and_go_with_it(place: Place, store: Store) -> None:
    place.put("a.parquet", rows(1))
    first = place.take(store)
    bring_files(store, first)
    move(store, first, None)
    with store.alone():
        assert find_unneeded(store, Keep(moves=1)).objects == ()
    place.put("a.parquet", rows(2))
    second = place.take(store)
    move(store, second, first)
    with store.alone():
        unneeded = find_unneeded(store, Keep(moves=1))
        assert set(unneeded.snapshots) == {first}
        remove_unneeded(store, unneeded, actor="ann", why="")
    assert not store.objects.has(digest_bytes(rows(1)))
    assert read_in_place(store, second)
    assert len(list(store.objects.all())) == 2 + 2  # the second snapshot, its listing, and two verdicts
    assert store.state(BROUGHT, first)


def test_bytes_that_differ_from_those_that_came_before_are_refused(unversioned: Place, store: Store) -> None:
    """Whoever answers under the same tag with other bytes of the same length is found out."""
    unversioned.put("a.txt", b"one")
    digest = unversioned.take(store)
    came = bring_files(store, digest)
    assert came
    found = read_in_place(store, digest)
    assert found
    store.put_state("fetched", found.identity(found.entries[0]), {"version": 1, "digest": digest_bytes(b"two")})
    store.remove_objects([file.digest for file in snapshot_files(store, digest)])
    with pytest.raises(SourceGone, match="has other bytes than when it was brought before"):
        bring_files(store, digest)
    assert brought_root(store, digest, store.get(digest)) == came.root


def test_what_is_in_place_is_compared_by_what_names_it_until_both_sides_are_here(versioned: Place, store: Store) -> None:
    versioned.put("a.parquet", rows(1))
    versioned.put("b.parquet", rows(2))
    first = versioned.take(store)
    versioned.put("b.parquet", rows(3))
    second = versioned.take(store)
    bring_files(store, first)

    def compared() -> JsonObject:
        sides = [snapshot_side(store, one, label="x", beside=other) for one, other in ((first, second), (second, first))]
        return compare_data(sides[0], sides[1], Asked(("id",)), folder=store.root / "cache")

    listed = compared()
    assert [len(cast("list[Json]", listed[word])) for word in ("added", "removed", "changed")] == [0, 0, 1]
    assert "rows" not in listed
    bring_files(store, second)
    rows_too = cast("JsonObject", compared()["rows"])
    assert (rows_too["added"], rows_too["removed"]) == (1, 1)


def move(store: Store, target: Digest, expected: Digest | None) -> None:
    says = {"project": store.project, "ref": "data/flights", "from": expected, "to": target, "allowed": True, "policy": None}
    verdict = store.put({"kind": "verdict", "version": 1, **says})
    record = NewAudit(store.clock.now(), "ann", "move", "data/flights", "moved", expected, target, verdict)
    store.move(record, expected=expected)


@pytest.mark.slow
def test_a_hundred_thousand_keys_are_listed_in_pages(versioned: Place, store: Store) -> None:
    from moto.s3.models import s3_backends

    backend = s3_backends["123456789012"]["aws"]
    for number in range(100_000):
        backend.put_object(versioned.bucket, f"flights/{number % 100:02}/{number:06}.txt", b"x")
    digest = versioned.take(store)
    found = read_in_place(store, digest)
    assert found
    assert len(found.entries) == 100_000
    assert len({entry.version for entry in found.entries}) == 100_000


def test_files_in_the_store_are_no_data_in_place(store: Store, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.csv").write_text("id\n1\n")
    digest = take_snapshot(store, tmp_path / "data").digest
    assert read_in_place(store, digest) is None
    assert bring_files(store, digest) is None


def test_a_fetch_that_is_killed_leaves_what_came_and_the_next_one_goes_on(unversioned: Place, store: Store) -> None:
    for number in range(100):
        unversioned.put(f"{number:03}.bin", b"%d" % number * 20_000)
    digest = unversioned.take(store)
    root = store.root.parent
    store.close()
    words = "import os, signal, sys; from pathlib import Path; from shipway.store import open_store\n"
    words += "from shipway.data.in_place import bring_files\n"
    words += "def die(path, size):\n    if path == '070.bin':\n        os.kill(os.getpid(), signal.SIGKILL)\n"
    words += f"bring_files(open_store(Path({str(root)!r}), {store.project!r}), {digest!r}, report=die)\n"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    again = new_store(root)
    came = bring_files(again, digest)
    assert came
    assert 0 < came.files < 100, "the first batch had come"
    assert [again.objects.get(file.digest)[:2] for file in snapshot_files(again, digest)][70:72] == [b"70", b"71"]
    last = bring_files(again, digest)
    assert last
    assert (last.root, last.files) == (came.root, 0)
    again.close()


def test_keys_that_differ_in_case_alone_are_two_files_and_a_file_system_that_has_one_is_not_given_both(
    unversioned: Place, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.bin", "A.bin", "caf\u00e9.bin", "cafe\u0301.bin"):
        unversioned.put(name, name.encode())
    digest = unversioned.take(store)
    bring_files(store, digest)
    check_out(store, digest, tmp_path / "apart")
    assert {path.name: path.read_bytes() for path in (tmp_path / "apart").iterdir()} == {
        name: name.encode() for name in ("a.bin", "A.bin", "caf\u00e9.bin", "cafe\u0301.bin")
    }
    monkeypatch.setattr("shipway.data._checkout._is_folded", lambda _: True)
    with pytest.raises(CheckoutRefused, match="one name on this file system"):
        check_out(store, digest, tmp_path / "folded")
    assert os.listdir(tmp_path / "folded") == []


def test_files_are_copied_without_a_store_and_a_killed_copy_goes_on(unversioned: Place, tmp_path: Path) -> None:
    for month in (1, 2):
        unversioned.put(f"{month}.parquet", rows(month))
    source, said, files = open_source(parse_place(unversioned.at), root=tmp_path), list[str](), tmp_path / "copy" / "files"
    copy_files(source, tmp_path / "copy", report=said.append)
    assert pl.read_parquet(files / "2.parquet")["id"].to_list() == [2]
    (files / "1.parquet").unlink()  # as if killed before
    copy_files(source, tmp_path / "copy", report=said.append)
    assert said == ["bringing 1.parquet", "bringing 2.parquet", "bringing 1.parquet"]
    unversioned.put("2.parquet", rows(5))
    copy_files(source, tmp_path / "copy", report=said.append)
    assert (len(said), pl.read_parquet(files / "2.parquet")["id"].to_list()) == (5, [5]), "all of it anew"
    (tmp_path / "copy" / "files" / "1.parquet").unlink()
    unversioned.remove("1.parquet")
    unversioned.remove("2.parquet")
    with pytest.raises(DataEmpty, match="nothing is at s3://"):
        copy_files(source, tmp_path / "copy", report=said.append)
