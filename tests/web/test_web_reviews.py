"""Reviews: one item at a time and blind, rated by form or JSON through the function the site was given, by nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from web_assistant import CANDIDATE, pair, queue, review
from web_client import Client, serving
from web_project import HOSTILE, Project

from shipway.evals import load_reviews, rate
from shipway.web import make_app

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    queue(project, {"a1": review(), "b2": pair(HOSTILE, "Use conda.")})
    return project


@pytest.fixture
def client(project: Project) -> Iterator[Client]:
    def keep(key: str, value: int | str) -> None:
        store = project.open()
        try:
            rate(store, key, by="ada@example.org", value=value, now=datetime(2026, 11, 23, tzinfo=UTC))
        finally:
            store.close()

    with serving(make_app(project.open, links={}, endpoints=dict, record_outcomes=len, rate_review=keep)) as found:
        yield found


def ratings(project: Project, key: str) -> list[int | str]:
    (found,) = (one for one in load_reviews(project.store) if one.id == key)
    return [rating.value for rating in found.ratings]


def test_the_page_shows_one_open_item_and_not_who_gave_it(client: Client) -> None:
    page = client.get("/review").text
    assert "How do I install Django?" in page
    assert "Run pip install Django." in page
    assert '<form class="choices" method="post" action="/review/a1"' in page
    assert "2 open · 0 rated" in page
    assert CANDIDATE not in page
    assert CANDIDATE[7:19] not in page


def test_a_form_keeps_the_rating_and_leads_to_the_next_item(client: Client, project: Project) -> None:
    answer = client.post("/review/a1", b"value=1", FORM, Origin=client.url, Sec_Fetch_Site="same-origin")
    assert (answer.status, answer.headers["location"]) == (303, "/review")
    assert ratings(project, "a1") == [1]
    assert "Which answer is better?" in client.get("/review").text
    client.post("/review/b2", b"value=tie", FORM)
    assert ratings(project, "b2") == ["tie"]
    assert "Nothing to review" in client.get("/review").text
    assert "shipway_reviews_rated_total 2" in client.get("/metrics").text
    assert "shipway_reviews_open 0" in client.get("/metrics").text


def test_an_item_may_be_skipped(client: Client) -> None:
    assert 'href="/review?after=a1"' in client.get("/review").text
    assert 'action="/review/b2"' in client.get("/review?after=a1").text
    assert 'action="/review/a1"' in client.get("/review?after=b2").text


def test_json_keeps_a_rating_too(client: Client, project: Project) -> None:
    answer = client.post("/api/v1/reviews/b2", b'{"value": 0}', "application/json")
    assert (answer.status, answer.json) == (200, {"id": "b2", "value": 0})
    assert ratings(project, "b2") == [0]


def test_the_queue_is_json_and_blind_until_it_is_rated(client: Client) -> None:
    client.post("/api/v1/reviews/b2", b'{"value": 1}', "application/json")
    waiting, done = client.get("/api/v1/reviews").json["reviews"]
    assert (waiting["id"], waiting["answers"]) == ("a1", [{"text": "Run pip install Django."}])
    assert not {"judge", "release"} & waiting.keys()
    assert (done["judge"], done["release"], done["ratings"][0]["value"]) == (0, CANDIDATE, 1)
    assert [one["id"] for one in client.get("/api/v1/reviews?status=open").json["reviews"]] == ["a1"]
    assert client.get("/api/v1/reviews/a1").json["question"] == "How do I install Django?"


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_another_site_cannot_rate(client: Client, project: Project, origin: str) -> None:
    assert client.post("/review/a1", b"value=1", FORM, Origin=origin).status == 403
    assert client.post("/api/v1/reviews/a1", b'{"value":1}', "application/json", Sec_Fetch_Site="cross-site").status == 403
    assert ratings(project, "a1") == []


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "code"),
    [
        ("/review/a1", b"value=2", FORM, 400, "evals.rating-malformed"),
        ("/review/a1", b"value=1&value=0", FORM, 400, "evals.rating-malformed"),
        ("/review/a1", b"\xff", FORM, 400, "evals.rating-malformed"),
        ("/review/a1", b"", FORM, 400, "evals.rating-malformed"),
        ("/review/none", b"value=1", FORM, 404, "evals.review-missing"),
        ("/review/a1", b"value=1", "text/plain", 415, "web.media-type-unknown"),
        ("/review/a1", b"value=" + b"1" * 5000, FORM, 413, "web.body-too-large"),
        ("/api/v1/reviews/a1", b'{"value": true}', "application/json", 400, "evals.rating-malformed"),
        ("/api/v1/reviews/a1", b'{"value": 1, "by": "eve"}', "application/json", 400, "evals.rating-malformed"),
        ("/api/v1/reviews/a1", b"[", "application/json", 400, "evals.rating-malformed"),
        ("/api/v1/reviews/a1", b'{"value": 1}', FORM, 415, "web.media-type-unknown"),
    ],
)
def test_what_is_no_rating_is_refused_and_nothing_is_kept(
    client: Client, project: Project, path: str, body: bytes, kind: str, status: int, code: str
) -> None:
    answer = client.post(path, body, kind)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert ratings(project, "a1") == []


def test_a_person_is_told_on_a_page(client: Client) -> None:
    answer = client.post("/review/none", b"value=1", FORM, Accept="text/html")
    assert answer.status == 404
    assert "<h1>" in answer.text


def test_hostile_questions_and_answers_stay_text(client: Client, project: Project) -> None:
    queue(project, {"a0": review(HOSTILE, HOSTILE)})
    for path in ("/review", "/review?after=a1"):
        page = client.get(path).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "<script" not in page
        assert "<img src=x" not in page


def test_without_a_hand_that_writes_the_page_is_read_only(project: Project) -> None:
    with serving(make_app(project.open, links={}, endpoints=dict, record_outcomes=len)) as client:
        page = client.get("/review").text
        assert "Read-only here" in page
        assert "<form" not in page
        answer = client.post("/review/a1", b"value=1", FORM)
        assert (answer.status, answer.json["error"]["code"]) == (403, "web.read-only")


def test_only_the_page_with_the_form_may_send_forms(client: Client) -> None:
    assert "form-action 'self'" in client.get("/review").headers["content-security-policy"]
    assert client.get("/review").headers["referrer-policy"] == "same-origin"
    assert "form-action 'none'" in client.get("/").headers["content-security-policy"]
    assert client.get("/").headers["referrer-policy"] == "no-referrer"
