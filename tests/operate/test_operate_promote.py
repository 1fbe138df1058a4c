"""`retrain: promotes`: when a challenger's plan is applied by itself, and all the cases in which a person has to."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))  # a project whose releases and evidence are real and small

from web_plans import PROD, Planned
from web_project import AUC

from shipway.cli._desk import plan_of
from shipway.cli._settings import Project
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest, parse_digest
from shipway.operate import Promotion, promote_challenger
from shipway.pipeline import Hands
from shipway.release import Component, apply_plan, keep_plan, load_components, publish_policy, put_release
from shipway.spec import load_spec

SPEC = """project: flights
deploy:
  delay@prod: {}
policy:
  deploy/delay@prod: {auc: at least 0.55 at 95%, RULE}
"""
PROMOTES = "retrain: promotes"


class Retrained(Planned):
    """A project whose January is live, by a policy that is published or only written."""

    def write(self, rule: str, *, publish: bool = True) -> None:
        path = self.folder / "shipway.yaml"
        path.write_text(SPEC.replace("RULE", rule))
        if publish:
            publish_policy(self.store, self.keys, self.actor, load_spec(path))

    def go_live(self, release: Digest) -> None:
        """As a person applies it: the deployment is that of shipway.yaml."""
        project = Project(self.settings)
        plan = plan_of(project, project.spec.deploy["delay@prod"], release)
        project.store.close()
        assert apply_plan(self.store, self.keys, self.actor, plan, why="by hand").changed

    def challenge(self, release: Digest) -> Promotion:
        """As `shipway retrain` does once it has measured a challenger."""
        project = Project(self.settings)
        hands = Hands(project.store, self.signer, self.keys, self.actor, self.folder / "cache")
        plan = plan_of(project, project.spec.deploy["delay@prod"], release)
        _, kept = keep_plan(project.store, self.actor, plan)
        try:
            return promote_challenger(hands, plan, kept, why="retrain: newer data")
        finally:
            project.store.close()


@pytest.fixture
def project(tmp_path: Path) -> Retrained:
    made = Retrained(tmp_path)
    made.write(PROMOTES)
    made.go_live(made.measured("january"))
    return made


def test_a_challenger_whose_gate_passes_goes_live_and_the_history_says_that_retrain_did_it(project: Retrained) -> None:
    challenger = project.measured("august", data="august")
    done = project.challenge(challenger)
    assert (done.why_not, done.moved is not None) == ("", True)
    record = project.store.history(PROD)[0]
    assert (record.outcome, record.release, record.why, record.actor) == (
        "moved", challenger, "retrain: newer data", "ada@example.org",
    )  # fmt: skip
    assert record.verdict is not None
    plan = parse_digest(str(project.store.get(record.verdict, "verdict")["plan"]))
    assert project.store.get(plan, "plan")["release"] == challenger


def lacks_the_line(project: Retrained) -> Digest:
    project.write("approvals: 0")
    return project.measured("august", data="august")


def has_it_in_the_file_alone(project: Retrained) -> Digest:
    project.write("approvals: 0")
    project.write(PROMOTES, publish=False)
    return project.measured("august", data="august")


def has_another_policy_in_the_file(project: Retrained) -> Digest:
    project.write(f"{PROMOTES}, brier: at most 0.3", publish=False)
    return project.measured("august", data="august")


def fails_its_gate(project: Retrained) -> Digest:
    challenger = project.release("august", data="august")
    project.measure(challenger, replace(AUC, value=0.5, low=0.48, high=0.52))
    return challenger


def is_undecided_where_the_policy_lets_that_pass(project: Retrained) -> Digest:
    project.write(f"{PROMOTES}, inconclusive: warn")
    challenger = project.release("august", data="august")
    project.measure(challenger, replace(AUC, value=0.56, low=0.5, high=0.62))
    return challenger


def has_no_evidence(project: Retrained) -> Digest:
    return project.release("august", data="august")


def needs_an_approval(project: Retrained) -> Digest:
    project.write(f"{PROMOTES}, approvals: 1")
    return project.measured("august", data="august")


def has_other_code(project: Retrained) -> Digest:
    challenger = project.measured("august", data="august")
    parts = [part for part in load_components(project.store, challenger) if part.kind != "code"]
    return put_release(project.store, [*parts, Component("code", "", project.put("code", "other"))])


def was_live_before(project: Retrained) -> Digest:
    first = project.store.ref("release/delay")
    assert first is not None
    project.go_live(project.measured("february", data="february"))
    return first.digest


def asks_nothing(project: Retrained) -> Digest:
    (project.folder / "shipway.yaml").write_text(SPEC.replace("auc: at least 0.55 at 95%, RULE", PROMOTES))
    publish_policy(project.store, project.keys, project.actor, load_spec(project.folder / "shipway.yaml"))
    return project.measured("august", data="august")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lacks_the_line, "lets retrain propose only"),
        (has_it_in_the_file_alone, "lets retrain propose only"),
        (has_another_policy_in_the_file, "not the one in force"),
        (fails_its_gate, "its gate says fail"),
        (is_undecided_where_the_policy_lets_that_pass, "its gate says inconclusive"),
        (has_no_evidence, "its gate says fail"),
        (needs_an_approval, "its gate says fail"),
        (has_other_code, r"more than the data differs \(code\)"),
        (was_live_before, "a return is judged by nobody"),
        (asks_nothing, "asks nothing of it"),
    ],
)
def test_a_person_has_to_apply_a_challenger_that(project: Retrained, make: Callable[[Retrained], Digest], why: str) -> None:
    challenger = make(project)
    live = project.store.resolve(PROD)
    done = project.challenge(challenger)
    assert done.moved is None
    assert re.search(why, done.why_not), done.why_not
    assert project.store.resolve(PROD) == live


def test_nothing_is_promoted_where_nothing_is_live_or_where_arms_answer(tmp_path: Path) -> None:
    project = Retrained(tmp_path)
    project.write(PROMOTES)
    first = project.measured("january")
    assert "the first release is a person's" in project.challenge(first).why_not
    project.go_live(first)
    other = project.measured("february", data="february")
    project.apply_arms(first, {"candidate": (other, (0, 1000))})
    live = project.store.resolve(PROD)
    assert "arms answer beside" in project.challenge(project.measured("august", data="august")).why_not
    assert project.store.resolve(PROD) == live


def test_a_check_that_was_never_decided_is_not_passed_by_another_one(project: Retrained) -> None:
    project.write(f"{PROMOTES}, import.tests: pass, inconclusive: warn")
    challenger = project.measured("august", data="august")
    project.measure(challenger, Check("import.tests", Verdict.INCONCLUSIVE, threshold=1.0, text="no tests ran"))
    done = project.challenge(challenger)
    assert done.moved is None
    assert "its gate says" in done.why_not
