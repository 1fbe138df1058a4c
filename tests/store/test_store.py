"""The store: what is put is found again, whole or not at all, whoever else writes."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_help import thing

from shipway.kernel.canonical import Json
from shipway.kernel.digest import Digest
from shipway.store import (
    FileUnreadable,
    ObjectDamaged,
    ObjectMissing,
    ObjectUnexpected,
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


def test_an_object_is_found_by_its_digest_and_kind(store: Store) -> None:
    digest = thing(store, 1)
    assert store.get(digest, "thing") == {"kind": "thing", "version": 1, "number": 1}
    assert thing(store, 1) == digest
    with pytest.raises(ObjectUnexpected):
        store.get(digest, "release")


def test_an_object_without_a_kind_is_refused(store: Store) -> None:
    with pytest.raises(ObjectUnexpected):
        store.put({"number": 1})


def test_a_missing_object_is_named(store: Store) -> None:
    with pytest.raises(ObjectMissing, match="sha256:00"):
        store.get(Digest("sha256:" + "0" * 64))


def test_a_flipped_byte_is_noticed_on_reading(store: Store) -> None:
    digest = thing(store, 1)
    path = store.objects.path(digest)
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)
    for read in (store.objects.get, store.objects.verify):
        with pytest.raises(ObjectDamaged) as problem:
            read(digest)
        assert problem.value.where == str(path)


files = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8).filter(
        lambda name: name not in (".", "..")
    ),
    st.binary(max_size=50),
    max_size=6,
)


@settings(max_examples=30, deadline=None)
@given(files, files)
def test_a_tree_holds_every_file_and_equal_folders_have_one_digest(
    tmp_path_factory: pytest.TempPathFactory, top: dict[str, bytes], below: dict[str, bytes]
) -> None:
    base = tmp_path_factory.mktemp("tree")
    store = open_store(base, "p", create=True)
    digests = set()
    for name in ("one", "two"):
        folder = base / name
        (folder / "sub").mkdir(parents=True)
        for place, content in ((folder, {k: v for k, v in top.items() if k != "sub"}), (folder / "sub", below)):
            for file, data in content.items():
                (place / file).write_bytes(data)
        digests.add(store.put_tree(folder)[0].digest)
    (digest,) = digests
    found = {file.path: store.objects.get(file.digest) for file in store.tree(digest)}
    assert found == {k: v for k, v in top.items() if k != "sub"} | {f"sub/{k}": v for k, v in below.items()}


def test_a_changed_file_rewrites_only_the_nodes_on_its_path(store: Store, tmp_path: Path) -> None:
    for name in ("a/x", "b/y"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True)
        path.write_text(name)
    before = {digest for digest, _ in store.tree_nodes(store.put_tree(tmp_path / "data")[0].digest)}
    (tmp_path / "data/a/x").write_text("changed")
    after = {digest for digest, _ in store.tree_nodes(store.put_tree(tmp_path / "data")[0].digest)}
    assert len(before & after) == 1  # b stays; a and the root are new


def test_a_symbolic_link_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "out").symlink_to("/etc/passwd")
    with pytest.raises(FileUnreadable, match="out is a symbolic link"):
        store.put_tree(folder)


def test_a_tree_that_climbs_out_of_its_folder_is_refused(store: Store) -> None:
    entry: dict[str, Json] = {"name": "../x", "type": "file", "digest": thing(store, 1), "size": 1, "executable": False}
    bad = store.put({"kind": "tree", "version": 1, "entries": [entry]})
    with pytest.raises(ObjectUnexpected):
        list(store.tree(bad))


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


WRITER = """
import itertools, sys
from pathlib import Path
from shipway.store import NewAudit, RefMoved, open_store

REF = "model/delay"
store = open_store(Path(sys.argv[1]), "flights")
first, count = int(sys.argv[2]), int(sys.argv[3])

def move(number, target):
    # from wherever the ref is now; again when somebody was faster
    while True:
        ref = store.ref(REF)
        previous = ref.digest if ref else None
        says = {"project": "flights", "ref": REF, "from": previous, "to": target, "allowed": True}
        verdict = store.put({"kind": "verdict", "version": 1, **says})
        record = NewAudit(store.clock.now(), "ann", "move", REF, "moved", previous, target, verdict, str(number))
        try:
            return store.move(record, expected=previous)
        except RefMoved:
            continue

for number in range(first, first + count):
    move(number, store.put({"kind": "thing", "version": 1, "number": number}))
    print(number, flush=True)
