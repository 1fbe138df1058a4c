"""What a verdict, evidence and a circle of words say to a person who asks why."""

from __future__ import annotations

from pathlib import Path

import pytest
from assistant_help import REF, Assistant

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import digest_bytes, short
from shipway.release import Reason, explain_object, explain_ref, render_reason


@pytest.fixture
def project(tmp_path: Path) -> Assistant:
    return Assistant(tmp_path)


def lines(reason: Reason) -> list[str]:
    return [line.strip() for line in render_reason(reason)]


def test_a_forced_verdict_and_what_a_rule_only_observed_are_said_to_be_so(project: Assistant) -> None:
    failed = Check("auc", Verdict.FAIL, 0.5, 0.4, 0.6, 0.7, 90, level=0.95).to_json()
    seen = Check("brier", Verdict.FAIL, 0.4, threshold=0.2).to_json()
    plan = digest_bytes(b"plan")
    verdict: JsonObject = {
        "kind": "verdict", "version": 1, "verdict": "fail", "allowed": True, "forced": True, "policy": digest_bytes(b"policy"),
        "plan": plan, "checks": [failed], "observed": [seen], "evidence": [digest_bytes(b"gone")], "missing": [],
    }  # fmt: skip
    said = lines(explain_object(project.store, project.keys, project.store.put(verdict)))
    assert any(f"fail, FORCED past the gate, as plan {short(plan)} says, by policy" in line for line in said)
    assert "auc: fail, 0.5 [0.4, 0.6] at 95 %, threshold 0.7, n=90" in said
    assert "observed, stopping nothing: brier: fail, 0.4, threshold 0.2" in said
    assert any("does not count: no statement that is kept here" in line for line in said)


def test_of_one_check_measured_often_the_newest_is_shown_and_the_rest_counted(project: Assistant) -> None:
    release = project.live
    for value in (0.61, 0.62, 0.63):
        project.evaluate(release, value)
    said = lines(explain_object(project.store, project.keys, release))
    shown = [line for line in said if "golden.contains" in line and line.startswith("evidence")]
    assert len(shown) == 1
    assert "0.63 [0.58, 0.68] at 95 %, n=40" in shown[0]
    assert any(line.startswith("and ") and line.endswith("older ones") for line in said)


def test_an_application_that_answers_goes_back_to_prompt_index_provider_and_golden_set(project: Assistant) -> None:
    assert project.live
    answer = explain_ref(project.store, project.keys, REF)
    parts = {reason.values.get("component") for reason in answer.because if reason.kind == "component"}
    assert parts == {"prompt", "index", "provider"}
    assert any("golden.contains: pass, 0.6 [0.55, 0.65] at 95 %, threshold 0.3, n=40" in line for line in lines(answer))
