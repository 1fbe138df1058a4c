"""What goes wrong at a provider ends in a clear error, an answer from another one, and a record that says so."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gateway_help import Running, Upstream, chat, config_of, post, start, upstream, wait_until

if TYPE_CHECKING:
    import anthropic
    import openai


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with upstream() as found:
        yield found


def open_client(running: Running) -> openai.OpenAI:
    import openai

    return openai.OpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0)


def read_into(pieces: list[str], client: openai.OpenAI) -> None:
    with client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "a"}], stream=True) as stream:
        for chunk in stream:
            pieces.append(chunk.choices[0].delta.content or "")


def read_events(claude: anthropic.Anthropic) -> None:

    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": "a"}]
    with claude.messages.stream(model="claude", max_tokens=5, messages=messages) as events:
        list(events)


def calls(running: Running) -> str:
    return f"{running.url}/v1/chat/completions"


def test_a_busy_provider_is_asked_again_after_the_time_that_it_names(up: Upstream, tmp_path: Path) -> None:
    up.plan("busy", "gpt")
    with start(tmp_path, config_of(tmp_path, up.url)) as running:
        begun = time.monotonic()
        assert post(calls(running), chat("gpt")).status == 200
        assert time.monotonic() - begun >= 1.0
        record = running.records()[0]
    assert (record.retries, [span.status for span in record.spans]) == (1, ["error", "ok"])


def test_a_provider_that_stays_busy_is_the_callers_429_with_its_retry_after(up: Upstream, tmp_path: Path) -> None:
    up.plan(*["busy"] * 5)
    with start(tmp_path, config_of(tmp_path, up.url, retries=1)) as running:
        answer = post(calls(running), chat("gpt"))
        record = running.records()[0]
    assert (answer.status, answer.headers["retry-after"], record.usd) == (429, "1", 0.0)
    assert answer.json["error"]["message"] == "slow down"


def test_a_failure_of_the_provider_is_tried_again_and_then_a_502(up: Upstream, tmp_path: Path) -> None:
    import openai

    with start(tmp_path, config_of(tmp_path, up.url)) as running, open_client(running) as client:
        up.plan("broken", "broken", "gpt")
        assert client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "a"}]).usage
        up.plan(*["broken"] * 5)
        with pytest.raises(openai.InternalServerError, match="answered 500") as caught:
            client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "a"}])
        assert (caught.value.status_code, caught.value.code) == (502, "upstream_down")
        assert len(up.seen) == 3
        up.plan("locked")
        assert post(calls(running), chat("gpt")).json["error"]["code"] == "upstream_refused"
        assert len(up.seen) == 1


def test_the_next_provider_answers_for_one_that_fails(up: Upstream, tmp_path: Path) -> None:
    up.plan("broken", "spare")
    with start(tmp_path, config_of(tmp_path, up.url, fallback={"gpt": ["spare"]}, retries=0)) as running:
        assert post(calls(running), chat("gpt")).status == 200
        record = running.records()[0]
    assert (record.provider, record.model, record.retries) == ("spare", "spare", 1)
    assert [seen["body"]["model"] for seen in up.seen] == ["gpt", "spare"]


def test_a_provider_that_keeps_failing_is_left_alone_for_a_while(up: Upstream, tmp_path: Path) -> None:
    up.plan(*["broken", "spare"] * 3)
    with start(tmp_path, config_of(tmp_path, up.url, fallback={"gpt": ["spare"]}, retries=0)) as running:
        for _ in range(4):
            assert post(calls(running), chat("gpt")).status == 200
        assert running.metrics()['shipway_gateway_cooling{provider="gpt"}'] == 1
    assert [seen["body"]["model"] for seen in up.seen] == ["gpt", "spare"] * 3 + ["spare"]


def test_a_provider_that_never_answers_is_a_504_and_leaves_time_for_the_next_one(up: Upstream, tmp_path: Path) -> None:
    with start(tmp_path, config_of(tmp_path, up.url, timeout_seconds=1.0, fallback={"spare": ["gpt"]})) as running:
        up.plan("hang")
        begun = time.monotonic()
        answer = post(calls(running), chat("gpt"))
        assert (answer.status, answer.json["error"]["code"]) == (504, "upstream_timeout")
        assert 0.9 < time.monotonic() - begun < 2.5
        up.plan("hang")
        assert post(calls(running), chat("spare")).status == 200
        records = running.records()
    assert (records[0].error, records[0].estimated, records[0].output_tokens) == ("gateway.upstream-slow", True, 0)
    assert records[0].input_tokens > 0
    assert (records[1].provider, records[1].estimated) == ("gpt", False)


def test_a_provider_that_is_not_there_costs_nothing(tmp_path: Path) -> None:
    with start(tmp_path, config_of(tmp_path, "http://127.0.0.1:9/v1", retries=0)) as running:
        answer = post(calls(running), chat("gpt"))
        record = running.records()[0]
    assert (answer.status, record.usd, record.input_tokens) == (502, 0.0, 0)
    assert "cannot be reached" in answer.json["error"]["message"]


def test_a_stream_that_is_cut_ends_with_an_error_that_the_clients_raise(up: Upstream, tmp_path: Path) -> None:
    import anthropic
    import openai

    with start(tmp_path, config_of(tmp_path, up.url)) as running:
        up.plan("cut+drip")
        pieces: list[str] = []
        with open_client(running) as client, pytest.raises(openai.APIError, match="was cut") as caught:
            read_into(pieces, client)
        assert ("".join(pieces), caught.value.code) == ("Paris is the ", "stream_cut")
        up.plan("cut+drip")
        claude = anthropic.Anthropic(base_url=running.url, api_key="none", max_retries=0)
        with claude, pytest.raises(anthropic.APIStatusError, match="was cut"):
            read_events(claude)
        records = running.records()
    for record in records:
        assert (record.error, record.estimated, record.status) == ("gateway.stream-cut", True, 502)
        assert record.output_tokens > 0
        assert record.usd > 0


def test_a_stream_that_stalls_is_given_up(up: Upstream, tmp_path: Path) -> None:
    up.plan("stall+drip")
    with start(tmp_path, config_of(tmp_path, up.url, timeout_seconds=1.0)) as running:
        answer = post(calls(running), chat("gpt", stream=True))
        assert b"stopped for 1 s" in answer.body
        assert running.records()[0].error == "gateway.stream-cut"


def test_an_answer_without_usage_is_counted_by_us_and_says_so(up: Upstream, tmp_path: Path) -> None:
    with start(tmp_path, config_of(tmp_path, up.url)) as running:
        for stream in (False, True):
            up.plan("unmetered")
            assert post(calls(running), chat("gpt", stream=stream)).status == 200
        records = running.records()
    for record in records:
        assert record.estimated
        assert record.input_tokens >= 7
        assert record.output_tokens >= 3
        assert record.usd > 0


def test_an_answer_that_cannot_be_read_is_said_so_where_it_has_to_be_translated(up: Upstream, tmp_path: Path) -> None:
    up.plan("garbage")
    with start(tmp_path, config_of(tmp_path, up.url)) as running:
        answer = post(f"{running.url}/v1/messages", {**chat("gpt"), "max_tokens": 5})
    assert (answer.status, answer.json["error"]["type"]) == (502, "api_error")


@pytest.mark.parametrize("behaviour", ["hang", "drip"])
def test_a_client_that_hangs_up_ends_the_call_at_the_provider(up: Upstream, tmp_path: Path, behaviour: str) -> None:
    up.plan(behaviour)
    budget = {"usd": 1.0, "window_seconds": 86400}
    with start(tmp_path, config_of(tmp_path, up.url, budget=budget)) as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port)
        body = json.dumps(chat("gpt", stream=behaviour == "drip", max_tokens=100))
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        wait_until(lambda: len(up.seen) == 1)
        if behaviour == "drip":
            response = connection.getresponse()
            response.read(10)
            response.close()
        connection.close()
        wait_until(lambda: up.tell()["gone"] == 1)
        record = running.records()[0]
    assert (record.status, record.error, record.estimated) == (499, "gateway.client-gone", True)
    assert 0 < record.usd < 100 * 4e-6


def test_a_drain_lets_what_is_in_flight_finish(up: Upstream, tmp_path: Path) -> None:
    up.plan("drip")
    with start(tmp_path, config_of(tmp_path, up.url)) as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port)
        body = json.dumps(chat("gpt", stream=True))
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        response = connection.getresponse()
        running.process.terminate()
        assert response.read().endswith(b"data: [DONE]\n\n")
        connection.close()
        assert running.process.wait(timeout=60) == 0
        assert [record.finish for record in running.records()] == ["stop"]
    assert not list((tmp_path / "calls").glob("*.open"))
