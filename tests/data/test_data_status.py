from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from data_help import new_store, rewrite, wait_for_a_new_tick, write_months

from shipway.data import DataMissing, Status, measure_status, take_snapshot
from shipway.kernel.digest import Digest
from shipway.store import Store, hash_file

JANUARY, FEBRUARY, MARCH = "2013/01.parquet", "2013/02.parquet", "2013/03.parquet"


@pytest.fixture(autouse=True)
def _trust_young_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipway.store._stat_cache._RACY_NS", -1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_months(tmp_path / "flights")


@pytest.fixture
def digest(tmp_path: Path, folder: Path) -> Digest:
    return take_snapshot(new_store(tmp_path / "project"), folder).digest


@pytest.fixture
def store(tmp_path: Path, digest: Digest) -> Store:
    return new_store(tmp_path / "project")


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that status reads."""
    names: list[str] = []

    def watched(path: Path) -> Digest:
        names.append(path.name)
        return hash_file(path)

    monkeypatch.setattr("shipway.store._facade.hash_file", watched)
    return names


def test_without_a_snapshot_everything_is_added(store: Store, folder: Path) -> None:
    assert measure_status(store, None, folder) == Status((JANUARY, FEBRUARY, MARCH), (), (), 0)


def test_an_unchanged_folder_is_clean_and_no_file_is_read(
    store: Store, digest: Digest, folder: Path, hashed: list[str]
) -> None:
    status = measure_status(store, digest, folder)
    assert status.clean
    assert status.unchanged == 3
    assert hashed == []


def test_added_removed_and_changed_files_are_named(store: Store, digest: Digest, folder: Path) -> None:
    (folder / JANUARY).unlink()
    (folder / FEBRUARY).write_bytes(b"longer than it was" * 100)
    (folder / "notes.txt").write_text("new")
    assert measure_status(store, digest, folder) == Status(("notes.txt",), (JANUARY,), (FEBRUARY,), 1)


def test_an_edit_that_keeps_size_and_modification_time_is_found(store: Store, digest: Digest, folder: Path) -> None:
    wait_for_a_new_tick()
    data = bytearray((folder / FEBRUARY).read_bytes())
    data[20] ^= 1
    rewrite(folder / FEBRUARY, bytes(data))
    assert measure_status(store, digest, folder).changed == (FEBRUARY,)


def test_a_touched_file_is_read_once_and_then_remembered(
    store: Store, digest: Digest, folder: Path, tmp_path: Path, hashed: list[str]
) -> None:
    os.utime(folder / FEBRUARY, (1, 1))
    assert measure_status(store, digest, folder).clean
    assert measure_status(new_store(tmp_path / "project"), digest, folder).clean
    assert hashed == ["02.parquet"]


def test_a_file_of_another_size_is_changed_without_being_read(
    store: Store, digest: Digest, folder: Path, hashed: list[str]
) -> None:
    (folder / FEBRUARY).write_bytes(b"x")
    assert measure_status(store, digest, folder).changed == (FEBRUARY,)
    assert hashed == []


def test_a_file_that_has_become_executable_or_a_link_is_changed(store: Store, digest: Digest, folder: Path) -> None:
    (folder / JANUARY).chmod(0o755)
    (folder / FEBRUARY).rename(folder / "moved")
    (folder / FEBRUARY).symlink_to(folder / "moved")
    assert measure_status(store, digest, folder) == Status(("moved",), (), (JANUARY, FEBRUARY), 1)


def test_a_link_to_a_folder_is_one_added_thing(store: Store, digest: Digest, folder: Path) -> None:
    (folder / "link").symlink_to(folder)
    assert measure_status(store, digest, folder).added == ("link",)


def test_the_snapshot_of_a_single_file_has_a_status(store: Store, folder: Path) -> None:
    digest = take_snapshot(store, folder / JANUARY).digest
    assert measure_status(store, digest, folder / JANUARY) == Status((), (), (), 1)


def test_a_missing_folder_is_one_clear_error(store: Store, digest: Digest, tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="nowhere"):
        measure_status(store, digest, tmp_path / "nowhere")


def test_status_imports_neither_polars_nor_numpy_nor_sqlalchemy(
    store: Store, digest: Digest, folder: Path, tmp_path: Path
) -> None:
    script = f"""
import sys
from pathlib import Path
from shipway.data import measure_status
from shipway.store import open_store
assert measure_status(open_store(Path({str(tmp_path / "project")!r}), "test"), {digest!r}, Path({str(folder)!r})).clean
print(*{{"polars", "numpy", "sqlalchemy", "msgspec"}} & set(sys.modules))
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
