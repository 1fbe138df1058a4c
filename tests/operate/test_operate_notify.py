"""Messages about incidents: what is due is a pure question; Apprise itself posts them to a real server on loopback."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))

from monitor_logs import NOW, REF, RELEASE, FakeClock, new_store

from shipway.kernel.canonical import JsonObject
from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import Seconds
from shipway.monitor import Alert, Incident, Message, Severity, due_messages, group_alerts, keep_silence
from shipway.operate import NotifyFailed, notify
from shipway.spec import NotifySpec, SpecMalformed, parse_spec
from shipway.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise looks for it on 3.11
DAY = NOW.date()
SPEC = NotifySpec(page=("secret://env/PAGER",), ticket=("secret://env/MAIL",))


def alert(monitor: str, *, severity: Severity = Severity.PAGE, since: int = 0, over: bool = False, text: str = "") -> Alert:
    day = DAY - timedelta(days=since)
    return Alert(REF, severity, monitor, 0.081, None, None, 0.05, day, DAY, RELEASE, DAY if over else None, text)


def due(*alerts: Alert, told: dict[str, JsonObject] | None = None, minutes: float = 0.0) -> list[Message]:
    now = NOW + timedelta(minutes=minutes)
    return due_messages(group_alerts(alerts), told or {}, (), now=now, every=Seconds(1800.0), link="http://127.0.0.1:4780")


def test_a_message_says_what_since_when_how_bad_what_to_do_and_where(tmp_path: Path) -> None:
    (incident,) = group_alerts([alert("schema.x1", text="column x1 is lost")])
    from shipway.monitor import rank_causes

    whole = Incident(incident.ref, incident.alerts, (), (), rank_causes(incident, ()))
    (message,) = due_messages([whole], {}, (), now=NOW, every=Seconds(0.0), link="http://127.0.0.1:4780")
    assert message.title == "page: delay@prod, schema.x1"
    assert message.body.splitlines() == [
        f"Since {DAY}: schema.x1 0.081 against 0.05 (column x1 is lost)",
        "Likely: column x1 is lost. What to do: docs/runbooks.md#columns",
        f"http://127.0.0.1:4780/incidents/delay@prod/{DAY}",
    ]


def test_an_incident_is_told_when_it_opens_gets_worse_and_ends_and_not_in_between() -> None:
    ticket, slow, page = (
        alert("segments", severity=Severity.TICKET, since=2), alert("latency", severity=Severity.TICKET), alert("calibration"),
    )  # fmt: skip
    (first,) = due(ticket)
    told = dict(first.told)
    assert due(ticket, told=told, minutes=500) == []
    assert due(ticket, slow, told=told, minutes=29) == [], "half an hour between two messages"
    (more,) = due(ticket, slow, told=told, minutes=31)
    assert more.title == "ticket: delay@prod, segments, latency"
    (worse,) = due(ticket, page, told=told, minutes=1)
    assert worse.title == "page: delay@prod, segments, calibration", "nobody waits for a page because of a ticket"
    told |= worse.told
    ended = [alert("segments", severity=Severity.TICKET, since=2, over=True), alert("calibration", over=True)]
    assert due(*ended, told=told, minutes=30) == [], "it may come again"
    (over,) = due(*ended, told=told, minutes=32)
    assert over.title.startswith("over: delay@prod")
    told |= over.told
    assert due(*ended, told=told, minutes=900) == []
    assert due(*ended) == [], "of what is over before anybody was told nobody is"


def test_what_comes_and_goes_every_minute_is_two_messages_each_half_hour() -> None:
    told: dict[str, JsonObject] = {}
    said = []
    for minute in range(90):
        for message in due(alert("errors", over=minute % 2 == 1), told=told, minutes=minute):
            said.append((minute, message.title.partition(":")[0]))
            told |= message.told
    assert said == [(0, "page"), (31, "over"), (32, "page"), (63, "over"), (64, "page")]


def test_an_address_hears_of_an_incident_what_is_for_it() -> None:
    alerts = [alert("calibration"), alert("segments", severity=Severity.TICKET)]
    pager, mail = {Severity.PAGE}, {Severity.TICKET}

    def heard_by(heard: set[Severity], *alerts: Alert, told: dict[str, JsonObject], minutes: float = 0.0) -> list[Message]:
        now = NOW + timedelta(minutes=minutes)
        return due_messages(group_alerts(alerts), told, (), now=now, every=Seconds(1800.0), heard=heard)

    (page,), (ticket,) = (heard_by(heard, *alerts, told={}) for heard in (pager, mail))
    assert (page.title, ticket.title) == (
        "page: delay@prod, calibration, segments", "ticket: delay@prod, calibration, segments"
    )  # fmt: skip
    assert heard_by(pager, alerts[1], told={}) == []
    mended = [alert("calibration", over=True), alerts[1]]
    (over,) = heard_by(pager, *mended, told=dict(page.told), minutes=31)
    assert over.title == "over: delay@prod, calibration", "the pager is quiet again, whatever waits until tomorrow"
    assert heard_by(mail, *mended, told=dict(ticket.told), minutes=31) == []


def test_many_incidents_at_once_are_one_message() -> None:
    days = [DAY - timedelta(days=10 * number) for number in range(1, 7)]
    shifted = [Alert(REF, Severity.PAGE, "calibration", 0.1, None, None, 0.05, day, day, RELEASE, day) for day in days]
    incidents = group_alerts(shifted)
    told: dict[str, JsonObject] = {
        one.id: {"version": 1, "at": "2026-01-01T00:00:00.000000Z", "severity": "page", "status": "open", "monitors": []}
        for one in incidents
    }
    (message,) = due_messages(incidents, told, (), now=NOW, every=Seconds(1800.0))
    assert message.title == "6 incidents"
    assert set(message.told) == {one.id for one in incidents}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = new_store(tmp_path, FakeClock(NOW))
    for one in (alert("calibration"), alert("errors", text="20 of 100 requests failed")):
        store.put_state("alert", one.key, one.to_json())
    return store


class Posted(BaseHTTPRequestHandler):
    """Keeps what was posted; answers with the server's status."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Posted)
    server.posted, server.status = [], 200  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_apprise_posts_one_message_for_one_incident_and_a_second_round_none(store: Store, webhook: Any) -> None:
    environ = {"PAGER": f"json://127.0.0.1:{webhook.server_port}/hook"}
    (sent,) = notify(store, REF, SPEC, environ=environ, link="http://127.0.0.1:4780")
    (posted,) = webhook.posted
    assert (posted["title"], posted["type"]) == (sent.title, "failure")
    assert "20 of 100 requests failed" in posted["message"]
    assert notify(store, REF, SPEC, environ=environ) == ()
    assert len(webhook.posted) == 1


