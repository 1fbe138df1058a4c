"""The same answers through a server, in batch and in one's own Python: measured, kept as evidence, asked for by a policy."""

from __future__ import annotations

import math

import pytest
from operate_help import Project

from shipway.kernel.check import Verdict
from shipway.models import Distance
from shipway.operate._equal_outputs import _Ways, judge_ways

pytest_plugins = ["cli_fixtures"]

SAME = Distance(64, 0, 0.0)


def ways(batch: Distance = SAME, alone: Distance = SAME) -> dict[str, _Ways]:
    return {"delay": _Ways(64, {"load": SAME, "API": SAME, "batch": batch}, alone)}


def judged(project: Project) -> dict[str, str]:
    """What the gate of the deployment says of each check."""
    gate = project.cli("plan", "--json").document["gate"]
    return {check["name"]: check["verdict"] for check in gate["checks"]}


@pytest.mark.slow  # in the normal run it is asked of a model with functions, test_operate_functions.py
def test_golden_rows_are_answered_alike_in_every_way_and_a_policy_can_ask_for_it(project: Project) -> None:
    project.edit("auc: at least 0.6 at 95%", "equal_outputs: pass")
    assert judged(project)["equal_outputs"] == "fail", "nobody has measured it"
    found = project.ask("check", "outputs")
    assert (found["kind"], found["verdict"], found["value"], found["n"]) == ("check-outputs", "pass", 0.0, 64)
    assert found["text"] == "64 golden rows by load, API, batch"
    assert judged(project)["equal_outputs"] == "pass"


@pytest.mark.slow
def test_check_measures_it_where_the_policy_asks(project: Project) -> None:
    project.edit("auc: at least 0.6 at 95%", "equal_outputs: pass")
    checks = {check["name"]: check for check in project.ask("check")["checks"]}
    assert (checks["equal_outputs"]["verdict"], checks["equal_outputs"]["subject"]) == ("pass", "release/line")


def test_one_other_bit_in_one_way_fails_and_says_where() -> None:
    check = judge_ways(ways(batch=Distance(64, 3, 1e-16)))
    assert (check.verdict, check.value, check.threshold, check.n) == (Verdict.FAIL, 3.0, 0.0, 64)
    assert check.text == "delay by batch: 3 of 64 differ, by up to 1e-16"
    texts = judge_ways(ways(batch=Distance(64, 1, math.inf)))
    assert texts.text == "delay by batch: 1 of 64 differ, by up to inf"


def test_a_row_alone_may_differ_in_its_last_bits_and_no_further() -> None:
    assert judge_ways(ways(alone=Distance(64, 9, 2e-16))).verdict is Verdict.PASS
    check = judge_ways(ways(alone=Distance(64, 60, 0.25)))
    assert (check.verdict, check.value) == (Verdict.FAIL, 0.0)
    assert check.text == "delay: a row alone is 0.25 from the same row among others"


def test_a_release_without_a_model_has_nothing_to_compare() -> None:
    assert judge_ways({}).verdict is Verdict.INCONCLUSIVE
