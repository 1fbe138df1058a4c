"""`check_store` finds what somebody changed past the store, and nothing in a store that nobody touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from store_help import REF, move, new_place, restore_old, thing

from shipway.store import Store, check_store, open_store

Change = Callable[[Store], object]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(tmp_path, "flights", create=True)
    fill(store)
    return store


def fill(store: Store) -> None:
    """Four moves of a deployment back and forth, and one of a model."""
    one, two = thing(store, 1), thing(store, 2)
    for source, target in ((None, one), (one, two), (two, one), (one, two)):
        move(store, REF, target, expected=source)
    move(store, "model/delay", one)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_store_that_nobody_touched_agrees(kind: str, tmp_path: Path) -> None:
    with new_place(kind, tmp_path) as place:
        store = place.open()
        fill(store)
        fill(place.open("churn"))
        found = check_store(store, deep=True)
        assert (found.faults, found.refs, found.moves, found.newest) == ((), 2, 5, 5)


def sql(text: str) -> Change:
    def change(store: Store) -> None:
        connection = sqlite3.connect(store.root / "catalogue.sqlite")
        with connection:
            connection.execute(text)
        connection.close()

    return change


def remove_object(store: Store) -> None:
    store.objects.path(thing(store, 2)).unlink()


def take_another_verdict(store: Store) -> None:
    other = store.put({"kind": "verdict", "version": 1, "project": "churn", "ref": REF, "allowed": True})
    sql(f"UPDATE audit SET verdict = '{other}' WHERE id = 4")(store)


@pytest.mark.parametrize(
    ("change", "about", "words"),
    [
        (sql("DELETE FROM audit WHERE id = 2"), "3", "does not begin where record 1 ended"),
        (sql("DELETE FROM audit WHERE id = 1"), "2", "does not begin where nothing was yet"),
        (sql("DELETE FROM audit WHERE id = 4"), REF, "not where record 3"),
        (sql("UPDATE audit SET target = source WHERE id = 3"), "4", "does not begin where record 3 ended"),
        (sql("UPDATE ref SET digest = (SELECT target FROM audit WHERE id = 1)"), REF, "not where record 4"),
        (sql("DELETE FROM ref WHERE name = 'model/delay'"), "model/delay", "the ref is gone"),
        (sql("DELETE FROM audit WHERE resource = 'model/delay'"), "model/delay", "no record says who"),
        (sql("UPDATE audit SET verdict = NULL WHERE id = 5"), "5", "without a verdict"),
        (sql("UPDATE audit SET verdict = target WHERE id = 5"), "", "cannot be read"),
        (sql("UPDATE audit SET resource = 'model/other' WHERE id = 5"), "model/other", "the ref is gone"),
        (take_another_verdict, "4", "does not allow this move"),
        (remove_object, "", "the object is missing; record 2"),
    ],
)
def test_what_somebody_changed_is_found(store: Store, change: Change, about: str, words: str) -> None:
    change(store)
    faults = check_store(store).faults
    assert any(words in fault.what and (not about or fault.about == about) for fault in faults), faults


def test_a_flipped_byte_is_found_by_a_deep_look_alone(store: Store) -> None:
    digest = thing(store, 1)
    path = store.objects.path(digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"1", b"3"))
    assert check_store(store).faults == ()
    (fault,) = check_store(store, deep=True).faults
    assert fault.about == digest


def test_an_old_store_says_which_object_its_history_lacks(tmp_path: Path) -> None:
    restore_old(tmp_path)
    store = open_store(tmp_path, "flights")
    (fault,) = check_store(store).faults
    assert fault.about == store.lives(REF)[1].target
    assert "record 4" in fault.what
