"""The page and the API of a deployment of target `gateway`: from real rows of state to what a person reads."""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from web_assistant import DOCUMENTS, NOW, REF, assistant, evaluated, put_live, release
from web_client import Client, serving
from web_project import HOSTILE, Project, lived

from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import short
from shipway.monitor import ReadingPoint, Severity, keep_reading
from shipway.web import make_app
from shipway.web._charts import make_bar, make_chart
from shipway.web._words import number


def text_of(project: Project, endpoints: Mapping[str, str] | None = None) -> str:
    app = make_app(project.open, links={}, endpoints=lambda: dict(endpoints or {}), record_outcomes=len)
    with serving(app) as client:
        answer = client.get("/?refresh=off")
    assert answer.status == 200
    return answer.text


def test_the_page_says_what_is_stale_first_and_what_to_type(tmp_path: Path) -> None:
    project, live, _ = assistant(tmp_path)
    text = text_of(project, {REF: "http://127.0.0.1:4791/v1"})
    assert "Paging</span> Stale documents: 7 since 2026-11-23 (1 day)" in text
    assert "<code>shipway rag sync</code>" in text
    assert all(name in text for name in DOCUMENTS)
    assert "<dt>Gateway</dt>" in text
    assert "http://127.0.0.1:4791/v1" in text
    assert "63 documents, 1,804 chunks" in text
    assert f">{short(live)}</a>" in text
    assert "Last windows" not in text


def test_cost_is_told_per_answer_per_release_per_key_and_saved(tmp_path: Path) -> None:
    text = text_of(assistant(tmp_path)[0])
    for words in (
        "0.0960 USD",
        "threshold 5 USD",
        "By release",
        "By key",
        "website",
        "0.000100",
        "saved by caches",
        "shipway gateway cost assistant@prod --json",
    ):
        assert words in text


def test_evaluations_stand_beside_each_other_with_their_intervals(tmp_path: Path) -> None:
    project, live, candidate = assistant(tmp_path)
    text = text_of(project)
    assert text.count("<td>recall_at_5</td>") == 1
    assert "[0.624, 0.936]" in text  # live
    assert "[0.560, 0.840]" in text  # candidate
    assert f'class="label">candidate</span> <a class="mono" href="/releases/{candidate}"' in text
    assert "the judge informs, never decides" in text
    assert "live: agreement 0.610 [0.500, 0.720] (n 80); flip rate 0.310 (n 80)" in text
    assert "contains · install" in text
    assert 'class="bar live"' in text
    assert f'title="{live}"' in text


def test_the_sentinel_says_when_it_ran_and_what_gave_the_provider_away(tmp_path: Path) -> None:
    text = text_of(assistant(tmp_path, stale=0, swapped=True)[0])
    assert "Paging</span> Provider drift: 0.920, beyond 0.1 since 2026-11-23" in text
    assert '<span class="label">tokens</span>' in text
    assert "31 min ago" in text
    assert "<code>shipway eval assistant@prod</code>" in text


def test_a_calm_assistant_is_fine_and_a_silent_monitor_is_named(tmp_path: Path) -> None:
    project, *_ = assistant(tmp_path, stale=0)
    assert "Fine</span> Every monitor passes: Cost, Stale documents, Provider drift" in text_of(project)
    project.store.delete_state("reading", f"{REF}/sentinel")
    assert "No reading yet: Provider drift." in text_of(project)


def test_an_assistant_that_nobody_measured_says_so(tmp_path: Path) -> None:
    project = Project(tmp_path)
    put_live(project, release(project, "v1"))
    text = text_of(project)
    assert "Not measured</span> No monitor has looked at what is live yet" in text
    assert "none runs here <small><code>shipway serve assistant@prod</code>" in text


def test_a_reading_that_cannot_tell_is_undecided(tmp_path: Path) -> None:
    project, live, _ = assistant(tmp_path, stale=0)
    check = Check("sentinel", Verdict.INCONCLUSIVE, 0.1, threshold=0.1, text="more repeats would tell")
    keep_reading(project.store, REF, "sentinel", check, severity=Severity.PAGE, release=live, detail={}, now=NOW)
    assert "Undecided</span> Provider drift cannot tell yet" in text_of(project)


def test_hostile_names_in_readings_and_evaluations_stay_text(tmp_path: Path) -> None:
    project, live, _ = assistant(tmp_path, documents=[HOSTILE])
    evaluated(project, live, 0.0, golden=HOSTILE.replace("/", "|"), question=HOSTILE)
    check = Check("cost", Verdict.FAIL, 9.0, threshold=5.0, text=HOSTILE)
    detail = {"by_key": {HOSTILE: {"answers": 1, "usd": 9.0}}, "by_release": {HOSTILE: {}}, "tokens": HOSTILE}
    keep_reading(project.store, REF, "cost", check, severity=Severity.PAGE, release=live, detail=detail, now=NOW)  # type: ignore[arg-type]
    text = text_of(project)
    assert "<script" not in text
    assert "<img src=x" not in text
    assert html.escape("<script>alert(1)</script>") in text
    assert "{{ 7*7 }}" in text  # a template's words in a name are a name


