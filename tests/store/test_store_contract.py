"""What a store promises, wherever its rows and its objects are: each test runs over every kind of both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from store_help import Place, every_place, every_store, move, thing  # noqa: F401 - fixtures

from shipway.kernel import media
from shipway.kernel.canonical import NotCanonical
from shipway.store import (
    Edge,
    EvidenceRow,
    MoveUnjustified,
    NewAudit,
    RefMissing,
    RefMoved,
    RevocationArrived,
    StateConflict,
    Store,
    list_projects,
)

START = datetime(2013, 2, 1, tzinfo=UTC)


def test_a_ref_moves_and_its_history_says_by_whom(store: Store) -> None:
    one, two = thing(store, 1), thing(store, 2)
    move(store, "model/delay", one)
    move(store, "model/delay", two, expected=one, actor="bob")
    assert store.resolve("model/delay") == two
    assert [(r.actor, r.source, r.target) for r in store.history("model/delay")] == [("bob", one, two), ("ann", None, one)]
    assert [ref.name for ref in store.refs("model/")] == ["model/delay"]
    with pytest.raises(RefMissing):
        store.resolve("model/other")


def test_of_two_moves_from_the_same_place_one_wins_and_the_other_says_so(store: Store) -> None:
    one, two = thing(store, 1), thing(store, 2)
    move(store, "model/delay", one)
    with pytest.raises(RefMoved, match="ann moved it"):
        move(store, "model/delay", two)
    assert store.resolve("model/delay") == one


def test_a_move_without_a_verdict_that_allows_it_is_refused(store: Store) -> None:
    one = thing(store, 1)
    record = NewAudit(store.clock.now(), "ann", "move", "model/delay", "moved", None, one, None)
    with pytest.raises(MoveUnjustified):
        store.move(record, expected=None)
    refused = store.put(
        {"kind": "verdict", "version": 1, "project": "flights", "ref": "model/delay", "from": None, "to": one, "allowed": False}
    )
    other = store.put(
        {"kind": "verdict", "version": 1, "project": "flights", "ref": "model/other", "from": None, "to": one, "allowed": True}
    )
    for verdict in (refused, other):
        with pytest.raises(MoveUnjustified):
            store.move(NewAudit(store.clock.now(), "ann", "move", "model/delay", "moved", None, one, verdict), expected=None)
    assert store.ref("model/delay") is None


def test_projects_in_one_catalogue_do_not_see_each_other(place: Place) -> None:
    flights, churn = (place.open(name) for name in ("flights", "churn"))
    move(flights, "model/m", thing(flights, 1))
    assert churn.ref("model/m") is None
    assert churn.history() == []


def test_state_rows_have_versions_that_guard_them(store: Store) -> None:
    store.put_state("lease", "a", {"by": "x"}, expected=0)
    store.put_state("lease", "a", {"by": "y"}, expected=1)
    with pytest.raises(StateConflict):
        store.put_state("lease", "a", {"by": "z"}, expected=1)
    row = store.state("lease", "a")
    assert row is not None
    assert (row.value, row.version) == ({"by": "y"}, 2)
    store.delete_state("lease", "a")
    assert store.states("lease") == []


def test_edges_are_kept_once_and_read_from_both_ends(store: Store) -> None:
    one, two = thing(store, 1), thing(store, 2)
    store.add_edges([Edge(one, two, "input")])
    store.add_edges([Edge(one, two, "input")])
    assert store.edges_from(one) == store.edges_to(two) == [Edge(one, two, "input")]


def test_a_policy_that_came_into_force_meanwhile_has_not_judged_the_move(store: Store) -> None:
    old, new, one = (thing(store, number) for number in range(3))
    move(store, "policy/main", old)
    move(store, "policy/main", new, expected=old)
    with pytest.raises(RefMoved, match="the policy changed while model/delay was judged"):
        move(store, "model/delay", one, policy=old)
    assert store.ref("model/delay") is None
    move(store, "model/delay", one, policy=new)


@pytest.mark.parametrize("predicate", [media.REVOCATION_PREDICATE, ""])
def test_a_revocation_that_arrived_since_what_was_seen_refuses_the_move(store: Store, predicate: str) -> None:
    """Also one whose type nobody understood when it was indexed."""
    parts, other, one = [thing(store, number) for number in range(3)], thing(store, 8), thing(store, 9)
    store.add_evidence(EvidenceRow(thing(store, 20), parts[1], media.REVOCATION_PREDICATE, "old", START))
    seen = store.evidence_seen(parts)
    store.add_evidence(EvidenceRow(thing(store, 21), other, predicate, "of something else", START))
    store.add_evidence(EvidenceRow(thing(store, 22), parts[2], media.CHECK_PREDICATE, "a check", START))
    store.add_evidence(EvidenceRow(thing(store, 20), parts[1], media.REVOCATION_PREDICATE, "known already", START))
    move(store, "model/delay", one, seen=seen)
    store.add_evidence(EvidenceRow(thing(store, 23), parts[2], predicate, "new", START))
    with pytest.raises(RevocationArrived, match=f"{parts[2]} was revoked, or its revocation lifted") as problem:
        move(store, "model/delay", other, expected=one, seen=seen)
    assert (problem.value.retry, store.resolve("model/delay"), len(store.history())) == (True, one, 1)
    move(store, "model/delay", other, expected=one, seen=store.evidence_seen(parts))


def test_what_was_seen_of_another_project_hides_nothing_of_this_one(place: Place) -> None:
    here, there = place.open(), place.open("churn")
    part, one = thing(here, 1), thing(here, 2)
    for number in range(3):
        there.add_evidence(EvidenceRow(thing(here, 10 + number), part, media.REVOCATION_PREDICATE, "theirs", START))
    seen = here.evidence_seen([part])
    assert seen.last == 0
    there.add_evidence(EvidenceRow(thing(here, 19), part, media.REVOCATION_PREDICATE, "theirs", START))
    move(here, "model/delay", one, seen=seen)
    here.add_evidence(EvidenceRow(thing(here, 10), part, media.REVOCATION_PREDICATE, "ours", START))
    with pytest.raises(RevocationArrived):
        move(here, "model/delay", part, expected=one, seen=seen)


def test_a_refused_move_leaves_neither_record_nor_ref(store: Store) -> None:
    one, two = thing(store, 1), thing(store, 2)
    first = move(store, "model/delay", one)
    with pytest.raises(RefMoved):
        move(store, "model/delay", two, expected=two)
    assert [record.id for record in store.history()] == [first]
    found = store.ref("model/delay")
    assert found is not None
    assert found.audit == first


def test_a_history_is_read_page_by_page_and_its_lives_by_release(store: Store) -> None:
    releases = [thing(store, 100 + number) for number in range(2)]
    targets, before = [thing(store, number) for number in range(6)], None
    for number, target in enumerate(targets):
        move(store, "deploy/delay@prod", target, expected=before, release=releases[number % 2])
        store.record(NewAudit(START, "bob", "move", "deploy/delay@prod", "refused", target, before, None, release=releases[0]))
        move(store, "deploy/other@prod", target, expected=before, release=releases[0])
        before = target
    store.record(NewAudit(START, "bob", "approve", "release/delay", "approved", target=releases[0], why="it's 100% \\ 'fine'"))
    lives = store.lives("deploy/delay@prod")
    assert [record.target for record in lives] == targets[::-1]
    assert store.lives("deploy/delay@prod", releases[0]) == lives[1::2]
    assert store.lives("deploy/delay@prod", releases[0], target=targets[2]) == [lives[3]]
    assert store.lives("deploy/delay@prod", releases[1], target=targets[2]) == []
    assert store.lives("deploy/delay@prod", limit=2) == lives[:2]
    assert store.lives("deploy/delay@prod", before=lives[1].id, limit=2) == lives[2:4]
    first = store.history("deploy/delay@prod", limit=5)
    assert first + store.history("deploy/delay@prod", before=first[-1].id, limit=100) == store.history("deploy/delay@prod")
    assert store.history()[0].why == "it's 100% \\ 'fine'"
    assert store.audit(lives[0].id) == lives[0]
    assert store.audit(10_000) is None


def test_names_are_in_the_order_of_their_code_points_and_a_prefix_is_a_prefix(store: Store) -> None:
    """Also where the server sorts as people do."""
    names = ["model/B", "model/_", "model/a", "model/a-b", "model/a.b", "model/ab", "model/\u00e9", "model/\U0001f600"]
    for number, name in enumerate(names):
        move(store, name, thing(store, number))
        store.put_state("kind", name, {"number": number})
    move(store, "models/x", thing(store, 0))
    assert [ref.name for ref in store.refs("model/")] == names
    assert [ref.name for ref in store.refs("model/a")] == names[2:6]
    assert [row.key for row in store.states("kind", "model/a")] == names[2:6]
    assert len(store.states("kind")) == len(names)


def test_releases_are_found_by_the_first_digits_of_their_digest(store: Store) -> None:
    targets, before = [thing(store, number) for number in range(20)], None
    for target in targets:
        move(store, "release/delay", target, expected=before)
        before = target
    other = thing(store, 99)
    move(store, "model/delay", other)
    for target in targets:
        assert store.targets("release/", target[:19]) == [target]
    assert store.targets("release/", "sha256:") == sorted(targets)
    assert store.targets("release/", other) == []
    assert store.targets("release/", "sha256:%' OR 1=1 --") == []


def test_evidence_is_kept_once_and_read_oldest_first(store: Store) -> None:
    subject, other = thing(store, 1), thing(store, 2)
    rows = [
        EvidenceRow(
            thing(store, 10 + number), subject, "https://x/check/v1", f"\u00e9 {number}", START + timedelta(microseconds=number)
        )
        for number in (2, 1, 3)
    ]
    for row in (*rows, rows[0]):
        store.add_evidence(row)
    store.add_evidence(EvidenceRow(rows[0].envelope, other, "p", "n", START))
    assert store.evidence(subject) == rows
    assert len(store.evidence(other)) == 1


def test_many_rows_of_state_are_written_together_or_not_at_all(store: Store) -> None:
    store.put_states("lease", {str(number): {"number": number, "text": "\u0000%s :name"} for number in range(100)})
    assert [row.value["number"] for row in store.states("lease", "9")] == [9, *range(90, 100)]
    with pytest.raises(NotCanonical):
        store.put_states("lease", {"0": {"number": -1}, "1": {"number": object()}})  # type: ignore[dict-item]
    row = store.state("lease", "0")
    assert row is not None
    assert (row.value["number"], row.value["text"], row.version) == (0, "\u0000%s :name", 1)


def test_a_second_handle_sees_what_the_first_has_written(place: Place) -> None:
    first = place.open()
    second = first.again()
    place.opened.append(second)
    one, two = thing(first, 1), thing(first, 2)
    move(first, "model/delay", one)
    assert second.resolve("model/delay") == one
    move(second, "model/delay", two, expected=one)
    assert first.resolve("model/delay") == two


def test_the_projects_of_a_catalogue_are_listed(place: Place) -> None:
    assert list_projects(place.root, catalogue=place.url) == []
    for project in ("flights", "churn"):
        store = place.open(project)
        move(store, "model/m", thing(store, 1))
    assert list_projects(place.root, catalogue=place.url) == ["churn", "flights"]


def test_a_handle_that_was_closed_opens_again(store: Store) -> None:
    one = thing(store, 1)
    for _ in range(2):
        store.close()
        store.put_state("lease", "a", {})
        assert store.state("lease", "a")
    store.close()
    assert store.get(one)


def test_the_migrations_make_exactly_the_tables_of_the_code(place: Place) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine

    from shipway.store._tables import metadata

    store = place.open()
    if place.url:
        import psycopg

        url = place.url
        engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    else:
        engine = create_engine(f"sqlite:///{store.root / 'catalogue.sqlite'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_what_was_where_and_what_names_an_object_is_asked_of_both(store: Store) -> None:
    """The questions that `at`, `lineage` and `why` ask."""
    targets, before = [thing(store, number) for number in range(3)], None
    for target in targets:
        move(store, "deploy/delay@prod", target, expected=before, release=targets[0])
        before = target
    moves = store.lives("deploy/delay@prod")[::-1]
    place = store.place_at("deploy/delay@prod", moves[1].at)
    assert (place.put, place.ended) == (moves[1], moves[2])
    assert store.moved_after(moves[0].id) == [(record.target, record.id) for record in moves[1:]]
    assert store.naming(targets[0], limit=10) == moves[::-1]