"""


def kill_rounds(store: Store, rounds: int) -> None:
    """Kill a writer at a random moment: the ref is old or new, its record is there, and all it names is whole."""
    dice = random.Random(7)
    for number in range(rounds):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(store.root.parent), str(number * 100_000), "99999"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(dice.random() * 0.05)
        child.send_signal(signal.SIGKILL)
        with child.stdout:
            acknowledged = child.stdout.read().split()
        child.wait()
        last = store.history("model/delay", limit=1)[0]
        assert store.resolve("model/delay") == last.target
        assert last.target is not None
        assert str(store.get(last.target)["number"]) == last.why
        if acknowledged:
            assert int(last.why) >= int(acknowledged[-1])


def test_a_writer_killed_at_any_moment_leaves_the_ref_old_or_new(store: Store) -> None:
    kill_rounds(store, 4)


@pytest.mark.slow
def test_a_writer_killed_a_hundred_times_leaves_the_ref_old_or_new(store: Store) -> None:
    kill_rounds(store, 100)


def test_two_writers_on_one_ref_lose_no_record(store: Store, tmp_path: Path) -> None:
    """Each takes what it finds and retries: the history is one chain without a hole."""
    commands = [[sys.executable, "-c", WRITER, str(tmp_path), str(first), "20"] for first in (100, 200)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
    for child in children:
        child.communicate()
        assert child.returncode == 0
    history = store.history("model/delay", limit=100)
    assert len(history) == 40
    assert all(newer.source == older.target for newer, older in pairwise(history))


def damage(path: Path) -> None:
    """One byte of an object changes on the disk, and nothing that a stat shows but its times."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


@pytest.mark.parametrize("how", [damage, lambda path: os.truncate(path, 3), lambda path: path.write_bytes(b"")])
def test_a_put_of_the_same_content_mends_a_damaged_object(store: Store, how: Callable[[Path], None]) -> None:
    digest = thing(store, 1)
    path = store.objects.path(digest)
    path.chmod(0o644)
    how(path)
    assert thing(store, 1) == digest
    assert store.get(digest) == {"kind": "thing", "version": 1, "number": 1}


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only files older than two seconds are trusted unread; the tests do not wait for them."""
    monkeypatch.setattr("shipway.store._stat_cache._RACY_NS", -1)


@pytest.mark.usefixtures("trusting")
def test_a_file_whose_object_has_another_size_is_read_again(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("some content")
    tree = store.put_tree(file)[0]
    (entry,) = store.tree(tree.digest)
    path = store.objects.path(entry.digest)
    path.chmod(0o644)
    os.truncate(path, 4)
    _, writer = store.put_tree(file)
    assert writer.read == 12
    assert store.objects.get(entry.digest) == b"some content"
    assert store.put_tree(file)[1].read == 0


@pytest.mark.usefixtures("trusting")
def test_a_file_whose_object_was_found_damaged_is_read_again(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("some content")
    (entry,) = store.tree(store.put_tree(file)[0].digest)
    damage(store.objects.path(entry.digest))
    assert store.put_tree(file)[1].read == 0  # nobody knows yet
    for _ in range(2):
        with pytest.raises(ObjectDamaged):
            store.objects.verify(entry.digest)
    assert store.put_tree(file)[1].read == 12
    assert store.objects.verify(entry.digest)


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

def hold(source, out, report):
    os.write(out, b"half")
    os.utime(out, (1, 1))
    print(next(Path(sys.argv[1]).glob("tmp-*")), flush=True)
    time.sleep(60)

_objects._copy = hold
_objects.Objects(Path(sys.argv[1])).put_file(Path("x"))
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


def test_the_size_in_a_tree_is_that_of_the_bytes_that_were_read(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file grows between the look at it and the reading: equal content, equal digest."""
    file = tmp_path / "data" / "x"
    file.parent.mkdir()
    file.write_text("more")
    expected = store.put_tree(file.parent)[0]
    file.write_text("mo")
    real = store.objects.put_file

    def late(source: Path) -> tuple[Digest, int]:
        source.write_text("more")
        return real(source)

    monkeypatch.setattr(store.objects, "put_file", late)
    tree, writer = store.put_tree(file.parent)
    assert (tree, writer.bytes) == (expected, 4)


def test_a_file_that_changes_while_it_is_read_is_refused(store: Store, tmp_path: Path) -> None:
    """Also when its size and its modification time are put back."""
    file = tmp_path / "x"
    file.write_bytes(b"1" * 100)
    before = file.stat()

    def change(_: int) -> None:
        time.sleep(0.02)
        file.write_bytes(b"2" * 100)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(FileUnreadable, match="x changed while it was read"):
        store.objects.put_file(file, report=change)


NAMES = [b"plain", b"caf\xc3\xa9", b"\xff\xfe", b"base64:YQ=="]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_stands_in_a_tree_in_the_same_way_whatever_put_it(store: Store, tmp_path: Path, name: bytes) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path / "data") + b"/"))
    folder.mkdir()
    file = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    file.write_text("content")
    tree = store.put_tree(folder)[0]
    assert store.put_tree(file)[0] == tree
    assert store.put_files({os.fsdecode(name): file}) == tree
    below = store.put_files({os.fsdecode(name) + "/x": file})
    assert [entry.path for entry in store.tree(tree.digest)] == [os.fsdecode(name)]
    assert [entry.path for entry in store.tree(below.digest)] == [os.fsdecode(name) + "/x"]


def test_closing_a_store_twice_is_no_error(store: Store) -> None:
    thing(store, 1)
    store.refs()
    closers: list[Callable[[], None]] = [store.close, store.close]
    for close in closers:
        close()
