"""The second address of the control plane: metrics and health, to whoever asks, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from web_client import Client, serving
from web_project import Project

from shipway.store import Store
from shipway.web import METRICS, Counters, make_app, make_metrics_app


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Client]]:
    project, counters = Project(tmp_path_factory.mktemp("probes")), Counters()
    pages = make_app(project.open, links={}, endpoints=dict, record_outcomes=len, counters=counters)
    with serving(pages) as site, serving(make_metrics_app(project.open, counters)) as probes:
        yield site, probes


def test_it_answers_by_any_name_with_the_metrics_of_the_pages(both: tuple[Client, Client]) -> None:
    site, probes = both
    assert site.get("/", Host="evil.example").status == 421
    text = probes.get("/metrics", Host="10.0.0.9:9464").text
    assert 'shipway_web_requests_total{status="421"} 1' in text
    assert all(f"# TYPE {name} {kind}" in text for name, (kind, _) in METRICS.items())
    assert probes.get("/healthz", Host="10.0.0.9").json == {"live": True}
    assert probes.get("/readyz", Host="10.0.0.9").json == {"live": True, "ready": True}


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/deployments", "/api/v1/outcomes", "/review", "/plans/a@prod", "/static/page.css"]
)
def test_nothing_else_is_there(both: tuple[Client, Client], path: str) -> None:
    _, probes = both
    for method in ("GET", "POST"):
        answer = probes.ask(method, path)
        assert (answer.status, answer.json["error"]["code"]) == (404, "web.not-here")
        assert answer.json["error"]["mend"] == "/metrics, /healthz and /readyz are all there is"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_it_is_only_read(both: tuple[Client, Client], path: str) -> None:
    _, probes = both
    assert [probes.ask(method, path, b"x").status for method in ("POST", "PUT", "DELETE")] == [405] * 3


def test_what_is_wrong_is_said_without_its_traceback() -> None:
    def away() -> Store:
        raise OSError("the catalogue is away")

    with serving(make_metrics_app(away, Counters())) as probes:
        assert probes.get("/healthz").status == 200
        assert (probes.get("/readyz").status, probes.get("/readyz").json["why"]) == (503, "the catalogue is away")
        answer = probes.get("/metrics")
        assert (answer.status, "away" in answer.text) == (500, False)
