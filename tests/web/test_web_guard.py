"""Only this machine's names are answered, no other site writes, and every answer carries its policy."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.datastructures import Headers
from web_client import Client, serving
from web_project import HOSTILE, Project

from shipway.web import make_app
from shipway.web._guard import refusal_of


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    project = Project(tmp_path_factory.mktemp("guard"))
    app = make_app(project.open, links={}, endpoints=dict, record_outcomes=len)
    with serving(app) as found:
        yield found


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:4780", "[::1]", "[::1]:4780"])
def test_names_of_this_machine_are_answered(host: str) -> None:
    assert refusal_of("GET", Headers({"host": host})) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "user@localhost", "localhost/x", "0.0.0.0", "", "[::1",
     "localhost:x", "localhost.", "[::ffff:127.0.0.1]"],
)  # fmt: skip
def test_any_other_name_is_refused(host: str) -> None:
    refusal = refusal_of("GET", Headers({"host": host}))
    assert refusal is not None
    assert refusal.code == "web.host-refused"


def test_two_hosts_or_none_are_refused() -> None:
    assert refusal_of("GET", Headers(raw=[(b"host", b"localhost"), (b"host", b"localhost")])) is not None
    assert refusal_of("GET", Headers({})) is not None


def test_a_rebound_name_gets_421_everywhere(client: Client) -> None:
    for path in ("/", "/api/v1/refs", "/static/page.css", "/metrics", "/healthz", "/nowhere"):
        answer = client.get(path, Host=f"evil.example:{client.port}")
        assert answer.status == 421
        assert answer.json["error"]["code"] == "web.host-refused"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost.evil.example"])
def test_another_site_may_not_write(client: Client, origin: str) -> None:
    answer = client.post("/api/v1/outcomes", b"[]", "application/json", Origin=origin)
    assert answer.status == 403
    assert answer.json["error"]["code"] == "web.origin-refused"


def test_a_browser_says_that_a_request_crosses_sites(client: Client) -> None:
    assert client.post("/api/v1/outcomes", b"[]", "application/json", Sec_Fetch_Site="cross-site").status == 403
    assert client.post("/api/v1/outcomes", b"[]", "application/json", Sec_Fetch_Site="same-origin").status == 200


def test_the_own_page_and_programs_may_write(client: Client) -> None:
    assert client.post("/api/v1/outcomes", b"[]", "application/json").status == 200
    assert client.post("/api/v1/outcomes", b"[]", "application/json", Origin=client.url).status == 200


@pytest.mark.parametrize("path", ["/", "/api/v1/refs", "/static/page.css", "/nowhere", "/metrics", "/?refresh=never"])
def test_every_answer_carries_its_policy(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'; img-src 'self' data:")
    assert "script-src" not in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_a_fault_of_ours_tells_an_id_and_no_traceback(tmp_path: Path) -> None:
    def broken() -> dict[str, str]:
        raise RuntimeError("secret words")

    app = make_app(Project(tmp_path).open, links={}, endpoints=broken, record_outcomes=len)
    with serving(app) as client:
        answer = client.get("/api/v1/deployments")
        assert answer.status == 500
        assert answer.json["error"]["code"] == "web.internal"
        assert b"secret" not in answer.body
        assert "content-security-policy" in answer.headers
        assert 'shipway_web_requests_total{status="500"} 1' in client.get("/metrics").text


def test_an_unknown_address_and_a_wrong_method_say_so(client: Client) -> None:
    nowhere, wrong = client.get("/nowhere"), client.get("/api/v1/outcomes")
    assert (nowhere.status, nowhere.json["error"]["code"]) == (404, "web.not-here")
    assert (wrong.status, wrong.json["error"]["code"]) == (405, "web.method-wrong")
    assert wrong.headers["allow"] == "POST"
    assert client.get("/static/../_app.py").status == 404


def test_markup_in_an_address_is_answered_as_data(client: Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=60)
    connection.request("GET", "/%3Cscript%3Ealert(1)%3C/script%3E")
    answer = connection.getresponse()
    assert answer.getheader("content-type") == "application/json"
    connection.close()
    assert client.get("/?refresh=%3Cscript%3E", Accept="text/html").text.count("<script") == 0
    assert "<script" in HOSTILE
