"""Dashboards: Grafana's own types read them without losing a field, and every query is one that Prometheus accepts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_subjects import Golden
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_tools import said

from shipway.deploy import Subject, render_target
from shipway.gateway import METRICS as GATEWAY
from shipway.protocols._metrics import METRICS as PREDICTOR
from shipway.web import METRICS as CONTROL

pytest_plugins = ["deploy_fixtures"]


@pytest.fixture
def boards(flights: Subject, assistant: Subject) -> dict[str, dict[str, Any]]:
    """The dashboards of a project with a predictor and a gateway, by path."""
    subject = replace(flights, project="both", services=(*flights.services, *assistant.services))
    files = render_target("grafana", subject)
    return {path: json.loads(text) for path, text in files.items() if path.endswith(".json")}


def queries(board: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Title of a panel and an expression of it, for all deployments."""
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$ref", ".+")


def lost(ours: Any, theirs: Any, at: str = "") -> Iterator[str]:
    """Places at which what was read and written again differs from what we wrote; fields that it adds do not count."""
    if isinstance(ours, dict):
        for key, value in ours.items():
            if not isinstance(theirs, dict) or key not in theirs:
                yield f"{at}.{key}"
            else:
                yield from lost(value, theirs[key], f"{at}.{key}")
    elif isinstance(ours, list):
        if not isinstance(theirs, list) or len(ours) != len(theirs):
            yield at
        else:
            for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
                yield from lost(one, other, f"{at}[{number}]")
    elif ours != theirs:
        yield at


def read_again(board: dict[str, Any]) -> dict[str, Any]:
    """What Grafana's types make of it."""
    register_default_plugins()
    written: dict[str, Any] = json.loads(JSONEncoder().encode(Dashboard.from_json(board)))
    return written


@pytest.mark.parametrize("name", ["flights", "assistant"])
def test_the_dashboards_are_as_a_person_reviewed_them(name: str, request: pytest.FixtureRequest, golden: Golden) -> None:
    golden(f"grafana-{name}", render_target("grafana", request.getfixturevalue(name)))


def test_grafanas_types_read_a_dashboard_and_lose_nothing(boards: dict[str, dict[str, Any]]) -> None:
    assert len(boards) == 3
    for path, board in boards.items():
        assert list(lost(board, read_again(board))) == [], path


def test_a_field_that_grafana_does_not_know_is_noticed(boards: dict[str, dict[str, Any]]) -> None:
    board = next(iter(boards.values()))
    board["panels"][1]["titel"] = "typo"
    board["panels"][1]["targets"][0]["expresion"] = "typo"
    assert sorted(place.rsplit(".", 1)[1] for place in lost(board, read_again(board))) == ["expresion", "titel"]


def test_two_projects_with_long_names_have_dashboards_of_their_own(flights: Subject) -> None:
    uids = [
        json.loads(text)["uid"]
        for project in ("a" * 60 + "x", "a" * 60 + "y", "short")
        for path, text in render_target("grafana", replace(flights, project=project)).items()
        if path.endswith(".json")
    ]
    assert len(set(uids)) == len(uids) == 6
    assert max(map(len, uids)) <= 40


def test_panels_have_a_title_a_text_and_a_place_of_their_own(boards: dict[str, dict[str, Any]]) -> None:
    for path, board in boards.items():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, f"{path}: {panel['title']}"
            assert max(x for x, _ in cells) < 24
            taken |= cells
            assert panel["title"]
            assert panel["type"] == "row" or panel["description"]
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        assert len(board["uid"]) <= 40


def test_promtool_accepts_every_query(boards: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    found = [expression for board in boards.values() for _, expression in queries(board)]
    rules = [{"record": f"panel_{number}", "expr": expression} for number, expression in enumerate(found)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(found)} rules" in said("promtool", "check", "rules", str(file))
    assert len(found) > 35


def test_queries_ask_for_metrics_that_exist(boards: dict[str, dict[str, Any]]) -> None:
    import re

    known = {*PREDICTOR, *GATEWAY, *CONTROL}
    for board in boards.values():
        for title, expression in queries(board):
            for name in re.findall(r"(?<![:a-z_])shipway_[a-z0-9_]+(?=[{\[])", expression):
                assert name in known or name.removesuffix("_bucket") in known, f"{name} of {title}"
