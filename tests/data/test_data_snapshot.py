from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from data_help import flip_byte, new_store, write_months
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.data import DataEmpty, DataMissing, DataUnreadable, snapshot_files, take_snapshot, verify_snapshot
from shipway.kernel.digest import Descriptor
from shipway.store import FileUnreadable, ObjectDamaged, ObjectMissing, Store, _hashed


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "project")


@pytest.fixture(autouse=True)
def _trust_young_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only files older than two seconds are trusted unread; the tests do not wait for them."""
    monkeypatch.setattr("shipway.store._stat_cache._RACY_NS", -1)


def test_a_snapshot_is_an_object_with_the_tree_and_its_size_and_nothing_about_names_or_time(
    store: Store, tmp_path: Path
) -> None:
    folder = write_months(tmp_path / "flights")
    taken = take_snapshot(store, folder)
    value = store.get(taken.digest)
    assert value.keys() == {"kind", "version", "root", "files", "bytes"}
    assert (value["kind"], value["version"], value["files"]) == ("snapshot", 1, 3)
    assert value["bytes"] == taken.bytes == sum(file.size for file in snapshot_files(store, taken.digest))


def test_equal_data_in_another_folder_at_another_time_has_the_same_digest(store: Store, tmp_path: Path) -> None:
    first = take_snapshot(store, write_months(tmp_path / "flights"))
    copy = tmp_path / "copy of it"
    shutil.copytree(tmp_path / "flights", copy)
    os.utime(copy / "2013/01.parquet", (1, 1))
    assert take_snapshot(store, copy).digest == first.digest


def test_a_single_file_is_a_data_set_too(store: Store, tmp_path: Path) -> None:
    folder = write_months(tmp_path / "flights")
    taken = take_snapshot(store, folder / "2013/01.parquet")
    assert [file.path for file in snapshot_files(store, taken.digest)] == ["01.parquet"]


def test_a_second_snapshot_reads_no_byte_and_one_after_an_edit_reads_that_file_only(tmp_path: Path) -> None:
    folder = write_months(tmp_path / "flights")
    first = take_snapshot(new_store(tmp_path / "project"), folder)
    assert first.read == first.bytes
    again = take_snapshot(new_store(tmp_path / "project"), folder)
    assert (again.digest, again.read) == (first.digest, 0)
    edited = folder / "2013/02.parquet"
    edited.write_bytes((folder / "2013/03.parquet").read_bytes())
    third = take_snapshot(new_store(tmp_path / "project"), folder)
    assert third.digest != first.digest
    assert third.read == edited.stat().st_size


def test_progress_is_told_per_file(store: Store, tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    taken = take_snapshot(store, write_months(tmp_path / "flights"), report=lambda name, size: told.append((name, size)))
    assert len(told) == 3
    assert sum(size for _, size in told) == taken.bytes


def test_a_missing_path_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="nowhere"):
        take_snapshot(store, tmp_path / "nowhere")


def test_a_folder_of_empty_folders_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "flights/2013").mkdir(parents=True)
    with pytest.raises(DataEmpty, match="flights holds no files"):
        take_snapshot(store, tmp_path / "flights")


def test_the_folder_that_holds_the_store_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataUnreadable, match="holds the store itself"):
        take_snapshot(store, tmp_path / "project")


def test_links_and_sockets_are_refused_by_name(store: Store, tmp_path: Path) -> None:
    folder = write_months(tmp_path / "flights")
    (folder / "link").symlink_to(folder / "2013")
    with pytest.raises(FileUnreadable, match="link is a symbolic link"):
        take_snapshot(store, folder)
    (folder / "link").unlink()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.relpath(folder / "ear"))
    listener.close()
    with pytest.raises(FileUnreadable, match="ear is not a regular file"):
        take_snapshot(store, folder)


@contextmanager
def nobody(folder: Path) -> Iterator[None]:
    """As a user who may do everything in a folder, but not what only root may."""
    was = os.geteuid()
    if was:
        yield
        return
    os.chmod(folder, 0o777)
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.mark.parametrize("which", ["flights/2013/02.parquet", "flights/2013"])
def test_what_may_not_be_read_is_named_and_the_next_try_with_permission_succeeds(which: str) -> None:
    with tempfile.TemporaryDirectory() as root, nobody(Path(root)):
        store, folder = new_store(Path(root) / "project"), write_months(Path(root) / "flights")
        shut = Path(root) / which
        mode = shut.stat().st_mode
        shut.chmod(0)
        with pytest.raises((FileUnreadable, DataUnreadable), match=shut.name) as problem:
            take_snapshot(store, folder)
        assert "Permission denied" in problem.value.render()
        assert list(store.objects.root.glob("tmp-*")) == []
        shut.chmod(mode)
        assert take_snapshot(store, folder).files == 3
        store.close()


@pytest.mark.parametrize(
    ("keep", "why"),
    [(0, "it is empty"), (3, "3 bytes"), (40, "footer is missing after 40 bytes"), (-1, "footer is missing")],
)
def test_a_cut_parquet_file_is_refused_with_its_name_and_why(store: Store, tmp_path: Path, keep: int, why: str) -> None:
    folder = write_months(tmp_path / "flights")
    path = folder / "2013/02.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataUnreadable, match=rf"2013/02\.parquet is not a whole Parquet file: .*{why}") as caught:
        take_snapshot(store, folder)
    assert caught.value.where == str(path)
    with pytest.raises(DataUnreadable) as caught:
        take_snapshot(store, path)
    assert caught.value.where == str(path)


def test_a_parquet_file_cut_in_front_is_refused_too(store: Store, tmp_path: Path) -> None:
    path = write_months(tmp_path / "flights") / "2013/02.parquet"
    path.write_bytes(b"PAR1" + path.read_bytes()[-60:])
    with pytest.raises(DataUnreadable, match="does not fit into its 64 bytes"):
        take_snapshot(store, path)


def test_a_file_that_changes_while_it_is_read_is_refused_and_the_next_try_succeeds(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "growing.csv"
    path.write_text("a\n1\n")
    write_all = _hashed.write_all

    def grow_meanwhile(out: int, data: bytes) -> None:
        with path.open("a") as file:
            file.write("2\n")
        monkeypatch.setattr(_hashed, "write_all", write_all)
        write_all(out, data)

    monkeypatch.setattr(_hashed, "write_all", grow_meanwhile)
    with pytest.raises(FileUnreadable, match=r"growing\.csv changed while it was read"):
        take_snapshot(store, path)
    assert take_snapshot(store, path).bytes == path.stat().st_size


def test_verify_accepts_what_is_as_it_was(store: Store, tmp_path: Path) -> None:
    verify_snapshot(store, take_snapshot(store, write_months(tmp_path / "flights")).digest, name="flights")


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2), st.integers(0, 10_000))
def test_any_flipped_byte_is_found_and_its_file_named(which: int, place: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        store = new_store(Path(root) / "project")
        digest = take_snapshot(store, write_months(Path(root) / "flights")).digest
        file = snapshot_files(store, digest)[which]
        flip_byte(store.objects.path(file.digest), place % file.size)
        with pytest.raises(ObjectDamaged, match=f"flights/{file.path} is damaged"):
            verify_snapshot(store, digest, name="flights")


def test_a_missing_object_is_named_by_its_file(store: Store, tmp_path: Path) -> None:
    digest = take_snapshot(store, write_months(tmp_path / "flights")).digest
    store.objects.path(snapshot_files(store, digest)[1].digest).unlink()
    with pytest.raises(ObjectMissing, match=r"flights/2013/02\.parquet is missing from the store"):
        verify_snapshot(store, digest, name="flights")


@pytest.mark.parametrize("lost", [True, False])
def test_damage_to_the_list_of_files_is_told_with_the_name_of_the_data_set(store: Store, tmp_path: Path, lost: bool) -> None:
    digest = take_snapshot(store, write_months(tmp_path / "flights")).digest
    root = Descriptor.from_json(store.get(digest)["root"])
    *_, (node, _) = store.tree_nodes(root.digest)
    path = store.objects.path(node)
    path.unlink() if lost else flip_byte(path, 5)
    with pytest.raises(ObjectMissing if lost else ObjectDamaged, match="the list of files of flights"):
        verify_snapshot(store, digest, name="flights")


def test_a_name_that_is_not_utf_8_is_kept(store: Store, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "data") + b"/\xff")).write_text("x")
    assert snapshot_files(store, take_snapshot(store, tmp_path / "data").digest)[0].path == "\udcff"


def test_a_second_snapshot_mends_what_a_verify_has_found_damaged(store: Store, tmp_path: Path) -> None:
    """As the error says: restore this file from a backup or take the snapshot again."""
    folder = write_months(tmp_path / "flights")
    digest = take_snapshot(store, folder).digest
    broken = snapshot_files(store, digest)[1]
    flip_byte(store.objects.path(broken.digest), 40)
    for _ in range(2):
        with pytest.raises(ObjectDamaged, match=r"flights/2013/02\.parquet is damaged"):
            verify_snapshot(store, digest, name="flights")
    again = take_snapshot(store, folder)
    assert (again.digest, again.read) == (digest, broken.size)
    verify_snapshot(store, digest, name="flights")


def test_what_is_done_beside_is_done_once_while_a_large_file_is_hashed(tmp_path: Path) -> None:
    store, done = new_store(tmp_path / "project"), list[str]()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/small").write_bytes(b"x")
    take_snapshot(store, tmp_path / "data", beside=lambda: done.append("small"))
    for name in "ab":
        (tmp_path / "data" / name).write_bytes(name.encode() * (9 << 20))
    before = sys.getswitchinterval()
    taken = take_snapshot(store, tmp_path / "data", beside=lambda: done.append("large"))
    assert (done, taken.files, sys.getswitchinterval()) == (["large"], 3, before)


def test_what_goes_wrong_beside_is_told(tmp_path: Path) -> None:
    store = new_store(tmp_path / "project")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a").write_bytes(b"a" * (9 << 20))

    def fail() -> None:
        raise DataMissing("the key")

    with pytest.raises(DataMissing, match="the key"):
        take_snapshot(store, tmp_path / "data", beside=fail)
    assert take_snapshot(store, tmp_path / "data").files == 1
