"""The second loop, as `make assistant DEMO=once` runs it: what it reports must come out of the run and be true.

Every second question is asked, which takes a third less; all of them among the slow tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

STORY = Path(__file__).parents[1] / "examples" / "assistant" / "story.py"
LIMIT_SECONDS = 900  # on a machine that does other things too; the story's own figure is in its report

pytest.importorskip("xllamacpp")


@pytest.fixture(scope="module", params=["brief", pytest.param("whole", marks=pytest.mark.slow)])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    base = tmp_path_factory.mktemp("assistant")
    options = ["--demo", "once", "--report", str(base / "report.json"), "--folder", str(base / "demo"), "--port", "0"]
    options += ["--brief"] if request.param == "brief" else []
    environ = {**os.environ, "SHIPWAY_KEYS": str(base / "keys")}
    command = [sys.executable, str(STORY), *options]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads((base / "report.json").read_text())["assistant"]
    return found


def test_a_sync_embeds_the_new_chunks_and_nothing_else(report: dict[str, Any]) -> None:
    first, second, third = report["sync"]
    assert (first["version"], second["version"], third["version"]) == (1, 1, 2)
    assert first["embedded"] == first["new_chunks"] == first["chunks"]
    assert (second["embedded"], second["new_chunks"]) == (0, 0)
    assert second["seconds"] < 1
    assert 0 < third["embedded"] == third["new_chunks"] < 0.25 * third["chunks"]


def test_every_release_was_measured_with_intervals(report: dict[str, Any]) -> None:
    releases = {row["release"] for row in report["eval"]}
    assert len(releases) == 3  # the first, the one that followed, the worse prompt
    for release in releases:
        found = {row["metric"]: row for row in report["eval"] if row["release"] == release}
        assert {"golden.recall_at_5", "golden.mrr", "golden.ndcg_at_5", "golden.exact", "golden.contains"} <= found.keys()
        assert all(row["low"] <= row["value"] <= row["high"] and row["n"] > 0 for row in found.values())
    assert all(judge["agreement"]["n"] > 0 for judge in report["judge"])


def test_the_gate_let_the_documentation_in_and_refused_the_worse_prompt_with_the_number(report: dict[str, Any]) -> None:
    assert [(gate["change"], gate["verdict"]) for gate in report["gate"]] == [
        ("first release", "pass"),
        ("new documentation", "pass"),
        ("a shorter prompt", "fail"),
    ]
    assert "golden.contains against live -0." in report["gate"][2]["why"]


def test_freshness_turned_red_and_green_again(report: dict[str, Any]) -> None:
    found = [(row["when"], row["stale_documents"] > 0, row["verdict"]) for row in report["freshness"]]
    assert found == [
        ("before the change", False, "pass"),
        ("after the change", True, "fail"),
        ("after the sync", False, "pass"),
    ]


def test_the_sentinel_noticed_the_swapped_model_and_the_price(report: dict[str, Any]) -> None:
    assert report["sentinel"]["detected"]
    assert {"answers", "price"} <= set(report["sentinel"]["by"])


def test_answers_have_a_price_and_the_cache_saved_some(report: dict[str, Any]) -> None:
    assert 0 < report["cost"]["usd_per_answer"] < 0.01
    assert report["cost"]["saved_by_cache"] > 0
