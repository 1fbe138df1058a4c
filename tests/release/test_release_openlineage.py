"""OpenLineage events: what the real client's classes accept, and what a real server gets; nothing goes where nobody asked."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    output_statistics_output_dataset,
    processing_engine_run,
    tags_run,
)
from openlineage.client.serde import Serde
from release_help import Project

from shipway.release import EventsUnsent, Receiver, recorded_runs, run_events, send_events

pytest_plugins = ["cli_fixtures"]
FACETS: dict[str, Any] = {
    "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
    "tags": tags_run.TagsRunFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "version": dataset_version_dataset.DatasetVersionDatasetFacet,
    "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet,
    "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
}


def facets(values: Mapping[str, Any]) -> dict[str, Any]:
    """The facets as objects of the client, which check them."""
    made = {}
    for name, value in values.items():
        fields = {key: field for key, field in value.items() if not key.startswith("_")}
        if name == "tags":
            fields["tags"] = [tags_run.TagsRunFacetFields(**tag) for tag in fields["tags"]]
        made[name] = FACETS[name](**fields, producer=value["_producer"])
    return made


def as_client(event: Mapping[str, Any]) -> RunEvent:
    """The event as the real client has it: it checks ids, times and addresses, and knows each facet's schema."""
    return RunEvent(
        eventTime=event["eventTime"],
        eventType=RunState[event["eventType"]],
        producer=event["producer"],
        run=Run(event["run"]["runId"], facets(event["run"]["facets"])),
        job=Job(event["job"]["namespace"], event["job"]["name"], facets(event["job"]["facets"])),
        inputs=[
            InputDataset(one["namespace"], one["name"], facets(one["inputFacets"]), facets=facets(one["facets"]))
            for one in event["inputs"]
        ],
        outputs=[
            OutputDataset(one["namespace"], one["name"], facets(one["outputFacets"]), facets=facets(one["facets"]))
            for one in event["outputs"]
        ],
    )


def events_of(project: Project) -> list[dict[str, Any]]:
    runs = recorded_runs(project.store, project.keys)
    return [json.loads(json.dumps(event)) for event in run_events(project.store, runs)]


class Catalogue(HTTPServer):
    """Takes events as Marquez does, on loopback."""

    def __init__(self, status: int = 201) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.events, self.headers, self.paths = status, list[dict[str, Any]](), list[dict[str, str]](), set[str]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Catalogue

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.events.append(json.loads(data))
        self.server.headers.append(dict(self.headers))
        self.server.paths.add(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def catalogue(status: int = 201) -> Iterator[Catalogue]:
    with Catalogue(status) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.interop
def test_the_real_client_accepts_each_event_and_would_write_the_same(released: Project) -> None:
    for event in events_of(released):
        assert Serde.to_dict(as_client(event)) == event


def test_a_run_starts_and_completes_with_data_in_and_model_out_by_digest(released: Project) -> None:
    start, complete = events_of(released)
    assert [start["eventType"], complete["eventType"]] == ["START", "COMPLETE"]
    assert start["eventTime"] < complete["eventTime"]
    assert uuid.UUID(start["run"]["runId"]).version == 7
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert (start["job"]["namespace"], start["job"]["name"]) == ("points", "model/above")
    (data,) = complete["inputs"]
    assert (data["namespace"], data["name"]) == ("shipway://points", "data/points")
    assert data["facets"]["version"]["datasetVersion"] == released.store.resolve("data/points")
    assert data["inputFacets"]["inputStatistics"]["fileCount"] == 2
    versions = {one["name"]: one["facets"]["version"]["datasetVersion"] for one in complete["outputs"]}
    assert versions["model/above"] == released.store.resolve("model/above")
    assert set(versions) == {"model/above", "profile/above"}
    assert start["outputs"] == []


def test_only_runs_that_signed_provenance_tells_of_and_only_since(released: Project, tmp_path: Path) -> None:
    from shipway.access import open_keys

    assert recorded_runs(released.store, open_keys(tmp_path / "strangers")[1]) == []
    (run,) = recorded_runs(released.store, released.keys)
    assert recorded_runs(released.store, released.keys, since=run.finished) == [run]
    assert recorded_runs(released.store, released.keys, since=run.finished + timedelta(microseconds=1)) == []


def test_events_arrive_in_their_order_with_the_key(released: Project) -> None:
    events = events_of(released)
    with catalogue() as server:
        assert send_events(Receiver(server.url + "/base/", api_key="k1"), events) == 2
    assert server.events == events
    assert server.paths == {"/base/api/v1/lineage"}
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer k1"}


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "nonsense", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(EventsUnsent, match="is no address"):
        send_events(Receiver(url), [{}])


def test_a_catalogue_that_refuses_or_is_down_is_told_without_the_secrets_of_its_address(released: Project) -> None:
    with catalogue(status=422) as server:
        with pytest.raises(EventsUnsent, match="answered 422 to event 1"):
            send_events(Receiver(server.url), events_of(released))
        port = server.server_port
    with pytest.raises(EventsUnsent, match="was not taken") as problem:
        send_events(Receiver(f"http://user:secret@127.0.0.1:{port}"), [{}])
    assert "secret" not in problem.value.render()
    assert "secret" not in repr(Receiver("http://h", api_key="secret"))


@pytest.fixture
def own(released: Project, tmp_path: Path) -> Project:
    return released.copy(tmp_path / "project")


@pytest.mark.interop
def test_a_run_tells_the_catalogue_that_the_user_names_also_when_it_fails(own: Project) -> None:
    own.edit("  strength: 1.0", "  strength: 2.0")
    with catalogue() as server:
        named = {"OPENLINEAGE_URL": server.url}
        done = own.cli("run", environ=named)
        assert done.code == 0, done.err
        assert "lineage: 2 events sent" in done.err
        assert [event["eventType"] for event in server.events] == ["START", "COMPLETE"]
        assert server.events[1]["outputs"][0]["facets"]["version"]["datasetVersion"] == own.store.resolve("model/above")
        own.edit("def above(", 'def above(broken: float = 1 / 0, *, gone: str = "x", ', file="steps.py")
        failed = own.cli("run", environ=named)
        assert failed.code == 1
    assert [event["eventType"] for event in server.events[2:]] == ["START", "FAIL"]
    assert server.events[3]["run"]["facets"]["errorMessage"]["message"]
    assert server.events[3]["inputs"][0]["name"] == "data/points"
    for event in server.events:
        assert Serde.to_dict(as_client(event)) == event


def test_a_catalogue_that_is_down_is_a_remark_and_one_that_is_switched_off_is_not_asked(own: Project) -> None:
    own.edit("def above(", 'def above(broken: float = 1 / 0, *, gone: str = "x", ', file="steps.py")
    down = own.cli("run", environ={"OPENLINEAGE_URL": "http://127.0.0.1:9"})
    off = own.cli("run", environ={"OPENLINEAGE_URL": "http://127.0.0.1:9", "OPENLINEAGE_DISABLED": "true"})
    assert "note: lineage was not sent" in down.err
    assert (off.code, down.code, "lineage" in off.err) == (1, 1, False)


def test_the_command_writes_lines_or_sends(own: Project) -> None:
    events = events_of(own)
    written = own.ask("lineage", "events", "-o", "events.jsonl")
    assert (written["runs"], written["events"]) == (1, 2)
    assert [json.loads(line) for line in (own.root / "events.jsonl").read_text().splitlines()] == events
    with catalogue() as server:
        assert own.ask("lineage", "events", "--url", server.url, "--since", "7d")["events"] == 2
    assert server.events == events
