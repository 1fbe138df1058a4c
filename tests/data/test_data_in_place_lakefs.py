"""A path of a lakeFS repository in place: the commit is what counts, wherever its branch goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from data_help import new_store
from lake_server import Lake, open_lake

from shipway.data import (
    DataMissing,
    DataUnreadable,
    SourceDown,
    SourceGone,
    check_out,
    load_table,
    read_in_place,
    snapshot_files,
)
from shipway.data.in_place import bring_files, open_source, parse_place, take_in_place
from shipway.kernel.digest import Digest
from shipway.store import ObjectsRefused, Store

FILES = {f"flights/2013/{month:02}.csv": f"id\n{month}\n".encode() for month in range(1, 6)}


@pytest.fixture
def lake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    with open_lake() as found:
        for name, value in found.environ().items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = new_store(tmp_path / "project")
    yield found
    found.close()


def take(store: Store, at: str = "lakefs://acme/main/flights") -> Digest:
    return take_in_place(store, open_source(parse_place(at), root=store.root.parent), name="flights").digest


def test_a_commit_is_recorded_and_brought_after_its_branch_moved(lake: Lake, store: Store, tmp_path: Path) -> None:
    commit = lake.commit("acme", "main", {**FILES, "flights-old/x.csv": b"x"})
    first = take(store)
    found = read_in_place(store, first)
    assert found
    assert (found.version, len(found.entries), found.at) == (commit, 5, "lakefs://acme/flights")
    assert take(store, f"lakefs://acme/{commit}/flights") == first
    lake.commit("acme", "main", {**FILES, "flights/2013/05.csv": b"id\n50\n", "flights/2013/06.csv": b"id\n6\n"})
    second = take(store)
    assert second != first
    came = bring_files(store, first)
    assert came
    assert came.files == 5
    check_out(store, first, tmp_path / "out")
    assert (tmp_path / "out/2013/05.csv").read_bytes() == b"id\n5\n"
    again = bring_files(store, second)
    assert again
    assert again.files == 2
    assert sorted(load_table(store, second, name="flights").collect()["id"]) == [1, 2, 3, 4, 6, 50]


def test_rows_of_a_commit_are_brought_to_be_read(lake: Lake, store: Store) -> None:
    lake.commit("acme", "main", {**FILES, "flights/notes.txt": b"not a table"})
    digest = take(store)
    assert sorted(load_table(store, digest, name="flights").collect()["id"]) == [1, 2, 3, 4, 5]
    assert not any(path.endswith("/objects") for path in lake.asked[:2])


def test_one_object_and_names_with_odd_letters(lake: Lake, store: Store) -> None:
    odd = {"flights/a b&c=1.csv": b"1", "flights/é%20\n.csv": b"2", "flights/": b""}
    lake.commit("acme", "main", {**odd, "single.csv": b"id\n1\n"})
    digest = take(store)
    assert bring_files(store, digest)
    assert {file.path for file in snapshot_files(store, digest)} == {"a b&c=1.csv", "é%20\n.csv"}
    one = take(store, "lakefs://acme/main/single.csv")
    assert bring_files(store, one)
    assert [file.path for file in snapshot_files(store, one)] == ["single.csv"]


def test_what_is_gone_refused_or_down_is_told(lake: Lake, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.commit("acme", "main", FILES)
    digest = take(store)
    lake.cut = True
    with pytest.raises(SourceDown, match=r"of 2013/01.csv 4 of 5 bytes came"):
        bring_files(store, digest)
    lake.cut = False
    lake.collected.add(FILES["flights/2013/03.csv"])
    with pytest.raises(SourceGone, match=r"2013/03.csv is not there any more: garbage collection took it"):
        bring_files(store, digest)
    lake.collected.clear()
    lake.fails = 2
    assert bring_files(store, digest)
    with pytest.raises(DataMissing, match="no repository acme with a ref nothing"):
        take(store, "lakefs://acme/nothing/flights")
    lake.commit("acme", "main", {"flights/../../x": b"x"})
    with pytest.raises(DataUnreadable, match="no file below a folder can have"):
        take(store)
    monkeypatch.setenv("LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY", "hunter2")
    with pytest.raises(ObjectsRefused, match="lakeFS refuses these credentials") as raised:
        take(store)
    assert "hunter2" not in raised.value.render()
    monkeypatch.setenv("LAKECTL_SERVER_ENDPOINT_URL", "http://lake.example.org")
    with pytest.raises(ObjectsRefused, match="would send keys over a network unencrypted"):
        take(store)
    monkeypatch.delenv("LAKECTL_SERVER_ENDPOINT_URL")
    with pytest.raises(ObjectsRefused, match="LAKECTL_SERVER_ENDPOINT_URL is not set"):
        take(store)


def test_an_object_under_a_commit_that_is_another_is_refused(lake: Lake, store: Store) -> None:
    commit = lake.commit("acme", "main", FILES)
    digest = take(store)
    lake.commits[commit]["flights/2013/01.csv"] = b"id\n9\n"
    with pytest.raises(SourceGone, match=r"2013/01.csv has another checksum"):
        bring_files(store, digest)
