"""A store that was cut, emptied, linked elsewhere, filled up or shut: one clear error each, and no empty history instead."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from store_help import REF, Place, each_place, each_store, move, new_place, new_schema, thing  # noqa: F401 - fixtures

from shipway.kernel.digest import Digest
from shipway.store import (
    CatalogueDamaged,
    EvidenceRow,
    NewAudit,
    ObjectDamaged,
    Store,
    StoreFull,
    StoreNewer,
    StoreReadOnly,
    TextUnfit,
    check_store,
    open_store,
)


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[Store]:
    with new_place("sqlite", tmp_path) as place:
        yield place.open()


def remove(file: Path) -> None:
    file.unlink()


def cut(size: int) -> Callable[[Path], None]:
    return lambda file: os.truncate(file, size)


def overwrite(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:8192] + b"Z" * (file.stat().st_size - 8192))


@pytest.mark.parametrize("damage", [remove, cut(0), cut(50), cut(8192), overwrite, lambda file: file.write_bytes(b"no" * 5000)])
def test_a_damaged_or_emptied_catalogue_is_refused_and_left_as_it_is(file_store: Store, damage: Callable[[Path], None]) -> None:
    move(file_store, REF, thing(file_store, 1))
    file_store.close()
    file = file_store.root / "catalogue.sqlite"
    damage(file)
    left = file.read_bytes() if file.exists() else None
    for create in (False, True):
        with pytest.raises(CatalogueDamaged) as problem:
            open_store(file_store.root.parent, "flights", create=create).history()
        assert "backup" in problem.value.render()
        assert (file.read_bytes() if file.exists() else None) == left


def test_a_catalogue_that_is_removed_under_an_open_store_is_not_made_again(file_store: Store) -> None:
    move(file_store, REF, thing(file_store, 1))
    file_store.close()
    (file_store.root / "catalogue.sqlite").unlink()
    with pytest.raises(CatalogueDamaged):
        file_store.history()
    assert not (file_store.root / "catalogue.sqlite").exists()
    with pytest.raises(CatalogueDamaged):
        move(file_store, REF, thing(file_store, 1))


def test_a_store_whose_making_was_cut_short_is_made_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".shipway").mkdir()
    (tmp_path / ".shipway" / "catalogue.sqlite").touch()
    with new_place("sqlite", tmp_path) as place:
        assert place.open().history() == []


def test_a_database_that_was_emptied_does_not_begin_anew(tmp_path: Path) -> None:
    with new_place("postgres", tmp_path) as place:
        place.open()
        with pytest.raises(CatalogueDamaged):
            open_store(tmp_path, "flights", catalogue=new_schema(), create=True)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "catalogue"}'])
def test_a_mark_that_cannot_be_read_gives_no_empty_history(tmp_path: Path, text: str) -> None:
    with new_place("postgres", tmp_path) as place:
        place.open()
        mark = tmp_path / ".shipway" / "catalogue.json"
        mark.write_text(text)
        for url in (None, place.url):
            with pytest.raises(CatalogueDamaged):
                open_store(tmp_path, "flights", catalogue=url, create=True)
        assert not (tmp_path / ".shipway" / "catalogue.sqlite").exists()
        mark.unlink()
        place.open()
        assert mark.exists()


@pytest.mark.parametrize("damage", [remove, cut(0)])
def test_a_catalogue_emptied_beside_a_bucket_does_not_begin_anew(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Nothing has been put: the folder knows by its mark that it had a catalogue."""
    with new_place("sqlite-s3", tmp_path) as place:
        place.open().close()
        damage(tmp_path / ".shipway" / "catalogue.sqlite")
        for objects in (place.objects, None):
            with pytest.raises(CatalogueDamaged, match="begin anew"):
                open_store(tmp_path, "flights", objects=objects, create=True)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "objects"}'])
def test_a_folder_that_does_not_say_where_its_objects_are_gives_no_empty_ones(tmp_path: Path, text: str) -> None:
    with new_place("sqlite-s3", tmp_path) as place:
        one = thing(place.open(), 1)
        mark = tmp_path / ".shipway" / "objects.json"
        mark.write_text(text)
        for objects in (None, place.objects):
            with pytest.raises(CatalogueDamaged, match="objects are"):
                open_store(tmp_path, "flights", objects=objects, create=True)
        mark.unlink()
        assert place.open().get(one)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to(path)])
def test_what_is_no_file_in_the_place_of_a_copy_is_no_fault_of_the_bucket(tmp_path: Path, make: Callable[[Path], None]) -> None:
    with new_place("sqlite-s3", tmp_path) as place:
        store = place.open()
        digest = store.put_bytes(bytes(1000)).digest
        copy = store.objects.verify(digest)
        copy.unlink()
        make(copy)
        with within(20):
            assert store.objects.verify(digest).read_bytes() == bytes(1000)
            assert check_store(store, deep=True).faults == ()


def change(store: Store, sql: str) -> None:
    with store._catalogue.transaction(alone=True) as connection:
        connection.exec_driver_sql(sql)


def test_a_catalogue_without_its_revision_is_not_made_once_more(place: Place) -> None:
    change(place.open(), "DELETE FROM alembic_version")
    with pytest.raises(CatalogueDamaged, match="revision"):
        place.open()


