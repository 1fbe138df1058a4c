"""Moves against the gate, policies that lock out, revoked releases, and the order of environments."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gate_help import REF, Bench, Ticking, rule, written

from shipway.access import Actor, Forbidden, KeyRing, TrustedKey, open_keys
from shipway.gate import POLICY_REF, MoveRefused, PolicyLocksOut, ReasonMissing, policy_object, revoke, revoked
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.store import MoveUnjustified, NewAudit

ANN = Actor("ann", frozenset({"admin"}))
STAGING = "deploy/delay@staging"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def outcomes(bench: Bench, ref: str = REF) -> list[tuple[str, str]]:
    return [(record.action, record.outcome) for record in reversed(bench.store.history(ref))]


# force


def test_a_forced_move_is_made_and_says_for_ever_what_failed(bench: Bench) -> None:
    bench.publish(rule("import.tests: pass", approvals=1))
    target = bench.deployment(bench.release("one"))
    moved = bench.move(REF, target, why="the site is down", force=True)
    assert (moved.changed, moved.forced, bench.store.resolve(REF)) == (True, True, target)
    verdict = bench.store.get(moved.verdict, "verdict")
    assert (verdict["forced"], verdict["allowed"], verdict["verdict"]) == (True, False, "fail")
    assert verdict["missing"] == ["import.tests: no evidence", "approval: 0 of 1"]
    (record,) = bench.store.history(REF)
    assert (record.action, record.outcome, record.why) == ("forced", "moved", "the site is down")


def test_a_forced_move_needs_a_reason_and_a_permission_of_its_own(bench: Bench) -> None:
    bench.publish(rule("import.tests: pass"))
    target = bench.deployment(bench.release("one"))
    for why in ("", "  "):
        with pytest.raises(ReasonMissing):
            bench.move(REF, target, why=why, force=True)
    with pytest.raises(Forbidden, match="may not force"):
        bench.move(REF, target, why="now", roles=("operator", "approver"), force=True)
    assert bench.store.ref(REF) is None
    assert outcomes(bench) == [("forced", "forbidden")]


def test_where_the_gate_allows_nothing_is_forced(bench: Bench) -> None:
    one, two = (bench.deployment(bench.release(name)) for name in ("one", "two"))
    assert not bench.move(REF, one, roles=("operator",), force=True).forced
    bench.move(REF, two)
    bench.publish(rule("import.tests: pass"))
    assert not bench.move(REF, one, force=True).forced, "it returns"
    assert outcomes(bench) == [("move", "moved"), ("move", "moved"), ("return", "moved")]


def test_the_store_takes_a_forced_verdict_for_a_forced_record_only(bench: Bench) -> None:
    bench.publish(rule("import.tests: pass"))
    target = bench.deployment(bench.release("one"))
    forced = bench.store.get(bench.move(REF, target, why="now", force=True).verdict, "verdict")
    other = bench.deployment(bench.release("two"))
    cases: tuple[tuple[str, JsonObject], ...] = (
        ("move", {"to": other, "from": target}),
        ("return", {"to": other, "from": target}),
        ("forced", {"to": other, "from": target, "forced": False}),
        ("forced", {"to": other, "from": target, "forced": False, "allowed": True}),
        ("forced", {"to": other, "from": None}),
    )
    for action, changes in cases:
        verdict = bench.store.put({**forced, **changes})
        record = NewAudit(bench.store.clock.now(), "eve", action, REF, "moved", target, other, verdict, "hm")
        with pytest.raises(MoveUnjustified):
            bench.store.move(record, expected=target)
    assert bench.store.resolve(REF) == target


def test_what_was_forced_live_was_live(bench: Bench) -> None:
    bench.publish(rule("import.tests: pass"))
    one, two = (bench.deployment(bench.release(name)) for name in ("one", "two"))
    bench.move(REF, one, why="now", force=True)
    bench.move(REF, two, why="now", force=True)
    assert bench.move(REF, one, roles=("operator",)).judged.returning


# policies that lock out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("approvals: 2", "approvals: 2, and 1 trusted key could give them"),
        ("approvals: {count: 1, role: security}", "approvals: 1 by security, and 0 trusted keys could give them"),
        ("approvals: 1, author_approves: no", "approvals: 1, and 0 trusted keys besides the author could give them"),
        ("freeze: 2013-02-01..", "its freeze never ends"),
    ],
)
def test_a_policy_that_nobody_can_live_with_is_refused(bench: Bench, text: str, said: str) -> None:
    with pytest.raises(PolicyLocksOut, match=said) as problem:
        bench.publish(written(text))
    assert (problem.value.code, bench.store.ref(POLICY_REF)) == ("gate.policy-locks-out", None)
    assert outcomes(bench, POLICY_REF) == [("move", "refused")]


def test_hours_that_never_meet_lock_out_and_so_do_more_rules_together_than_one_alone(bench: Bench) -> None:
    monday = written("hours: mon 09:00-17:00 UTC")
    tuesday = written("hours: tue 09:00-17:00 UTC", ref="deploy/*@prod")
    bench.publish(monday)
    with pytest.raises(PolicyLocksOut, match=f"{REF}: its hours are never open"):
        bench.publish(monday, tuesday)
    bench.publish(monday, written("hours: tue 09:00-17:00 UTC", ref="deploy/other@*"))


@pytest.mark.parametrize(
    ("ref", "line", "shown"),
    [
        ("policy/main", "auc: at least 0.6", False),
        ("policy/main", "contract: pass", False),
        ("policy/main", "import.review: pass", True),
        ("prompt/answer", "golden.mrr: at least 0.4", False),
        ("prompt/answer", "import.tests: pass", True),
        ("index/*", "import.recall: at least 0.9", True),
        ("data/flights", "contract: pass", True),
        ("data/flights", "auc: at least 0.6", False),
        ("model/*", "auc: at least 0.6", True),
        ("model/delay", "golden.mrr: at least 0.4", False),
    ],
)
def test_a_requirement_that_nothing_can_show_at_a_ref_locks_it(bench: Bench, ref: str, line: str, shown: bool) -> None:
    asked = rule(line, ref=ref)
    if shown:
        assert bench.publish(asked).changed
        return
    with pytest.raises(PolicyLocksOut, match=f"nothing can show {line.partition(':')[0]} there"):
        bench.publish(asked)


def test_a_rule_that_observes_locks_nobody_out(bench: Bench) -> None:
    assert bench.publish(written("approvals: 9, freeze: 2013-02-01.., observe: yes")).changed


def test_a_retired_or_revoked_key_gives_no_approval(bench: Bench) -> None:
    (own,) = bench.keys.keys
    retired = TrustedKey(own.id, own.name, own.roles, own.algorithm, until=datetime(2012, 1, 1, tzinfo=UTC), public=own.public)
    bench.keys = KeyRing([retired], own=own.id)
    with pytest.raises(PolicyLocksOut, match="0 trusted keys"):
        bench.publish(rule(approvals=1))


@pytest.mark.parametrize("roles", [{"reader"}, {"operator"}, {"checker", "reader", "operator"}])
def test_a_key_of_a_role_that_may_not_approve_gives_no_approval(bench: Bench, roles: set[str]) -> None:
    (own,) = bench.keys.keys
    bench.keys = KeyRing([replace(own, roles=frozenset(roles))], own=own.id)
    with pytest.raises(PolicyLocksOut, match="0 trusted keys"):
        bench.publish(rule(approvals=1))
    with pytest.raises(PolicyLocksOut, match=r"1 by operator, and 0 trusted keys"):
        bench.publish(written("approvals: {count: 1, role: operator}"))


def test_an_admin_may_force_a_policy_in_and_out_again(bench: Bench) -> None:
    asked = rule(approvals=2, ref=POLICY_REF)
    with pytest.raises(PolicyLocksOut):
        bench.publish(asked)
    target = bench.store.history(POLICY_REF)[0].target
    assert target
    assert bench.move(POLICY_REF, target, why="the second key comes tomorrow", force=True).forced
    with pytest.raises(MoveRefused, match="approval: 0 of 2"):
        bench.publish()
    assert outcomes(bench, POLICY_REF) == [("move", "refused"), ("forced", "moved"), ("move", "refused")]


def test_a_component_ref_may_ask_for_an_approval_of_what_would_stand_there(bench: Bench) -> None:
    bench.publish(rule(ref="model/*", approvals=1), rule("import.toxicity: at most 0.1", ref="prompt/*"))
    model, prompt = bench.put("model", "one"), bench.put("prompt", "one")
    for ref, target in (("model/delay", model), ("prompt/answer", prompt)):
        with pytest.raises(MoveRefused):
            bench.move(ref, target)
    bench.approve(model, "bob")
    bench.attest_check(prompt, Check("import.toxicity", Verdict.INCONCLUSIVE, 0.02))
    assert bench.move("model/delay", model).changed
    assert bench.move("prompt/answer", prompt).changed


# revocation


def say(bench: Bench, digest: Digest, *, lift: bool = False, actor: Actor = ANN, why: str = "leaks") -> Digest:
    return revoke(
        bench.store, bench.keys, bench.signer, actor, digest=digest, name="it", why=why, resource="release/delay", lift=lift
    )


def test_a_revoked_release_neither_goes_live_nor_is_returned_to(bench: Bench) -> None:
    bad, good = bench.release("bad"), bench.release("good")
    for release in (bad, good):
        bench.move(REF, bench.deployment(release))
    say(bench, bad)
    word = revoked(bench.store, bench.keys, bad)
    assert word
    assert (word.predicate["by"], word.predicate["why"], word.predicate_type) == ("ann", "leaks", media.REVOCATION_PREDICATE)
    with pytest.raises(MoveRefused, match=r"revoked: release .* by ann at .*\(leaks\)") as problem:
        bench.move(REF, bench.deployment(bad))
    assert word.envelope in problem.value.judged.judgement.evidence
    assert not problem.value.judged.returning
    assert revoked(bench.store, bench.keys, good) is None


def test_a_later_word_lifts_it_and_a_still_later_one_revokes_again(bench: Bench) -> None:
    one, two = bench.release("one"), bench.release("two")
    for release in (one, two):
        bench.move(REF, bench.deployment(release))
    say(bench, one)
    say(bench, one, lift=True)
    assert revoked(bench.store, bench.keys, one) is None
    assert bench.move(REF, bench.deployment(one)).judged.returning
    say(bench, one, why="still leaks")
    word = revoked(bench.store, bench.keys, one)
    assert word
    assert word.predicate["why"] == "still leaks"
    assert [record.outcome for record in bench.store.history("release/delay")] == ["revoked", "lifted", "revoked"]


def test_a_revoked_component_bars_every_release_that_holds_it(bench: Bench) -> None:
    target = bench.deployment(bench.release("one"))
    say(bench, bench.part(target, "data"))
    with pytest.raises(MoveRefused, match="revoked: data"):
        bench.move(REF, target)


def test_a_revocation_needs_an_admin_his_key_and_a_reason(bench: Bench, tmp_path: Path) -> None:
    release = bench.release("one")
    with pytest.raises(ReasonMissing):
        say(bench, release, why=" ")
    with pytest.raises(Forbidden, match="may not revoke"):
        say(bench, release, actor=Actor("bob", frozenset({"operator", "approver"})))
    other, _ = open_keys(tmp_path / "other")
    with pytest.raises(Forbidden, match="would not count"):
        revoke(bench.store, bench.keys, other, ANN, digest=release, name="it", why="x", resource="release/delay")
    assert bench.store.evidence(release) == []


def test_a_revocation_by_a_key_that_is_no_admins_does_not_count(bench: Bench) -> None:
    release = bench.release("one")
    say(bench, release)
    (own,) = bench.keys.keys
    demoted = TrustedKey(own.id, own.name, frozenset({"approver", "checker"}), own.algorithm, public=own.public)
    assert revoked(bench.store, KeyRing([demoted], own=own.id), release) is None


# environments


def test_the_policy_in_force_says_which_environment_comes_before_not_the_candidate(bench: Bench) -> None:
    bench.publish(order={REF: "staging"})
    release = bench.release("one")
    for candidate in (bench.deployment(release), bench.deployment(release, after="test")):
        with pytest.raises(MoveRefused, match="never live at deploy/delay@staging"):
            bench.move(REF, candidate)
    bench.move(STAGING, bench.deployment(release, environment="staging"))
    assert bench.move(REF, bench.deployment(release)).changed


def test_a_policy_without_an_order_leaves_it_to_the_deployment(bench: Bench) -> None:
    bench.publish(order={})
    with pytest.raises(MoveRefused, match="never live at deploy/delay@staging"):
        bench.move(REF, bench.deployment(bench.release("one"), after="staging"))


def test_a_release_has_soaked_when_it_was_live_for_that_long_without_a_break(bench: Bench) -> None:
    bench.publish(written("soak: 24h"), order={REF: "staging"})
    one, two = bench.release("one"), bench.release("two")
    wait(bench, STAGING, bench.deployment(one, environment="staging"), hours=20)
    wait(bench, STAGING, bench.deployment(two, environment="staging"), hours=1)
    wait(bench, STAGING, bench.deployment(one, environment="staging"), hours=10)
    with pytest.raises(MoveRefused, match="soak: live at deploy/delay@staging for 20h 7s, 1d asked"):
        bench.move(REF, bench.deployment(one))
    wait(bench, STAGING, bench.deployment(one, environment="staging", workers=2), hours=15)
    assert bench.move(REF, bench.deployment(one)).changed, "other settings round it are no break"
    with pytest.raises(MoveRefused, match="soak: live at deploy/delay@staging for 1h"):
        bench.move(REF, bench.deployment(two))


def test_what_soaked_before_the_one_that_is_live_there_now_has_soaked(bench: Bench) -> None:
    bench.publish(written("soak: 24h"), order={REF: "staging"})
    one, two = bench.release("one"), bench.release("two")
    wait(bench, STAGING, bench.deployment(one, environment="staging"), hours=30)
    wait(bench, STAGING, bench.deployment(two, environment="staging"), hours=1)
    assert bench.move(REF, bench.deployment(one)).changed


def wait(bench: Bench, ref: str, target: Digest, *, hours: float) -> None:
    """Move, and let time pass."""
    bench.move(ref, target)
    clock = bench.store.clock
    assert isinstance(clock, Ticking)
    clock.at += timedelta(hours=hours)


def test_the_author_is_who_locked_the_release(bench: Bench, tmp_path: Path) -> None:
    second, _ = open_keys(tmp_path / "second")
    extra = TrustedKey(second.key_id, "bob", frozenset({"approver"}), second.algorithm, public=second.public)
    bench.keys = KeyRing([*bench.keys.keys, extra], own=bench.keys.own)
    bench.publish(written("approvals: 1, author_approves: no"))
    release = bench.release("one")
    bench.move("release/delay", release, who="ann")
    bench.approve(release, "ann")
    with pytest.raises(MoveRefused, match=r"approval: 0 of 1 \(1 by the author\)"):
        bench.move(REF, bench.deployment(release), who="eve")
    bench.attest(release, {"approver": "bob"}, signer=second, kind=media.APPROVAL_PREDICATE)
    assert bench.move(REF, bench.deployment(release), who="eve").changed


def test_no_hours_and_no_freeze_stand_in_the_way_back(bench: Bench) -> None:
    one, two = (bench.deployment(bench.release(name)) for name in ("one", "two"))
    bench.move(REF, one)
    bench.move(REF, two)
    bench.publish(written("freeze: 2013-01-01..2014-01-01, hours: sun 00:00-00:01 UTC, approvals: 1, evidence_within: 1s"))
    assert bench.move(REF, one, roles=("operator",)).judged.returning


def test_an_observed_refusal_is_in_the_verdict_and_lets_pass(bench: Bench) -> None:
    bench.publish(written("import.tests: pass, observe: yes"))
    moved = bench.move(REF, bench.deployment(bench.release("one")))
    verdict = bench.store.get(moved.verdict, "verdict")
    assert (verdict["allowed"], verdict["verdict"]) == (True, "pass")
    observed = verdict["observed"]
    assert isinstance(observed, list)
    assert [(check["name"], check["verdict"]) for check in observed if isinstance(check, dict)] == [("import.tests", "fail")]


# what the judgement needs and cannot read


def lose(bench: Bench, digest: Digest) -> None:
    bench.store.objects.path(digest).unlink()


def test_a_policy_that_cannot_be_read_allows_nothing_and_a_mended_one_is_forced_in(bench: Bench) -> None:
    one = bench.deployment(bench.release("one"))
    bench.move(REF, one)
    policy = bench.publish(rule("import.tests: pass")).target
    lose(bench, policy)
    with pytest.raises(MoveRefused, match="the policy in force cannot be read"):
        bench.move(REF, bench.deployment(bench.release("two")))
    with pytest.raises(MoveRefused, match="the policy in force cannot be read"):
        bench.publish(rule())
    mended = bench.store.put(policy_object(bench.store, {REF: rule()}, {}))
    moved = bench.move(POLICY_REF, mended, why="the old one is lost", force=True)
    assert (moved.forced, bench.store.resolve(POLICY_REF)) == (True, mended)
    assert bench.move(REF, bench.deployment(bench.release("two"))).changed


def test_what_must_be_compared_with_what_cannot_be_read_does_not_pass(bench: Bench) -> None:
    live = bench.release("one")
    bench.move(REF, bench.deployment(live))
    bench.publish(rule("auc: not worse by 0.02"))
    lose(bench, live)
    two = bench.deployment(bench.release("two"))
    with pytest.raises(MoveRefused, match="what is live cannot be read"):
        bench.move(REF, two)
    assert bench.move(REF, two, why="nothing else is left", force=True).forced
