"""What somebody rejected does not move, alone or inside a release, until that person approves it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from gate_help import REF, Bench, rule

from shipway.access import Actor, Forbidden, KeyRing, Signer, TrustedKey, open_keys
from shipway.gate import MoveRefused, judge_move, rejections
from shipway.kernel import media
from shipway.kernel.digest import Digest
from shipway.release import approve_object, comment_on, reject_object

ANN, BOB = Actor("ann", frozenset({"admin"})), Actor("bob", frozenset({"approver"}))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """ann, whose key this machine has, and bob, who may approve."""
    made = Bench(tmp_path)
    bob, _ = open_keys(tmp_path / "bob")
    (own,) = made.keys.keys
    key = TrustedKey(bob.key_id, "bob", frozenset({"approver"}), bob.algorithm, public=bob.public)
    made.keys = KeyRing([replace(own, name="ann"), key], own=own.id)
    return made


@pytest.fixture
def bob(bench: Bench, tmp_path: Path) -> Signer:
    return open_keys(tmp_path / "bob")[0]


def verdict(bench: Bench, ref: str, target: Digest) -> tuple[bool, tuple[str, ...]]:
    judged = judge_move(bench.store, bench.keys, ANN, ref=ref, target=target).judgement
    return judged.allowed, judged.missing


def test_rejected_data_does_not_move_and_a_release_with_it_does_not_either(bench: Bench, bob: Signer) -> None:
    """Also where no policy asks anything."""
    release = bench.release("good", data="leaking")
    data = bench.put("snapshot", "leaking")
    assert verdict(bench, "data/flights", data) == (True, ())
    reject_object(bench.store, bob, BOB, ref="data/flights", target=data, why="it holds the label")
    allowed, missing = verdict(bench, "data/flights", data)
    assert not allowed
    assert missing[0].startswith("rejected: data/flights ")
    assert missing[0].endswith("(it holds the label)")
    with pytest.raises(MoveRefused, match=r"rejected: data/flights .* by bob"):
        bench.move(REF, bench.deployment(release))
    assert bench.store.history(REF)[0].outcome == "refused"
    other = bench.release("good", data="january")
    assert bench.move(REF, bench.deployment(other)).changed, "another release is not touched by it"


def test_only_who_rejected_takes_it_back_by_approving(bench: Bench, bob: Signer) -> None:
    data = bench.put("snapshot", "january")
    reject_object(bench.store, bob, BOB, ref="data/flights", target=data, why="odd")
    approve_object(bench.store, bench.signer, ANN, ref="data/flights", target=data, why="looks fine")
    assert not verdict(bench, "data/flights", data)[0], "another person's approval does not undo it"
    approve_object(bench.store, bench.signer, Actor("bob", frozenset({"admin"})), ref="data/flights", target=data)
    assert not verdict(bench, "data/flights", data)[0], "nor does the name in a statement that another key signed"
    approve_object(bench.store, bob, BOB, ref="data/flights", target=data, why="it was a holiday")
    assert verdict(bench, "data/flights", data)[0]
    reject_object(bench.store, bob, BOB, ref="data/flights", target=data, why="no, it was not")
    assert not verdict(bench, "data/flights", data)[0]


def test_a_rejection_is_of_one_digest_and_needs_a_reason_and_the_role(bench: Bench, bob: Signer) -> None:
    data, next_day = bench.put("snapshot", "january"), bench.put("snapshot", "january, mended")
    with pytest.raises(Exception, match="nobody will know why"):
        reject_object(bench.store, bob, BOB, ref="data/flights", target=data, why=" ")
    with pytest.raises(Forbidden):
        reject_object(bench.store, bob, Actor("eve", frozenset({"reader"})), ref="data/flights", target=data, why="mine")
    reject_object(bench.store, bob, BOB, ref="data/flights", target=data, why="odd")
    assert verdict(bench, "data/flights", next_day)[0], "what was mended is another object"
    stranger, _ = open_keys(Path(str(bench.store.root)) / "stranger")
    reject_object(bench.store, stranger, BOB, ref="data/flights", target=next_day, why="by no trusted key")
    assert verdict(bench, "data/flights", next_day)[0]


def test_a_comment_counts_for_nothing_and_stays(bench: Bench, bob: Signer) -> None:
    data = bench.put("snapshot", "january")
    bench.publish(rule(ref="data/*", approvals=1))
    comment_on(bench.store, bob, BOB, ref="data/flights", target=data, text="why so few rows?")
    allowed, missing = verdict(bench, "data/flights", data)
    assert (allowed, missing) == (False, ("approval: 0 of 1",))
    assert [row.predicate for row in bench.store.evidence(data)] == [media.COMMENT_PREDICATE]
    assert rejections([]) == []