def test_an_open_store_does_not_write_into_a_catalogue_that_a_newer_shipway_has_migrated(place: Place) -> None:
    store = place.open()
    one = thing(store, 1)
    move(store, REF, one)
    change(place.open(), "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreNewer):
        move(store, REF, thing(store, 2), expected=one)
    with pytest.raises(StoreNewer):
        store.put_state("kind", "key", {})
    assert store.resolve(REF) == one


@pytest.mark.parametrize("name", ["busy", "locked out", "disk is full", "readonly", "malformed"])
def test_a_row_that_speaks_like_the_driver_is_kept_once_like_any(file_store: Store, name: str) -> None:
    """The error for a second row shows the row: it is not what the driver says of itself."""
    one = thing(file_store, 1)
    row = EvidenceRow(one, one, "test", name, file_store.clock.now())
    file_store.add_evidence(row)
    file_store.add_evidence(row)
    assert len(file_store.evidence(one)) == 1


def test_a_text_that_one_catalogue_cannot_keep_is_refused_by_all(store: Store) -> None:
    one, now = thing(store, 1), store.clock.now()
    for text in ("a\0b", "\udc80", "\ud83d"):
        for ask in (
            lambda text=text: store.record(NewAudit(now, "ann", "move", REF, "refused", why=text)),
            lambda text=text: store.record(NewAudit(now, text, "move", REF, "refused")),
            lambda text=text: store.add_evidence(EvidenceRow(one, one, "test", text, now)),
            lambda text=text: store.put_state("kind", text, {}),
            lambda text=text: store.ref(text),
            lambda text=text: store.refs(text),
            lambda text=text: store.states("kind", text),
        ):
            with pytest.raises(TextUnfit):
                ask()
    assert store.history() == []
    store.record(NewAudit(now, "Zoë", "move", REF, "refused", why="because 🛩"))
    assert store.history()[0].why == "because 🛩"


def in_place_of(store: Store, digest: Digest) -> Path:
    path = store.objects.path(digest)
    path.unlink()
    return path


def test_a_link_in_the_place_of_an_object_changes_nothing_outside_the_store(file_store: Store, tmp_path: Path) -> None:
    one, mine = thing(file_store, 1), tmp_path / "mine"
    mine.write_text("something else")
    mine.chmod(0o644)
    in_place_of(file_store, one).symlink_to(mine)
    (fault,) = check_store(file_store, deep=True).faults
    assert fault.about == one
    assert mine.stat().st_mode & 0o777 == 0o644
    assert thing(file_store, 1) == one
    assert not file_store.objects.path(one).is_symlink()
    assert mine.read_text() == "something else"


def make_circle(path: Path) -> None:
    path.symlink_to(path)


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """A pipe that is opened for reading is waited for without end."""

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, make_circle])
def test_what_is_no_file_in_the_place_of_an_object_is_named(file_store: Store, make: Callable[[Path], None]) -> None:
    one = thing(file_store, 1)
    move(file_store, REF, one)
    path = in_place_of(file_store, one)
    make(path)
    with within(20):
        for read in (file_store.get, file_store.objects.verify):
            with pytest.raises(ObjectDamaged, match="no file"):
                read(one)
        assert one in {fault.about for fault in check_store(file_store, deep=True).faults}
        if path.is_dir():
            with pytest.raises(ObjectDamaged, match="no file"):
                thing(file_store, 1)
            path.rmdir()
        assert thing(file_store, 1) == one
    assert check_store(file_store, deep=True).faults == ()
    assert list(file_store.objects.root.glob("tmp-*")) == []


def test_a_link_that_leads_nowhere_ends_no_check(file_store: Store) -> None:
    one = thing(file_store, 1)
    in_place_of(file_store, one).symlink_to("/nowhere/at/all")
    (fault,) = check_store(file_store, deep=True).faults
    assert fault.about == one


def test_files_with_foreign_names_among_the_objects_are_not_found(file_store: Store) -> None:
    one = thing(file_store, 1)
    path = file_store.objects.path(one)
    for name in (path.name[:2] + "Z" * 60, path.name[:2] + "é" * 60, "\udc80" * 62, path.name + "0"):
        (path.parent / name).touch()
    assert file_store.find_objects(path.parent.name + path.name[:2]) == [one]
    assert check_store(file_store, deep=True).faults == ()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 700 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no permission to mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        repeat(lambda: file.write(bytes(4096)))


def repeat(do: Callable[[], object]) -> None:
    while True:
        do()


def test_a_full_disk_refuses_objects_and_records_and_loses_nothing(small_disk: Path) -> None:
    with new_place("sqlite", small_disk) as place:
        store = place.open()
        one, two = thing(store, 1), thing(store, 2)
        move(store, REF, one)
        ballast = small_disk / "ballast"
        fill(ballast)
        with pytest.raises(StoreFull):
            store.put_bytes(bytes(100_000))
        refusal = NewAudit(store.clock.now(), "ann", "move", REF, "refused", why="w" * 3000)
        with pytest.raises(StoreFull):
            repeat(lambda: store.record(refusal))  # the write-ahead log may have some room left
        kept = len(store.history(limit=2000))
        with pytest.raises(StoreFull):
            open_store(small_disk / "other", "flights", create=True)
        ballast.unlink()
        assert list(store.objects.root.glob("tmp-*")) == []
        move(store, REF, two, expected=one)
        assert len(store.history(limit=2000)) == kept + 1
        assert check_store(store, deep=True).faults == ()


def test_a_disk_that_may_only_be_read_is_told_apart_from_a_full_one(small_disk: Path) -> None:
    with new_place("sqlite", small_disk) as place:
        store = place.open()
        move(store, REF, thing(store, 1))
        store.close()
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        for ask in (
            lambda: thing(store, 2),
            lambda: store.put_state("kind", "key", {}),
            lambda: open_store(small_disk, "flights"),
            lambda: open_store(small_disk / "other", "flights", create=True),
        ):
            with pytest.raises(StoreReadOnly):
                ask()
        store.close()
