"""reconcile: level-triggered, total, and done when it is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.kernel.digest import Digest
from shipway.operate import Action, Start, Stop, reconcile

refs = st.sampled_from([f"deploy/{name}@prod" for name in "abcde"])
places = st.dictionaries(refs, st.sampled_from([Digest(f"sha256:{number}") for number in range(3)]))


def after(live: Mapping[str, Digest], actions: Iterable[Action]) -> dict[str, Digest]:
    """What runs once the actions are done."""
    result = dict(live)
    for action in actions:
        if isinstance(action, Start):
            result[action.ref] = action.deployment
        else:
            del result[action.ref]
    return result


@settings(deadline=None)
@given(places)
def test_nothing_is_done_where_all_is_as_desired(desired: dict[str, Digest]) -> None:
    assert reconcile(desired, desired) == ()


@settings(deadline=None)
@given(places, places)
def test_the_actions_lead_to_what_is_desired(desired: dict[str, Digest], live: dict[str, Digest]) -> None:
    actions = reconcile(desired, live)
    assert after(live, actions) == desired
    assert reconcile(desired, after(live, actions)) == ()
    assert actions == reconcile(dict(reversed(desired.items())), dict(reversed(live.items())))


@settings(deadline=None)
@given(places, places, st.data())
def test_whatever_part_of_them_was_done_the_rest_follows(
    desired: dict[str, Digest], live: dict[str, Digest], data: st.DataObject
) -> None:
    """Killed in the middle, in any order: the next look finishes it."""
    actions = reconcile(desired, live)
    done = [action for action in data.draw(st.permutations(actions)) if data.draw(st.booleans())]
    partly = after(live, done)
    rest = reconcile(desired, partly)
    assert after(partly, rest) == desired
    assert set(rest) == set(actions) - set(done)


@settings(deadline=None)
@given(places, places)
def test_starts_come_before_stops_and_no_ref_is_touched_twice(desired: dict[str, Digest], live: dict[str, Digest]) -> None:
    actions = reconcile(desired, live)
    kinds = [isinstance(action, Stop) for action in actions]
    assert kinds == sorted(kinds)
    assert len({action.ref for action in actions}) == len(actions)
    unchanged = {ref for ref, digest in desired.items() if live.get(ref) == digest}
    assert unchanged.isdisjoint(action.ref for action in actions)
