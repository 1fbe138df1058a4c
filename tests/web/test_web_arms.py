"""What the page and its JSON say of releases that answer side by side, and of what their answers cost."""

from __future__ import annotations

from pathlib import Path

from web_client import serving
from web_project import HOSTILE, REF, Project, split_three

from shipway.kernel.check import Check, Verdict
from shipway.monitor import Severity, keep_reading
from shipway.web import make_app


def test_the_page_and_its_json_say_who_answers_what_a_thousand_cost_and_which_arm_does_not(tmp_path: Path) -> None:
    project, (one, two) = split_three(tmp_path)
    with serving(make_app(project.open, links={}, endpoints=dict, record_outcomes=len)) as client:
        page = client.get("/?refresh=off").text
        (found,) = client.get("/api/v1/deployments").json["deployments"]
    for text in ("Who answers", "87.5 %", "12.5 %", "100 %", "1.3 CPU s", "1.4 CPU s", "0.0000145 USD", "40,000 predictions"):
        assert text in page
    assert page.count("live answers instead") == 1
    assert "<script>" not in page, "a reason is text"
    assert [(arm["name"], arm["share"], arm["problem"]) for arm in found["arms"]] == [
        ("candidate", 0.125, HOSTILE),
        ("shadow", 1.0, None),
    ]
    costs = {cost["release"]: (cost["rows"], cost["per_thousand"]) for cost in found["serving"]}
    assert costs == {
        one: (40_000, {"cpu_seconds": 1.3, "usd": 0.00058 / 40}),
        two: (5_000, {"cpu_seconds": 1.4, "usd": None}),
    }


def test_one_release_alone_says_what_it_costs_beside_its_predictor_and_has_no_table_of_arms(tmp_path: Path) -> None:
    project = Project(tmp_path)
    one = project.release("january")
    project.apply(one)
    app = make_app(project.open, links={}, endpoints=lambda: {REF: "http://127.0.0.1:4781"}, record_outcomes=len)
    with serving(app) as client:
        assert "1,000 predictions" not in client.get("/?refresh=off").text
        assert client.get("/api/v1/deployments").json["deployments"][0]["serving"] == []
        project.work(one, rows=1000, cpu=2.0)
        page = client.get("/?refresh=off").text
    assert "1,000 predictions: 2 CPU s<" in page
    assert "Who answers" not in page


def test_the_page_says_how_an_arm_stands_against_live_by_what_users_spend(tmp_path: Path) -> None:
    project, (_, two) = split_three(tmp_path)
    said = f"spend 10.2 EUR of 30 units of user, live 20.1: -9.9 [-12.4, -7.4] {HOSTILE}"
    check = Check("business.candidate", Verdict.FAIL, 0.49, 0.38, 0.61, 0.1, 3000, text=said)
    keep_reading(
        project.store, REF, check.name, check, severity=Severity.PAGE, release=two, detail={}, now=project.store.clock.now()
    )
    with serving(make_app(project.open, links={}, endpoints=dict, record_outcomes=len)) as client:
        page = client.get("/?refresh=off").text
        (found,) = client.get("/api/v1/deployments").json["deployments"]
    assert '<span class="v fail">fail</span> <small>spend 10.2 EUR of 30 units of user, live 20.1' in page
    assert "<script>" not in page
    assert [arm["business"] and arm["business"]["value"] for arm in found["arms"]] == [0.49, None]
