"""judge: pure, total, and never kinder than the evidence."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest
from gate_help import (
    DATA,
    DEFINITION,
    LIVE,
    MODEL,
    NOW,
    REF,
    RELEASE,
    START,
    SUBJECTS,
    TARGET,
    approval,
    auc,
    facts,
    measured,
    policy_of,
    rule,
    said,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.gate import Before, Facts, Judgement, Statement, Subject, judge
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest, digest_bytes
from shipway.spec import PolicyRule

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
LIVE_MODEL = (Subject("model", "delay", LIVE),)


def verdict(line: str, check: Check, *, live: bool = False) -> Verdict:
    """What one requirement makes of one measurement."""
    statement = measured(check, against=LIVE) if live else measured(check)
    given = facts(statement, live=LIVE_MODEL if live else ())
    return judge(policy_of(rule(line)), given).verdict


# at the boundary


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.6, 0.7, PASS), (0.5999, 0.7, INCONCLUSIVE), (0.5, 0.6, INCONCLUSIVE), (0.5, 0.5999, FAIL), (0.6, 0.6, PASS)],
)
def test_at_least_is_decided_when_the_whole_interval_is_on_one_side(low: float, high: float, expected: Verdict) -> None:
    assert verdict("auc: at least 0.6 at 95%", auc(0.6, low, high)) is expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.1, 0.2, PASS), (0.1, 0.2001, INCONCLUSIVE), (0.2, 0.3, INCONCLUSIVE), (0.2001, 0.3, FAIL), (0.2, 0.2, PASS)],
)
def test_at_most_is_its_mirror(low: float, high: float, expected: Verdict) -> None:
    assert verdict("brier: at most 0.2 at 95%", auc(0.2, low, high, name="brier")) is expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.02, 0.1, PASS), (-0.0201, 0.1, INCONCLUSIVE), (-0.1, -0.02, INCONCLUSIVE), (-0.1, -0.0201, FAIL)],
)
def test_not_worse_by_bounds_the_loss_where_more_is_better(low: float, high: float, expected: Verdict) -> None:
    assert verdict("auc: not worse by 0.02 at 95%", auc(0.0, low, high), live=True) is expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.1, 0.02, PASS), (-0.1, 0.0201, INCONCLUSIVE), (0.02, 0.1, INCONCLUSIVE), (0.0201, 0.1, FAIL)],
)
def test_not_worse_by_bounds_the_gain_where_less_is_better(low: float, high: float, expected: Verdict) -> None:
    assert verdict("brier: not worse by 0.02 at 95%", auc(0.0, low, high, name="brier"), live=True) is expected


def test_a_measurement_without_an_interval_decides_nothing() -> None:
    assert verdict("auc: at least 0.6 at 95%", auc(0.9, None, None)) is INCONCLUSIVE


def test_what_is_still_needed_is_passed_on_only_while_undecided() -> None:
    for low, expected in ((0.5, 1200), (0.6, None)):
        check = Check("auc", PASS, 0.62, low, 0.7, n=100, still_needed=1200)
        (judged,) = judge(policy_of(rule("auc: at least 0.6 at 95%")), facts(measured(check))).checks
        assert judged.still_needed == expected


def test_an_interval_of_a_lower_level_than_asked_is_no_evidence() -> None:
    for level, allowed in ((0.95, True), (0.99, True), (0.9, False), (None, False), (True, False), (95, False)):
        found = judge(policy_of(rule("auc: at least 0.6 at 95%")), facts(measured(auc(), level=level)))
        assert found.allowed is allowed, level


# against live


def test_nothing_live_or_the_same_model_live_needs_no_comparison() -> None:
    policy = policy_of(rule("auc: not worse by 0.02 at 95%"))
    assert judge(policy, facts()).checks[0].text == "nothing is live to compare with"
    same = (Subject("model", "delay", MODEL),)
    assert judge(policy, facts(live=same)).checks[0].text == "the same model is live"


def test_a_comparison_with_another_model_than_the_live_one_does_not_count() -> None:
    policy = policy_of(rule("auc: not worse by 0.02 at 95%"))
    others: list[Json] = [digest_bytes(b"older"), None, {}, [LIVE]]
    for against in others:
        found = judge(policy, facts(measured(auc(0.0, 0.0, 0.0), against=against), live=LIVE_MODEL))
        assert not found.allowed
        assert "against live" in found.missing[0]


def test_each_model_answers_for_itself() -> None:
    second = Subject("model", "price", digest_bytes(b"price"))
    policy = policy_of(rule("auc: at least 0.6 at 95%"))
    one = facts(measured(auc()))
    both = Facts(REF, (*SUBJECTS, second), (), {**one.statements, second.digest: []}, "ann", NOW)
    assert judge(policy, one).allowed
    assert not judge(policy, both).allowed
    shown = {**one.statements, second.digest: [measured(auc(), about=second.digest)]}
    assert judge(policy, Facts(REF, (*SUBJECTS, second), (), shown, "ann", NOW)).allowed


def test_a_difference_is_not_taken_for_an_evaluation() -> None:
    found = judge(policy_of(rule("auc: at least 0.6 at 95%")), facts(measured(auc(0.9, 0.9, 0.9), against=LIVE)))
    assert found.missing == ("evaluation auc at least 0.6 at 95%: no evidence",)


# contracts


def contract(definition: Json = DEFINITION, *, about: Digest = DATA, verdict: Verdict = PASS, second: int = 0) -> Statement:
    return measured(Check("contract", verdict, 0.0, n=10), about=about, second=second, definition=definition)


def test_a_contract_counts_when_it_was_measured_by_the_definition_in_the_policy() -> None:
    policy = policy_of(rule("contract: pass"), contract=True)
    assert judge(policy, facts(contract())).allowed
    assert judge(policy, facts(contract(verdict=FAIL))).verdict is FAIL
    for other in (contract(digest_bytes(b"a laxer one")), contract(None), contract(about=MODEL)):
        assert judge(policy, facts(other)).missing == ("contract of data/flights: no evidence",)


def test_a_contract_that_is_asked_for_where_no_data_set_has_one_is_missing() -> None:
    found = judge(policy_of(rule("contract: pass")), facts(contract()))
    assert (found.allowed, found.missing) == (False, ("contract: no data set here has one",))


# approvals


def test_approvals_are_counted_once_a_person() -> None:
    policy = policy_of(rule(approvals=2))
    twice = judge(policy, facts(approval("bob"), approval("bob", number=1)))
    assert (twice.allowed, twice.missing) == (False, ("approval: 1 of 2",))
    assert judge(policy, facts(approval("bob"), approval("carol"))).allowed


def test_two_names_under_one_key_are_one_person() -> None:
    policy = policy_of(rule(approvals=2))
    both = facts(approval("bob", key="one"), approval("carol", key="one"))
    assert judge(policy, both).missing == ("approval: 1 of 2",)


def test_an_approval_under_the_own_key_is_self_approved_whatever_name_it_bears() -> None:
    policy, given = policy_of(rule(approvals=1)), facts(approval("bob", key="mine"))
    assert judge(policy, replace(given, own_key="mine")).self_approved
    assert not judge(policy, given).self_approved


def test_a_release_goes_through_the_environment_before_first() -> None:
    refused = judge(policy_of(rule()), replace(facts(), after=Before("deploy/delay@staging", passed=False)))
    assert refused.missing == ("after: this release was never live at deploy/delay@staging",)
    assert judge(policy_of(rule()), replace(facts(), after=Before("deploy/delay@staging", passed=True))).allowed


def test_an_approval_of_a_part_or_by_nobody_is_none() -> None:
    policy = policy_of(rule(approvals=1))
    for other in (
        approval("bob", about=MODEL),
        approval("bob", about=DATA),
        approval(None),
        approval(""),
        approval(" "),
        approval(7),
    ):
        assert not judge(policy, facts(other)).allowed
    assert judge(policy, facts(approval("bob", about=TARGET))).allowed


def test_an_approval_by_the_one_who_moves_is_labelled_self_approved() -> None:
    policy = policy_of(rule(approvals=1))
    assert judge(policy, facts(approval("ann"))).self_approved
    assert not judge(policy, facts(approval("bob"))).self_approved
    assert not judge(policy, facts(approval("ann"), approval("bob"))).self_approved


# inconclusive


@pytest.mark.parametrize(
    ("way", "approvals", "given", "allowed"),
    [
        ("hold", 0, 0, False),
        ("hold", 1, 1, False),
        ("ask", 0, 0, False),
        ("ask", 0, 1, True),
        ("ask", 2, 1, False),
        ("ask", 2, 2, True),
        ("warn", 0, 0, True),
        ("warn", 1, 0, False),
        ("warn", 1, 1, True),
    ],
)
def test_an_undecided_check_holds_asks_or_warns(way: str, approvals: int, given: int, allowed: bool) -> None:
    policy = policy_of(rule("auc: at least 0.6 at 95%", approvals=approvals, inconclusive=way))
    people = [approval(name) for name in ("bob", "carol")[:given]]
    found = judge(policy, facts(measured(auc(0.6, 0.5, 0.7)), *people))
    assert found.allowed is allowed
    assert found.verdict is (FAIL if given < approvals else INCONCLUSIVE)


@pytest.mark.parametrize("way", ["hold", "ask", "warn"])
def test_no_way_makes_a_failed_check_pass(way: str) -> None:
    lines = ("auc: at least 0.6 at 95%", "brier: at most 0.2 at 95%")
    policy = policy_of(rule(*lines, inconclusive=way))
    undecided, failed = measured(auc(0.6, 0.5, 0.7)), measured(auc(0.4, 0.3, 0.5, name="brier"))
    assert not judge(policy, facts(undecided, failed, approval("bob"))).allowed


# newest


def test_the_newest_statement_replaces_those_before_it() -> None:
    policy = policy_of(rule("auc: at least 0.6 at 95%"))
    good, bad = measured(auc(), second=1), measured(auc(0.4, 0.3, 0.5), second=2)
    assert not judge(policy, facts(good, bad)).allowed
    assert not judge(policy, facts(bad, good)).allowed, "by its time, not by its place"
    assert judge(policy, facts(bad, good)).evidence == (bad.envelope,)


def test_of_two_at_one_instant_the_later_entry_counts() -> None:
    policy = policy_of(rule("auc: at least 0.6 at 95%"))
    good, bad = measured(auc()), measured(auc(0.4, 0.3, 0.5))
    assert judge(policy, facts(bad, good)).allowed
    assert not judge(policy, facts(good, bad)).allowed


def test_a_named_check_counts_by_its_own_verdict() -> None:
    policy = policy_of(rule("smoke: pass"))
    for own in Verdict:
        found = judge(policy, facts(measured(Check("smoke", own, value=1.0, threshold=0.0))))
        assert (found.verdict, found.allowed) == (own, own is PASS)
    assert judge(policy, facts(measured(Check("smoke", PASS, value=1.0)))).missing, "a bare measurement has passed nothing"
    assert judge(policy, facts()).missing == ("smoke: no evidence",)


def test_a_ref_without_a_rule_is_asked_nothing() -> None:
    found = judge(policy_of(rule("auc: at least 0.6", ref="deploy/other@prod")), facts())
    assert found == Judgement((), (), (), PASS, allowed=True)


# properties

LINES = [
    "contract: pass",
    "smoke: pass",
    "auc: at least 0.6 at 95%",
    "auc: not worse by 0.02 at 95%",
    "brier: at most 0.2 at 95%",
    "brier: not worse by 0.01 at 90%",
]
rules = st.builds(
    lambda lines, approvals, way: rule(*lines, approvals=approvals, inconclusive=way),
    st.lists(st.sampled_from(LINES), unique=True),
    st.integers(0, 2),
    st.sampled_from(["hold", "ask", "warn"]),
)
odd = st.sampled_from([None, True, "", "x", 0, 1, -1, 0.5, 0.95, 2.0, math.inf, LIVE, MODEL, DEFINITION, [], [1], {}, {"a": 1}])
names = st.sampled_from(["auc", "brier", "smoke", "contract", "other"])
numbers = st.none() | st.floats(-1, 1)
checks = st.builds(
    lambda name, own, value, low, high: Check(name, own, value, low, high),
    names,
    st.sampled_from(list(Verdict)),
    numbers,
    numbers,
    numbers,
)
subjects = st.sampled_from([MODEL, DATA, RELEASE, TARGET])
good_statements = st.builds(
    lambda check, about, second, level, against, definition: measured(
        check, about=about, second=second, level=level, against=against, definition=definition
    ),
    checks,
    subjects,
    st.integers(0, 3),
    st.sampled_from([0.9, 0.95, 0.99]),
    st.sampled_from([None, LIVE]),
    st.sampled_from([None, DEFINITION]),
)
approvals = st.builds(
    lambda who, about, number: approval(who, about=about, number=number),
    st.sampled_from(["ann", "bob"]),
    subjects,
    st.integers(0, 1),
)
bad_checks = st.one_of(
    odd,
    st.dictionaries(
        st.sampled_from(["name", "verdict", "value", "low", "high", "threshold", "n", "still_needed", "text"]), odd
    ),
)
bad_statements = st.builds(
    lambda predicate, about, kind: said(predicate, about=about, kind=kind),
    st.fixed_dictionaries({}, optional={"check": bad_checks, "level": odd, "against": odd, "definition": odd, "approver": odd}),
    subjects,
    st.sampled_from([media.CHECK_PREDICATE, media.APPROVAL_PREDICATE, media.REBUILD_PREDICATE, ""]),
)
evidence = st.lists(st.one_of(good_statements, approvals, bad_statements), max_size=8)
alive = st.sampled_from([(), LIVE_MODEL, (Subject("model", "delay", MODEL),)])


@settings(deadline=None)
@given(rules, evidence, alive, st.booleans())
def test_judge_is_pure_and_total(
    asked: PolicyRule, statements: list[Statement], live: tuple[Subject, ...], has_contract: bool
) -> None:
    policy, given_facts = policy_of(asked, contract=has_contract), facts(*statements, live=live)
    found = judge(policy, given_facts)
    assert judge(policy, given_facts) == found
    assert canonical_json([check.to_json() for check in found.checks]), "a verdict can be kept"
    assert set(found.evidence) <= {statement.envelope for statement in statements}
    assert found.allowed <= (not found.missing)
    assert not (found.allowed and found.verdict is FAIL)
    assert (found.verdict is PASS) <= found.allowed


@settings(deadline=None)
@given(rules, st.lists(bad_statements, max_size=6))
def test_missing_evidence_never_allows(asked: PolicyRule, statements: list[Statement]) -> None:
    """Whatever a rule asks, what is no evidence for it does not give it; only comparing with nothing needs none."""
    unread = [statement for statement in statements if not readable(statement)]
    found = judge(policy_of(asked, contract=True), facts(*unread, live=LIVE_MODEL))
    assert found.allowed is (not asked.require and not asked.approvals)


def readable(statement: Statement) -> bool:
    check = statement.predicate.get("check")
    whole = isinstance(check, dict) and {"name", "verdict"} <= check.keys()
    return whole or isinstance(statement.predicate.get("approver"), str)


@settings(deadline=None)
@given(rules, evidence, alive, st.sampled_from(LINES[1:]))
def test_adding_a_passing_check_never_turns_allowed_into_refused(
    asked: PolicyRule, statements: list[Statement], live: tuple[Subject, ...], line: str
) -> None:
    policy = policy_of(asked, contract=True)
    before = judge(policy, facts(*statements, live=live))
    after = judge(policy, facts(*statements, passing(line), live=live))
    assert after.allowed >= before.allowed


def passing(line: str) -> Statement:
    """Newer evidence that meets a requirement and every other one about the same measurement."""
    name, text = line.split(": ", 1)
    if text == "pass":
        return measured(Check(name, PASS), second=9)
    if text.startswith("not worse"):
        return measured(auc(0.0, 0.0, 0.0, name=name), second=9, level=0.99, against=LIVE)
    value = 1.0 if text.startswith("at least") else 0.0
    return measured(auc(value, value, value, name=name), second=9, level=0.99)


@settings(deadline=None)
@given(rules, evidence, alive, st.sampled_from(["carol", "dave"]))
def test_one_more_approval_never_turns_allowed_into_refused(
    asked: PolicyRule, statements: list[Statement], live: tuple[Subject, ...], who: str
) -> None:
    policy = policy_of(asked, contract=True)
    before, after = (judge(policy, facts(*statements, *more, live=live)) for more in ((), (approval(who),)))
    assert after.allowed >= before.allowed


@settings(deadline=None)
@given(rules, evidence, alive, st.sampled_from(LINES))
def test_asking_for_more_never_turns_refused_into_allowed(
    asked: PolicyRule, statements: list[Statement], live: tuple[Subject, ...], line: str
) -> None:
    lines = [f"{requirement.name}: {requirement.text}" for requirement in asked.require]
    stricter = rule(*lines, line, approvals=asked.approvals, inconclusive=asked.inconclusive)
    lax, strict = (judge(policy_of(r, contract=True), facts(*statements, live=live)) for r in (asked, stricter))
    assert strict.allowed <= lax.allowed


def test_a_check_that_says_infinity_is_unreadable() -> None:
    record: JsonObject = {"check": {"name": "auc", "verdict": "pass", "low": math.inf, "high": math.inf}, "level": 0.95}
    assert not judge(policy_of(rule("auc: at least 0.6 at 95%")), facts(said(record))).allowed


def test_statements_of_the_future_are_as_good_as_any() -> None:
    """No clock is asked: what is newest is newest, whatever time it is."""
    late = measured(auc(), second=int(timedelta(days=365_000).total_seconds()))
    assert late.at > START
    assert judge(policy_of(rule("auc: at least 0.6 at 95%")), facts(late)).allowed
