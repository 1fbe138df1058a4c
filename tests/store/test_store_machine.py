"""Whatever is asked in whatever order: the refs are where their histories say, and nothing that was acknowledged is lost."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from store_help import move, new_place, thing

from shipway.kernel.digest import Digest
from shipway.store import MoveUnjustified, NewAudit, RefMoved, Store

REFS = st.sampled_from(["deploy/delay@prod", "deploy/delay@prod2", "model/delay", "policy/main"])
NUMBERS = st.integers(0, 5)
PROJECTS = st.sampled_from(["flights", "churn"])


class Moves(RuleBasedStateMachine):
    """Two projects in one catalogue, each through two handles, against lists of what was acknowledged."""

    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.held = ExitStack()
        folder = Path(self.held.enter_context(tempfile.TemporaryDirectory()))
        self.place = self.held.enter_context(new_place(self.kind, folder))
        self.handles = {project: [self.place.open(project), self.place.open(project)] for project in ("flights", "churn")}
        self.moved: dict[tuple[str, str], list[tuple[int, Digest]]] = {}
        self.refused: dict[tuple[str, str], list[int]] = {}

    def store(self, project: str, handle: int) -> Store:
        return self.handles[project][handle % 2]

    def present(self, project: str, ref: str) -> Digest | None:
        history = self.moved.get((project, ref))
        return history[-1][1] if history else None

    @rule(project=PROJECTS, ref=REFS, number=NUMBERS, handle=NUMBERS)
    def moves(self, project: str, ref: str, number: int, handle: int) -> None:
        store = self.store(project, handle)
        target, release = thing(store, number), thing(store, 100 + number % 3)
        record = move(store, ref, target, expected=self.present(project, ref), release=release)
        self.moved.setdefault((project, ref), []).append((record, target))

    @rule(project=PROJECTS, ref=REFS, number=NUMBERS, handle=NUMBERS)
    def moves_from_where_it_is_not(self, project: str, ref: str, number: int, handle: int) -> None:
        store = self.store(project, handle)
        believed = thing(store, 50 + number)
        with pytest.raises(RefMoved):
            move(store, ref, thing(store, number), expected=believed)

    @rule(project=PROJECTS, ref=REFS, number=NUMBERS)
    def moves_without_right(self, project: str, ref: str, number: int) -> None:
        store = self.store(project, number)
        expected, target = self.present(project, ref), thing(store, number)
        with pytest.raises(MoveUnjustified):
            store.move(NewAudit(store.clock.now(), "eve", "move", ref, "moved", expected, target), expected=expected)

    @rule(project=PROJECTS, ref=REFS, number=NUMBERS, handle=NUMBERS)
    def is_refused(self, project: str, ref: str, number: int, handle: int) -> None:
        store = self.store(project, handle)
        record = NewAudit(store.clock.now(), "bob", "move", ref, "refused", self.present(project, ref), thing(store, number))
        self.refused.setdefault((project, ref), []).append(store.record(record))

    @rule(project=PROJECTS, handle=NUMBERS)
    def opens_again(self, project: str, handle: int) -> None:
        self.store(project, handle).close()

    @invariant()
    def refs_are_where_the_last_move_put_them(self) -> None:
        for project, handles in self.handles.items():
            found = {ref.name: (ref.audit, ref.digest) for ref in handles[0].refs()}
            assert found == {ref: history[-1] for (owner, ref), history in self.moved.items() if owner == project}

    @invariant()
    def histories_replay_to_the_present_and_hold_all_that_was_acknowledged(self) -> None:
        for project, handles in self.handles.items():
            records = handles[1].history(limit=1000)[::-1]
            moved = [number for (owner, _), history in self.moved.items() if owner == project for number, _ in history]
            refused = [number for (owner, _), numbers in self.refused.items() if owner == project for number in numbers]
            assert [record.id for record in records] == sorted(moved + refused)
            place: dict[str, Digest | None] = {}
            for record in records:
                assert record.source == place.get(record.resource)
                if record.outcome == "moved":
                    place[record.resource] = record.target
            assert place == {ref.name: ref.digest for ref in handles[1].refs()}

    @invariant()
    def lives_are_the_moves(self) -> None:
        for (project, ref), history in self.moved.items():
            lives = self.handles[project][0].lives(ref)
            assert [(record.id, record.target) for record in lives[::-1]] == history
            for release in {record.release for record in lives}:
                assert self.handles[project][0].lives(ref, release) == [one for one in lives if one.release == release]

    def teardown(self) -> None:
        self.held.close()


class MovesInPostgres(Moves):
    kind = "postgres"


def test_refs_and_histories_agree_whatever_is_asked() -> None:
    run_state_machine_as_test(Moves, settings=settings(max_examples=8, stateful_step_count=15, deadline=None))


def test_refs_and_histories_agree_in_postgres_too() -> None:
    run_state_machine_as_test(MovesInPostgres, settings=settings(max_examples=2, stateful_step_count=12, deadline=None))


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Moves, MovesInPostgres])
def test_refs_and_histories_agree_over_many_orders(machine: type[Moves]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=200, stateful_step_count=40, deadline=None))
