from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from data_help import new_store, write_months
from hypothesis import given, settings
from test_data_tree import TREES, write_tree

from shipway.data import compare_files, compare_snapshots, files_on_disk, snapshot_files, take_snapshot
from shipway.kernel.digest import Descriptor, Digest
from shipway.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "project")


@settings(max_examples=25, deadline=None)
@given(TREES, TREES)
def test_a_comparison_by_folders_is_that_of_all_files(one: dict[bytes, object], other: dict[bytes, object]) -> None:
    with tempfile.TemporaryDirectory() as root:
        store, digests, files = new_store(Path(root) / "project"), [], []
        for number, tree in enumerate((one, other)):
            folder = Path(root) / str(number)
            write_tree(os.fsencode(folder), tree)
            digests.append(take_snapshot(store, folder).digest)
            files.append({file.path: file for file in snapshot_files(store, digests[-1])})
            assert files_on_disk(store, folder) == files[-1]
        found = compare_snapshots(store, digests[0], digests[1])
        assert found == compare_files(files[0], files[1])
        assert found.same is (digests[0] == digests[1])


def test_edits_are_told_as_what_they_were(store: Store, tmp_path: Path) -> None:
    folder = write_months(tmp_path / "flights", 4)
    before = take_snapshot(store, folder).digest
    (folder / "2013/01.parquet").unlink()
    (folder / "2014").mkdir()
    (folder / "2013/02.parquet").rename(folder / "2014/02.parquet")
    (folder / "2013/03.parquet").write_bytes((folder / "2013/04.parquet").read_bytes())
    (folder / "new\nline").write_text("x")
    (folder / "2013/04.parquet").chmod(0o755)
    found = compare_snapshots(store, before, take_snapshot(store, folder).digest)
    assert [file.path for file in found.removed] == ["2013/01.parquet"]
    assert [(move.before, move.after.path) for move in found.moved] == [("2013/02.parquet", "2014/02.parquet")]
    assert [change.after.path for change in found.changed] == ["2013/03.parquet", "2013/04.parquet"]
    assert [file.path for file in found.added] == ["new\nline"]


def test_folders_that_are_equal_are_not_opened(store: Store, tmp_path: Path) -> None:
    folder = write_months(tmp_path / "flights")
    (folder / "other").mkdir()
    (folder / "other/file").write_text("1")
    before = take_snapshot(store, folder).digest
    (folder / "other/file").write_text("2")
    after = take_snapshot(store, folder).digest
    equal = next(node for node, data in store.tree_nodes(_root(store, after)) if b"03.parquet" in data)
    store.objects.path(equal).unlink()
    assert [change.after.path for change in compare_snapshots(store, before, after).changed] == ["other/file"]


def _root(store: Store, digest: Digest) -> Digest:
    return Descriptor.from_json(store.get(digest)["root"]).digest
