"""One caller, one long stream or one busy file does not take the gateway away from all others; and what others may not see."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from gateway_help import Running, Upstream, chat, config_of, post, provider_object, start, upstream, wait_until

from shipway.gateway._outlet import Outlet
from shipway.gateway._relay import Kept
from shipway.gateway._responses import ResponsesScan
from shipway.llm import Charge, Ledger, LedgerGone, Usd

DAY = 86400
BUDGET = {"usd": 1.0, "window_seconds": DAY}


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with upstream() as found:
        yield found


@pytest.fixture
def gateway(up: Upstream, tmp_path: Path) -> Iterator[Running]:
    up.plan()
    with start(tmp_path, config_of(tmp_path, up.url)) as running:
        yield running


def calls(running: Running) -> str:
    return f"{running.url}/v1/chat/completions"


def get(running: Running, path: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{running.url}{path}", headers=headers), timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code


def slowest_health(running: Running, seconds: float) -> float:
    """The longest that /healthz took in this time."""
    slowest, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        assert get(running, "/healthz") == 200
        slowest = max(slowest, time.monotonic() - begun)
        time.sleep(0.02)
    return slowest


def memory(running: Running) -> int:
    """Most bytes of memory that the process has had."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) << 10


def test_a_stream_without_an_end_is_cut_and_not_kept_in_memory(up: Upstream, tmp_path: Path) -> None:
    with start(tmp_path, config_of(tmp_path, up.url)) as running:
        up.plan("unmetered", "flood", "flood")
        post(calls(running), chat("gpt", stream=True))  # counted by us: the tokenizer's table is loaded
        before = memory(running)
        for temperature in (0.7, 0):  # the second one could be cached
            answer = post(calls(running), chat("gpt", stream=True, temperature=temperature))
            assert b"is larger than" in answer.body[-1000:]
        assert memory(running) - before < 40 << 20


def test_a_stream_is_kept_until_it_is_too_long() -> None:
    kept, none = Kept(5), Kept(0)
    for data in (b"abc", b"de"):
        kept.add(data)
        none.add(data)
    assert (kept.whole, kept.body, none.whole, none.body) == (True, b"abcde", False, b"")
    kept.add(b"f")
    kept.add(b"g")
    assert (kept.whole, kept.body) == (False, b"")


def test_a_frame_without_an_end_passes_the_outlet_and_is_looked_at_once() -> None:
    outlet = Outlet("openai", block={"request": "r"})
    begun, said = time.perf_counter(), 0
    for _ in range(3000):
        said += len(outlet.feed(b"x" * 1000))
    assert said >= 2_000_000
    assert time.perf_counter() - begun < 3
    assert said + len(outlet.end()) > 3_000_000


def test_the_text_of_responses_is_bounded() -> None:
    scan, event = ResponsesScan(), {"type": "response.output_text.delta", "delta": "x" * (1 << 20)}
    frame = f"data: {json.dumps(event)}\n\n".encode()
    for _ in range(20):
        scan.feed(frame)
    assert len(scan.text) <= 17 << 20
    assert scan.deltas == 20


