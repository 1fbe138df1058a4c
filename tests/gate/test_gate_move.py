"""The one function that moves a ref: judged by the policy in force, recorded whatever it says, and always a way back."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate_help import CONTRACT, REF, Bench, auc, rule

from shipway.access import Actor, Forbidden
from shipway.gate import (
    DEFAULT_POLICY,
    POLICY_REF,
    MoveRefused,
    TargetWrong,
    judge_move,
    load_policy,
    policy_in_force,
    policy_object,
    release_of,
    subjects_of,
)
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.release import Component, put_release
from shipway.spec import PolicyRule
from shipway.store import ObjectMissing, RefMoved

STRICT = rule("auc: at least 0.6 at 95%", approvals=1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def show_good(bench: Bench, target: Digest) -> None:
    """All the evidence that STRICT asks for."""
    bench.attest_check(bench.part(target, "model"), auc(), level=0.95)
    release = release_of(bench.store, target)
    assert release is not None
    bench.approve(release, "bob")


def outcomes(bench: Bench, ref: str = REF) -> list[str]:
    return [record.outcome for record in reversed(bench.store.history(ref))]


def test_before_there_is_a_policy_the_default_asks_nothing(bench: Bench) -> None:
    assert policy_in_force(bench.store).digest == bench.store.put(DEFAULT_POLICY)
    moved = bench.move(REF, bench.deployment(bench.release("one")))
    assert moved.changed
    assert (moved.source, bench.store.resolve(REF)) == (None, moved.target)


def test_a_move_cites_its_verdict_and_the_verdict_names_policy_and_evidence(bench: Bench) -> None:
    policy = bench.publish(STRICT)
    target = bench.deployment(bench.release("one"))
    show_good(bench, target)
    moved = bench.move(REF, target, why="the first")
    (record,) = bench.store.history(REF)
    assert (record.verdict, record.source, record.target, record.why) == (moved.verdict, None, target, "the first")
    verdict = bench.store.get(moved.verdict, "verdict")
    assert (verdict["policy"], verdict["from"], verdict["to"], verdict["ref"]) == (policy.target, None, target, REF)
    assert (verdict["actor"], verdict["allowed"], verdict["verdict"], verdict["returning"]) == ("ann", True, "pass", False)
    expected = {row.envelope for subject in subjects_of(bench.store, target) for row in bench.store.evidence(subject.digest)}
    cited = verdict["evidence"]
    assert isinstance(cited, list)
    assert set(cited) == expected
    assert len(expected) == 2


def test_a_release_with_a_model_that_may_run_code_waits_for_who_may_allow_it(bench: Bench) -> None:
    model = bench.store.put({"kind": "model", "version": 1, "format": "mlflow", "allow_pickle": True})
    pickled, plain = put_release(bench.store, [Component("model", "delay", model)]), bench.release("plain")
    bench.publish(PolicyRule(ref=REF, pickle_approvals=1))
    assert bench.move(REF, bench.deployment(plain)).changed
    with pytest.raises(MoveRefused, match="approval: 0 of 1 for allow_pickle of delay"):
        bench.move(REF, bench.deployment(pickled))
    bench.approve(pickled, "eve")
    assert bench.move(REF, bench.deployment(pickled)).changed


def test_a_refused_move_is_recorded_with_what_was_missing(bench: Bench) -> None:
    bench.publish(rule("contract: pass", "auc: at least 0.6 at 95%", approvals=1), contracts={"flights": CONTRACT})
    target = bench.deployment(bench.release("one"))
    with pytest.raises(MoveRefused, match=r"says fail: .*approval: 0 of 1") as problem:
        bench.move(REF, target, why="too early")
    assert bench.store.ref(REF) is None
    (record,) = bench.store.history(REF)
    assert (record.outcome, record.actor, record.target, record.why) == ("refused", "ann", target, "too early")
    assert record.verdict is not None
    verdict = bench.store.get(record.verdict, "verdict")
    expected = ["evaluation auc at least 0.6 at 95%: no evidence", "contract of data/flights: no evidence", "approval: 0 of 1"]
    assert verdict["allowed"] is False
    assert sorted(map(str, verdict["missing"] or [])) == sorted(expected)  # type: ignore[arg-type]
    assert not problem.value.inconclusive


def test_an_undecided_move_is_told_from_a_failed_one(bench: Bench) -> None:
    bench.publish(rule("auc: at least 0.6 at 95%"))
    target = bench.deployment(bench.release("one"))
    bench.attest_check(bench.part(target, "model"), auc(0.6, 0.5, 0.7), level=0.95)
    with pytest.raises(MoveRefused, match="says inconclusive: auc: inconclusive") as problem:
        bench.move(REF, target)
    assert problem.value.inconclusive


def test_evidence_on_a_component_counts_for_every_release_that_holds_it(bench: Bench) -> None:
    bench.publish(rule("auc: at least 0.6 at 95%"))
    one, two = (bench.deployment(bench.release("one", data=data)) for data in ("january", "february"))
    bench.attest_check(bench.part(one, "model"), auc(), level=0.95)
    assert bench.move(REF, one).changed
    assert bench.move(REF, two).changed
    with pytest.raises(MoveRefused):
        bench.move(REF, bench.deployment(bench.release("two")))


def test_one_approval_is_for_one_release(bench: Bench) -> None:
    bench.publish(rule(approvals=1))
    one, two = bench.release("one"), bench.release("two")
    bench.approve(one, "bob")
    bench.move(REF, bench.deployment(one))
    with pytest.raises(MoveRefused):
        bench.move(REF, bench.deployment(two))


def test_a_changed_policy_is_judged_by_the_old_one(bench: Bench) -> None:
    guarded = rule(ref=POLICY_REF, approvals=1)
    first = bench.publish(STRICT, guarded)
    assert bench.store.get(first.verdict)["policy"] == bench.store.put(DEFAULT_POLICY)
    with pytest.raises(MoveRefused) as problem:
        bench.publish()
    assert problem.value.judged.policy == first.target
    lax = bench.store.put(policy_object(bench.store, {}, {}))
    bench.approve(lax, "bob")
    moved = bench.publish()
    assert bench.store.get(moved.verdict)["policy"] == first.target
    assert policy_in_force(bench.store).digest == moved.target == lax


def test_the_policy_judges_from_the_next_move_on(bench: Bench) -> None:
    bench.move(REF, bench.deployment(bench.release("one")))
    policy = bench.publish(STRICT)
    with pytest.raises(MoveRefused) as problem:
        bench.move(REF, bench.deployment(bench.release("two")))
    assert problem.value.judged.policy == policy.target


def test_returning_to_a_release_that_was_live_needs_no_evidence_even_when_the_policy_became_stricter(bench: Bench) -> None:
    one, two = (bench.deployment(bench.release(name)) for name in ("one", "two"))
    bench.move(REF, one)
    bench.move(REF, two)
    bench.publish(STRICT)
    moved = bench.move(REF, one, why="two is bad")
    assert (moved.changed, moved.judged.returning) == (True, True)
    record = bench.store.history(REF)[0]
    assert (record.action, record.outcome, record.source, record.target) == ("return", "moved", two, one)
    assert bench.store.get(moved.verdict)["returning"] is True


def test_what_was_refused_was_never_live(bench: Bench) -> None:
    bench.publish(STRICT)
    target = bench.deployment(bench.release("one"))
    for _ in range(2):
        with pytest.raises(MoveRefused):
            bench.move(REF, target)


def test_what_was_live_elsewhere_is_new_here(bench: Bench) -> None:
    release = bench.release("one")
    bench.move("deploy/delay@staging", bench.deployment(release, environment="staging"))
    bench.publish(STRICT)
    with pytest.raises(MoveRefused):
        bench.move(REF, bench.deployment(release))


def test_a_deployment_that_comes_after_another_waits_for_it(bench: Bench) -> None:
    release = bench.release("one")
    with pytest.raises(MoveRefused, match="never live at deploy/delay@staging"):
        bench.move(REF, bench.deployment(release, after="staging"))
    bench.move("deploy/delay@staging", bench.deployment(release, environment="staging"))
    assert bench.move(REF, bench.deployment(release, after="staging")).changed


def test_other_settings_round_a_release_that_was_live_are_no_return(bench: Bench) -> None:
    one, two = (bench.release(name) for name in ("one", "two"))
    for release in (one, two):
        bench.move(REF, bench.deployment(release))
    bench.publish(STRICT)
    with pytest.raises(MoveRefused):
        bench.move(REF, bench.deployment(one, workers=9))
    assert bench.move(REF, bench.deployment(one)).judged.returning


@pytest.mark.parametrize("ref", ["policy/main", "model/delay", "deploy/delay@staging", "deploy/other@prod", "nothing/known"])
def test_an_object_stands_only_where_its_kind_belongs(bench: Bench, ref: str) -> None:
    with pytest.raises(TargetWrong):
        bench.move(ref, bench.deployment(bench.release("one")))


def test_a_policy_that_came_into_force_meanwhile_has_not_judged(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    target, put = bench.deployment(bench.release("one")), bench.store.put
    bench.publish(rule())

    def publish_first(value: JsonObject) -> Digest:
        monkeypatch.undo()
        bench.publish(STRICT)
        return put(value)

    monkeypatch.setattr(bench.store, "put", publish_first)
    with pytest.raises(RefMoved, match="policy changed"):
        bench.move(REF, target)


def test_a_component_ref_has_no_such_way_back(bench: Bench) -> None:
    one, two = bench.put("model", "one"), bench.put("model", "two")
    for model in (one, two):
        bench.move("model/delay", model)
    bench.publish(rule("auc: at least 0.6 at 95%", ref="model/delay"))
    with pytest.raises(MoveRefused):
        bench.move("model/delay", one)


def test_a_return_works_though_an_older_deployment_is_gone_from_the_store(bench: Bench) -> None:
    gone, good, bad = (bench.deployment(bench.release(name)) for name in ("gone", "good", "bad"))
    for target in (gone, good, bad):
        bench.move(REF, target)
    bench.publish(STRICT)
    bench.store.objects.path(gone).unlink()
    assert bench.move(REF, good).judged.returning


def test_what_is_gone_itself_cannot_be_returned_to(bench: Bench) -> None:
    gone, live = (bench.deployment(bench.release(name)) for name in ("gone", "live"))
    for target in (gone, live):
        bench.move(REF, target)
    bench.store.objects.path(gone).unlink()
    with pytest.raises(ObjectMissing):
        bench.move(REF, gone)
    assert bench.store.resolve(REF) == live


def test_permission_is_asked_for_a_move_and_for_a_return(bench: Bench) -> None:
    one, two = (bench.deployment(bench.release(name)) for name in ("one", "two"))
    bench.move(REF, one, roles=("operator",))
    for roles in (("reader", "approver"), ()):
        with pytest.raises(Forbidden, match="may not move"):
            bench.move(REF, two, roles=roles)
    bench.move(REF, two, roles=("operator",))
    with pytest.raises(Forbidden, match="may not return"):
        bench.move(REF, one, roles=("reader",))
    bench.move(REF, one, roles=("operator",))
    assert outcomes(bench) == ["moved", "forbidden", "forbidden", "moved", "forbidden", "moved"]


def test_moving_to_where_it_is_changes_and_records_nothing(bench: Bench) -> None:
    model = bench.put("model", "one")
    bench.move("model/delay", model)
    bench.publish(rule("auc: at least 0.6 at 95%", ref="model/delay"))
    assert not bench.move("model/delay", model).changed
    assert outcomes(bench, "model/delay") == ["moved"]


def test_judging_moves_and_records_nothing(bench: Bench) -> None:
    target = bench.deployment(bench.release("one"))
    policy = load_policy(bench.store, bench.store.put(policy_object(bench.store, {REF: STRICT}, {})))
    judged = judge_move(bench.store, bench.keys, Actor("ann", frozenset()), ref=REF, target=target, policy=policy)
    assert not judged.judgement.allowed
    assert (judged.policy, judged.source) == (policy.digest, None)
    assert bench.store.history(None) == []


def test_a_move_that_was_judged_before_another_one_is_refused_by_the_store(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (bench.deployment(bench.release(name)) for name in ("one", "two"))
    put = bench.store.put

    def put_late(value: JsonObject) -> Digest:
        """Bob is quicker: he moves between ann's judgement and her move."""
        if value["kind"] == "verdict":
            monkeypatch.undo()
            bench.move(REF, one, who="bob")
        return put(value)

    monkeypatch.setattr(bench.store, "put", put_late)
    with pytest.raises(RefMoved, match="bob moved it"):
        bench.move(REF, two)
    assert bench.store.resolve(REF) == one
    assert outcomes(bench) == ["moved"]


def test_a_snapshot_ref_can_ask_for_its_contract(bench: Bench) -> None:
    bench.publish(rule("contract: pass", ref="data/flights"), contracts={"flights": CONTRACT})
    snapshot = bench.put("snapshot", "january")
    with pytest.raises(MoveRefused, match="contract of data/flights: no evidence"):
        bench.move("data/flights", snapshot)
    definition = bench.store.put(CONTRACT.to_json())
    bench.attest_check(snapshot, Check("contract", Verdict.PASS, 0.0, n=1), definition=definition)
    assert bench.move("data/flights", snapshot).changed


def test_a_policy_comes_back_from_the_store_as_it_went_in(bench: Bench) -> None:
    rules: dict[str, PolicyRule] = {r.ref: r for r in (STRICT, rule(ref=POLICY_REF, approvals=2, inconclusive="ask"))}
    record = policy_object(bench.store, rules, {"flights": CONTRACT})
    policy = load_policy(bench.store, bench.store.put(record))
    assert policy.rule(REF).require == STRICT.require
    assert policy.rule(POLICY_REF).approvals == 2
    assert policy.rule("model/other") == PolicyRule(ref="model/other")
    assert bench.store.get(policy.contracts["flights"], "contract") == CONTRACT.to_json()
