"""Evaluations of a whole release: which of them count, against what, and what a refusal says of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from gate_help import LIVE, MODEL, NOW, REF, RELEASE, START, Bench, auc, facts, measured, rule
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.access import open_keys
from shipway.gate import (
    DEFAULT_POLICY,
    POLICY_REF,
    Facts,
    MoveRefused,
    Policy,
    Statement,
    Subject,
    TargetWrong,
    judge,
    load_policy,
    policy_in_force,
    policy_object,
)
from shipway.kernel import media
from shipway.kernel.canonical import canonical_json
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest, digest_bytes
from shipway.release import Component, deployment_object, put_release
from shipway.spec import DeploySpec

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
GOLDEN, OTHER = digest_bytes(b"golden set"), digest_bytes(b"another set")
LIVE_RELEASE = (Subject("release", "", LIVE),)
FLOOR, LOSS = "golden.contains: at least 0.3 at 95%", "golden.contains: not worse by 0.1 at 95%"


def policy_of(*lines: str, golden: Digest | None = GOLDEN) -> Policy:
    asked = rule(*lines)
    return Policy(digest_bytes(b"policy"), {asked.ref: asked}, {}, {"golden": golden} if golden else {})


def contains(value: float = 0.5, low: float = 0.4, high: float = 0.6, *, name: str = "golden.contains") -> Check:
    """As an evaluation writes it down: measured, and held against nothing."""
    return Check(name, INCONCLUSIVE, value, low, high, n=40, level=0.95)


def evaluation(
    check: Check | None = None, *, about: Digest = RELEASE, definition: Digest | None = GOLDEN, against: Digest | None = None
) -> Statement:
    return measured(check or contains(), about=about, definition=definition, against=against)


# what counts


def test_an_evaluation_is_of_the_release_and_not_of_a_part_of_it() -> None:
    assert judge(policy_of(FLOOR), facts(evaluation())).allowed
    for part in (MODEL, LIVE):
        found = judge(policy_of(FLOOR), facts(evaluation(about=part)))
        assert found.missing == ("evaluation golden.contains at least 0.3 at 95%: no evidence",)


def test_a_release_with_a_model_in_it_is_evaluated_as_a_whole_too_and_its_model_by_itself() -> None:
    policy = policy_of(FLOOR, "auc: at least 0.6 at 95%")
    assert judge(policy, facts(evaluation(), measured(auc()))).allowed
    assert judge(policy, facts(evaluation(), measured(auc(), about=RELEASE))).missing == (
        "evaluation auc at least 0.6 at 95%: no evidence",
    )


def test_an_evaluation_by_another_golden_set_than_the_policys_does_not_count() -> None:
    for other in (OTHER, None):
        for line in (FLOOR, LOSS):
            statement = evaluation(definition=other, against=LIVE if line == LOSS else None)
            assert not judge(policy_of(line), facts(statement, live=LIVE_RELEASE)).allowed
    assert judge(policy_of(FLOOR, golden=None), facts(evaluation(definition=OTHER))).allowed, "a policy that names none"


def test_the_newest_by_the_right_set_counts_though_another_set_was_measured_later() -> None:
    right, later = evaluation(contains(0.2, 0.1, 0.25)), replace(evaluation(definition=OTHER), at=START.replace(year=2014))
    assert judge(policy_of(FLOOR), facts(right, later)).verdict is FAIL


def test_a_comparison_is_with_the_release_that_is_live() -> None:
    better = contains(0.05, -0.02, 0.12)
    assert judge(policy_of(LOSS), facts(evaluation(better, against=LIVE), live=LIVE_RELEASE)).allowed
    found = judge(policy_of(LOSS), facts(evaluation(better, against=OTHER), live=LIVE_RELEASE))
    assert "against live" in found.missing[0]
    assert not judge(policy_of(FLOOR), facts(evaluation(contains(0.9, 0.8, 1.0), against=LIVE))).allowed, "a difference"


def test_nothing_live_or_the_same_release_live_needs_no_comparison() -> None:
    assert judge(policy_of(LOSS), facts()).checks[0].text == "nothing is live to compare with"
    same = (Subject("release", "", RELEASE),)
    assert judge(policy_of(LOSS), facts(live=same)).checks[0].text == "the same release is live"


@pytest.mark.parametrize(
    ("name", "low", "high", "expected"),
    [
        ("golden.cost_usd", -0.1, 0.01, PASS),
        ("golden.cost_usd", 0.011, 0.1, FAIL),
        ("golden.seconds", -0.1, 0.0101, INCONCLUSIVE),
        ("golden.mrr", -0.01, 0.1, PASS),
        ("golden.mrr", -0.1, -0.011, FAIL),
    ],
)
def test_not_worse_is_cheaper_and_faster_and_otherwise_more(name: str, low: float, high: float, expected: Verdict) -> None:
    statement = evaluation(contains((low + high) / 2, low, high, name=name), against=LIVE)
    assert judge(policy_of(f"{name}: not worse by 0.01 at 95%"), facts(statement, live=LIVE_RELEASE)).verdict is expected


def test_an_evaluation_passes_nothing_by_itself() -> None:
    """Its definition says what was asked, not what is enough."""
    passed = replace(contains(), verdict=PASS)
    assert judge(policy_of("golden.contains: pass"), facts(evaluation(passed))).missing == ("golden.contains: no evidence",)


lines = st.lists(st.sampled_from([FLOOR, LOSS, "golden.seconds: at most 2", "other.mrr: at least 0.1"]), unique=True)
numbers = st.none() | st.floats(-1, 1)
statements = st.lists(
    st.builds(
        lambda name, value, low, high, about, definition, against: measured(
            Check(name, INCONCLUSIVE, value, low, high), about=about, definition=definition, against=against
        ),
        st.sampled_from(["golden.contains", "golden.seconds", "other.mrr", "auc"]),
        numbers,
        numbers,
        numbers,
        st.sampled_from([RELEASE, MODEL]),
        st.sampled_from([GOLDEN, OTHER, None]),
        st.sampled_from([LIVE, OTHER, None]),
    ),
    max_size=6,
)


@settings(deadline=None)
@given(lines, statements, st.sampled_from([(), LIVE_RELEASE]))
def test_only_evidence_by_the_named_set_can_allow(
    asked: list[str], given_statements: list[Statement], live: tuple[Subject, ...]
) -> None:
    policy = policy_of(*asked)
    found = judge(policy, facts(*given_statements, live=live))
    assert found.allowed == (found.verdict is PASS)
    by_it = [s for s in given_statements if s.predicate["definition"] == GOLDEN or "other" in str(s.predicate["check"])]
    again = judge(policy, facts(*by_it, live=live))
    assert (again.allowed, again.missing) == (found.allowed, found.missing), "what is measured otherwise changes nothing"


# the policy object


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_policy_keeps_the_digests_of_golden_sets_and_one_without_looks_as_before(bench: Bench) -> None:
    asked = {REF: rule(FLOOR)}
    with_golden = policy_object(bench.store, asked, {}, {"quick": OTHER, "golden": GOLDEN})
    assert with_golden["definitions"] == {"contract": {}, "golden": {"golden": GOLDEN, "quick": OTHER}}
    assert load_policy(bench.store, bench.store.put(with_golden)).golden == {"golden": GOLDEN, "quick": OTHER}
    assert policy_object(bench.store, {}, {}, {}) == policy_object(bench.store, {}, {})
    assert canonical_json(policy_object(bench.store, {}, {})) == canonical_json(DEFAULT_POLICY)
    assert policy_in_force(bench.store).golden == {}


def test_another_golden_set_is_another_policy(bench: Bench) -> None:
    one, two = (bench.store.put(policy_object(bench.store, {}, {}, {"golden": digest})) for digest in (GOLDEN, OTHER))
    assert one != two


# moves


class Gateway:
    """Deployments of releases that hold a prompt and a provider."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def release(self, words: str) -> Digest:
        parts = [Component(kind, "answer", self.bench.put(kind, words)) for kind in ("prompt", "provider")]
        return put_release(self.bench.store, parts)

    def deployment(self, release: Digest) -> Digest:
        deploy = DeploySpec(name="delay@prod", application="delay", environment="prod", target="gateway")
        return self.bench.store.put(deployment_object(self.bench.store, release, deploy, {}, {"prices": None}))

    def evaluate(self, release: Digest, check: Check, against: Digest | None = None) -> None:
        self.bench.attest_check(release, check, level=0.95, definition=GOLDEN, against=against)


