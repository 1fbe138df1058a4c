"""The page of a data set's review: what waits, what differs, and three buttons that sign just what was shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from test_web_plans import FORM, JSON, hidden
from web_client import Answer, Client
from web_data import Reviewed
from web_plans import plans_of
from web_project import HOSTILE

from shipway.kernel.digest import short


@pytest.fixture
def project(tmp_path: Path) -> Reviewed:
    return Reviewed(tmp_path)


@pytest.fixture
def client(project: Reviewed) -> Iterator[Client]:
    with plans_of(project) as found:
        yield found


def press(client: Client, word: str, **fields: str) -> Answer:
    origin = {"Origin": client.url, "Sec_Fetch_Site": "same-origin"}
    return client.post(f"/data/trips/{word}", urlencode(fields).encode(), FORM, **origin)


def test_what_waits_is_shown_rejected_commented_and_approved_by_its_digest(project: Reviewed, client: Client) -> None:
    waits = project.wait()
    page = client.get("/data/trips").text
    assert "Waits" in page
    assert "rows: 0 added, 100 removed, 1,400 changed by id" in page
    for told in ("missing: approval: 0 of 1", "+ gate String", "2013-01-20", "100 → 0", "contract.delay.between",
                 "1,500 → 1,400", "Nobody said anything yet"):  # fmt: skip
        assert told in page, told
    assert "<script>alert" not in page
    assert hidden(page, "snapshot") == waits
    assert press(client, "comment", snapshot=waits, why="why no 20th?").status == 303
    done = press(client, "reject", snapshot=waits, why="a day is missing")
    assert (done.status, done.headers["location"]) == (303, f"/data/trips?snapshot={waits}")
    rejected = client.get("/data/trips").text
    assert "Rejected" in rejected
    assert "missing: rejected: data/trips" in rejected
    assert rejected.index("a day is missing”") < rejected.index("why no 20th?”"), "the newest word first"
    assert press(client, "approve", snapshot=waits, why="it was a holiday").status == 303
    assert "May move" in client.get("/data/trips").text
    project.move("data/trips", waits, "approved")
    stands = client.get("/data/trips").text
    assert "Stands" in stands
    assert "rows: 0 added, 100 removed, 1,400 changed by id" in stands, "what came with it is still looked at"
    assert f"/data/trips?snapshot={project.current}" in stands
    project.store.remove_objects([project.current])
    assert "Stands" in client.get("/data/trips").text, "and where what was before is gone, it is shown without"


def test_all_data_sets_are_listed_with_what_waits(project: Reviewed, client: Client) -> None:
    waits = project.wait()
    page = client.get("/data").text
    for told in ('href="/data/trips"', f"{short(waits)} waits", short(project.current), "shipway data list"):
        assert told in page, told
    (one,) = client.get("/api/v1/data").json["data"]
    assert (one["name"], one["digest"], one["waits"], one["files"]) == ("trips", project.current, waits, 2)
    assert press(client, "approve", snapshot=waits, why="seen").status == 303
    project.move("data/trips", waits, HOSTILE)
    page = client.get("/data").text
    assert ("waits" in page, HOSTILE in page, "&lt;script&gt;" in page) == (False, False, True)
    project.store.remove_objects([waits])
    assert client.get("/api/v1/data").json["data"][0]["files"] is None
    assert client.get("/data?x=1").status == 400
    missing = client.get("/data/nothing", Accept="text/html")
    assert (missing.status, missing.headers["content-type"][:9]) == (404, "text/html"), "an error of a page is a page"


def test_the_document_and_the_json_buttons_say_the_same(project: Reviewed, client: Client) -> None:
    waits = project.wait()
    found = client.get("/api/v1/data/trips").json
    assert (found["kind"], found["target"], found["current"], found["waits"]) == ("data-review", waits, project.current, True)
    assert (found["allowed"], found["diff"]["rows"]["removed"]) == (False, 100)
    body = f'{{"snapshot": "{waits}", "why": "read it"}}'.encode()
    origin = {"Origin": client.url, "Sec_Fetch_Site": "same-origin"}
    done = client.post("/api/v1/data/trips/approve", body, JSON, **origin)
    assert (done.status, done.json["kind"], done.json["digest"]) == (200, "approval", waits)
    assert client.get("/api/v1/data/trips").json["allowed"]
    assert client.post("/api/v1/data/trips/reject", b"{}", JSON, **origin).status == 400
    assert client.get("/data/nothing").status == 404
    assert client.get(f"/data/trips?snapshot={'0' * 4}").status == 400
    assert client.get(f"/data/trips?snapshot=sha256:{'0' * 64}").status == 404
    assert press(client, "reject", snapshot=str(waits), why=" ").status == 409
    assert short(waits) in client.get(f"/data/trips?snapshot={waits}").text


def test_another_site_cannot_press(project: Reviewed, client: Client) -> None:
    waits = project.wait()
    body = urlencode({"snapshot": waits, "why": "x"}).encode()
    refused = client.post("/data/trips/approve", body, FORM, Origin="http://evil.example", Sec_Fetch_Site="cross-site")
    assert refused.status == 403
    assert client.get("/api/v1/data/trips").json["said"] == []
