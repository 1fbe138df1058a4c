from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from data_help import flip_byte, new_store, write_months
from hypothesis import given, settings
from hypothesis import strategies as st
from test_data_tree import TREES, write_tree

from shipway.data import CheckoutRefused, Way, check_out, snapshot_files, take_snapshot, verify_snapshot
from shipway.kernel.digest import Digest
from shipway.store import ObjectDamaged, ObjectMissing, Store, hash_file


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "project")


def contents(folder: Path) -> dict[bytes, tuple[bytes, bool]]:
    """Every file with its bytes and whether it is executable, by path; a link as what it says."""
    found: dict[bytes, tuple[bytes, bool]] = {}
    for below, _, names in os.walk(os.fsencode(folder)):
        for name in names:
            path = os.path.join(below, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, os.fsencode(folder))] = file.read(), bool(os.lstat(path).st_mode & 0o100)
    return found


@settings(max_examples=25, deadline=None)
@given(TREES, TREES, st.sampled_from([Way.AUTO, Way.COPY, Way.HARDLINK]))
def test_any_tree_becomes_any_other_and_back(one: dict[bytes, object], other: dict[bytes, object], way: Way) -> None:
    with tempfile.TemporaryDirectory() as root:
        store, first, second = new_store(Path(root) / "project"), Path(root) / "one", Path(root) / "other"
        write_tree(os.fsencode(first), one)
        write_tree(os.fsencode(second), other)
        snapshots = [take_snapshot(store, folder).digest for folder in (first, second)]
        wanted = [contents(first), contents(second)]
        for number in (1, 0, 1):
            check_out(store, snapshots[number], first, way=way)
            assert contents(first) == wanted[number]
            assert take_snapshot(store, first).digest == snapshots[number]
        assert sorted(os.listdir(root)) == ["one", "other", "project"], "nothing is left beside it"
        for digest in snapshots:
            verify_snapshot(store, digest, name="data")


def test_what_is_equal_stays_and_what_differs_is_replaced_or_removed(store: Store, tmp_path: Path) -> None:
    folder = write_months(tmp_path / "flights")
    digest = take_snapshot(store, folder).digest
    kept = (folder / "2013/01.parquet").stat().st_ino
    (folder / "2013/02.parquet").unlink()
    (folder / "2013/04.parquet").write_bytes((folder / "2013/03.parquet").read_bytes())
    done = check_out(store, digest, folder)
    assert (done.written, done.removed, done.kept) == (1, 1, 2)
    assert (folder / "2013/01.parquet").stat().st_ino == kept
    assert sorted(path.name for path in (folder / "2013").iterdir()) == ["01.parquet", "02.parquet", "03.parquet"]


@pytest.mark.parametrize("how", ["changed", "added", "link"])
def test_what_no_snapshot_has_is_not_lost_unless_forced(store: Store, tmp_path: Path, how: str) -> None:
    folder = write_months(tmp_path / "flights")
    digest = take_snapshot(store, folder).digest
    path = folder / ("2013/01.parquet" if how == "changed" else "notes.txt")
    path.symlink_to("/etc/hostname") if how == "link" else path.write_text("my own work")
    (folder / "2013/02.parquet").unlink()
    with pytest.raises(CheckoutRefused, match=rf"{path.name}.* would be lost"):
        check_out(store, digest, folder)
    assert os.path.lexists(path)
    assert not (folder / "2013/02.parquet").exists(), "nothing was changed"
    check_out(store, digest, folder, force=True)
    assert take_snapshot(store, folder).digest == digest


def test_nothing_is_written_through_links_that_stand_in_the_way(store: Store, tmp_path: Path) -> None:
    folder, outside = write_months(tmp_path / "flights"), tmp_path / "outside"
    digest = take_snapshot(store, folder).digest
    (folder / "2013").rename(outside)
    (outside / "01.parquet").write_text("theirs")
    (folder / "2013").symlink_to(outside)
    with pytest.raises(CheckoutRefused, match="would be lost"):
        check_out(store, digest, folder)
    check_out(store, digest, folder, force=True)
    assert (outside / "01.parquet").read_text() == "theirs"
    assert take_snapshot(store, folder).digest == digest
    other = tmp_path / "other"
    other.symlink_to(outside)
    with pytest.raises(CheckoutRefused, match="it is no folder"):
        check_out(store, digest, other, force=True)