def publish(bench: Bench, *lines: str) -> None:
    asked = rule(*lines)
    bench.move(POLICY_REF, bench.store.put(policy_object(bench.store, {REF: asked}, {}, {"golden": GOLDEN})))


def test_a_worse_prompt_is_refused_with_the_numbers(bench: Bench) -> None:
    gateway = Gateway(bench)
    publish(bench, FLOOR, LOSS)
    good, bad = gateway.release("good"), gateway.release("bad")
    gateway.evaluate(good, contains())
    assert bench.move(REF, gateway.deployment(good)).changed
    gateway.evaluate(bad, contains(0.29, 0.2, 0.38))
    gateway.evaluate(bad, contains(-0.21, -0.33, -0.11), against=good)
    with pytest.raises(MoveRefused) as problem:
        bench.move(REF, gateway.deployment(bad))
    assert problem.value.what == (
        f"the gate of {REF} says fail: golden.contains: inconclusive, 0.29 [0.2, 0.38], threshold 0.3; "
        "golden.contains against live: -0.21 [-0.33, -0.11], threshold -0.1"
    )


def test_a_refused_check_without_an_interval_says_its_verdict(bench: Bench) -> None:
    bench.publish(rule("smoke: pass"))
    target = bench.deployment(bench.release("one"))
    bench.attest_check(bench.part(target, "model"), Check("smoke", FAIL, 1.0, threshold=0.0))
    with pytest.raises(MoveRefused, match=r"says fail: smoke: fail$"):
        bench.move(REF, target)


