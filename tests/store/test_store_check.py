"""`check_store` finds what somebody changed past the store, and nothing in a store that nobody touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from store_help import (
    REF,
    Place,
    each_place,  # noqa: F401 - fixtures
    move,
    restore_old,
    thing,
)

from shipway.kernel.canonical import JsonObject
from shipway.store import NewAudit, Ref, Store, check_store, open_store

Change = Callable[[Store], object]


@pytest.fixture
def store(place: Place) -> Store:
    store = place.open()
    fill(store)
    return store


def fill(store: Store) -> None:
    """Four moves of a deployment back and forth, and one of a model."""
    one, two = thing(store, 1), thing(store, 2)
    for source, target in ((None, one), (one, two), (two, one), (one, two)):
        move(store, REF, target, expected=source)
    move(store, "model/delay", one)


def test_a_store_that_nobody_touched_agrees(store: Store, place: Place) -> None:
    fill(place.open("churn"))
    found = check_store(store, deep=True)
    assert (found.faults, found.refs, found.moves, found.newest) == ((), 2, 5, 5)


def test_a_forced_move_agrees_and_one_that_hides_its_force_does_not(store: Store) -> None:
    one, two = thing(store, 1), thing(store, 2)
    says: JsonObject = {"project": store.project, "ref": REF, "from": two, "to": one, "allowed": False, "forced": True}
    verdict = store.put({"kind": "verdict", "version": 1, **says})
    record = NewAudit(store.clock.now(), "ann", "forced", REF, "moved", two, one, verdict, "fire")
    number = store.move(record, expected=two)
    assert check_store(store).faults == ()
    sql(f"UPDATE audit SET action = 'move' WHERE id = {number}")(store)
    (fault,) = check_store(store).faults
    assert "does not allow this move" in fault.what


def test_a_move_that_is_made_while_the_store_is_read_is_no_fault(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody moves a ref, and makes another, after the history was read and before the refs are."""
    other, real = place.open(), Store.refs

    def refs(asked: Store, prefix: str = "") -> list[Ref]:
        monkeypatch.undo()
        move(other, REF, thing(other, 3), expected=other.resolve(REF))
        move(other, "model/new", thing(other, 3))
        return real(asked, prefix)

    monkeypatch.setattr(Store, "refs", refs)
    found = check_store(store)
    assert (found.faults, found.refs, found.moves, found.newest) == ((), 3, 7, 7)


def sql(text: str) -> Change:
    def change(store: Store) -> None:
        with store._catalogue.transaction(alone=True) as connection:
            connection.exec_driver_sql(text)

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