def test_a_hard_link_is_the_object_and_may_not_be_written(store: Store, tmp_path: Path) -> None:
    folder = write_months(tmp_path / "flights")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    digest = take_snapshot(store, folder).digest
    new = tmp_path / "new"
    assert check_out(store, digest, new, way=Way.HARDLINK).written == 4
    for file in snapshot_files(store, digest):
        status = (new / file.path).stat()
        shared = status.st_ino == store.objects.path(file.digest).stat().st_ino
        assert shared is not file.executable
        assert stat.S_IMODE(status.st_mode) & 0o222 == 0 or file.executable
    assert take_snapshot(store, new).digest == digest


def test_one_file_comes_back_and_its_neighbours_stay(store: Store, tmp_path: Path) -> None:
    folder = write_months(tmp_path / "flights")
    path = folder / "2013/01.parquet"
    digest, was = take_snapshot(store, path).digest, path.read_bytes()
    path.write_bytes(b"PAR1 in part")
    check_out(store, digest, path, force=True)
    assert path.read_bytes() == was
    assert len(list((folder / "2013").iterdir())) == 3


@pytest.mark.parametrize("lost", [True, False])
def test_nothing_changes_when_the_store_has_not_every_byte(store: Store, tmp_path: Path, lost: bool) -> None:
    folder = write_months(tmp_path / "flights")
    digest = take_snapshot(store, folder).digest
    path = store.objects.path(snapshot_files(store, digest)[1].digest)
    if lost:
        path.unlink()
    else:
        flip_byte(path, 30)
        with pytest.raises(ObjectDamaged):
            verify_snapshot(store, digest, name="flights")
    new = tmp_path / "new"
    with pytest.raises(ObjectMissing if lost else ObjectDamaged, match=r"02\.parquet"):
        check_out(store, digest, new)
    assert list(new.iterdir()) == []


def test_a_large_file_and_a_sparse_one_come_back(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "big"
    folder.mkdir()
    (folder / "large").write_bytes(os.urandom(1 << 16) * 100)
    with (folder / "sparse").open("wb") as file:
        file.truncate(9 << 20)
    (folder / "empty").touch()
    digest = take_snapshot(store, folder).digest
    check_out(store, digest, tmp_path / "new")
    assert contents(tmp_path / "new") == contents(folder)


def _on_disk(path: Path) -> int:
    return path.stat().st_blocks * 512


def _sparse(store: Store, folder: Path, size: int) -> None:
    """A file with some bytes at its beginning, in the middle and before a hole at its end, there and back."""
    folder.mkdir()
    file = folder / "sparse"
    with file.open("wb") as out:
        for place in (0, size // 2 + 5):
            out.seek(place)
            out.write(b"some bytes" * 1000)
        out.truncate(size)
    taken = take_snapshot(store, folder)
    (kept,) = snapshot_files(store, taken.digest)
    assert taken.bytes == size
    assert _on_disk(store.objects.path(kept.digest)) < 4 << 20
    told: list[int] = []
    new = folder.parent / "new"
    check_out(store, taken.digest, new, report=lambda _, done: told.append(done))
    assert _on_disk(new / "sparse") < 4 << 20
    assert (hash_file(new / "sparse"), sum(told)) == (kept.digest, size)


def test_a_sparse_file_stays_sparse_in_the_store_and_comes_back_sparse(store: Store, tmp_path: Path) -> None:
    _sparse(store, tmp_path / "flights", (40 << 20) + 7)


@pytest.mark.slow
def test_a_sparse_file_of_more_bytes_than_an_integer_of_32_bits_counts(store: Store, tmp_path: Path) -> None:
    _sparse(store, tmp_path / "flights", 5 << 30)


KILLED = """
import sys
from pathlib import Path
from shipway.data import Way, check_out
from shipway.store import open_store
root, digest, folder, way = sys.argv[1:]
print("ready", flush=True)
check_out(open_store(Path(root), "test"), digest, Path(folder), way=Way(way), force=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["copy", "hardlink"])
def test_killed_anywhere_every_file_is_whole_and_the_next_run_goes_on(tmp_path: Path, way: str) -> None:
    store, folder = new_store(tmp_path / "project"), tmp_path / "many"
    for number in range(600):
        path = folder / f"{number % 7}/{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(str(number).encode() * 3000)
    digest: Digest = take_snapshot(store, folder).digest
    wanted, new = contents(folder), tmp_path / "new"
    for wait in (0.0, 0.004, 0.01, 0.02):
        words = [sys.executable, "-c", KILLED, str(tmp_path / "project"), digest, str(new), way]
        process = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(wait)
        process.kill()
        process.wait()
        process.stdout.close()
        there = contents(new) if new.exists() else {}
        assert {path: value for path, value in there.items() if wanted.get(path) != value} == {}
    done = check_out(store, digest, new)
    assert done.kept + done.written == 600
    assert contents(new) == wanted
    assert sorted(os.listdir(tmp_path)) == ["many", "new", "project"]
