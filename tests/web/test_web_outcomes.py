"""Outcomes over HTTP: durable before the answer, all of a request or none, and every refusal names its line and field."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from web_client import Client, serving
from web_project import HOSTILE, Project

from shipway.monitor import OutcomeLog
from shipway.store import list_segments, read_segment
from shipway.web import Answer, Receivers, make_app
from shipway.web._receive import EVENT_BYTES

LATE = {"id": "2013-02-01-0:17", "name": "late", "value": 1, "time": "2013-02-02T09:15:00"}
LIMIT = 1 << 16


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.clock.at = datetime(2013, 3, 1, tzinfo=UTC)  # after the outcomes that are sent
    return project


@pytest.fixture
def client(project: Project) -> Iterator[Client]:
    with OutcomeLog(project.open()) as log:
        app = make_app(project.open, links={}, endpoints=dict, record_outcomes=log.record, body_bytes=LIMIT)
        with serving(app) as found:
            yield found


def on_disk(project: Project) -> int:
    """Rows that a reader finds in the segments now, without anything having been closed."""
    segments = list_segments(project.store.log_folder("outcomes"))
    return sum(frame.rows for segment in segments for frame in read_segment(segment.path).frames)


def lines(*rows: object) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def test_json_lines_are_on_disk_when_the_answer_comes(client: Client, project: Project) -> None:
    answer = client.post("/api/v1/outcomes", lines(LATE, LATE | {"value": 0}) + b"\n")
    assert (answer.status, answer.json) == (200, {"recorded": 2})
    assert on_disk(project) == 2
    assert "shipway_outcomes_recorded_total 2" in client.get("/metrics").text


def test_a_json_list_is_taken_too(client: Client, project: Project) -> None:
    answer = client.post("/api/v1/outcomes", json.dumps([LATE, LATE, LATE]).encode(), "application/json; charset=utf-8")
    assert answer.json == {"recorded": 3}
    assert on_disk(project) == 3
    whose = {"entity": "C17", "name": "late", "value": 1, "time": "2013-02-02T09:15:00"}
    assert client.post("/api/v1/outcomes", lines(whose, LATE)).json == {"recorded": 2}
    assert client.post("/api/v1/outcomes", lines(whose | {"id": "a:0"})).status == 400


def test_nothing_and_windows_line_ends_are_fine(client: Client) -> None:
    assert client.post("/api/v1/outcomes", b"").json == {"recorded": 0}
    assert client.post("/api/v1/outcomes", lines(LATE, LATE).replace(b"\n", b"\r\n") + b"\r\n\r\n").json == {"recorded": 2}


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({**LATE, "value": "1"}, "value"),
        ({**LATE, "valeu": 1}, "valeu"),
        ({"id": "a:0", "name": "late"}, "value"),
        ({**LATE, "time": "yesterday"}, "time"),
        ({**LATE, "id": ""}, "id"),
        ({**LATE, "name": HOSTILE, "value": HOSTILE}, "value"),
        (["late"], "-"),
    ],
)
def test_a_malformed_row_names_its_line_and_field_and_nothing_is_recorded(
    client: Client, project: Project, row: object, field: str
) -> None:
    bodies = {"application/x-ndjson": lines(LATE, row, LATE), "application/json": json.dumps([LATE, row]).encode()}
    for kind, body in bodies.items():
        answer = client.post("/api/v1/outcomes", body, kind)
        assert answer.status == 400
        assert answer.json["error"]["code"] == "monitor.outcome-malformed"
        assert answer.json["error"]["where"] == f"line 2, field {field}"
        assert answer.headers["content-type"] == "application/json"
    assert on_disk(project) == 0


@pytest.mark.parametrize(
    "bad", [b"{", b"NaN", b'{"value": NaN}', b"", b"\xff\xfe", b"[" * 5000, b'{"id": "a:0", "value": 1e999}']
)
def test_a_line_that_is_no_json_names_itself(client: Client, project: Project, bad: bytes) -> None:
    answer = client.post("/api/v1/outcomes", lines(LATE) + b"\n" + bad + b"\n" + lines(LATE))
    assert answer.status == 400
    assert answer.json["error"]["where"].startswith("line 2")
    assert on_disk(project) == 0


def test_a_list_is_expected_as_json(client: Client) -> None:
    answer = client.post("/api/v1/outcomes", lines(LATE), "application/json")
    assert (answer.status, answer.json["error"]["where"]) == (400, "line 1, field -")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""])
def test_another_media_type_is_refused(client: Client, kind: str) -> None:
    answer = client.post("/api/v1/outcomes", lines(LATE), kind)
    assert (answer.status, answer.json["error"]["code"]) == (415, "web.media-type-unknown")


def test_a_packed_body_is_refused(client: Client) -> None:
    assert client.post("/api/v1/outcomes", b"x", Content_Encoding="gzip").status == 415


def test_a_body_over_the_limit_is_refused_whole(client: Client, project: Project) -> None:
    body = lines(LATE) + b"\n"
    answer = client.post("/api/v1/outcomes", body * (LIMIT // len(body) + 1))
    assert (answer.status, answer.json["error"]["code"]) == (413, "web.body-too-large")
    assert client.post("/api/v1/outcomes", body * (LIMIT // len(body))).status == 200
    assert on_disk(project) == LIMIT // len(body)


def test_a_body_over_the_limit_is_refused_when_it_declares_no_length(client: Client, project: Project) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=60)
    pieces = (lines(LATE) + b"\n" for _ in range(LIMIT // 50))
    connection.request("POST", "/api/v1/outcomes", pieces, {"Content-Type": "application/x-ndjson"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    assert on_disk(project) == 0


def test_a_full_disk_asks_to_try_again(project: Project) -> None:
    from shipway.store import LogNotWritten

    def full(_rows: list[dict[str, object]]) -> int:
        raise LogNotWritten("no space left on device", mend="free some space; send it again")

    with serving(make_app(project.open, links={}, endpoints=dict, record_outcomes=full)) as client:
        answer = client.post("/api/v1/outcomes", lines(LATE))
        assert (answer.status, answer.json["error"]["code"]) == (503, "store.log-not-written")
        assert "shipway_outcomes_recorded_total 0" in client.get("/metrics").text


def test_what_other_servers_send_may_be_packed_and_is_bounded_when_it_is_unpacked(project: Project) -> None:
    taken: list[tuple[bytes, str | None, dict[str, str]]] = []

    def take(body: bytes, headers: Mapping[bytes, bytes], parameters: Mapping[str, str]) -> Answer:
        taken.append((body, headers.get(b"ce-id", b"").decode(), dict(parameters)))
        return Answer(b"{}", "application/json")

    app = make_app(project.open, links={}, endpoints=dict, record_outcomes=len, receivers=Receivers(take, take, take))
    packed = {"Content-Encoding": "gzip", "ce-id": "7"}
    with serving(app) as client:
        answers = [
            client.ask("POST", path, body, headers).status
            for path, body, headers in (
                ("/api/v1/events?deployment=a", gzip.compress(b"body"), packed),
                ("/v1/logs", b"plain", {}),
                ("/v1/traces", gzip.compress(bytes(EVENT_BYTES + 1)), packed),
                ("/v1/traces", b"no gzip", packed),
                ("/v1/traces", gzip.compress(b"body" * 99)[:-9], packed),
                ("/v1/logs?deployment=a", b"", {}),
            )
        ]
    assert answers == [200, 200, 413, 415, 415, 400]
    assert taken == [(b"body", "7", {"deployment": "a"}), (b"plain", "", {})]


def test_without_receivers_nothing_is_received(client: Client) -> None:
    assert client.post("/v1/logs", b"{}").status == 403
