"""Of any sequence of moves: the history leads to the present place, and who expects the wrong place never wins."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_help import each_place, each_store  # noqa: F401 - fixtures

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.store import NewAudit, RefMoved, Store

NUMBERS = itertools.count()
STEPS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.none() | st.integers(0, 3)), max_size=12)


def allow(store: Store, ref: str, expected: Digest | None, target: Digest, *, forced: bool) -> Digest:
    verdict: JsonObject = {
        "kind": "verdict",
        "version": 1,
        "project": store.project,
        "ref": ref,
        "from": expected,
        "to": target,
    }
    return store.put({**verdict, "allowed": not forced, **({"forced": True} if forced else {})})


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_a_history_replays_to_the_present_place_and_a_stale_expectation_never_wins(
    store: Store, steps: list[tuple[int, int, int | None]]
) -> None:
    """Each step: a ref, a target, and where the mover believes the ref to be."""
    refs = [f"model/m{next(NUMBERS)}" for _ in range(2)]
    objects = [store.put({"kind": "model", "version": 1, "text": str(number)}) for number in range(4)]
    places: dict[str, Digest | None] = dict.fromkeys(refs)
    for place, chosen, believed in steps:
        ref, target, forced = refs[place], objects[chosen], chosen == 3
        expected = None if believed is None else objects[believed]
        verdict = allow(store, ref, expected, target, forced=forced)
        record = NewAudit(store.clock.now(), "ann", "forced" if forced else "move", ref, "moved", expected, target, verdict)
        if expected == places[ref]:
            store.move(record, expected=expected)
            places[ref] = target
        else:
            with pytest.raises(RefMoved):
                store.move(record, expected=expected)
        assert {ref: (found.digest if (found := store.ref(ref)) else None) for ref in refs} == places
    for ref in refs:
        replayed: Digest | None = None
        for kept in reversed(store.history(ref)):
            assert (kept.outcome, kept.source) == ("moved", replayed)
            replayed = kept.target
        assert replayed == places[ref]