def test_a_row_that_cannot_be_read_is_a_remark_and_the_rest_is_shown(tmp_path: Path) -> None:
    project, live, _ = assistant(tmp_path)
    project.store.put_state("reading", f"{REF}/odd", {"version": 9})
    project.store.put_state("evaluated", f"{live}/odd", {"version": 9, "metrics": "none"})
    text = text_of(project)
    assert "Not readable:" in text
    assert "Stale documents: 7" in text


def test_a_local_deployment_has_nothing_of_this(tmp_path: Path) -> None:
    text = text_of(lived(tmp_path))
    assert "<dt>Predictor</dt>" in text
    assert 'class="cards"' not in text
    assert "Last windows" in text


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> object:
    project, *_ = assistant(tmp_path_factory.mktemp("api"))
    app = make_app(project.open, links={}, endpoints=dict, record_outcomes=len)
    with serving(app) as found:
        yield found


def test_readings_are_json_with_their_history(client: Client) -> None:
    answer = client.get(f"/api/v1/readings?ref={REF}").json
    assert (answer["kind"], answer["version"]) == ("readings", 1)
    assert [row["monitor"] for row in answer["readings"]] == ["cost", "freshness", "sentinel"]
    assert len(answer["readings"][1]["history"]) == 25
    assert answer["readings"][1]["detail"]["stale"] == 7


def test_costs_are_json(client: Client) -> None:
    (cost,) = client.get(f"/api/v1/costs?ref={REF}").json["costs"]
    assert (cost["ref"], round(cost["usd"], 3), set(cost["by_key"])) == (REF, 0.096, {"team", "website"})


def test_evaluations_are_json_of_live_and_candidate(client: Client) -> None:
    found = client.get(f"/api/v1/evaluations?ref={REF}").json["evaluations"]
    assert [len(row["metrics"]) for row in found] == [7, 7]
    assert len(client.get("/api/v1/evaluations").json["evaluations"]) == 2


@pytest.mark.parametrize("kind", ["readings", "costs", "evaluations"])
def test_a_deployment_that_never_was_is_404_and_an_unknown_parameter_400(client: Client, kind: str) -> None:
    assert client.get(f"/api/v1/{kind}?ref=deploy/none@prod").status == 404
    assert client.get(f"/api/v1/{kind}?reff=x").json["error"]["mend"] == "did you mean ref?"


def test_readings_are_metrics(client: Client) -> None:
    text = client.get("/metrics").text
    assert f'shipway_reading_value{{ref="{REF}",monitor="freshness"}} 7' in text
    assert f'shipway_reading_failing{{ref="{REF}",monitor="freshness"}} 1' in text
    assert f'shipway_reading_failing{{ref="{REF}",monitor="cost"}} 0' in text
    assert f'shipway_alerts_open{{ref="{REF}",severity="page"}} 1' in text
    assert f'shipway_alert_open{{ref="{REF}",monitor="freshness",severity="page"}} 1' in text
    assert f'shipway_monitor_value{{ref="{REF}",monitor="freshness"}} 7' in text


def points(*values: float | None) -> list[ReadingPoint]:
    start = datetime(2026, 11, 23, tzinfo=UTC)
    return [
        ReadingPoint(start + timedelta(hours=n), value, Verdict.FAIL if value and value > 3 else Verdict.PASS)
        for n, value in enumerate(values)
    ]


def test_a_chart_has_its_line_and_a_strip_of_verdicts() -> None:
    chart = make_chart(points(0.0, 4.0, 2.0), 3.0, number)
    assert chart is not None
    assert chart.line == "0.0,56.0 500.0,9.3 1000.0,32.7"
    assert chart.threshold == "21.0"
    assert [(run.x, run.width, run.verdict) for run in chart.runs] == [
        ("0.00%", "50.00%", "pass"), ("50.00%", "50.00%", "fail"), ("99.00%", "1.00%", "pass"),
    ]  # fmt: skip
    assert (chart.high, chart.first, chart.last) == ("4", "00:00", "02:00 UTC")


def test_a_chart_of_one_number_or_of_none_is_no_chart() -> None:
    assert make_chart(points(1.0, None), None, number) is None
    flat = make_chart(points(0.0, 0.0), None, number)
    assert flat is not None
    assert flat.threshold == ""


def test_a_bar_stays_inside_its_scale() -> None:
    bar = make_bar(0.5, -0.1, 1.2, top=1.0)
    assert (bar.low, bar.value, bar.high) == ("0.00%", "50.00%", "100.00%")
    assert make_bar(0.0, None, None, top=0.0).high == "0.00%"
