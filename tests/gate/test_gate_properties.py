"""What holds of every policy and all evidence: a gate grows only stricter with rules, and the way back asks no policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from gate_help import LIVE, MODEL, NOW, REF, RELEASE, Bench, approval, auc, facts, measured, policy_of, rule, said, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.gate import POLICY_REF, Before, Facts, Judgement, Statement, Subject, judge
from shipway.kernel import media
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.spec import PolicyRule

PATTERNS = ("deploy/delay@prod", "deploy/*@prod", "deploy/delay@*", "deploy/d*@p*", "deploy/other@*", "model/*")
PARTS = (
    "auc: at least 0.6",
    "auc: not worse by 0.02",
    "brier: at most 0.2 at 90%",
    "import.tests: pass",
    "import.latency_ms: at most 200",
    "approvals: 1",
    "approvals: [2, {role: security}]",
    "author_approves: no",
    "inconclusive: ask",
    "inconclusive: warn",
    "evidence_within: 1h",
    "evidence_within: 13h",
    "hours: mon-fri 09:00-17:00 Europe/Berlin",
    "hours: [sat 00:00-24:00 UTC, fri 08:00-12:30 UTC]",
    "freeze: 2013-02-02..2013-02-04",
    "soak: 24h",
    "observe: yes",
    "retrain: promotes",
)


def _rule(ref: str, parts: list[str]) -> PolicyRule:
    by_name = {part.partition(":")[0]: part for part in parts if part != "soak: 24h" or ref.endswith("@prod")}
    return written(", ".join(by_name.values()), ref=ref) if ref.startswith("deploy") else rule(ref=ref, approvals=len(by_name))


RULES = st.builds(_rule, st.sampled_from(PATTERNS), st.lists(st.sampled_from(PARTS), max_size=4))
SETS = st.lists(RULES, max_size=3, unique_by=lambda one: one.ref)
SECONDS = st.integers(0, 40_000)


def _checks() -> st.SearchStrategy[Statement]:
    numbers = st.sampled_from([(0.7, 0.65, 0.75), (0.61, 0.55, 0.66), (0.4, 0.3, 0.5), (0.1, None, None)])
    scores = st.builds(
        lambda name, n, second, against: measured(auc(*n, name=name), second=second, against=against),
        st.sampled_from(["auc", "brier"]),
        numbers,
        SECONDS,
        st.sampled_from([None, LIVE]),
    )
    verdicts = st.sampled_from([Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE])
    tests = st.builds(
        lambda verdict, second: measured(Check("import.tests", verdict, 0.0, threshold=0.0), about=RELEASE, second=second),
        verdicts,
        SECONDS,
    )
    foreign = st.builds(
        lambda value, second: measured(Check("import.latency_ms", Verdict.INCONCLUSIVE, value), about=RELEASE, second=second),
        st.sampled_from([10.0, 500.0]),
        SECONDS,
    )
    return scores | tests | foreign


def _words() -> st.SearchStrategy[Statement]:
    approvals = st.builds(
        lambda who, key, roles, second: approval(who, *roles, key=key, second=second),
        st.sampled_from(["ann", "bob", "eve"]),
        st.sampled_from(["1", "2", "3"]),
        st.sampled_from([("approver",), ("security",), ("admin", "security")]),
        SECONDS,
    )
    revocations = st.builds(
        lambda lifted, second: said(
            {"by": "ann", "why": "bad", "lifted": lifted}, about=RELEASE, kind=media.REVOCATION_PREDICATE, second=second
        ),
        st.booleans(),
        SECONDS,
    )
    return approvals | approvals | revocations


STATEMENTS = st.lists(_checks() | _checks() | _words(), max_size=8, unique_by=lambda one: one.at)
AFTER = st.sampled_from(
    [None, Before("deploy/delay@staging", passed=False), Before("deploy/delay@staging", passed=True, soaked=90_000.0)]
)
LIVES: st.SearchStrategy[tuple[Subject, ...]] = st.sampled_from([(), (Subject("model", "delay", LIVE),)])
HOURS = st.integers(-12, 60)
FACTS = st.builds(
    lambda statements, live, after, hour, authors: replace(
        facts(*statements, live=live, at=NOW + timedelta(hours=hour)), after=after, authors=authors
    ),
    STATEMENTS,
    LIVES,
    AFTER,
    HOURS,
    st.sampled_from([frozenset[str](), frozenset({"ann"})]),
)


def verdict(rules: list[PolicyRule], given: Facts) -> Judgement:
    return judge(policy_of(*rules), given)


@settings(max_examples=300, deadline=None)
@given(SETS, RULES, FACTS)
def test_another_rule_never_turns_refused_into_allowed(rules: list[PolicyRule], more: PolicyRule, given: Facts) -> None:
    others = [one for one in rules if one.ref != more.ref]
    if not verdict(others, given).allowed:
        assert not verdict([*others, more], given).allowed


def _alone(statement: Statement, given: Facts) -> bool:
    """Whether no other statement is about the same check of the same subject, so that none comes forward when it goes."""
    check = statement.predicate.get("check")
    name = check.get("name") if isinstance(check, dict) else None
    same = [
        other
        for other in given.statements[statement.subject]
        if isinstance(found := other.predicate.get("check"), dict) and found.get("name") == name
    ]
    return same == [statement]


def _less(given: Facts) -> Iterator[Facts]:
    """The facts without one approval, one check that stands alone, or one word that lifts a revocation.

    Kept are words that count against: a revocation, and an author's approval, which says whose key it was.
    """
    for subject, found in given.statements.items():
        for statement in found:
            predicate = statement.predicate
            against = predicate.get("lifted") is False or predicate.get("approver") in given.authors
            if against or ("check" in predicate and not _alone(statement, given)):
                continue
            left = [other for other in found if other is not statement]
            yield replace(given, statements={**given.statements, subject: left})


@settings(max_examples=300, deadline=None)
@given(SETS, FACTS)
def test_less_evidence_never_turns_refused_into_allowed(rules: list[PolicyRule], given: Facts) -> None:
    if verdict(rules, given).allowed:
        return
    for less in _less(given):
        assert not verdict(rules, less).allowed


@settings(max_examples=200, deadline=None)
@given(SETS, FACTS, st.randoms(use_true_random=False))
def test_the_order_of_rules_and_statements_does_not_count(rules: list[PolicyRule], given: Facts, chance: Random) -> None:
    turned = {subject: chance.sample(found, len(found)) for subject, found in given.statements.items()}
    one = verdict(rules, given)
    two = verdict(chance.sample(rules, len(rules)), replace(given, statements=turned))
    assert (one.verdict, one.allowed, one.self_approved) == (two.verdict, two.allowed, two.self_approved)
    assert {*one.checks} == {*two.checks}
    assert {*one.missing} == {*two.missing}
    assert {*one.evidence} == {*two.evidence}


@settings(max_examples=200, deadline=None)
@given(SETS, FACTS)
def test_a_rule_that_observes_changes_no_outcome(rules: list[PolicyRule], given: Facts) -> None:
    enforced = [one for one in rules if not one.observe]
    assert verdict(rules, given).allowed is verdict(enforced, given).allowed


@settings(max_examples=200, deadline=None)
@given(SETS, FACTS)
def test_what_is_revoked_is_allowed_by_no_policy(rules: list[PolicyRule], given: Facts) -> None:
    word = said({"by": "ann", "why": "bad", "lifted": False}, about=MODEL, kind=media.REVOCATION_PREDICATE, second=50_000)
    revoked = replace(given, statements={**given.statements, MODEL: [*given.statements.get(MODEL, []), word]})
    assert not verdict(rules, revoked).allowed


@pytest.fixture(scope="module")
def live_bench(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Digest, Digest]:
    bench = Bench(tmp_path_factory.mktemp("bench"))
    one, two = (bench.deployment(bench.release(name)) for name in ("one", "two"))
    bench.move(REF, one)
    bench.move(REF, two)
    return bench, one, two


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=SETS)
def test_returning_depends_on_no_policy(live_bench: tuple[Bench, Digest, Digest], rules: list[PolicyRule]) -> None:
    bench, one, two = live_bench
    bench.publish(*rules, order={REF: "staging"}) if _fits(rules) else bench.publish()
    present = bench.store.resolve(REF)
    moved = bench.move(REF, one if present == two else two, roles=("operator",))
    assert (moved.changed, moved.judged.returning, moved.judged.judgement.checks) == (True, True, ())
    assert bench.store.ref(POLICY_REF) is not None


def _fits(rules: list[PolicyRule]) -> bool:
    """Whether the one key of the bench can live with it."""
    return not any(one.roles or one.approvals > 1 or not one.author_approves for one in rules)
