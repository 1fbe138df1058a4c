"""The policy as people meet it: approving anything, forcing, observing, revoking."""

from __future__ import annotations

import json

import pytest
from cli_project import REF, Project

from shipway.kernel.digest import short

pytest_plugins = ["cli_fixtures"]


def test_a_forced_move_needs_a_reason_and_stays_red_in_the_history(project: Project) -> None:
    project.edit("approvals: 1", "approvals: 1\n    import.tests: pass")
    assert project.cli("apply").code == 1
    refused = project.cli("apply", "--force", "--json")
    assert (refused.code, refused.document["error"]["code"]) == (1, "gate.reason-missing")
    assert project.store.ref(REF) is None
    done = project.cli("apply", "--force", "--why", "the site is down", "--json")
    assert (done.code, done.document["forced"], done.document["gate"]["allowed"]) == (0, True, False)
    assert "FORCED against the gate" in done.err
    newest = project.ask("log", REF)["history"][0]
    assert (newest["forced"], newest["action"], newest["outcome"], newest["why"]) == (
        True,
        "forced",
        "moved",
        "the site is down",
    )
    assert "import.tests: no evidence" in newest["missing"]
    text = project.cli("log", REF).out
    assert "FORCED" in text
    assert "the site is down" in text
    assert not project.ask("log", "policy/main")["history"][0]["forced"], "the policy's own gate allowed it"


@pytest.mark.parametrize(
    "words", [("approve", "--release", ""), ("apply", "--release", ""), ("approve", ""), ("apply", ""), ("apply", "a" * 300)]
)
def test_an_empty_word_or_one_that_names_nothing_is_not_the_newest_candidate(project: Project, words: tuple[str, ...]) -> None:
    refused = project.cli(*words, "--json")
    assert refused.code == 1
    assert refused.document["error"]["code"] in ("cli.release-unknown", "cli.deployment-unknown")
    assert project.store.ref("policy/main") is None
    assert project.store.history("release/line")[0].outcome != "approved"


@pytest.mark.slow
def test_a_kept_plan_can_be_forced_too(project: Project) -> None:
    assert project.cli("plan", "-o", "next.json").code in (0, 1)
    assert project.cli("apply", "next.json", "--force").code == 1
    assert project.ask("apply", "next.json", "--force", "--why", "now")["forced"]


def test_a_policy_is_published_alone_without_a_deployment(project: Project) -> None:
    first = project.ask("apply", "policy/main", "--why", "data is reviewed")
    in_force = project.store.resolve("policy/main")
    assert (first["from"], first["to"], first["deployment"], first["changed"]) == (None, in_force, None, True)
    assert first["gate"]["ref"] == "policy/main"
    again = project.ask("apply", "policy/main")
    assert (again["changed"], again["to"], again["gate"]) == (False, in_force, None)
    assert project.store.ref(REF) is None, "no deployment moved"
    assert project.cli("apply", "policy/main", "--wait", "--json").document["error"]["code"] == "cli.misused"
    spec = project.root / "shipway.yaml"
    data = f"data:\n  points: {project.spec.data['points'].path}\n"
    spec.write_text(f"project: {project.spec.project}\n{data}policy:\n  data/*: {{approvals: 1}}\n")
    missing = project.cli("apply", "--json").document["error"]
    assert "shipway apply policy/main" in missing["mend"]
    assert project.ask("apply", "policy/main", "--why", "data alone")["from"] == in_force


def test_a_policy_is_approved_before_it_is_published(project: Project) -> None:
    project.edit("policy:", "policy:\n  policy/main: {approvals: 1}")
    assert project.ask("apply", "--force", "--why", "first")["forced"]
    project.edit("approvals: 1\n", "approvals: 1\n    evidence_within: 30d\n")
    assert project.cli("apply").code == 1
    given = project.ask("approve", "policy/main", "--why", "read it")
    assert (given["kind"], given["ref"], given["release"]) == ("approval", "policy/main", None)
    assert project.ask("apply", "--force", "--why", "second")["ref"] == REF
    assert project.store.resolve("policy/main") == given["digest"]
    again = project.cli("approve", "policy/main", "--json")
    assert (again.code, again.document["error"]["code"]) == (1, "cli.nothing-to-approve")


@pytest.mark.slow
def test_a_policy_that_locks_out_is_refused_until_an_admin_insists(project: Project) -> None:
    project.edit("approvals: 1", "approvals: 3")
    assert "would lock everybody out, and apply refuses it: deploy/line@prod: approvals: 3" in project.cli("plan").out
    refused = project.cli("apply", "--json")
    assert (refused.code, refused.document["error"]["code"]) == (1, "gate.policy-locks-out")
    assert "1 trusted key could give them" in refused.document["error"]["what"]
    assert project.store.ref("policy/main") is None
    project.ask("apply", "--force", "--why", "keys come tomorrow")
    assert project.ask("log", "policy/main")["history"][0]["forced"]


