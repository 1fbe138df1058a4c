"""kill -9 of an apply at random points of its work: the ref is old or new, the history agrees, the same plan then converges."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from release_help import REF, Project, approve, first

pytest_plugins = ["cli_fixtures"]

SCRIPT = Path(__file__).with_name("release_killed.py")


@pytest.fixture(scope="module")
def starts(released: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """Two projects with a plan in next.json: one that publishes its policy first, one that replaces what is live."""
    new = released.copy(tmp_path_factory.mktemp("new") / "project")
    approve(new, first(new))
    new.ask("plan", "-o", "next.json")
    live = new.copy(tmp_path_factory.mktemp("live") / "project")
    live.ask("apply", "next.json")
    live.edit("line@prod: {}", "line@prod: {workers: 2}")
    live.ask("plan", "-o", "next.json")
    return {"new": new, "live": live}


def rounds(project: Project, count: int, seed: int) -> list[dict[str, Any]]:
    command = [sys.executable, str(SCRIPT), str(project.root), str(project.keys_folder), str(count), str(seed)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.mark.parametrize("start", ["new", "live"])
@pytest.mark.parametrize("count", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_a_kill_at_any_point_leaves_the_ref_old_or_new_and_the_same_plan_converges(
    starts: dict[str, Project], start: str, count: int
) -> None:
    project = starts[start]
    plan = json.loads((project.root / "next.json").read_text())
    before = [record.outcome for record in project.store.history(REF)]
    found = rounds(project, count, seed=count)
    assert len(found) == count
    for one in found:
        left, then = one["left"], one["then"]
        assert (left["damaged"], left["catalogue"]) == ([], "ok")
        moved = left["ref"] == plan["to"]
        assert left["ref"] == (plan["to"] if moved else plan["from"])
        assert left["moves"] == (["moved"] if moved else []) + before
        assert left["last"] == left["ref"] == left["said"], "the record and its verdict say what the ref says"
        published = (plan["policy_change"],) if moved and start == "new" else (plan["policy_change"], plan["policy"], None)
        assert left["policy"] in published
        assert one["changed"] is not moved
        assert (then["ref"], then["moves"]) == (plan["to"], ["moved", *before])
        assert then["policy_moves"] == ["moved"]
        assert (then["last"], then["said"]) == (plan["to"], plan["to"])
        assert then["by"] is not None
        assert one["again"] is False
    if count >= 100:
        assert {one["changed"] for one in found} == {True, False}, "some were killed before the move and some after it"
