"""A revocation outlives its signer's key, a lift does not, and neither comes too late for a move that is being judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from gate_help import REF, START, Bench, rule
from hypothesis import given
from hypothesis import strategies as st

from shipway.access import Actor, Forbidden, KeyRing, Revoked, Signer, TrustedKey, open_keys
from shipway.gate import EvidenceFault, MoveRefused, explain_evidence, revoke, revoked
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.store import EvidenceRow, RevocationArrived

ANN = Actor("ann", frozenset({"admin"}))
HOUR = timedelta(hours=1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Two admins: ann, whose key this machine has, and bob."""
    made = Bench(tmp_path)
    bob, _ = open_keys(tmp_path / "bob")
    (own,) = made.keys.keys
    key = TrustedKey(bob.key_id, "bob", frozenset({"admin"}), bob.algorithm, public=bob.public)
    made.keys = KeyRing([replace(own, name="ann"), key], own=own.id)
    return made


def bob_of(tmp_path: Path) -> Signer:
    return open_keys(tmp_path / "bob")[0]


def say(
    bench: Bench, digest: Digest, signer: Signer | None = None, *, at: datetime | None = None, lift: bool = False
) -> Digest:
    """A word about a digest, at the time of the clock or at another one that its signer claims."""
    predicate: JsonObject = {"by": "somebody", "why": "leaks", "lifted": lift, **({"at": instant(at)} if at else {})}
    return bench.attest(digest, predicate, signer=signer, kind=media.REVOCATION_PREDICATE, label="revocation")


def revoke_key_of(bench: Bench, name: str, at: datetime) -> None:
    bench.keys = KeyRing(
        [replace(key, revoked=Revoked(at, "stolen")) if key.name == name else key for key in bench.keys.keys],
        own=bench.keys.own,
    )


def test_what_an_admin_revoked_stays_so_when_the_admins_key_is_revoked_until_another_lifts_it(
    bench: Bench, tmp_path: Path
) -> None:
    bad, good = bench.release("bad"), bench.release("good")
    for release in (bad, good):
        bench.move(REF, bench.deployment(release))
    say(bench, bad, bob_of(tmp_path))
    revoke_key_of(bench, "bob", START + HOUR)
    with pytest.raises(MoveRefused, match=r"\(leaks; the key of bob was revoked since, and an admin may --lift it\)"):
        bench.move(REF, bench.deployment(bad))
    revoke(bench.store, bench.keys, bench.signer, ANN, digest=bad, name="it", why="checked", resource="release/x", lift=True)
    assert revoked(bench.store, bench.keys, bad) is None
    assert bench.move(REF, bench.deployment(bad)).judged.returning


def test_a_lift_goes_with_its_key_and_what_it_had_lifted_is_barred_again(bench: Bench, tmp_path: Path) -> None:
    release = bench.release("one")
    say(bench, release)
    say(bench, release, bob_of(tmp_path), lift=True)
    assert revoked(bench.store, bench.keys, release) is None
    revoke_key_of(bench, "bob", START + HOUR)
    assert revoked(bench.store, bench.keys, release) is not None


def test_a_word_of_a_revoked_key_from_after_its_revocation_never_counted_and_bars_nothing(bench: Bench, tmp_path: Path) -> None:
    """Whoever stole it can still claim an earlier time: then the release is barred, and an admin lifts it."""
    release, bob = bench.release("one"), bob_of(tmp_path)
    revoke_key_of(bench, "bob", START + timedelta(minutes=1))
    say(bench, release, bob, at=START + timedelta(minutes=1))
    (reading,) = explain_evidence(bench.store, bench.keys, release)
    assert (reading.counts, reading.fault) == (False, EvidenceFault.KEY_REVOKED)
    assert revoked(bench.store, bench.keys, release) is None
    say(bench, release, bob, at=START)
    assert revoked(bench.store, bench.keys, release) is not None
    say(bench, release, at=START + timedelta(minutes=2), lift=True)
    assert revoked(bench.store, bench.keys, release) is None


