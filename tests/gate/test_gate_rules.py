"""What rules ask beside numbers: roles, the author, freshness, hours, freezes, soak, observing, other tools' metrics."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from gate_help import DATA, MODEL, NOW, RELEASE, approval, auc, facts, measured, policy_of, rule, said, written

from shipway.gate import Before, Judgement, Statement, judge
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.spec import PolicyRule

FRIDAY_EVENING = datetime(2013, 2, 1, 18, 30, tzinfo=UTC)


def missing(rule: PolicyRule, *statements: object, **more: object) -> tuple[str, ...]:
    return judged(rule, *statements, **more).missing


def judged(rule: PolicyRule, *statements: object, **more: object) -> Judgement:
    return judge(policy_of(rule), replace(facts(*statements), **more))  # type: ignore[arg-type]


# roles and the author


def test_only_keys_that_are_trusted_for_a_role_count_for_it() -> None:
    asked = written("approvals: {count: 2, role: release-manager}")
    ann, bob, eve = (
        approval(who, *roles) for who, *roles in (("ann", "release-manager"), ("bob", "release-manager"), ("eve", "admin"))
    )
    assert missing(asked, ann, eve) == ("approval: 1 of 2 by release-manager",)
    assert judged(asked, ann, bob).allowed


def test_a_list_asks_each_of_its_entries_and_one_person_may_stand_in_several() -> None:
    asked = written("approvals: [2, {role: security}]")
    assert missing(asked, approval("ann"), approval("bob")) == ("approval: 0 of 1 by security",)
    assert judged(asked, approval("ann", "security"), approval("bob")).allowed


def test_a_model_that_may_run_code_asks_approvals_of_its_own_or_does_not_pass() -> None:
    pickled = {"pickles": ("delay",)}
    asked = written("approvals: 1, allow_pickle: {role: security}")
    assert judged(asked, approval("ann")).allowed, "a release without such a model is asked nothing more"
    assert missing(asked, approval("ann"), **pickled) == ("approval: 0 of 1 for allow_pickle of delay by security",)
    assert judged(asked, approval("ann", "security"), **pickled).allowed
    assert missing(written("allow_pickle: 2"), approval("ann"), **pickled) == ("approval: 1 of 2 for allow_pickle of delay",)
    never = written("allow_pickle: no")
    assert judged(never).allowed
    assert missing(never, approval("ann", "security"), **pickled) == (
        "allow_pickle: delay may run code when it is loaded, and no such model may stand here",
    )
    assert judged(written("allow_pickle: yes"), **pickled).allowed


def test_people_are_pairs_of_a_name_and_a_key_of_its_own() -> None:
    asked = rule(approvals=3)
    star = [approval("ann", key=key) for key in ("1", "2", "3")] + [approval(who, key="1") for who in ("bob", "eve")]
    assert missing(asked, *star) == ("approval: 2 of 3",)
    assert judged(
        asked, approval("ann", key="1"), approval("ann", key="2"), approval("bob", key="1"), approval("eve", key="3")
    ).allowed


def test_the_author_does_not_count_under_any_name_where_the_policy_says_so() -> None:
    asked = written("approvals: 1, author_approves: no")
    author = {"authors": frozenset({"ann"})}
    assert missing(asked, approval("ann"), **author) == ("approval: 0 of 1 (1 by the author)",)
    assert missing(asked, approval("ann", key="k"), approval("bob", key="k"), **author) == (
        "approval: 0 of 1 (2 by the author)",
    )
    assert missing(asked, approval("bob", key="ann"), **author) == ("approval: 0 of 1 (1 by the author)",)
    assert judged(asked, approval("ann"), approval("bob"), **author).allowed
    assert judged(rule(approvals=1), approval("ann"), **author).self_approved, "on a laptop it counts, and is labelled"


# time


def test_evidence_older_than_the_rule_allows_counts_as_missing_and_it_is_said() -> None:
    asked = written("auc: at least 0.6, import.tests: pass, contract: pass, approvals: 1, evidence_within: 30d")
    tests = measured(Check("import.tests", Verdict.PASS, 0.0, threshold=0.0))
    shown = (measured(auc()), tests, approval("bob"))
    late = NOW + timedelta(days=41)
    assert "contract" in missing(asked, *shown)[0], "nothing else is missing while it is fresh"
    assert missing(replace_require(asked), *shown, at=late) == (
        "evaluation auc at least 0.6: the newest evidence is 41d 12h old, and it counts for 30d",
        "import.tests: the newest evidence is 41d 12h old, and it counts for 30d",
        "approval: 0 of 1 (1 too old)",
    )


def replace_require(asked: PolicyRule) -> PolicyRule:
    from msgspec.structs import replace as changed

    return changed(asked, require=tuple(line for line in asked.require if line.name != "contract"))


def test_an_older_passing_check_does_not_stand_in_for_a_newer_one_that_is_too_old() -> None:
    asked = written("auc: at least 0.6, evidence_within: 1h")
    assert not judged(asked, measured(auc(), second=0), measured(auc(), second=10), at=NOW).allowed
    assert judged(asked, measured(auc(), second=10), at=NOW - timedelta(hours=11, minutes=30)).allowed


def test_nothing_moves_outside_the_hours_and_the_next_ones_are_said() -> None:
    asked = written("hours: mon-fri 09:00-17:00 Europe/Berlin")
    assert judged(asked, at=NOW).allowed
    assert missing(asked, at=FRIDAY_EVENING) == (
        "hours: moves are allowed mon-fri 09:00-17:00 Europe/Berlin, next at 2013-02-04T08:00Z",
    )


def test_hours_of_a_list_are_alternatives_and_those_of_several_rules_all_hold() -> None:
    asked = written("hours: [mon-thu 00:00-24:00 UTC, fri 18:00-20:00 UTC]")
    assert judged(asked, at=FRIDAY_EVENING).allowed
    other = written("hours: mon-fri 09:00-17:00 UTC", ref="deploy/*@prod")
    found = judge(policy_of(asked, other), replace(facts(), at=FRIDAY_EVENING))
    assert "next at 2013-02-04T09:00Z" in found.missing[0]


def test_nothing_moves_in_a_freeze() -> None:
    asked = written("freeze: [2013-01-30..2013-02-01, 2013-02-01..2013-02-03]")
    assert missing(asked, at=NOW) == ("freeze: nothing moves until 2013-02-04T00:00:00.000000Z",)
    assert judged(asked, at=datetime(2013, 2, 4, tzinfo=UTC)).allowed


def test_a_release_soaks_in_the_environment_before() -> None:
    asked, before = written("soak: 24h"), Before("deploy/delay@staging", passed=True, soaked=23 * 3600.0)
    assert missing(asked, after=before) == ("soak: live at deploy/delay@staging for 23h, 1d asked",)
    assert judged(asked, after=replace(before, soaked=86_400.0)).allowed
    assert missing(asked, after=replace(before, passed=False)) == (
        "after: this release was never live at deploy/delay@staging",
    )
    assert judged(asked).allowed, "it comes after nothing"


# observing


def test_a_rule_that_observes_judges_tells_and_lets_pass() -> None:
    found = judged(written("auc: at least 0.6, approvals: 1, observe: yes"), measured(auc(0.5, 0.4, 0.55)))
    assert (found.allowed, found.verdict, found.would_be) == (True, Verdict.PASS, Verdict.FAIL)
    assert [(check.name, check.verdict.value) for check in found.observed] == [("auc", "fail"), ("approvals", "fail")]
    assert len(found.evidence) == 1


def test_what_is_enforced_stays_so_beside_a_rule_that_observes() -> None:
    observing = written("approvals: 2, import.tests: pass, observe: yes", ref="deploy/*@prod")
    found = judge(policy_of(rule("auc: at least 0.6"), observing), facts())
    assert (found.allowed, [check.name for check in found.checks]) == (False, ["auc"])
    assert [check.name for check in found.observed] == ["import.tests", "approvals"]
    assert found.missing == ("evaluation auc at least 0.6: no evidence",)


# other tools


@pytest.mark.parametrize(("value", "verdict"), [(199.0, Verdict.PASS), (200.0, Verdict.PASS), (201.0, Verdict.FAIL)])
def test_a_number_of_another_tool_is_taken_as_it_is(value: float, verdict: Verdict) -> None:
    check = Check("import.latency_ms", Verdict.INCONCLUSIVE, value)
    for subject in (MODEL, DATA, RELEASE):
        assert judged(written("import.latency_ms: at most 200"), measured(check, about=subject, level=None)).verdict is verdict


def test_an_interval_of_another_tool_is_held_against_the_threshold_whole() -> None:
    check = Check("import.latency_ms", Verdict.INCONCLUSIVE, 190.0, 170.0, 210.0)
    assert judged(written("import.latency_ms: at most 200"), measured(check)).verdict is Verdict.INCONCLUSIVE
    assert missing(written("import.latency_ms: at most 200")) == ("import.latency_ms at most 200: no evidence",)


# monitors


def window(*checks: Check, second: int = 0, verdict: Verdict = Verdict.PASS) -> Statement:
    """What the watch of a deployment leaves about the release that answered."""
    more: JsonObject = {"checks": [check.to_json() for check in checks], "window": {"verdict": verdict.value}}
    return said({"check": Check("window", verdict, text="a week").to_json(), **more}, about=RELEASE, second=second)


def test_what_a_monitor_said_in_its_window_can_be_asked_to_pass() -> None:
    asked = rule("calibration: pass")
    assert missing(asked) == ("calibration: no evidence",)
    good, bad = (Check("calibration", verdict, 0.1, threshold=0.05) for verdict in (Verdict.PASS, Verdict.FAIL))
    assert judged(asked, window(good)).allowed
    assert judged(asked, window(good), window(bad, second=1)).verdict is Verdict.FAIL
    assert missing(asked, window(Check("base_rate", Verdict.PASS, threshold=0.05))) == ("calibration: no evidence",)
    assert missing(rule("auc: at least 0.6"), window(Check("auc", Verdict.PASS, 0.9, 0.8, 1.0))), "a window only reports it"


def test_drift_passes_when_that_of_each_feature_does() -> None:
    quiet, loud = (Check(f"drift.{name}", v, 0.1, threshold=0.2) for name, v in (("x", Verdict.PASS), ("y", Verdict.FAIL)))
    assert judged(rule("drift: pass"), window(quiet)).allowed
    assert judged(rule("drift: pass"), window(quiet, loud)).checks[0].text == "y"
    assert not judged(rule("drift: pass"), window(loud, quiet)).allowed


def test_only_approvals_that_count_say_whether_somebody_approved_alone() -> None:
    asked = written("approvals: 1, evidence_within: 1h")
    old, fresh = approval("bob"), approval("ann", second=12 * 3600 - 60)
    assert judged(asked, fresh).self_approved
    assert judged(asked, old, fresh).self_approved, "bob's is too old to count"
