"""The pure parts: buckets, the outlet, translation, waiting between tries; and the file and the start of a gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from gateway_help import config_of, provider_object
from gateway_upstream import TEXT, anthropic_frames, openai_frames
from hypothesis import given
from hypothesis import strategies as st

from shipway.gateway import ConfigMalformed, load_config
from shipway.gateway._errors import NotTranslatable, RateReached, RequestMalformed, UpstreamDown, UpstreamSlow
from shipway.gateway._limits import Bucket, take_call
from shipway.gateway._outlet import Outlet
from shipway.gateway._request import ENDPOINTS, parse_ask, question_of
from shipway.gateway._translate import translated_messages, translated_parameters
from shipway.gateway._upstream import Upstream, _Failed
from shipway.llm import stream_usage

CHAT, MESSAGES = ENDPOINTS["/v1/chat/completions"], ENDPOINTS["/v1/messages"]


def test_a_bucket_gives_a_minutes_calls_at_once_and_then_fills_evenly() -> None:
    bucket = Bucket(60, now=0)
    for _ in range(60):
        take_call((("x", bucket),), 0)
    with pytest.raises(RateReached) as caught:
        take_call((("x", bucket),), 0.25)
    assert caught.value.after == pytest.approx(0.75)
    take_call((("x", bucket),), 1.0)
    assert bucket.level(10_000) == 60


def test_a_call_that_one_bucket_refuses_is_taken_from_none() -> None:
    full, empty = Bucket(10, now=0), Bucket(1, now=0)
    empty.take(0)
    with pytest.raises(RateReached):
        take_call((("a", full), ("b", empty)), 0)
    assert full.level(0) == 10
    assert dict(take_call((("a", full),), 0))[b"x-ratelimit-remaining-requests"] == b"9"


@given(cuts=st.lists(st.integers(0, 2000), max_size=12), crlf=st.booleans())
def test_an_outlet_changes_a_stream_alike_wherever_it_is_split(cuts: list[int], crlf: bool) -> None:
    whole = b"".join(openai_frames(usage=True))
    whole = whole.replace(b"\n", b"\r\n") if crlf else whole
    outlet = Outlet("openai", hide_usage=True, block={"request": "r1", "release": "x"})
    edges = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    said = b"".join(outlet.feed(whole[a:b]) for a, b in pairwise(edges)) + outlet.end()
    events = [line[5:].strip() for line in said.splitlines() if line.startswith(b"data:")]
    assert events[-1] == b"[DONE]"
    assert json.loads(events[-2])["shipway"] == {"request": "r1", "release": "x"}
    assert b"total_tokens" not in said
    scan = stream_usage("openai")
    scan.feed(said)
    assert scan.text == "".join(TEXT)


def test_the_block_comes_once_even_without_an_end_mark() -> None:
    outlet = Outlet("openai", block={"request": "r1"})
    said = b"".join(map(outlet.feed, openai_frames(usage=False)[:-1])) + outlet.end() + outlet.end()
    assert said.count(b'"shipway"') == 1


def test_an_anthropic_stream_has_the_block_before_its_end() -> None:
    outlet = Outlet("anthropic", block={"request": "r1"})
    said = b"".join(map(outlet.feed, anthropic_frames())) + outlet.end()
    assert said.index(b"event: shipway") < said.index(b"event: message_stop")


def test_an_outlet_with_nothing_to_change_gives_back_the_same_bytes() -> None:
    assert Outlet("openai").feed(b"data: {") == b"data: {"
    assert Outlet("openai").whole(b"<html>") == Outlet("openai", block={"request": "r"}).whole(b"<html>") == b"<html>"


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "q"}], **fields}).encode()


def test_the_question_is_the_last_text_of_the_user() -> None:
    turns = [
        {"role": "user", "content": "first"},
        {"role": "user", "content": [{"type": "text", "text": "second"}, {"type": "image_url", "image_url": {"url": "x"}}]},
        {"role": "assistant", "content": "no"},
    ]
    assert question_of(parse_ask(CHAT, body(messages=turns))) == "second"
    with pytest.raises(RequestMalformed, match="is missing"):
        question_of(parse_ask(CHAT, b'{"model": "m"}'))


def test_texts_and_the_usual_parameters_are_translated() -> None:
    ask = parse_ask(CHAT, body(stop="x", max_completion_tokens=5, temperature=0.5, top_p=1, tools=[], n=1, logprobs=False))
    assert translated_parameters(ask) == {"stop_sequences": ["x"], "max_tokens": 5, "temperature": 0.5, "top_p": 1}
    other = parse_ask(MESSAGES, body(system=[{"type": "text", "text": "s"}], stop_sequences=["y"], max_tokens=5))
    assert [message.role for message in translated_messages(other)] == ["system", "user"]
    assert translated_parameters(other) == {"stop": ["y"], "max_tokens": 5}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"n": 2}, "'n'"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "image_url"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "'tool'"),
    ],
)
def test_what_has_no_words_in_the_other_shape_is_named(fields: dict[str, Any], named: str) -> None:
    ask = parse_ask(CHAT, body(**fields))

    def translate() -> None:
        translated_messages(ask)
        translated_parameters(ask)

    with pytest.raises(NotTranslatable, match=named):
        translate()


def test_waits_double_honour_the_provider_and_end_with_the_time_that_is_left() -> None:
    upstream = Upstream(timeout=60, retries=3, jitter=lambda: 1.0)
    busy = _Failed(UpstreamDown("x"), status=429, after=3.0)
    down = _Failed(UpstreamDown("x"), status=503)
    assert [upstream._wait(down, tries, 60, 0) for tries in range(4)] == [0.2, 0.4, 0.8, None]
    assert upstream._wait(busy, 0, 60, 0) == 3.0
    assert upstream._wait(busy, 0, 2.9, 0) is None
    assert upstream._wait(busy, 0, 60, 1) is None  # another provider is the better bet
    assert upstream._wait(_Failed(UpstreamSlow("x"), slow=True), 0, 60, 0) is None
    assert upstream._wait(_Failed(UpstreamDown("x"), status=400), 0, 60, 0) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"time_out": 1}, "did you mean 'timeout_seconds'"),
        ({"kind": "serving"}, "kind"),
        ({"ledger_down": "maybe"}, "ledger_down"),
        ({"fallback": {"gpt": ["spair"]}}, "did you mean 'spare'"),
        ({"keys": [{"name": "a", "key": "x"}, {"name": "a", "key": "y"}]}, "comes twice"),
        ({"providers": [{"name": "a", "object": {}, "kee": "x"}]}, "kee"),
    ],
)
def test_a_file_that_says_something_wrong_is_refused_by_name(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps({**config_of(tmp_path, "http://127.0.0.1:9/v1"), **change}))
    with pytest.raises(ConfigMalformed) as caught:
        load_config(file)
    assert said in caught.value.render()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"providers": []}, "gateway.config-malformed"),
        ({"keys": [{"name": "a", "key": "the key itself"}]}, "gateway.config-malformed"),
        ({"keys": [{"name": "a", "key": "secret://env/NOT_SET_ANYWHERE"}]}, "llm.secret-missing"),
        ({"rate_per_minute": 0}, "gateway.config-malformed"),
        ({"providers": [{"name": "a", "object": provider_object("m", "u"), "key": "sk-123"}]}, "llm.secret-missing"),
    ],
)
def test_a_gateway_that_cannot_start_says_why_and_never_a_key(tmp_path: Path, change: dict[str, Any], code: str) -> None:
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps({**config_of(tmp_path, "http://127.0.0.1:9/v1"), **change}))
    command = [sys.executable, "-m", "shipway.gateway", "--config", str(file), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env={**os.environ})
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == code
    assert "sk-123" not in done.stdout + done.stderr
    assert "the key itself" not in done.stdout + done.stderr
