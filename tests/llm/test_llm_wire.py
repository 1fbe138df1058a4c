from __future__ import annotations

import json

import pytest

from shipway.llm import Message, Provider, Usage, provider_headers, provider_url, stream_usage
from shipway.llm._anthropic import Anthropic
from shipway.llm._openai import OpenAi

TURNS = (Message("system", "A"), Message("user", "B"), Message("assistant", "C"), Message("system", "D"), Message("user", "E"))


def test_system_messages_go_where_each_format_has_them() -> None:
    provider = Provider("p", "m")
    openai = json.loads(OpenAi().body(provider, TURNS, {}, stream=True))
    assert [turn["role"] for turn in openai["messages"]] == ["system", "user", "assistant", "system", "user"]
    assert openai["stream_options"] == {"include_usage": True}
    anthropic = json.loads(Anthropic().body(provider, TURNS, {"max_tokens": 7}, stream=True))
    assert (anthropic["system"], anthropic["max_tokens"], anthropic["stream"]) == ("A\n\nD", 7, True)
    assert [turn["content"] for turn in anthropic["messages"]] == ["B", "C", "E"]
    assert "system" not in json.loads(Anthropic().body(provider, TURNS[1:2], {}, stream=False))


@pytest.mark.parametrize(
    ("provider", "path", "url"),
    [
        (Provider("p", "m"), None, "https://api.openai.com/v1/chat/completions"),
        (Provider("p", "m", shape="anthropic"), None, "https://api.anthropic.com/v1/messages"),
        (Provider("p", "m", "http://host:1/base/"), "/embeddings", "http://host:1/base/embeddings"),
    ],
)
def test_an_address_is_the_base_and_the_path_of_the_format(provider: Provider, path: str | None, url: str) -> None:
    assert provider_url(provider, path) == url


def test_without_a_key_no_header_holds_one() -> None:
    assert "authorization" not in provider_headers(Provider("p", "m"), None)
    assert "x-api-key" not in provider_headers(Provider("p", "m", shape="anthropic"), None)


def test_an_answer_of_nulls_is_an_empty_text() -> None:
    body = b'{"choices":[{"message":{"content":null,"tool_calls":[{"id":"1"}]},"finish_reason":"tool_calls"}],"usage":null}'
    answer = OpenAi().answer(body)
    assert (answer.text, answer.usage, answer.finish, answer.model) == ("", None, "tool_calls", "")


def test_anthropics_last_counts_replace_its_first() -> None:
    scan = stream_usage("anthropic")
    first = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 5, "output_tokens": 1}}}
    last = {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"input_tokens": 6, "output_tokens": 9}}
    for event in (first, last):
        scan.feed(b"data: " + json.dumps(event).encode() + b"\n\n")
    assert (scan.usage, scan.finish, scan.done, scan.complete) == (Usage(6, 9), "max_tokens", False, True)


def test_an_error_in_anthropics_stream_is_no_answer() -> None:
    scan = stream_usage("anthropic")
    scan.feed(b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n')
    assert scan.error is not None
    assert ("Overloaded" in scan.error, scan.complete) == (True, False)