def test_a_component_is_approved_at_its_ref_or_by_its_digest(project: Project) -> None:
    project.edit("policy:", "policy:\n  model/*: {approvals: 1}")
    assert project.cli("apply").code == 1, "publishes the policy"
    model = project.store.resolve("model/above")
    nothing = project.cli("approve", "model/above", "--json")
    assert nothing.document["error"]["code"] == "cli.nothing-to-approve"
    given = project.ask("approve", model[:20])
    assert (given["ref"], given["digest"]) == ("model/above", model)
    release = project.store.resolve("release/line")
    assert project.ask("approve", release[:20])["release"] == release
    assert project.cli("approve", "sha256:00").code == 1


def test_a_rule_that_observes_is_told_and_stops_nothing(project: Project) -> None:
    for words in (("check",), ("approve",)):
        assert project.cli(*words).code == 0
    project.edit("policy:", 'policy:\n  "deploy/*@prod": {import.tests: pass, observe: yes}')
    done = project.cli("apply")
    assert done.code == 0
    assert "observed only, and stops nothing (enforced it would be: fail)" in done.out
    assert "observed only, did not pass: import.tests" in project.cli("log", REF).out
    (row,) = project.ask("log", REF)["history"]
    assert [check["name"] for check in row["gate"]["observed"]] == ["import.tests"]


def test_a_revoked_release_is_refused_until_it_is_lifted(project: Project) -> None:
    for words in (("check",), ("approve",), ("apply",)):
        assert project.cli(*words).code == 0
    release = project.store.resolve("release/line")
    assert project.cli("release", "revoke", release, "--json").document["error"]["code"] == "gate.reason-missing"
    told = project.ask("release", "revoke", short(release), "--why", "leaks names")
    assert (told["revoked"], told["release"], told["live"]) == (True, release, [REF])
    project.edit("line@prod: {}", "line@prod: {workers: 2}")
    refused = project.cli("apply")
    assert refused.code == 1
    assert "(leaks names)" in refused.err
    assert project.ask("release", "revoke", release, "--lift", "--why", "names are gone")["revoked"] is False
    assert project.cli("apply").code == 0
    assert [row["outcome"] for row in project.ask("log", "release/line")["history"]][:2] == ["lifted", "revoked"]


@pytest.mark.slow
def test_rollback_refuses_a_revoked_release(project: Project) -> None:
    for words in (("check",), ("approve",), ("apply",)):
        assert project.cli(*words).code == 0
    release = project.store.resolve("release/line")
    project.ask("release", "revoke", release, "--why", "leaks names")
    back = project.cli("rollback", REF, "--to", release, "--json")
    assert back.document["error"]["code"] == "release.nothing-before"
    assert "revoked: leaks names" in back.document["error"]["what"]


def test_a_suite_is_the_contract_that_the_gate_asks_for(project: Project) -> None:
    kwargs = {"column": "x", "min_value": -10, "max_value": 10}
    entry = {"type": "expect_column_values_to_be_between", "kwargs": kwargs}
    suite = project.root / "suite.json"
    suite.write_text(json.dumps({"name": "points", "expectations": [entry]}))
    text = (project.root / "shipway.yaml").read_text()
    start, end = text.index("    contract:\n"), text.index("pipeline:")
    project.edit(text[start:end], "    contract: suite.json\n")
    project.edit("auc: at least 0.6 at 95%\n    approvals: 1", "approvals: 0")
    assert "contract of data/points" in project.cli("apply").err  # no evidence yet
    assert "1 expectations met" in project.cli("check").out
    assert project.cli("apply").code == 0
    kwargs["max_value"] = 0
    suite.write_text(json.dumps({"name": "points", "expectations": [entry]}))
    failed = project.cli("check")
    assert failed.code == 1
    assert "1 of 1 expectations not met in" in failed.out
    assert "x.values_to_be_between" in failed.out
    project.edit("line@prod: {}", "line@prod: {workers: 2}")
    assert project.cli("apply").code == 1, "the changed suite counts, and what it found"
    project.edit("contract: pass", "splits: pass\n    personal: pass")
    document = project.cli("contract", "splits", "points", "points", "--overlap", "1", "--json").document
    assert document["evidence"].startswith("sha256:")
    assert project.cli("contract", "personal", "points").code == 0
    assert project.cli("apply").code == 0