def test_a_message_that_was_not_taken_is_sent_again_and_its_address_is_in_no_error(store: Store, webhook: Any) -> None:
    environ = {"PAGER": f"json://user:hunter2@127.0.0.1:{webhook.server_port}/hook"}
    webhook.status = 500
    with pytest.raises(NotifyFailed) as problem:
        notify(store, REF, SPEC, environ=environ)
    assert "hunter2" not in f"{problem.value.what} {problem.value.where} {problem.value.mend}"
    webhook.status = 200
    assert len(notify(store, REF, SPEC, environ=environ)) == 1


def test_an_address_that_takes_nothing_does_not_make_the_others_hear_it_again(store: Store, webhook: Any) -> None:
    spec = NotifySpec(page=("secret://env/GONE", "secret://env/BROKEN", "secret://env/PAGER"))
    environ = {"PAGER": f"json://127.0.0.1:{webhook.server_port}/hook", "BROKEN": "no address at all"}
    for _ in range(3):
        with pytest.raises(ShipwayError, match="GONE"):
            notify(store, REF, spec, environ=environ)
    assert len(webhook.posted) == 1
    environ["BROKEN"] = environ["GONE"] = f"json://127.0.0.1:{webhook.server_port}/other"
    assert len(notify(store, REF, spec, environ=environ)) == 2
    assert len(webhook.posted) == 3


def test_a_sender_that_raises_is_one_error_without_its_words_and_the_others_are_told(store: Store) -> None:
    spec, told = NotifySpec(page=("secret://env/A", "secret://env/B")), list[str]()

    def send(address: str, message: Message) -> bool:
        if address == "hunter2":
            raise RuntimeError(address)
        told.append(message.title)
        return True

    with pytest.raises(NotifyFailed) as problem:
        notify(store, REF, spec, environ={"A": "hunter2", "B": "b"}, send=send)
    assert "hunter2" not in f"{problem.value.what} {problem.value.where} {problem.value.mend}"
    assert told == ["page: delay@prod, calibration, errors"]


def test_what_is_silenced_calls_nobody(store: Store) -> None:
    keep_silence(store, REF, "*", who="ada", why="known", seconds=Seconds(3600.0))
    assert notify(store, REF, SPEC, environ={}, send=lambda *_: False) == ()


def test_addresses_are_references_and_never_keys() -> None:
    spec = parse_spec(
        "project: p\nnotify: {page: secret://env/PAGER, ticket: [secret://env/A, secret://env/B], every: 10m}", path="s"
    )
    assert spec.notify == NotifySpec(
        page=("secret://env/PAGER",), ticket=("secret://env/A", "secret://env/B"), every=Seconds(600.0)
    )
    with pytest.raises(SpecMalformed) as problem:
        parse_spec("project: p\nnotify: {page: 'slack://T0/B0/hunter2'}", path="s")
    assert "hunter2" not in str(problem.value)
