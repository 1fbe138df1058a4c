"""The one table of monitors against all that speaks of them: each rings, is drawn, is explained, and none is forgotten."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_tools import said, write

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))

from monitor_logs import NOW, RELEASE, new_store

from shipway.deploy import Subject, render_target
from shipway.kernel.check import Check, Verdict
from shipway.monitor import Severity, group_alerts, keep_reading, load_alerts, rank_causes
from shipway.operate._service import SERVICE_MONITORS
from shipway.spec import CLOCK_MONITORS, MONITORS, default_monitors
from shipway.web._gauges import read_gauges
from shipway.web._metrics import METRICS, render_metrics

pytest_plugins = ["deploy_fixtures"]

LOUD = (Severity.PAGE, Severity.TICKET)
REF = 'deploy/a "b"\\n@prod'  # no name that a spec takes; a label has to bear it all the same
SERIES = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The metrics of a store in which every monitor fails, in each severity."""
    store = new_store(tmp_path_factory.mktemp("monitors"))
    for severity in Severity:
        for name in sorted(MONITORS):
            check = Check(name, Verdict.FAIL, 0.5, 0.25, 0.75, 0.125, 9, text="it fails")
            ref = f"{REF} {severity.value}"
            keep_reading(store, ref, name, check, severity=severity, release=RELEASE, detail={}, now=NOW - timedelta(days=1))
    return render_metrics(read_gauges(store))


def samples(page: str) -> list[tuple[str, dict[str, str], str]]:
    """Name, labels and value of each line that is no comment."""
    found = []
    for line in page.splitlines():
        if not line.startswith("#"):
            match = SERIES.fullmatch(line)
            assert match, line
            labels = dict(re.findall(r'([a-z]+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
            found.append((match[1], labels, match[3]))
    return found


def labelled(labels: dict[str, str]) -> str:
    """As Prometheus has them once it has scraped them of a project."""
    return "{" + ",".join(f'{name}="{value}"' for name, value in {**labels, "project": "both"}.items()) + "}"


def test_the_metrics_have_fixed_labels_and_a_series_for_each_monitor_at_most(page: str) -> None:
    said("promtool", "check", "metrics", text=page)
    named: dict[str, set[str]] = {}
    for name, labels, _ in samples(page):
        assert name in METRICS
        named.setdefault(name, set()).update(labels)
    about = {name: labels for name, labels in named.items() if name.startswith(("shipway_monitor_", "shipway_reading_"))}
    assert len(about) == 8
    assert set(map(frozenset, about.values())) == {frozenset({"ref", "monitor"})}
    assert named["shipway_alert_open"] == {"ref", "monitor", "severity"}
    assert len(samples(page)) <= 10 * len(MONITORS) * len(Severity) + 50


def test_every_monitor_rings_as_loud_as_it_is_and_is_drawn_with_its_numbers(
    page: str, flights: Subject, assistant: Subject, tmp_path: Path
) -> None:
    subject = replace(flights, project="both", services=(*flights.services, *assistant.services))
    given = [{"series": f"{name}{labelled(labels)}", "values": f"{value}x20"} for name, labels, value in samples(page)]
    write(render_target("prometheus", subject), tmp_path)
    asked = [{"eval_time": "1h", "alertname": f"ShipwayMonitor{word}", "exp_alerts": []} for word in ("Pages", "Ticket")]
    (board,) = [text for path, text in render_target("grafana", subject).items() if path.endswith("-deployments.json")]
    panels = {panel["title"]: [query["expr"].replace("$ref", ".+") for query in panel.get("targets", ())]
              for panel in json.loads(board)["panels"]}  # fmt: skip
    drawn = [*panels["Failing"], *panels["Measured last, with its interval and limit"]]
    queries = [{"expr": f"count by (monitor) ({expression})", "eval_time": "1h", "exp_samples": []} for expression in drawn]
    file = tmp_path / "series.test.yml"
    case = {"interval": "4m", "input_series": given, "alert_rule_test": asked, "promql_expr_test": queries}
    file.write_text(yaml.safe_dump({"rule_files": ["rules/both.yml"], "evaluation_interval": "4m", "tests": [case]}))
    text = said("promtool", "test", "rules", str(file), code=1)  # it prints what it got
    for severity in LOUD:
        got = re.findall(rf'Labels:\{{alertname="ShipwayMonitor\w+", monitor="(\w+)", .*severity="{severity.value}"\}}', text)
        assert set(got) == MONITORS, severity
    assert 'severity="inform"' not in text
    assert text.count("Measured last: 0.5 [0.25, 0.75], limit 0.125.") == 2 * len(MONITORS)
    for expression in drawn:
        (shown,) = re.findall(rf"expr: {re.escape(json.dumps(f'count by (monitor) ({expression})'))}.*\n.*\n\s*got:(.*)", text)
        assert set(re.findall(r'monitor="?\\?"?(\w+)', shown)) == MONITORS, expression


def test_a_loud_monitor_has_a_likely_cause_with_a_runbook(tmp_path: Path) -> None:
    quiet = {name for name, monitor in default_monitors("local").items() if monitor.page is None and monitor.ticket is None}
    store = new_store(tmp_path)
    for name in sorted(MONITORS - quiet):
        ref = f"deploy/{name.replace('_', '-')}@b"
        check = Check(name, Verdict.FAIL, 1.0, threshold=0.0, text=f"what {name} says")
        keep_reading(store, ref, name, check, severity=Severity.PAGE, release=RELEASE, detail={}, now=NOW)
        (incident,) = group_alerts(load_alerts(store, ref))
        assert rank_causes(incident, ()), f"an incident of {name} says nothing of what to do"


def test_those_that_go_by_the_wall_clock_are_those_that_up_looks_at_and_their_silence_rings(
    flights: Subject, assistant: Subject
) -> None:
    assert SERVICE_MONITORS | default_monitors("gateway").keys() | {"cost"} == CLOCK_MONITORS
    for subject in (flights, assistant):
        rules: Any = yaml.safe_load(render_target("prometheus", subject)[f"rules/{subject.project}.yml"])
        (silent,) = [
            rule for group in rules["groups"] for rule in group["rules"] if rule.get("alert") == "ShipwayReadingsSilent"
        ]
        for name in CLOCK_MONITORS - {"sentinel"}:
            assert re.search(rf'monitor=~"[a-z_|]*\b{name}\b', silent["expr"])


def test_every_monitor_is_explained_and_can_be_set() -> None:
    docs = Path(__file__).parents[2] / "docs"
    monitoring, settings = (docs / "monitoring.md").read_text(), (docs / "settings.md").read_text()
    for name in sorted(MONITORS):
        assert f"`{name}`" in monitoring, name
        assert re.search(rf"^#+ deploy\.APP@ENV\.monitors\.{name}$|`{name}`", settings, re.MULTILINE), name