def test_nobody_waits_for_the_answer_of_somebody_who_does_not_read(gateway: Running, up: Upstream) -> None:
    up.plan("flood", "gpt")
    body = json.dumps(chat("gpt", "same", temperature=0, stream=True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", gateway.port))
        reader.sendall(head + body)
        wait_until(lambda: len(up.seen) == 1)
        begun = time.monotonic()
        answer = post(calls(gateway), json.loads(body))
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert time.monotonic() - begun < 4


def test_a_locked_ledger_holds_up_only_who_needs_it(up: Upstream, tmp_path: Path) -> None:
    up.plan()
    with start(tmp_path, config_of(tmp_path, up.url, budget=BUDGET)) as running, ThreadPoolExecutor(8) as pool:
        assert post(calls(running), chat("gpt")).status == 200
        other = sqlite3.connect(tmp_path / "state" / "ledger.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = [pool.submit(post, calls(running), chat("gpt", str(number))) for number in range(8)]
        assert slowest_health(running, 1.0) < 0.25
        other.execute("ROLLBACK")
        assert {found.result().status for found in waiting} == {200}
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        refused = list(pool.map(lambda number: post(calls(running), chat("gpt", str(number))), range(8)))
        assert {(answer.status, answer.json["error"]["code"]) for answer in refused} == {(503, "ledger_down")}
        assert time.monotonic() - begun < 4
        other.execute("ROLLBACK")
        other.close()


def test_what_cannot_be_settled_at_once_is_settled_later(up: Upstream, tmp_path: Path) -> None:
    up.plan("slow")
    with start(tmp_path, config_of(tmp_path, up.url, budget=BUDGET)) as running, ThreadPoolExecutor(1) as pool:
        answered = pool.submit(post, calls(running), chat("gpt", max_tokens=1000))
        wait_until(lambda: len(up.seen) == 1)
        other = sqlite3.connect(tmp_path / "state" / "ledger.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert answered.result().status == 200
        time.sleep(0.1)
        other.execute("ROLLBACK")
        other.close()
        running.stop()
    with Ledger(tmp_path / "state" / "ledger.sqlite") as ledger:
        standing = ledger.standing("gateway", DAY, now=time.time())
    assert float(standing.spent) == pytest.approx(21e-6)
    assert float(standing.reserved) == 0.0


def test_windows_and_lost_reservations_of_long_ago_are_forgotten(up: Upstream, tmp_path: Path) -> None:
    up.plan()
    long_ago = time.time() - 40 * DAY
    with Ledger(tmp_path / "state" / "ledger.sqlite") as ledger:
        ledger.reserve([Charge("gateway", Usd(1.0), DAY)], Usd(0.1), now=long_ago)
    with start(tmp_path, config_of(tmp_path, up.url, budget=BUDGET)) as running:
        assert post(calls(running), chat("gpt")).status == 200
        running.stop()
    with Ledger(tmp_path / "state" / "ledger.sqlite") as ledger:
        assert float(ledger.spent("gateway", DAY, now=long_ago)) == 0.0
        assert ledger.spent("gateway", DAY, now=time.time()) == pytest.approx(21e-6)


def test_a_ledger_says_that_it_is_only_busy(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite", busy_seconds=0.005) as ledger:
        other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        with pytest.raises(LedgerGone) as caught:
            ledger.spent("x", DAY, now=0)
        assert (caught.value.busy, time.monotonic() - begun < 0.1) == (True, True)
        other.execute("ROLLBACK")
        other.close()


def test_a_large_body_does_not_stop_the_others(up: Upstream, tmp_path: Path) -> None:
    up.plan()
    text = "".join(chr(33 + number * 7919 % 90) for number in range(1000)) * 10_000
    with (
        start(tmp_path, config_of(tmp_path, up.url, budget={**BUDGET, "usd": 100.0})) as running,
        ThreadPoolExecutor(1) as pool,
    ):
        post(calls(running), chat("gpt"))
        sent = json.dumps(chat("gpt", text, max_tokens=1)).encode()
        large = pool.submit(post, calls(running), sent)
        slowest = slowest_health(running, 1.0)
        assert large.result().status == 200
        assert slowest < 0.3


def test_a_key_in_a_providers_words_is_masked(up: Upstream, tmp_path: Path) -> None:
    up.plan("leaky", "leaky")
    config = config_of(tmp_path, up.url)
    config["providers"][0]["key"] = "secret://env/PROVIDER_TEST_KEY"
    with start(tmp_path, config, {"PROVIDER_TEST_KEY": "sk-very-secret-0123456789"}) as running:
        for path, body in (("chat/completions", chat("gpt")), ("messages", {**chat("gpt"), "max_tokens": 5})):
            answer = post(f"{running.url}/v1/{path}", body)
            assert answer.status == 400
            assert b"Bearer ***" in answer.body
            assert b"sk-very" not in answer.body


def test_the_version_of_a_wire_format_makes_another_question(gateway: Running, up: Upstream) -> None:
    body = {**chat("claude", temperature=0), "max_tokens": 5}
    for version in ("2023-06-01", "2023-01-01", "2023-06-01"):
        post(f"{gateway.url}/v1/messages", body, {"anthropic-version": version})
    assert len(up.seen) == 2


def test_a_budget_that_is_spent_is_only_its_owners(up: Upstream, tmp_path: Path) -> None:
    up.plan()
    names = {"poor": {"budget": {"usd": 1e-9, "window_seconds": DAY}}, "rich": {}}
    keys = [
        {"name": name, "key": "sha256:" + hashlib.sha256(name.encode()).hexdigest(), "tenant": "one", **more}
        for name, more in names.items()
    ]
    with start(tmp_path, config_of(tmp_path, up.url, keys=keys)) as running, ThreadPoolExecutor(2) as pool:
        sqlite = sqlite3.connect(tmp_path / "state" / "ledger.sqlite", isolation_level=None)
        sqlite.execute("BEGIN IMMEDIATE")  # the poor one waits, and the rich one for its answer

        def ask(key: str) -> int:
            return post(calls(running), chat("gpt", temperature=0), {"authorization": f"Bearer {key}"}).status

        poor = pool.submit(ask, "poor")
        time.sleep(0.3)
        rich = pool.submit(ask, "rich")
        time.sleep(0.3)
        sqlite.execute("ROLLBACK")
        sqlite.close()
        assert (poor.result(), rich.result()) == (429, 200)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"input": [{"type": "item_reference", "id": "m1"}]}, "input"),
    ],
)
def test_state_at_the_provider_is_refused_where_callers_share_its_key(
    up: Upstream, tmp_path: Path, more: dict[str, Any], named: str
) -> None:
    up.plan()
    keys = [{"name": "a", "key": "sha256:" + hashlib.sha256(b"a").hexdigest()}]
    body = {"model": "gpt", "input": "hi", **more}
    with start(tmp_path / "keys", config_of(tmp_path / "keys", up.url, keys=keys)) as running:
        answer = post(f"{running.url}/v1/responses", body, {"authorization": "Bearer a"})
        assert (answer.status, answer.json["error"]["code"]) == (400, "state_refused")
        assert f"`{named}`" in answer.json["error"]["message"]
        plain = {"model": "gpt", "input": [{"role": "user", "content": '"item_reference"'}], "store": False}
        assert post(f"{running.url}/v1/responses", plain, {"authorization": "Bearer a"}).status == 200
    with start(tmp_path / "open", config_of(tmp_path / "open", up.url)) as running:
        assert post(f"{running.url}/v1/responses", body).status == 200


def test_pages_are_for_no_other_name_than_the_machines(gateway: Running) -> None:
    for path in ("/metrics", "/readyz", "/v1/models"):
        assert get(gateway, path, Host="evil.example:4790") == 403
        assert get(gateway, path, Host="127.0.0.1.evil.example") == 403
        for name in ("localhost:80", "127.0.0.1", "[::1]:4790", "10.1.2.3:80"):
            assert get(gateway, path, Host=name) == 200
    assert get(gateway, "/healthz", Host="evil.example") == 200


def application(up: Upstream, variables: dict[str, str], text: str) -> dict[str, Any]:
    """An application without an index."""
    prompt = {"kind": "prompt", "version": 1, "messages": [{"role": "user", "text": text}], "variables": variables}
    return {
        "name": "assistant",
        "release": "sha256:" + "2" * 64,
        "deployment": "sha256:" + "3" * 64,
        "prompt": {**prompt, "provider": "gpt", "retrieve": None},
        "provider": provider_object("gpt", up.url, temperature=0),
        "provider_name": "gpt",
    }


def test_a_prompts_other_variables_are_taken_from_metadata(up: Upstream, tmp_path: Path) -> None:
    up.plan()
    variables = {"question": "text", "tone": "choice(kind|short)", "most": "integer"}
    apps = [application(up, variables, "{{tone}} {{most}}: {{question}}")]
    with start(tmp_path, config_of(tmp_path, up.url, applications=apps)) as running:
        for tone in ("kind", "short", "kind"):
            assert (
                post(calls(running), chat("assistant", "q", metadata={"tone": tone, "most": "3", "user_id": "u"})).status == 200
            )
        assert [seen["body"]["messages"][0]["content"] for seen in up.seen] == [
            "kind 3: q",
            "short 3: q",
        ]  # the third is cached
        for metadata, said in (
            (None, "'tone'"),
            ({"tone": "kind"}, "'most'"),
            ({"tone": "kind", "most": "many"}, "'most'"),
            ({"tone": "loud", "most": "3"}, "tone"),
            ("x", "metadata"),
        ):
            answer = post(calls(running), chat("assistant", "q", metadata=metadata))
            assert (answer.status, said in answer.json["error"]["message"]) == (400, True), answer.body


def test_beside_applications_providers_are_named_only_where_the_file_says_so(up: Upstream, tmp_path: Path) -> None:
    up.plan()
    apps = [application(up, {"question": "text"}, "{{question}}")]
    for said, status in ((None, 404), (False, 404), (True, 200)):
        folder = tmp_path / str(said)
        with start(folder, config_of(folder, up.url, applications=apps, pass_through=said)) as running:
            assert post(calls(running), chat("gpt")).status == status
            assert post(calls(running), chat("assistant")).status == 200
            connection = http.client.HTTPConnection("127.0.0.1", running.port)
            connection.request("GET", "/v1/models")
            names = [model["id"] for model in json.loads(connection.getresponse().read())["data"]]
            connection.close()
            assert ("gpt" in names, "assistant" in names) == (status == 200, True)


def test_frames_split_anywhere_come_out_whole() -> None:
    whole = b"data: {}\r\n\r\ndata: [DONE]\r\n\r\n"
    for cut in range(1, len(whole)):
        outlet = Outlet("openai", block={"request": "r"})
        said = b"".join(outlet.feed(whole[a:b]) for a, b in pairwise((0, cut, len(whole)))) + outlet.end()
        assert said.index(b'"shipway"') < said.index(b"[DONE]")
