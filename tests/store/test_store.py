"""The store in a folder: what the disk has when, and what is there after a kill, a full disk or a failing one."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from store_help import thing

from shipway.store import (
    Store,
    StoreFull,
    StoreMissing,
    StoreNewer,
    open_store,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path, "flights", create=True)


def test_a_folder_without_a_store_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing) as problem:
        open_store(tmp_path, "flights")
    assert problem.value.mend == "shipway init"


def test_a_full_disk_leaves_nothing_half_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """RLIMIT_FSIZE is the kernel refusing to let a file grow: the real error, without filling a disk."""
    code = (
        "import resource, signal, sys; from pathlib import Path; from shipway.store import open_store, StoreFull\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "store = open_store(Path(sys.argv[1]), 'flights')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: store.put_bytes(b'x' * 5000)\n"
        "except StoreFull as problem: print(problem.render())\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(store.root.parent)], capture_output=True, text=True, check=True)
    assert "no room left" in ran.stdout
    assert "mend:" in ran.stdout
    assert [path for path in store.objects.root.rglob("*") if path.is_file()] == []


def test_the_disk_error_of_a_real_full_file_system_is_told_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreFull):
        store.put_bytes(b"x")


def test_another_thread_than_the_one_that_read_may_close_a_store(tmp_path: Path) -> None:
    """While the one that read is alive: of a thread that is gone another can have the number, and the fault hides."""
    open_store(tmp_path, "flights", create=True).close()
    with ThreadPoolExecutor(1) as reads, ThreadPoolExecutor(1) as closes:
        store = reads.submit(open_store, tmp_path, "flights").result()
        assert reads.submit(store.refs).result() == []
        closes.submit(store.close).result()


def test_a_newer_catalogue_is_not_touched(store: Store, tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(store.root / "catalogue.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreNewer):
        open_store(tmp_path, "flights")


def test_two_processes_that_make_the_store_at_once_agree(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from shipway.store import open_store\n"
        "open_store(Path(sys.argv[1]), 'p', create=True).refs()"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE) for _ in range(3)]
    for child in children:
        _, errors = child.communicate()
        assert child.returncode == 0, errors.decode()


def test_a_put_that_finds_its_object_there_brings_it_to_the_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another writer may have been killed before its own sync."""
    other = open_store(store.root.parent, "flights")
    digest = thing(other, 1)
    synced = watch_syncs(monkeypatch)
    assert thing(store, 1) == digest
    store.objects.sync()
    path = store.objects.path(digest)
    assert synced == {path, path.parent, path.parent.parent, store.root}


def test_a_sync_that_fails_is_done_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.objects.path(thing(store, 1))

    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(OSError, match="Input/output"):
            store.objects.sync()
    synced = watch_syncs(monkeypatch)
    store.objects.sync()
    assert path in synced
    synced.clear()
    store.objects.sync()
    assert not synced


def test_what_takes_the_place_of_an_object_is_on_the_disk_first(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ref may name the object already; a rename alone could leave it empty after a power cut."""
    file = tmp_path / "x"
    file.write_text("some content")
    store.put_file(file)
    order: list[str] = []
    replace = os.replace

    def renamed(old: str, new: Path) -> None:
        order.append("rename")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", lambda _: order.append("fsync"))
    monkeypatch.setattr(os, "replace", renamed)
    store.put_file(file)
    assert order == ["fsync", "rename"]


def watch_syncs(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The files and folders that are brought to the disk from now on."""
    synced, real = set[Path](), os.fsync

    def watched(handle: int) -> None:
        synced.add(Path(os.readlink(f"/proc/self/fd/{handle}")))
        real(handle)

    monkeypatch.setattr(os, "fsync", watched)
    return synced


HOLDER = """
import os, sys, time
from pathlib import Path
from shipway.store import _objects

def hold(source, out, *rest):
    os.write(out, b"half")
    os.utime(out, (1, 1))
    print(next(Path(sys.argv[1]).glob("tmp-*")), flush=True)
    time.sleep(60)

_objects.copy_hashed = hold
_objects.FileObjects(Path(sys.argv[1])).put_file(Path("x"))
"""


def test_what_a_dead_writer_left_is_swept_and_what_a_living_one_holds_is_not(store: Store) -> None:
    folder = store.objects.root
    folder.mkdir()
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    held = Path(child.stdout.readline().strip())
    old, young = folder / "tmp-old", folder / "tmp-young"
    for path in (old, young):
        path.write_text("half")
    os.utime(old, (1, 1))
    thing(store, 1)
    assert (held.exists(), old.exists(), young.exists()) == (True, False, True)
    child.kill()
    child.communicate()
    thing(open_store(store.root.parent, "flights"), 2)
    assert not held.exists()
