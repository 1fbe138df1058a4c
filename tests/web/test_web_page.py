"""The page at `/` says what an on-call engineer looks for, and shows every text as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from web_client import Client, serving
from web_project import AUC, HOSTILE, REF, Project, day_verdict, lived, season

from shipway.kernel.digest import short
from shipway.spec import DeploySpec
from shipway.web import make_app

PREDICTOR = "http://127.0.0.1:4781"


@contextmanager
def page_of(project: Project, links: Mapping[str, str] | None = None, endpoint: str = PREDICTOR) -> Iterator[Client]:
    app = make_app(project.open, links=links or {}, endpoints=lambda: {REF: endpoint}, record_outcomes=len)
    with serving(app) as client:
        yield client


def text_of(project: Project, path: str = "/") -> str:
    with page_of(project, {"MLflow": "http://127.0.0.1:5000"}) as client:
        answer = client.get(path)
        assert answer.status == 200
        return Words(answer.text).text


class Words(HTMLParser):
    """The words of a page, its tags and its attributes; fails on tags that are never closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


@pytest.fixture(scope="module")
def paging(tmp_path_factory: pytest.TempPathFactory) -> str:
    return text_of(lived(tmp_path_factory.mktemp("paging")))


def test_a_paging_deployment_says_so_first(paging: str) -> None:
    assert "Paging Calibration error 0.131 [0.116, 0.146], beyond 0.05 since 2013-08-23 (39 days)" in paging
    assert "Also: Base-rate error since 2013-08-28." in paging
    assert "Last window: predicted 18.9%, realised 27.4% over 28 days." in paging


def test_it_says_what_changed_and_what_to_type(paging: str) -> None:
    assert "The release had served 203 days by then and did not change: the world did." in paging
    assert "shipway run makes a challenger from newer data" in paging


def test_it_says_what_is_live_since_when_by_whom_why_and_on_which_evidence(paging: str) -> None:
    assert "January, first model made 2013-01-31 09:12 by ada@example.org" in paging
    assert re.search(r"2013-02-01 00:05:\d\d UTC 243 days ago", paging)
    assert "Moved by ada@example.org “first release”" in paging
    assert "approved by ada@example.org 2013-01-31 09:12 : “looked at the calibration plot”" in paging
    assert "pass self-approved 2 signed statements" in paging
    assert "auc at least 0.55 at 95% 0.637 [0.611, 0.662] 0.55 8,911" in paging
    assert PREDICTOR in paging


def test_drift_is_named_as_what_informs(paging: str) -> None:
    assert "drift informs, never pages temp 8.033 dewp 7.303 pressure 0.310" in paging
    alerts = paging[paging.index("Alerts Severity") : paging.index("Evidence Check")]
    assert "temp" not in alerts


def test_alerts_are_open_before_resolved_with_their_interval(paging: str) -> None:
    alerts = paging[paging.index("Alerts Severity") : paging.index("Evidence Check")]
    assert alerts.count("open") == 2
    still, over = "page Calibration error 0.131 [0.116, 0.146] 0.05 2013-08-23 open", "2013-07-23 · 81 days"
    assert alerts.index(still) < alerts.index(over)


def test_refused_moves_are_in_the_history_with_what_was_missing(paging: str) -> None:
    assert "refused nothing" in paging
    assert "try missing: evaluation auc at least 0.55 at 95%: no evidence missing: approval: 0 of 1" in paging


def test_gaps_are_there_with_their_size(paging: str) -> None:
    assert "predictions 388 rows 2013-05-11 10:02:11 to 2013-05-11 10:02:12 w-0192f1c8" in paging


def test_every_section_names_its_json_and_its_command(paging: str) -> None:
    assert "MLflow" in paging
    for command in ("shipway watch delay@prod --json", "shipway log deploy/delay@prod", "shipway watch --json", "shipway log"):
        assert f"JSON {command}" in paging


def test_every_address_on_the_page_answers(tmp_path: Path) -> None:
    with page_of(lived(tmp_path, days=40)) as client:
        addresses = [value for name, value in Words(client.get("/").text).attributes if name in ("href", "src")]
        local = {address for address in addresses if address.startswith("/")}
        assert len(local) > 10
        assert {address: client.get(address).status for address in local} == dict.fromkeys(local, 200)


