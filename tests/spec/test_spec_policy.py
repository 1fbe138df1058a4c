"""The policy section: patterns, roles, time, and one form of it all."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shipway.kernel.canonical import canonical_json
from shipway.spec import (
    PolicyRule,
    Spec,
    SpecMalformed,
    matches,
    parse_requirement,
    parse_spec,
    policy_from_json,
    policy_to_json,
    rule_of,
)
from shipway.spec._calendar import parse_freeze, parse_hours

PROJECT = """project: p
data: {flights: f/}
models: {delay: {target: late}, price: {target: price}}
deploy:
  delay@staging: {}
  delay@prod: {after: staging}
  price@prod: {}
policy:
"""


def read(policy: str) -> Spec:
    return parse_spec(PROJECT + policy, path="shipway.yaml")


def test_all_rules_that_match_a_ref_apply_together_and_the_most_demanding_counts() -> None:
    policy = read("""
  deploy/*@prod:
    approvals: 1
    auc: at least 0.6
    inconclusive: ask
    evidence_within: 30d
    hours: mon-fri 09:00-17:00 Europe/Berlin
    freeze: [2026-12-20..2027-01-02]
  deploy/delay@*:
    approvals: [{count: 2, role: release-manager}, {role: security}]
    import.tests: pass
    evidence_within: 7d
    author_approves: no
    soak: 24h
    allow_pickle: [1, {role: security}]
  deploy/delay@prod: {approvals: 2, inconclusive: warn, hours: tue 00:00-24:00 UTC, allow_pickle: 2}
""").policy
    rule = rule_of(policy, "deploy/delay@prod")
    assert (rule.approvals, rule.roles) == (2, {"release-manager": 2, "security": 1})
    assert [line.name for line in rule.require] == ["auc", "import.tests"]
    assert (rule.inconclusive, rule.author_approves) == ("hold", False)
    assert (rule.evidence_within, rule.soak) == (7 * 86_400.0, 86_400.0)
    assert [group[0].text for group in rule.hours] == ["mon-fri 09:00-17:00 Europe/Berlin", "tue 00:00-24:00 UTC"]
    assert len(rule.freeze) == 1
    assert (rule.allow_pickle, rule.pickle_approvals, rule.pickle_roles) == (True, 2, {"security": 1})
    assert rule_of(policy, "deploy/price@prod").approvals == 1
    assert rule_of(policy, "deploy/delay@staging").require == (parse_requirement("import.tests", "pass"),)
    assert not rule_of(policy, "model/delay").asks


def test_a_rule_that_observes_takes_no_part_in_what_is_enforced() -> None:
    policy = read("  deploy/*@prod: {approvals: 1, observe: yes}\n  deploy/delay@prod: {import.tests: pass}\n").policy
    assert (rule_of(policy, "deploy/delay@prod").approvals, rule_of(policy, "deploy/delay@prod").observe) == (0, False)
    both = rule_of(policy, "deploy/delay@prod", observed=True)
    assert (both.approvals, len(both.require), both.observe) == (1, 1, False)


def test_retrain_promotes_only_where_every_rule_that_is_enforced_says_so() -> None:
    policy = read("""
  deploy/*@prod: {approvals: 1}
  deploy/delay@prod: {retrain: promotes}
  deploy/delay@staging: {retrain: promotes}
  deploy/price@*: {retrain: promotes, observe: yes}
  deploy/*@staging: {observe: yes}
""").policy
    says = {ref: rule_of(policy, ref).retrain for ref in ("deploy/delay@prod", "deploy/delay@staging", "deploy/price@staging")}
    assert says == {"deploy/delay@prod": "proposes", "deploy/delay@staging": "promotes", "deploy/price@staging": "proposes"}
    assert not rule_of(policy, "deploy/delay@staging").asks, "it asks nothing of a move"


@pytest.mark.parametrize(
    ("policy", "place", "mend"),
    [
        ("  deploy/*@production: {}", "9:3", "delay@prod"),
        ("  deploy/del*: {}", "9:3", "deploy/APP@ENVIRONMENT"),
        ("  model/x*: {}", "9:3", "delay"),
        ("  prompt/*: {}", "9:3", "prompt/NAME"),
        ("  '*': {}", "9:3", "`*` stands for any name"),
        ("  deploy/delay@prod: {aprovals: 1}", "9:33", "did you mean `approvals`?"),
        ("  deploy/delay@prod: {evidence_withn: 3d}", "9:39", "did you mean `evidence_within`?"),
        ("  deploy/delay@prod: {approvals: {count: 2, roles: x}}", "9:45", "did you mean `role`?"),
        ("  deploy/delay@prod: {approvals: {role: checker}}", "9:41", "--role release-manager"),
        ("  deploy/delay@prod: {approvals: [1, -1]}", "9:38", None),
        ("  deploy/delay@prod: {approvals: []}", "9:34", None),
        ("  deploy/delay@prod: {observe: maybe}", "9:32", "yes or no"),
        ("  deploy/delay@prod: {hours: mon-fri 9-17 Europe/Berlin}", "9:30", "as in mon-fri"),
        ("  deploy/delay@prod: {freeze: [2026-12-20..2027-01-02, 2026-12-20]}", "9:56", "as in 2026-12-20"),
        ("  deploy/delay@prod: {evidence_within: 30}", "9:40", "28d"),
        ("  deploy/delay@prod: {evidence_within: 0d}", "9:40", "24h"),
        ("  deploy/delay@prod: {retrain: promote}", "9:32", "did you mean `promotes`?"),
        ("  model/delay: {retrain: promotes}", "9:26", "under deploy/APP@ENV"),
        ("  deploy/delay@staging: {soak: 1h}", "9:26", "after: staging"),
        ("  deploy/price@*: {soak: 1h}", "9:20", "after: staging"),
        ("  deploy/delay@prod: {latency_ms: at most 200}", "9:35", "one of"),
        ("  deploy/delay@prod: {tests: pass}", "9:23", "`import.tests: pass`"),
        ("  deploy/delay@prod: {contrac: pass}", "9:23", "did you mean `contract`?"),
        ("  deploy/delay@prod: {import.latency_ms: not worse by 3}", "9:42", "at least X"),
    ],
)
def test_what_a_rule_cannot_say_is_named_at_its_place(policy: str, place: str, mend: str | None) -> None:
    with pytest.raises(SpecMalformed) as problem:
        read(policy)
    assert problem.value.where == f"shipway.yaml:{place}"
    assert mend is None or mend in str(problem.value.mend)


def test_names_that_we_do_not_know_are_allowed_where_other_tools_measure() -> None:
    rule = read("  deploy/delay@prod: {import.latency_ms: at most 200, import.seconds: at least 1}").policy["deploy/delay@prod"]
    assert [line.name for line in rule.require] == ["import.latency_ms", "import.seconds"]


def test_no_evaluation_takes_the_name_of_what_other_tools_measure() -> None:
    with pytest.raises(SpecMalformed, match="other tools"):
        parse_spec("project: p\nevals: {import: golden.jsonl}", path="shipway.yaml")


def test_a_pattern_is_about_whole_parts_of_a_name() -> None:
    assert matches("deploy/*@prod", "deploy/delay@prod")
    assert not matches("deploy/*@prod", "deploy/delay@prod2")
    assert not matches("model/*", "data/x")
    assert matches("model/de*", "model/delay")
    assert not matches("model/delay", "model/delay@champion")
    assert matches("model/delay", "model/delay@approved")


@pytest.mark.parametrize("ref", ["model/delay", "model/delay@approved", "model/delay@champion"])
def test_a_pattern_with_a_label_is_about_that_label_and_no_label_is_approved(ref: str) -> None:
    approved = not ref.endswith("@champion")
    assert matches("model/*@*", ref)
    assert matches("model/delay@*", ref)
    assert matches("model/*@approved", ref) is approved
    assert matches("model/*@app*", ref) is approved
    assert matches("model/*@champion", ref) is not approved


# any policy

REFS = st.sampled_from(["deploy/*@prod", "deploy/delay@*", "deploy/delay@prod", "model/*", "data/flights", "policy/main"])
LINES = st.sampled_from(
    [
        parse_requirement("auc", "at least 0.6"),
        parse_requirement("auc", "not worse by 0.02 at 90%"),
        parse_requirement("import.tests", "pass"),
        parse_requirement("import.latency_ms", "at most 200.5"),
        parse_requirement("golden.mrr", "at least 0.4"),
    ]
)
HOURS = st.sampled_from(["mon-fri 09:00-17:00 Europe/Berlin", "sat,mon 22:00-06:00 UTC", "sun-tue 00:00-24:00 Asia/Kathmandu"])
FREEZES = st.sampled_from(["2026-12-20..2027-01-02", "2026-12-20..", "2026-12-20T18:00+01:00..2027-01-02T08:00Z"])
SPANS = st.none() | st.sampled_from([60.0, 86_400.0, 2_592_000.0, 5_400.5, 0.00001])
RULES = st.builds(
    PolicyRule,
    ref=REFS,
    require=st.lists(LINES, max_size=3).map(tuple),
    approvals=st.integers(0, 3),
    roles=st.dictionaries(st.sampled_from(["admin", "release-manager"]), st.integers(1, 3)),
    author_approves=st.booleans(),
    inconclusive=st.sampled_from(["hold", "ask", "warn"]),
    evidence_within=SPANS,
    hours=st.lists(st.lists(HOURS.map(parse_hours), min_size=1, max_size=2).map(tuple), max_size=2).map(tuple),
    freeze=st.lists(FREEZES.map(parse_freeze), max_size=2).map(tuple),
    soak=SPANS,
    observe=st.booleans(),
    pickle_approvals=st.integers(0, 2),
    pickle_roles=st.dictionaries(st.sampled_from(["admin", "security"]), st.integers(1, 3)),
    retrain=st.sampled_from(["proposes", "promotes"]),
).map(lambda rule: rule if rule.ref.startswith("deploy/") else replace(rule, retrain="proposes"))
LISTS = ("require", "hours", "freeze")
POLICIES = st.lists(RULES, max_size=4, unique_by=lambda rule: rule.ref).map(lambda rules: {rule.ref: rule for rule in rules})


@settings(max_examples=200)
@given(POLICIES)
def test_a_stored_policy_reads_back_as_it_is(policy: dict[str, PolicyRule]) -> None:
    stored = policy_to_json(policy)
    again = policy_from_json(stored)
    assert canonical_json(policy_to_json(again)) == canonical_json(stored)
    for ref in ("deploy/delay@prod", "deploy/delay@staging", "model/delay", "data/flights", "policy/main"):
        for observed in (False, True):
            one, two = rule_of(policy, ref, observed=observed), rule_of(again, ref, observed=observed)
            assert one.to_json() == two.to_json()


@given(POLICIES, st.randoms(use_true_random=False))
def test_the_order_in_which_it_is_written_does_not_count(policy: dict[str, PolicyRule], chance: Random) -> None:
    names = list(policy)
    chance.shuffle(names)
    turned = {}
    for name in names:
        rule = policy[name]
        parts = [list(getattr(rule, field)) for field in LISTS]
        for part in parts:
            chance.shuffle(part)
        turned[name] = PolicyRule(
            **{
                field: getattr(rule, field)
                for field in PolicyRule.__struct_fields__
                if field not in ("require", "hours", "freeze")
            },
            require=tuple(parts[0]),
            hours=tuple(parts[1]),
            freeze=tuple(parts[2]),
        )
    assert canonical_json(policy_to_json(turned)) == canonical_json(policy_to_json(policy))


@given(st.lists(RULES, min_size=2, max_size=4, unique_by=lambda rule: rule.ref))
def test_the_order_of_the_rules_does_not_change_what_they_ask_together(rules: list[PolicyRule]) -> None:
    asked = {
        canonical_json(rule_of({rule.ref: rule for rule in order}, "deploy/delay@prod").to_json())
        for order in itertools.permutations(rules)
    }
    assert len(asked) == 1


def test_a_policy_that_uses_nothing_new_is_stored_as_it_always_was() -> None:
    rule = PolicyRule(
        ref="deploy/delay@prod", require=(parse_requirement("import.tests", "pass"),), approvals=1, inconclusive="ask"
    )
    assert set(rule.to_json()) == {"ref", "require", "approvals", "inconclusive"}