@pytest.mark.parametrize(("roles", "since"), [({"approver"}, None), ({"admin"}, START + HOUR)])
def test_a_word_that_did_not_count_before_its_key_was_revoked_does_not_count_after(
    bench: Bench, tmp_path: Path, roles: set[str], since: datetime | None
) -> None:
    release = bench.release("one")
    say(bench, release, bob_of(tmp_path), at=START)
    (own, bob) = bench.keys.keys
    unfit = replace(bob, roles=frozenset(roles), since=since)
    for ring in ([own, unfit], [own, replace(unfit, revoked=Revoked(START + 2 * HOUR, "stolen"))]):
        assert revoked(bench.store, KeyRing(ring, own=own.id), release) is None


def test_nothing_else_that_a_revoked_key_signed_counts_beside_its_revocations(bench: Bench, tmp_path: Path) -> None:
    release, bob = bench.release("one"), bob_of(tmp_path)
    bench.attest(release, {"approver": "bob", "lifted": False}, kind=media.APPROVAL_PREDICATE, signer=bob)
    say(bench, release, bob)
    revoke_key_of(bench, "bob", START + HOUR)
    assert [one.predicate_type for one in bench.evidence(release)] == [media.REVOCATION_PREDICATE]


def test_a_changed_word_of_a_revoked_key_bars_nothing(bench: Bench, tmp_path: Path) -> None:
    one, two = bench.release("one"), bench.release("two")
    envelope = bench.store.objects.get(say(bench, one, bob_of(tmp_path)))
    place = envelope.index(b'"sig":"') + 20
    other = bench.store.objects.put(
        envelope[:place] + (b"A" if envelope[place : place + 1] != b"A" else b"B") + envelope[place + 1 :]
    )
    bench.store.add_evidence(EvidenceRow(other, two, media.REVOCATION_PREDICATE, "revocation", START))
    revoke_key_of(bench, "bob", START + HOUR)
    (reading,) = explain_evidence(bench.store, bench.keys, two)
    assert reading.fault is EvidenceFault.SIGNATURE_WRONG
    assert revoked(bench.store, bench.keys, two) is None


def test_a_revoked_key_cannot_revoke_anew_by_command(bench: Bench, tmp_path: Path) -> None:
    release, bob = bench.release("one"), bob_of(tmp_path)
    revoke_key_of(bench, "bob", START)
    with pytest.raises(Forbidden, match="would not count"):
        revoke(bench.store, bench.keys, bob, ANN, digest=release, name="it", why="x", resource="release/delay")
    assert bench.store.evidence(release) == []


words = st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.booleans()), min_size=1, max_size=6)
_numbers = count()


@given(said=words)
def test_revoking_a_key_never_frees_what_was_barred(shared: tuple[Bench, Signer], said: list[tuple[str, bool]]) -> None:
    bench, bob = shared
    release = bench.put("release", f"number {next(_numbers)}")
    for place, (who, lift) in enumerate(said):
        say(bench, release, bob if who == "bob" else None, at=START + timedelta(minutes=place), lift=lift)
    barred = revoked(bench.store, bench.keys, release) is not None
    assert barred is not said[-1][1]
    own, key = bench.keys.keys
    without = KeyRing([own, replace(key, revoked=Revoked(START + HOUR, "stolen"))], own=own.id)
    after = revoked(bench.store, without, release) is not None
    assert after >= barred
    assert after is any(
        not lift and all(who == "bob" or not then for who, then in said[place:]) for place, (_, lift) in enumerate(said)
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Signer]:
    folder = tmp_path_factory.mktemp("words")
    made, bob = Bench(folder), bob_of(folder)
    (own,) = made.keys.keys
    key = TrustedKey(bob.key_id, "bob", frozenset({"admin"}), bob.algorithm, public=bob.public)
    made.keys = KeyRing([own, key], own=own.id)
    return made, bob


