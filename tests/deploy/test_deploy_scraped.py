"""A real Prometheus scrapes control plane, predictor and gateway under load: rules load, panels have data, pages arrive."""

from __future__ import annotations

import json
import math
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from deploy_subjects import project_subject
from prometheus_tools import (
    Prometheus,
    Webhook,
    eventually,
    free_port,
    quick,
    running_alertmanager,
    running_prometheus,
    said,
    write,
)

from shipway.deploy import Subject, render_target
from shipway.spec import AlertsSpec
from shipway.web import Counters, make_metrics_app

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))
sys.path.insert(0, str(Path(__file__).parents[1] / "gateway"))
sys.path.insert(0, str(Path(__file__).parents[1] / "protocols"))

from gateway_help import chat, config_of, post, start, upstream
from served_model import TEXT_INPUTS, make_served, rows_of, serving
from test_deploy_grafana import queries
from web_client import serving as serving_page
from web_project import REF, Project, lived
from wire_help import tensors

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Watched:
    """Shipway with a Prometheus that looks at it, and an Alertmanager with a pager behind that."""

    subject: Subject
    prometheus: Prometheus
    pages: Webhook
    addresses: dict[str, str]
    project: Project


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    base = tmp_path_factory.mktemp("watched")
    project = lived(base / "project")
    for name in ("model", "log"):
        (base / name).mkdir()
    served = make_served(base / "model", TEXT_INPUTS).logging_to(base / "log")
    control = make_metrics_app(project.open, Counters())  # what `up --metrics-port` listens with
    flights, assistant = (project_subject(EXAMPLES / name) for name in ("flights", "assistant"))
    with upstream() as up, serving_page(control) as page, serving(served.config()) as predictor, Webhook() as pages:
        up.plan()
        budget = {"usd": 5.0, "window_seconds": 86_400}
        with start(base / "gateway", config_of(base / "gateway", up.url, budget=budget)) as gateway:
            targets = msgspec.structs.replace(flights.targets, alerts=AlertsSpec(page=pages.url))
            services = (*flights.services, *assistant.services)
            subject = replace(flights, project="both", services=services, targets=targets)
            port = free_port()
            addresses = {
                "shipway-control": page.url.removeprefix("http://"),
                "shipway-predictor": predictor.address,
                "shipway-gateway": gateway.url.removeprefix("http://"),
            }
            home = write(render_target("prometheus", subject), base / "prometheus")
            quick(home, {job: [address] for job, address in addresses.items()}, f"127.0.0.1:{port}")
            routes = write(render_target("alertmanager", subject), base / "alertmanager") / "alertmanager.yml"
            config = yaml.safe_load(routes.read_text())
            config["route"]["routes"][0]["group_wait"] = "1s"  # of the rendered file only this is changed: 10 s would be waited
            routes.write_text(yaml.safe_dump(config))
            with (
                load(predictor.address, gateway.url),
                running_alertmanager(routes.parent, port),
                running_prometheus(home) as found,
            ):
                yield Watched(subject, found, pages, addresses, project)


class load:
    """Requests to a predictor and a gateway, some tens a second, until the end of the block."""

    def __init__(self, predictor: str, gateway: str) -> None:
        self._stop = threading.Event()
        rows = json.dumps({"inputs": tensors(rows_of(TEXT_INPUTS, 1))}).encode()
        asks = [
            lambda n: post(f"http://{predictor}/v2/models/delay/infer", rows),
            lambda n: post(f"{gateway}/v1/chat/completions", chat("gpt", f"question {n}", stream=n % 5 == 0)),
        ]
        self._threads = [threading.Thread(target=self._ask, args=(ask,)) for ask in asks]

    def _ask(self, ask: Any) -> None:
        number = 0
        while not self._stop.wait(0.03):
            number += 1
            ask(number)

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_every_page_of_metrics_is_as_promtool_wants_it(watched: Watched) -> None:
    for address in watched.addresses.values():
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
            page = answer.read().decode()
        said("promtool", "check", "metrics", text=page)
    assert "no help text" in said("promtool", "check", "metrics", text="a 1\n", code=3)


def test_prometheus_reaches_all_of_it_and_its_rules_are_well(watched: Watched) -> None:
    def all_up() -> bool:
        return [target["health"] for target in watched.prometheus.targets()] == ["up"] * 3

    assert eventually(all_up)
    groups = eventually(lambda: rules_evaluated(watched.prometheus))
    assert [rule["health"] for group in groups for rule in group["rules"]] == ["ok"] * sum(len(g["rules"]) for g in groups)


def rules_evaluated(prometheus: Prometheus) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{prometheus.url}/api/v1/rules", timeout=60) as answer:
        groups: list[dict[str, Any]] = json.load(answer)["data"]["groups"]
    return groups if groups and all(rule["health"] != "unknown" for g in groups for rule in g["rules"]) else []


def test_every_query_of_every_panel_answers_with_numbers(watched: Watched) -> None:
    prometheus = watched.prometheus
    eventually(lambda: prometheus.query("project_ref:shipway_gateway_seconds_p99:rate5m"), what="rates")
    eventually(lambda: prometheus.query("project_ref:shipway_predictor_seconds_p99:rate5m"), what="rates")
    asked = 0
    for path, text in render_target("grafana", watched.subject).items():
        if not path.endswith(".json"):
            continue
        for title, expression in queries(json.loads(text)):
            found = eventually(lambda e=expression: prometheus.query(e), seconds=10, what=f"{path}, {title}: {expression}")
            numbers = [float(row["value"][1]) for row in found]
            assert not any(math.isnan(number) for number in numbers), f"{title}: {expression}"
            asked += 1
    assert asked > 35


def test_the_alert_of_a_monitor_fires_and_arrives_at_the_pager_and_drift_does_not(watched: Watched) -> None:
    store = watched.project.open()
    rows = [row.value for row in store.states("alert") if row.value["status"] == "open"]
    store.close()
    paging = {str(row["monitor"]) for row in rows if row["severity"] == "page"}
    assert paging
    assert {str(row["severity"]) for row in rows} == {"page", "inform"}

    def firing() -> bool:
        alerts = [found for found in watched.prometheus.alerts() if found["labels"]["alertname"] == "ShipwayMonitorPages"]
        return {alert["labels"]["monitor"] for alert in alerts if alert["state"] == "firing"} == paging

    assert eventually(firing, what="an alert that fires")
    posted = eventually(lambda: [post for post in watched.pages.posts if post["groupLabels"]["ref"] == REF], what="a page")[0]
    assert (posted["receiver"], posted["status"]) == ("page", "firing")
    assert {alert["labels"]["monitor"] for alert in posted["alerts"]} == paging
    assert {alert["labels"]["severity"] for post in watched.pages.posts for alert in post["alerts"]} == {"page"}
    annotations = posted["alerts"][0]["annotations"]
    assert annotations["description"].startswith("Measured last: ")
    assert "limit 0.05" in annotations["description"]
    assert annotations["next"] == "shipway watch delay@prod"