def test_the_way_back_to_the_better_prompt_asks_nothing(bench: Bench) -> None:
    gateway = Gateway(bench)
    first, second = (gateway.deployment(gateway.release(words)) for words in ("one", "two"))
    bench.move(REF, first)
    bench.move(REF, second)
    publish(bench, FLOOR)
    assert bench.move(REF, first).judged.returning


@pytest.mark.parametrize("kind", ["prompt", "index"])
def test_a_component_ref_holds_its_own_kind_and_nothing_else(bench: Bench, kind: str) -> None:
    target = bench.put(kind, "one")
    assert bench.move(f"{kind}/answer", target).changed
    assert bench.move(f"{kind}/answer", target).changed is False
    with pytest.raises(TargetWrong, match=f"holds a {kind}, not a model"):
        bench.move(f"{kind}/answer", bench.put("model", "one"))
    with pytest.raises(TargetWrong):
        bench.move(REF, target)


def test_an_evaluation_signed_by_nobody_trusted_does_not_count(bench: Bench, tmp_path: Path) -> None:
    gateway = Gateway(bench)
    publish(bench, FLOOR)
    release = gateway.release("one")
    stranger, _ = open_keys(tmp_path / "strange")
    bench.attest_check(release, contains(), stranger, level=0.95, definition=GOLDEN)
    with pytest.raises(MoveRefused, match="no evidence"):
        bench.move(REF, gateway.deployment(release))
    assert bench.store.evidence(release)[0].predicate == media.CHECK_PREDICATE


def test_a_candidate_without_a_release_is_judged_as_it_is() -> None:
    alone = Facts(REF, (Subject("prompt", "", MODEL),), (), {MODEL: [evaluation(about=MODEL)]}, "ann", NOW)
    assert judge(policy_of(FLOOR), alone).allowed