# while a move is judged


class Meanwhile:
    """Does something between the judgement of a move and the move, as many times as it is let."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, *, times: int = 1) -> None:
        self.left, put = times, bench.store.put

        def put_late(value: JsonObject) -> Digest:
            if value.get("kind") == "verdict" and self.left:
                self.left -= 1
                self.happens(bench)
            return put(value)

        monkeypatch.setattr(bench.store, "put", put_late)

    def happens(self, bench: Bench) -> None:
        raise NotImplementedError


class RevokesPart(Meanwhile):
    part: Digest

    def happens(self, bench: Bench) -> None:
        say(bench, self.part)


def test_a_revocation_that_comes_while_a_move_is_judged_is_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    target = bench.deployment(bench.release("one"))
    RevokesPart(bench, monkeypatch).part = bench.part(target, "data")
    with pytest.raises(MoveRefused, match="revoked: data"):
        bench.move(REF, target)
    assert bench.store.ref(REF) is None
    assert [record.outcome for record in bench.store.history(REF)] == ["refused"]


def test_so_is_one_of_what_was_to_be_returned_to(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (bench.deployment(bench.release(name)) for name in ("one", "two"))
    bench.move(REF, one)
    bench.move(REF, two)
    RevokesPart(bench, monkeypatch).part = bench.part(one, "release")
    with pytest.raises(MoveRefused, match="revoked: release"):
        bench.move(REF, one)
    assert bench.store.resolve(REF) == two


def test_one_about_something_else_and_other_evidence_do_not_make_a_move_begin_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, other = bench.deployment(bench.release("one")), bench.release("other", data="february")

    class Speaks(Meanwhile):
        def happens(self, bench: Bench) -> None:
            say(bench, other)
            for part in ("release", "model", "data"):
                bench.approve(bench.part(target, part), "bob")

    judged = Speaks(bench, monkeypatch, times=9)
    assert bench.move(REF, target).changed
    assert judged.left == 8, "it was judged once"


def test_a_word_that_does_not_count_is_judged_away_and_one_that_never_ends_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stranger, _ = open_keys(tmp_path / "stranger")
    target, numbers = bench.deployment(bench.release("one")), count()

    class Shouts(Meanwhile):
        def happens(self, bench: Bench) -> None:
            say(bench, bench.part(target, "model"), stranger, at=START - HOUR * next(numbers))

    Shouts(bench, monkeypatch, times=99)
    with pytest.raises(RevocationArrived, match="was revoked, or its revocation lifted, while deploy/delay@prod was judged"):
        bench.move(REF, target)
    assert next(numbers) == 3, "nobody is kept waiting for ever"
    monkeypatch.undo()
    Shouts(bench, monkeypatch)
    assert bench.move(REF, target).changed


def test_a_lift_that_comes_while_a_move_is_judged_lets_it_pass_when_it_is_asked_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal moves nothing, so that it needs no second look."""
    target = bench.deployment(bench.release("one"))
    say(bench, bench.part(target, "release"))

    class Lifts(Meanwhile):
        def happens(self, bench: Bench) -> None:
            say(bench, bench.part(target, "release"), lift=True)

    Lifts(bench, monkeypatch)
    with pytest.raises(MoveRefused):
        bench.move(REF, target)
    assert bench.move(REF, target).changed


def test_a_move_that_was_to_be_forced_for_nothing_is_forced_when_it_had_to_be(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.publish(rule("import.tests: pass", ref="deploy/other@prod"))
    target = bench.deployment(bench.release("one"))
    RevokesPart(bench, monkeypatch).part = bench.part(target, "model")
    moved = bench.move(REF, target, why="the site is down", force=True)
    assert (moved.forced, bench.store.get(moved.verdict)["missing"] != []) == (True, True)
    assert [(record.action, record.outcome) for record in bench.store.history(REF)] == [("forced", "moved")]
