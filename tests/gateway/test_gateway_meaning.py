"""The semantic cache where a call meets it: off unless a rate is stated, told what the model says, after the exact one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_help import Running, Upstream, chat, config_of, post, start, upstream, wait_until


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with upstream() as found:
        yield found


@pytest.fixture
def gateway(up: Upstream, tmp_path: Path) -> Iterator[Running]:
    up.plan()
    cache = str(Path.home() / ".cache" / "shipway")
    with start(tmp_path, config_of(tmp_path, up.url, semantic_errors=0.05, cache_directory=cache)) as running:
        yield running


def ask(running: Running, text: str, **more: object) -> bytes:
    answer = post(f"{running.url}/v1/chat/completions", {**chat("gpt", text, temperature=0), **more})
    assert answer.status == 200
    return answer.body


def looked(running: Running, outcome: str) -> float:
    return running.metrics()[f'shipway_gateway_semantic_lookups_total{{outcome="{outcome}"}}']


def test_an_answer_is_kept_as_text_and_said_again_in_the_shape_that_is_asked_for(gateway: Running, up: Upstream) -> None:
    import openai

    ask(gateway, "What is the capital of France?")
    wait_until(lambda: gateway.metrics()["shipway_gateway_semantic_entries"] == 1)
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none") as client:
        messages: list[openai.types.chat.ChatCompletionUserMessageParam] = [
            {"role": "user", "content": "What is the capital of France?"}
        ]
        with client.chat.completions.create(model="gpt", messages=messages, temperature=0, stream=True) as stream:
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == "Paris is the capital."
    assert len(up.seen) == 1
    paid, hit = gateway.records()
    assert (hit.cache, hit.usd, hit.saved_usd, hit.status) == ("semantic", 0.0, paid.usd, 200)


def test_a_question_in_other_words_is_asked_and_compared_until_the_rate_is_shown(gateway: Running, up: Upstream) -> None:
    ask(gateway, "How do I reset my password?")
    wait_until(lambda: gateway.metrics()["shipway_gateway_semantic_entries"] == 1)
    ask(gateway, "How can I reset my password?")
    assert looked(gateway, "explored") == 1
    assert len(up.seen) == 2
    assert [record.cache for record in gateway.records()] == ["none", "none"]


def test_a_guarded_question_and_a_conversation_are_asked(gateway: Running, up: Upstream) -> None:
    ask(gateway, "How do I convert 10 USD to EUR?")
    wait_until(lambda: gateway.metrics()["shipway_gateway_semantic_entries"] == 1)
    ask(gateway, "How do I convert 10 EUR to USD?")
    assert looked(gateway, "guarded") == 1
    before = looked(gateway, "missed")
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    ask(gateway, "", messages=turns)
    assert looked(gateway, "missed") == before
    assert len(up.seen) == 3


def test_it_is_off_unless_a_rate_is_stated(up: Upstream, tmp_path: Path) -> None:
    with start(tmp_path, config_of(tmp_path, up.url)) as running:
        assert not [name for name in running.metrics() if "semantic" in name]
    with pytest.raises(AssertionError, match="semantic_errors"):
        start(tmp_path / "b", config_of(tmp_path / "b", up.url, semantic_errors=0.9))
