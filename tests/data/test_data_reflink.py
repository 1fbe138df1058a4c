"""Blocks that two files share, on real file systems that have them: a snapshot and a checkout take no room and copy nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from data_help import new_store

from shipway.data import CheckoutRefused, Way, check_out, take_snapshot, verify_snapshot
from shipway.kernel.digest import digest_bytes
from shipway.store import Store

MIB = 1 << 20
SIZES = {"btrfs": 400 * MIB, "xfs": 400 * MIB}  # of a sparse file; more than the least, as a mapped file on a full disk ends us


@pytest.fixture(params=SIZES)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system in a file, mounted."""
    kind = str(request.param)
    make = shutil.which(f"mkfs.{kind}", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if make is None:
        pytest.skip(f"mkfs.{kind} is not installed: there is no file system that shares blocks")
    image, folder = tmp_path / "image", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(SIZES[kind])
    subprocess.run([make, "-q", str(image)], check=True, capture_output=True)
    folder.mkdir()
    if subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True, check=False).returncode:
        pytest.skip(f"no permission to mount a file as {kind}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def stores(disk: Path) -> Iterator[Callable[[Path], Store]]:
    """Stores that are closed before their disk goes."""
    with ExitStack() as stack:

        def make(root: Path) -> Store:
            store = new_store(root)
            stack.callback(store.close)
            return store

        yield make


def used(disk: Path) -> int:
    handle = os.open(disk, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    os.sync()
    found = os.statvfs(disk)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def test_a_snapshot_and_a_checkout_of_a_large_file_take_no_room(disk: Path, stores: Callable[[Path], Store]) -> None:
    data = os.urandom(16 * MIB)
    store, folder = stores(disk / "project"), disk / "flights"
    folder.mkdir()
    (folder / "large").write_bytes(data)
    (folder / "small").write_bytes(b"small")
    before = used(disk)
    taken = take_snapshot(store, folder)
    assert used(disk) - before < 4 * MIB
    (folder / "large").write_bytes(b"another" + data[7:])
    assert store.objects.get(digest_bytes(data)) == data, "what is written to one is not in the other"
    (folder / "large").unlink()
    before = used(disk)
    assert check_out(store, taken.digest, folder, force=True).way is Way.REFLINK
    assert used(disk) - before < 4 * MIB
    assert (folder / "large").read_bytes() == data
    verify_snapshot(store, taken.digest, name="flights")


def test_between_two_file_systems_files_are_copied_and_a_reflink_that_was_asked_for_is_refused(
    disk: Path, stores: Callable[[Path], Store], tmp_path: Path
) -> None:
    data = os.urandom(2 * MIB)
    store, folder = stores(disk / "project"), tmp_path / "flights"
    folder.mkdir()
    (folder / "large").write_bytes(data)
    taken = take_snapshot(store, folder)
    assert store.objects.get(digest_bytes(data)) == data
    (folder / "large").unlink()
    with pytest.raises(CheckoutRefused):
        check_out(store, taken.digest, folder, way=Way.REFLINK)
    assert check_out(store, taken.digest, folder).way is Way.COPY
    assert (folder / "large").read_bytes() == data
