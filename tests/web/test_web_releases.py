"""The pages of releases: what is in one, what was found and whether it counts, where it is live; nothing is markup."""

from __future__ import annotations

import html
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from web_client import Client
from web_plans import PROD, STAGING, Planned, plans_of
from web_project import HOSTILE

from shipway.access import open_keys
from shipway.gate import attest, revoke, seal
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.check import Check, Verdict
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest, short
from shipway.spec import DeploySpec

DELAY_STAGING = DeploySpec(name="delay@staging", application="delay", environment="staging")


@pytest.fixture
def project(tmp_path: Path) -> Planned:
    return Planned(tmp_path)


@pytest.fixture
def client(project: Planned) -> Iterator[Client]:
    with plans_of(project) as found:
        yield found


def say(project: Planned, release: Digest, kind: str, predicate: JsonObject, *, stranger: bool = False) -> None:
    """A signed statement about a release, by this machine's key or by one that nobody trusts."""
    signer = open_keys(project.folder / "stranger")[0] if stranger else project.signer
    attest(project.store, signer, subject=release, name="r", predicate_type=kind, predicate=predicate, label="said")


def test_a_release_says_what_is_in_it_what_was_found_and_who_approved(project: Planned, client: Client) -> None:
    release = project.measured("january", why="January, first model")
    project.approve(release, "looked at the calibration plot")
    page = client.get(f"/releases/{release}").text
    for text in ("Never live", "January, first model", "looked at the calibration plot", "auc", "0.637", "[0.611, 0.662]"):
        assert text in page
    assert '<svg class="bar whisker' in page
    assert f"shipway rebuild {short(release)}" in page
    found = client.get(f"/api/v1/releases/{release}").json
    assert found["kind"] == "dossier"
    (check,) = [one for one in found["evidence"]["statements"] if one["kind"] == "check"]
    assert (check["about"], check["check"]["value"], check["counts"]) == ("model/delay", 0.637, True)
    assert [(one["who"], one["why"]) for one in found["approvals"]] == [(project.who, "looked at the calibration plot")]


def test_it_says_where_it_is_live_and_what_it_would_change_elsewhere(project: Planned, client: Client) -> None:
    january, august = project.measured("january"), project.measured("august", data="august")
    project.apply(january, "first", deploy=DELAY_STAGING)
    page = client.get(f"/releases/{august}").text
    assert "delay@staging has" in page
    assert page.count('<div class="change">') == 5  # data twice, model, pipeline, profile
    assert client.get(f"/api/v1/releases/{january}").json["live"] == [STAGING]
    project.apply(august, "better", deploy=DELAY_STAGING)
    (stage,) = client.get(f"/api/v1/releases/{january}").json["stages"]
    assert (stage["live"], stage["until"] is not None) == (False, True)
    assert "Not live" in client.get(f"/releases/{january}").text


def test_a_statement_that_does_not_count_says_why_and_nothing_else(project: Planned, client: Client) -> None:
    release = project.measured("january")
    say(project, release, media.APPROVAL_PREDICATE, {"approver": "mallory", "why": "trust me"}, stranger=True)
    page = client.get(f"/releases/{release}").text
    assert "does not count" in page
    assert "mallory" not in page
    (one,) = client.get(f"/api/v1/releases/{release}").json["approvals"]
    assert (one["counts"], one["fault"]) == (False, "key-unknown")


def test_a_rebuild_and_a_revocation_are_shown(project: Planned, client: Client) -> None:
    release = project.measured("january")
    proof: JsonObject = {"equality": "DIFFERENT", "different": "step fit made abc, not def", "model": None}
    say(project, release, media.REBUILD_PREDICATE, proof)
    page = client.get(f"/releases/{release}").text
    assert "DIFFERENT" in page
    assert "step fit made abc, not def" in page
    assert client.get(f"/api/v1/releases/{release}").json["rebuild"]["equality"] == "DIFFERENT"
    say(project, release, media.REVOCATION_PREDICATE, {"by": "ada", "why": "leaks the target", "lifted": False})
    page = client.get(f"/releases/{release}").text
    assert '<section class="status bad">' in page
    assert "leaks the target" in page
    say(project, release, media.REVOCATION_PREDICATE, {"by": "ada", "why": "it does not", "lifted": True})
    assert client.get(f"/api/v1/releases/{release}").json["revoked"] is None


def test_a_revoked_component_revokes_the_page_of_its_release(project: Planned, client: Client) -> None:
    release = project.measured("january")
    model = project.store.resolve("model/delay")
    revoke(
        project.store, project.keys, project.signer, project.actor, digest=model, name="m", why="leaks", resource="model/delay"
    )
    page = client.get(f"/releases/{release}").text
    assert '<section class="status bad">' in page
    assert f"its model/delay, by {project.who}" in page
    plan = client.get("/api/v1/plans/delay@staging").json["gate"]
    assert plan["allowed"] is False
    assert any(text.startswith("revoked: ") for text in plan["missing"])