def test_nothing_yet_names_the_next_command(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert "Nothing is live yet shipway run" in text_of(project)
    project.move("model/delay", project.put("model", "x"))
    assert "Nothing is live yet shipway release" in text_of(project)
    project.release("x")
    assert "Nothing is live yet shipway plan" in text_of(project)


def test_a_refused_first_move_names_what_is_missing_and_the_commands(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.ask_for()
    project.apply(project.release("january"))
    text = text_of(project)
    assert "Refused Nothing is live: the gate refused the last move" in text
    assert "Missing: approval: 0 of 1 shipway check delay@prod" in text
    assert text.index("shipway approve delay@prod") < text.index("shipway apply delay@prod")


def test_live_without_a_judged_day_asks_to_watch(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.apply(project.release("january"))
    text = text_of(project)
    assert "Not judged The live release has no judged day yet shipway watch delay@prod" in text
    assert "Last windows" not in text


def test_a_young_release_that_pages_is_to_be_rolled_back(tmp_path: Path) -> None:
    project = Project(tmp_path)
    january = project.release("january")
    project.apply(january)
    august = project.release("august")
    project.apply(august)
    days = season(january, days=30)
    bad = [day_verdict(date(2013, 3, 3) + timedelta(days=n), august, calibration=0.12, base_rate=0.09) for n in range(14)]
    project.judge([*days, *bad])
    text = text_of(project)
    assert f"shipway rollback delay@prod returns to {short(january)}, live before, at once" in text
    assert "It began 0 days after this release took over." in text


def test_a_verdict_on_another_release_is_not_taken_for_this_one(tmp_path: Path) -> None:
    project = lived(tmp_path, end="returned")
    assert "Fine Every monitor passes on the 28 days to 2013-09-30 (25,731 labels)" in text_of(project)
    project.roll_back("September looks odd")
    text = text_of(project)
    assert "Not judged The live release has no judged day since it took over" in text
    assert "which is not live now" in text
    assert "by a return" in text
    assert "auc at least 0.55" in text  # the evidence with which it went live first
    assert "returned" in text


def test_two_deployments_stand_below_each_other(tmp_path: Path) -> None:
    project = Project(tmp_path)
    release = project.release("january")
    project.apply(release)
    project.apply(release, deploy=DeploySpec(name="delay@staging", application="delay", environment="staging"))
    text = text_of(project)
    assert text.index("deploy/delay@prod") < text.index("deploy/delay@staging")
    assert "none runs here shipway serve delay@staging" in text


def test_hostile_texts_are_shown_as_text(tmp_path: Path) -> None:
    project = Project(tmp_path, who=HOSTILE)
    project.ask_for(auc=0.9)
    release = project.release("january", why=HOSTILE)
    project.measure(release, AUC)
    project.approve(release, HOSTILE)
    assert not project.apply(release, HOSTILE)
    project.ask_for(approvals=1)
    assert project.apply(release, HOSTILE)
    project.judge(day_verdict(date(2013, 2, day), release, calibration=0.12, drift={HOSTILE: 1.0}) for day in range(1, 20))
    project.store.put_state("gap", "predictions/x", {"stream": HOSTILE, "source": HOSTILE, "rows": 3, "recorded": None})
    with page_of(project, {HOSTILE: "javascript:alert(1)"}, endpoint="javascript:alert(2)") as client:
        html = client.get("/").text
    page = Words(html)
    assert page.text.count("<script>alert(1)</script>") >= 8
    assert "script" not in page.tags
    assert page.tags.count("img") == 1  # the boat
    assert "onerror" not in {name for name, _ in page.attributes}
    assert not [value for name, value in page.attributes if name == "href" and not value.startswith(("/", "#", "http"))]
    assert "49" not in re.findall(r"img src=x onerror=alert\(2\)&gt; (\S+)", html)


def test_no_inline_style_or_script_is_needed(tmp_path: Path) -> None:
    with page_of(lived(tmp_path, days=40)) as client:
        page = Words(client.get("/").text)
    assert not {name for name, _ in page.attributes if name == "style" or name.startswith("on")}
    assert {"style", "script"}.isdisjoint(page.tags)


def test_a_page_left_open_follows_unless_it_is_told_to_hold_still(tmp_path: Path) -> None:
    with page_of(Project(tmp_path)) as client:
        assert ("http-equiv", "refresh") in Words(client.get("/").text).attributes
        assert ("http-equiv", "refresh") not in Words(client.get("/?refresh=off").text).attributes
        wrong = client.get("/?refresh=never", Accept="text/html")
        assert (wrong.status, wrong.headers["content-type"]) == (400, "text/html; charset=utf-8")


def test_a_damaged_object_is_a_remark_and_the_rest_stays(tmp_path: Path) -> None:
    project = lived(tmp_path, days=40)
    record = project.store.history(REF, limit=1)[0]
    assert record.verdict is not None
    for file in (tmp_path / ".shipway" / "objects").rglob(record.verdict.removeprefix("sha256:")[2:] + "*"):
        file.chmod(0o644)
        file.write_bytes(b"{}")
    text = text_of(project)
    assert "Not readable:" in text
    assert "January, first model" in text
    assert "Last windows" in text


def test_a_row_of_another_version_is_a_remark(tmp_path: Path) -> None:
    project = lived(tmp_path, days=40)
    project.store.put_state("window", f"{REF}/2013-03-30", {"version": 9})
    project.store.put_state("alert", f"{REF}/x/2013-03-30", {"version": 9})
    text = text_of(project)
    assert "Not readable: a record cannot be read" in text
    assert "Last windows" in text


def test_a_year_of_days_is_a_small_page(tmp_path: Path) -> None:
    project = lived(tmp_path, days=420)
    with page_of(project) as client:
        started = datetime.now(UTC)
        answer = client.get("/")
        assert (datetime.now(UTC) - started).total_seconds() < 2
    assert len(answer.body) < 300_000
    assert answer.text.count('class="hit"') == 400
