"""Where a ref was at an instant, also when the clocks of machines disagree; objects by the first digits of their digest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_help import Place, each_place, each_store  # noqa: F401 - fixtures

from shipway.kernel.digest import Digest
from shipway.store import NewAudit, Store

START = datetime(2026, 11, 28, 12, tzinfo=UTC)
REF = "data/flights"


class Put(NamedTuple):
    """A move: its number in the history, its object, what its clock said."""

    number: int
    target: Digest
    minutes: int


def move(store: Store, minutes: int, *, ref: str = REF) -> Put:
    """The next object at the ref, by a machine whose clock says so many minutes after START."""
    present = store.ref(ref)
    expected = present.digest if present else None
    target = store.put({"kind": "thing", "version": 1, "ref": ref, "number": len(store.history(ref, limit=10_000))})
    verdict = store.put(
        {"kind": "verdict", "version": 1, "project": store.project, "ref": ref, "from": expected, "to": target, "allowed": True}
    )
    record = NewAudit(START + timedelta(minutes=minutes), "ann", "move", ref, "moved", expected, target, verdict)
    return Put(store.move(record, expected=expected), target, minutes)


def at(store: Store, minutes: float) -> Digest | None:
    place = store.place_at(REF, START + timedelta(minutes=minutes))
    return place.put.target if place.put else None


def test_a_ref_is_where_the_last_move_before_put_it(store: Store) -> None:
    first, second = move(store, 0), move(store, 10)
    assert [at(store, minutes) for minutes in (-1, 0, 9, 10, 500)] == [None, *[first.target] * 2, *[second.target] * 2]


def test_a_place_names_the_move_that_ended_it_and_before_the_first_the_first(store: Store) -> None:
    first, second = move(store, 0), move(store, 10)
    before, there, now = (store.place_at(REF, START + timedelta(minutes=minutes)) for minutes in (-1, 5, 20))
    assert before.put is None
    assert [place.ended.id if place.ended else None for place in (before, there, now)] == [first.number, second.number, None]


def test_refused_moves_and_moves_of_other_refs_put_nothing_anywhere(store: Store) -> None:
    first = move(store, 0)
    store.record(NewAudit(START + timedelta(minutes=5), "ann", "move", REF, "refused", first.target, first.target, None))
    move(store, 6, ref="data/weather")
    assert at(store, 7) == first.target
    assert store.place_at(REF, START + timedelta(minutes=7)).ended is None


def test_where_clocks_disagree_the_later_record_is_believed(store: Store) -> None:
    """A machine that is a year ahead moves, then one whose clock is right: from then on the second counts."""
    ahead, right = move(store, 525_600), move(store, 10)
    assert at(store, 5) is None
    assert at(store, 10) == at(store, 525_601) == right.target
    assert ahead.number < right.number


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(minutes=st.lists(st.integers(-50, 50), min_size=1, max_size=6), asked=st.integers(-60, 60))
def test_places_follow_the_order_of_records_for_any_clocks(minutes: list[int], asked: int, place: Place) -> None:
    """Going forward in time never goes back in the history, and a move counts no later than its own clock says."""
    store = place.open(f"p{len(place.opened)}")
    puts = [move(store, each) for each in minutes]
    order: list[Digest | None] = [None, *(put.target for put in puts)]
    places = [order.index(at(store, moment)) for moment in (asked, asked + 1, asked + 30)]
    assert places == sorted(places)
    assert places[0] == max((number for number, put in enumerate(puts, 1) if put.minutes <= asked), default=0)
    store.close()


def test_objects_are_found_by_their_first_digits_and_nothing_else_is(store: Store) -> None:
    digests = sorted(store.put({"kind": "thing", "version": 1, "number": number}) for number in range(300))
    for digest in digests[:20]:
        digits = digest.removeprefix("sha256:")
        assert store.find_objects(digits) == [digest]
        assert store.find_objects(digits[:4]) == [d for d in digests if d.startswith(digest[:11])]
    assert [store.find_objects(text) for text in ("", digests[0][7:10], "../..", "zzzz", "ABCD")] == [[]] * 5


def test_what_was_moved_to_after_a_record_comes_once_and_without_refusals(store: Store) -> None:
    first, second = move(store, 0), move(store, 1)
    store.record(NewAudit(START, "ann", "move", REF, "refused", None, first.target, None))
    third = move(store, 2, ref="data/weather")
    assert store.moved_after(first.number) == [(second.target, second.number), (third.target, third.number)]
    assert [record.outcome for record in store.naming(first.target)] == ["refused", "moved"]
