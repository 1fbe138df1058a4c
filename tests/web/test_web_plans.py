"""The page of a plan: what would change, what the gate says, and two buttons that do exactly what was shown or say why not."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from web_client import Answer, Client
from web_plans import PROD, STAGING, Planned, plans_of

from shipway.gate import release_of
from shipway.web._desk import Drafts

FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.fixture
def project(tmp_path: Path) -> Planned:
    return Planned(tmp_path)


@pytest.fixture
def client(project: Planned) -> Iterator[Client]:
    with plans_of(project) as found:
        yield found


def hidden(page: str, name: str) -> str:
    found = re.search(f'name="{name}" value="([^"]+)"', page)
    assert found
    return found[1]


def press(client: Client, name: str, button: str, **fields: str) -> Answer:
    """A button of a page, as a browser sends it."""
    origin = {"Origin": client.url, "Sec_Fetch_Site": "same-origin"}
    return client.post(f"/plans/{name}/{button}", urlencode(fields).encode(), FORM, **origin)


def live_at(project: Planned, ref: str) -> str | None:
    found = project.store.ref(ref)
    return release_of(project.store, found.digest) if found else None


def test_a_person_approves_and_applies_from_the_page(project: Planned, client: Client) -> None:
    release = project.measured("january", why="first model")
    staging = client.get("/plans/delay@staging").text
    assert "Ready" in staging
    assert press(client, "delay@staging", "apply", plan=hidden(staging, "plan"), why="try it").status == 303
    assert live_at(project, STAGING) == release
    held = client.get("/plans/delay@prod").text
    assert "missing: approval: 0 of 1" in held
    assert "Apply plan" not in held
    assert press(client, "delay@prod", "approve", release=hidden(held, "release"), why="looked at it").status == 303
    ready = client.get("/plans/delay@prod").text
    assert "looked at it" in ready
    assert press(client, "delay@prod", "apply", plan=hidden(ready, "plan"), why="go").status == 303
    assert live_at(project, PROD) == release
    record = project.store.history(PROD)[0]
    assert (record.actor, record.why, record.outcome) == (project.who, "go", "moved")
    assert record.verdict is not None
    assert project.store.get(record.verdict)["plan"] == hidden(ready, "plan")
    assert "Nothing to do" in client.get("/plans/delay@prod").text


def test_the_document_says_what_the_page_says(project: Planned, client: Client) -> None:
    release = project.measured("january")
    plan = client.get("/api/v1/plans/delay@prod").json
    assert (plan["kind"], plan["release"], plan["live"]) == ("plan", release, None)
    assert plan["gate"]["missing"] == ["after: this release was never live at deploy/delay@staging", "approval: 0 of 1"]
    assert [stage["ref"] for stage in plan["stages"]] == [STAGING, PROD]
    assert client.get("/api/v1/plans/delay@prod").json["plan"] == plan["plan"]  # the same plan, the same digest


def test_programs_approve_and_apply_with_json(project: Planned, client: Client) -> None:
    release = project.measured("january")
    body = f'{{"deployment": "delay@prod", "release": "{release}", "why": "fine"}}'.encode()
    approved = client.post("/api/v1/approvals", body, JSON).json
    assert (approved["kind"], approved["release"], approved["approver"]) == ("approval", release, project.who)
    plan = client.get("/api/v1/plans/delay@staging").json["plan"]
    moved = client.post(f"/api/v1/plans/{plan}/apply", b'{"why": "go"}', JSON).json
    assert (moved["changed"], moved["to"], moved["plan"]) == (True, release, plan)
    again = client.post(f"/api/v1/plans/{plan}/apply", b"", JSON).json
    assert (again["changed"], again["to"]) == (False, release)


def test_what_the_gate_refuses_says_what_is_missing_and_is_recorded(project: Planned, client: Client) -> None:
    project.measured("january")
    plan = client.get("/api/v1/plans/delay@prod").json["plan"]
    answer = client.post(f"/api/v1/plans/{plan}/apply", b'{"why": "now"}', JSON)
    assert answer.status == 409
    assert answer.json["error"]["code"] == "gate.refused"
    assert "approval: 0 of 1" in answer.json["gate"]["missing"]
    page = press(client, "delay@prod", "apply", plan=plan, why="now").text
    assert "Not done" in page
    assert "approval: 0 of 1" in page
    assert [record.outcome for record in project.store.history(PROD)] == ["refused", "refused"]


def test_a_plan_that_is_stale_is_refused_with_who_moved_what_and_a_fresh_one(project: Planned, client: Client) -> None:
    project.measured("january")
    shown = hidden(client.get("/plans/delay@staging").text, "plan")
    august = project.measured("august", why="another")
    other = client.get("/api/v1/plans/delay@staging").json["plan"]
    assert client.post(f"/api/v1/plans/{other}/apply", b'{"why": "quicker"}', JSON).status == 200
    answer = press(client, "delay@staging", "apply", plan=shown)
    assert answer.status == 409
    assert "the plan is stale" in answer.text
    assert "quicker" in answer.text
    assert live_at(project, STAGING) == august
    assert client.post(f"/api/v1/plans/{shown}/apply", b"", JSON).json["error"]["code"] == "release.plan-stale"


def test_exactly_what_was_shown_is_applied_although_a_newer_release_was_made(project: Planned, client: Client) -> None:
    january = project.measured("january")
    shown = hidden(client.get("/plans/delay@staging").text, "plan")
    project.measured("august")
    assert press(client, "delay@staging", "apply", plan=shown).status == 303
    assert live_at(project, STAGING) == january


def test_of_many_who_press_at_once_one_moves_the_ref(project: Planned, client: Client) -> None:
    project.measured("january")
    first = client.get("/api/v1/plans/delay@staging").json["plan"]
    project.measured("august")
    second = client.get("/api/v1/plans/delay@staging").json["plan"]
    answers: list[Answer] = []

    def apply(plan: str) -> None:
        answers.append(client.post(f"/api/v1/plans/{plan}/apply", b"", JSON))

    threads = [threading.Thread(target=apply, args=(plan,)) for plan in (first, second) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moved = [answer for answer in answers if answer.status == 200 and answer.json["changed"]]
    rest = [answer for answer in answers if answer not in moved]
    assert len(moved) == 1
    assert all(answer.status == 409 or not answer.json["changed"] for answer in rest)
    assert [record.outcome for record in project.store.history(STAGING)] == ["moved"]


@pytest.mark.parametrize(
    ("path", "body", "kind", "status"),
    [
        ("/plans/delay@staging/apply", b"plan=sha256:abc", FORM, 400),
        ("/plans/delay@staging/apply", b"plan=", FORM, 400),
        ("/plans/delay@staging/apply", b"why=x", FORM, 400),
        ("/plans/delay@staging/apply", b"plan=a&plan=b", FORM, 400),
        ("/plans/delay@staging/apply", b"plan=sha256:" + b"0" * 64, FORM, 409),
        ("/plans/delay@staging/apply", b"{}", JSON, 415),
        ("/plans/delay@staging/approve", b"release=sha256:" + b"0" * 64, FORM, 404),
        ("/plans/nothing@prod/approve", b"release=sha256:" + b"0" * 64, FORM, 404),
        ("/plans/delay@staging/approve", b"\xff\xfe=1", FORM, 400),
        ("/plans/delay@staging/approve", b"release=x&why=" + b"a" * 20_000, FORM, 413),
        ("/api/v1/approvals", b"[]", JSON, 400),
        ("/api/v1/approvals", b'{"deployment": "delay@prod"}', JSON, 400),
        ("/api/v1/approvals", b'{"deployment": 1}', JSON, 400),
        ("/api/v1/approvals", b"release=x", FORM, 415),
        ("/api/v1/plans/delay@staging/apply", b"", JSON, 400),
        (f"/api/v1/plans/sha256:{'0' * 64}/apply", b'{"whi": "x"}', JSON, 400),
        (f"/api/v1/plans/sha256:{'0' * 64}/apply", b"", JSON, 409),
    ],
)
def test_a_body_that_is_wrong_is_refused_and_does_nothing(
    project: Planned, client: Client, path: str, body: bytes, kind: str, status: int
) -> None:
    project.measured("january")
    count = len(project.store.history(limit=1000))
    assert client.post(path, body, kind).status == status
    assert len(project.store.history(limit=1000)) == count


def test_another_site_can_press_nothing(project: Planned, client: Client) -> None:
    release = project.measured("january")
    plan = client.get("/api/v1/plans/delay@staging").json["plan"]
    for path, fields in (("apply", {"plan": plan}), ("approve", {"release": release})):
        for headers in ({"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}):
            answer = client.post(f"/plans/delay@staging/{path}", urlencode(fields).encode(), FORM, **headers)
            assert answer.status == 403
    assert live_at(project, STAGING) is None
    assert client.get(f"/plans/delay@staging/apply?plan={plan}").status == 405


def test_only_the_pages_with_buttons_let_a_form_post(project: Planned, client: Client) -> None:
    release = project.measured("january")
    policies = {
        path: client.get(path).headers["content-security-policy"] for path in ("/plans/delay@prod", f"/releases/{release}")
    }
    assert ["form-action 'self'" in policy for policy in policies.values()] == [True, False]
    assert all("default-src 'none'" in policy for policy in policies.values())


def test_a_plan_of_another_deployment_is_not_applied_on_this_page(project: Planned, client: Client) -> None:
    project.measured("january")
    plan = client.get("/api/v1/plans/delay@staging").json["plan"]
    assert press(client, "delay@prod", "apply", plan=plan).status == 400
    assert live_at(project, STAGING) is None


def test_a_spec_that_cannot_be_read_is_an_error_that_names_its_line(project: Planned, client: Client) -> None:
    project.measured("january")
    (project.folder / "shipway.yaml").write_text("project: flights\ndeploy:\n  delay: {}\n")
    answer = client.get("/plans/delay@prod", Accept="text/html")
    assert answer.status == 409
    assert "names no environment" in answer.text


def test_a_changed_policy_is_shown_as_what_judges_and_is_published_by_the_apply(project: Planned, client: Client) -> None:
    project.measured("january")
    page = client.get("/plans/delay@staging").text
    assert "which apply publishes first" in page
    press(client, "delay@staging", "apply", plan=hidden(page, "plan"))
    assert project.store.ref("policy/main") is not None


def test_plans_that_were_shown_long_ago_are_forgotten() -> None:
    drafts = Drafts()
    first = drafts.remember({"ref": "a", "made": {"at": 1}})
    assert drafts.remember({"ref": "a", "made": {"at": 2}}) == first
    others = [drafts.remember({"ref": str(number), "made": None}) for number in range(200)]
    assert drafts.find(others[-1])["ref"] == "199"
    with pytest.raises(Exception, match="not remembered"):
        drafts.find(first)