def test_markup_in_names_reasons_and_evidence_is_text(project: Planned, client: Client) -> None:
    project.who = HOSTILE
    release = project.measured("january", why=HOSTILE)
    project.approve(release, HOSTILE)
    project.measure(release, Check(HOSTILE, Verdict.PASS, 1.0, 0.5, 1.5, 0.7, text=HOSTILE))
    say(project, release, media.REBUILD_PREDICATE, {"equality": HOSTILE, "different": HOSTILE, "numbers": [HOSTILE]})
    for path in ("/releases", f"/releases/{release}", "/plans/delay@staging"):
        page = client.get(path).text
        assert "<script" not in page
        assert "<img src=x" not in page
    assert html.escape("<script>alert(1)</script>") in client.get(f"/releases/{release}").text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/releases/sha256:abc", 400),
        ("/releases/..%2f..%2fetc", 404),
        ("/releases/<script>alert(1)</script>", 404),
        (f"/releases/sha256:{'0' * 64}", 404),
        ("/releases?before=-1", 400),
        ("/releases?befor=1", 400),
        (f"/api/v1/releases/sha256:{'0' * 64}?offset=x", 400),
        ("/api/v1/releases?limit=9999999", 400),
        ("/plans/nothing@prod", 404),
        ("/plans/<script>", 404),
    ],
)
def test_an_address_that_is_wrong_gets_one_clear_page(client: Client, path: str, status: int) -> None:
    answer = client.get(path.replace("<", "%3C").replace(">", "%3E"), Accept="text/html")
    assert answer.status == status
    assert b"<script" not in answer.body or answer.headers["content-type"] == "application/json"


def test_what_is_no_release_is_not_here(project: Planned, client: Client) -> None:
    release = project.measured("january")
    model = next(c["digest"] for c in client.get(f"/api/v1/releases/{release}").json["components"] if c["kind"] == "model")
    assert client.get(f"/releases/{model}", Accept="text/html").status == 404


def test_releases_are_listed_newest_first_a_page_at_a_time(project: Planned, client: Client) -> None:
    made = [project.release(f"model-{number}", why=f"number {number}") for number in range(7)]
    project.apply(made[2], "first", deploy=DELAY_STAGING)
    first = client.get("/api/v1/releases?limit=4").json
    second = client.get(f"/api/v1/releases?limit=4&before={first['before']}").json
    assert [row["release"] for row in first["releases"] + second["releases"]] == made[::-1]
    assert second["before"] is None
    assert [row["live"] for row in second["releases"]] == [[STAGING], [], []]
    assert "number 6" in client.get("/releases?application=delay").text
    assert "None yet" in client.get("/releases?application=other").text


def test_a_long_list_of_evidence_is_paged_and_no_envelope_beyond_the_page_is_opened(project: Planned, client: Client) -> None:
    release = project.measured("january")
    checks = [Check("window", Verdict.PASS, 0.1, 0.05, 0.15, 0.2, n=number) for number in range(130)]
    for check in checks:
        say(project, release, media.CHECK_PREDICATE, {"check": check.to_json(), "level": 0.95})
    page = client.get(f"/releases/{release}").text
    assert "1 to 50 of 131" in page
    assert f"/releases/{release}?offset=50#evidence" in page
    last = client.get(f"/releases/{release}?offset=100").text
    assert "101 to 131 of 131" in last
    assert f"/releases/{release}?offset=50#evidence" in last
    assert "Older" not in last
    everything = client.get(f"/api/v1/releases/{release}?limit=1000").json["evidence"]["statements"]
    assert sorted(one["check"]["n"] for one in everything if one["name"] == "said") == list(range(130))
    assert client.get(f"/releases/{release}?offset=5000").status == 200


def fill(project: Planned, release: Digest, count: int) -> None:
    """So many signed statements in one transaction: one by one each waits for the disk."""
    now, subject = instant(project.clock.now()), {"sha256": release.removeprefix("sha256:")}
    rows = []
    for number in range(count):
        check = Check("window", Verdict.PASS, 0.1, 0.05, 0.15, 0.2, n=number).to_json()
        statement: JsonObject = {
            "_type": media.STATEMENT,
            "subject": [{"name": "r", "digest": subject}],
            "predicateType": media.CHECK_PREDICATE,
            "predicate": {"project": "flights", "at": now, "level": 0.95, "check": check},
        }
        rows.append((project.store.objects.put(seal(project.signer, canonical_json(statement))), release, now))
    with closing(sqlite3.connect(project.folder / ".shipway" / "catalogue.sqlite")) as catalogue:
        values = f"('flights', ?, ?, '{media.CHECK_PREDICATE}', 'window', ?)"
        catalogue.executemany(f"INSERT INTO evidence(project, envelope, subject, predicate, name, at) VALUES {values}", rows)
        catalogue.commit()


@pytest.mark.slow
def test_a_page_over_ten_thousand_statements_takes_less_than_a_second(project: Planned, client: Client) -> None:
    release = project.measured("january")
    fill(project, release, 10_000)
    client.get(f"/releases/{release}")
    started = time.perf_counter()
    assert "1 to 50 of 10,001" in client.get(f"/releases/{release}").text
    assert time.perf_counter() - started < 1


def test_looking_moves_nothing_and_writes_no_record(project: Planned, client: Client) -> None:
    january, august = project.measured("january"), project.measured("august")
    project.apply(january, "first", deploy=DELAY_STAGING)
    paths = ["/", "/releases", f"/releases/{august}", "/plans/delay@staging", "/plans/delay@prod"]
    paths += [f"/api/v1{path}" for path in paths[1:]]
    for path in paths:
        assert client.get(path).status == 200

    def everything() -> object:
        records = [(record.id, record.outcome) for record in project.store.history(limit=1000)]
        files = sorted(path.name for path in (project.folder / ".shipway").rglob("*") if path.is_file())
        objects = [name for name in files if not name.startswith("catalogue")]
        return records, project.store.refs(), objects, [project.store.evidence(one) for one in (january, august)]

    before = everything()
    for path in paths:
        client.get(path)
    assert everything() == before
    assert project.store.ref(PROD) is None
