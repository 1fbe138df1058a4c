"""The real openai and anthropic clients talk to a gateway process over a provider process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gateway_help import Running, Upstream, chat, config_of, post, start, upstream

if TYPE_CHECKING:
    import anthropic
    import openai

QUESTION = {"role": "user", "content": "What is the capital of France?"}


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with upstream() as found:
        yield found


@pytest.fixture(scope="module")
def gateway(up: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    with start(folder, config_of(folder, up.url)) as running:
        yield running


@pytest.fixture
def client(gateway: Running) -> Iterator[openai.OpenAI]:
    import openai

    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as found:
        yield found


@pytest.fixture
def claude(gateway: Running) -> Iterator[anthropic.Anthropic]:
    import anthropic

    with anthropic.Anthropic(base_url=gateway.url, api_key="none", max_retries=0) as found:
        yield found


def test_openai_gets_an_answer_with_its_usage(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "hello"}])
    assert answer.choices[0].message.content == "Paris is the capital."
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 12


def test_openai_streams_and_sees_no_usage_that_it_did_not_ask_for(client: openai.OpenAI, up: Upstream) -> None:
    up.plan()
    with client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "hi"}], stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Paris is the capital."
    assert all(chunk.usage is None for chunk in chunks)
    assert up.seen[0]["body"]["stream_options"] == {"include_usage": True}


def test_openai_gets_the_usage_that_it_asked_for(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model="gpt", messages=[{"role": "user", "content": "hi"}], stream=True, stream_options={"include_usage": True}
    ) as stream:
        last = list(stream)[-1]
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 15


def test_openai_reaches_a_provider_of_the_other_shape(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="claude", messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}], stop=["x"]
    )
    assert answer.choices[0].message.content == "Paris is the capital."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 3)


def test_openai_streams_from_a_provider_of_the_other_shape(client: openai.OpenAI, up: Upstream) -> None:
    up.plan()
    with client.chat.completions.create(
        model="claude",
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        stop="x",
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Paris is the capital."
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens == 12
    sent = up.seen[0]["body"]
    assert (sent["system"], sent["stop_sequences"], sent["max_tokens"]) == ("Be brief.", ["x"], 1024)


def test_tools_for_a_provider_of_the_other_shape_are_refused_by_name(client: openai.OpenAI) -> None:
    import openai

    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    with pytest.raises(openai.BadRequestError, match="'tools' cannot be translated") as caught:
        client.chat.completions.create(model="claude", messages=[{"role": "user", "content": "hi"}], tools=[tool])
    assert caught.value.code == "not_translatable"


def test_openai_embeds(client: openai.OpenAI, gateway: Running) -> None:
    answer = client.embeddings.create(model="embed", input="hello", encoding_format="float")
    assert answer.data[0].embedding == [0.5, 0.25]
    assert answer.usage.prompt_tokens == 7


def test_openai_uses_responses_whole_and_streamed(client: openai.OpenAI) -> None:
    assert client.responses.create(model="gpt", input="hi").output_text == "Paris is the capital."
    with client.responses.create(model="gpt", input="hi", stream=True) as stream:
        events = list(stream)
    assert events[-1].type == "response.completed"


def test_openai_lists_what_there_is(client: openai.OpenAI) -> None:
    assert {"gpt", "claude", "spare"} <= {model.id for model in client.models.list()}


def test_anthropic_gets_a_message_with_its_usage(claude: anthropic.Anthropic) -> None:
    answer = claude.messages.create(model="claude", max_tokens=10, messages=[{"role": "user", "content": "hi"}])
    assert answer.content[0].type == "text"
    assert answer.content[0].text == "Paris is the capital."
    assert answer.usage.cache_read_input_tokens == 4


def test_anthropic_streams(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(model="claude", max_tokens=10, messages=[{"role": "user", "content": "hi"}]) as stream:
        assert "".join(stream.text_stream) == "Paris is the capital."
        assert stream.get_final_message().usage.output_tokens == 3


def test_anthropic_reaches_a_provider_of_the_other_shape(claude: anthropic.Anthropic, up: Upstream) -> None:
    up.plan()
    answer = claude.messages.create(
        model="gpt", max_tokens=10, system="Be brief.", messages=[{"role": "user", "content": "hi"}], stop_sequences=["x"]
    )
    assert answer.content[0].type == "text"
    assert answer.content[0].text == "Paris is the capital."
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens) == (8, 4)
    assert up.seen[0]["body"]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert up.seen[0]["body"]["stop"] == ["x"]


def test_anthropic_streams_from_a_provider_of_the_other_shape(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(model="gpt", max_tokens=10, messages=[{"role": "user", "content": "hi"}]) as stream:
        assert "".join(stream.text_stream) == "Paris is the capital."
        final = stream.get_final_message()
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 3)


def test_cache_control_and_beta_headers_reach_the_provider_as_they_were_sent(claude: anthropic.Anthropic, up: Upstream) -> None:
    up.plan()
    claude.messages.create(
        model="claude",
        max_tokens=10,
        system=[{"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": "hi"}],
        extra_headers={"anthropic-beta": "some-beta"},
    )
    seen = up.seen[0]
    assert seen["body"]["system"] == [{"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}]
    assert {name.lower(): value for name, value in seen["headers"].items()}["anthropic-beta"] == "some-beta"


def test_an_unknown_model_is_an_error_of_the_callers_client(client: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    import anthropic
    import openai

    with pytest.raises(openai.NotFoundError, match="did you mean 'spare'") as caught:
        client.chat.completions.create(model="spar", messages=[{"role": "user", "content": "hi"}])
    assert caught.value.code == "model_not_found"
    with pytest.raises(anthropic.NotFoundError, match="no model 'spar'"):
        claude.messages.create(model="spar", max_tokens=1, messages=[{"role": "user", "content": "hi"}])


def test_what_a_provider_says_of_a_bad_request_reaches_the_caller_as_it_is(client: openai.OpenAI, up: Upstream) -> None:
    import openai

    up.plan("wrong")
    with pytest.raises(openai.BadRequestError, match="no such tool"):
        client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "hi"}])


def test_what_a_provider_of_the_other_shape_says_is_put_into_the_callers_words(
    claude: anthropic.Anthropic, up: Upstream
) -> None:
    import anthropic

    up.plan("wrong")
    with pytest.raises(anthropic.BadRequestError, match="no such tool") as caught:
        claude.messages.create(model="gpt", max_tokens=1, messages=[{"role": "user", "content": "hi"}])
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["type"] == "error"


def test_a_body_that_needs_no_change_is_passed_byte_for_byte(gateway: Running, up: Upstream) -> None:
    up.plan()
    body = b'{ "model": "gpt",  "messages": [{"role": "user", "content": "caf\\u00e9"}], "x": 1.0 }'
    assert post(f"{gateway.url}/v1/chat/completions", body).status == 200
    assert up.seen[0]["raw"].encode() == body


def test_pages_of_browsers_other_methods_and_bad_bodies_are_refused(gateway: Running) -> None:
    url = f"{gateway.url}/v1/chat/completions"
    assert post(url, chat("gpt"), {"origin": "https://evil.example"}).status == 403
    assert post(url, chat("gpt"), {"content-type": "text/plain"}).status == 415
    assert post(url, chat("gpt"), {"content-encoding": "gzip"}).status == 415
    assert post(url, b"[1]").json["error"]["code"] == "invalid_request"
    assert post(url, {"model": 1}).status == 400
    assert post(f"{gateway.url}/v1/nothing", {}).status == 404
    assert post(f"{gateway.url}/metrics", {}).status == 405
    assert post(f"{gateway.url}/v1/messages", b"{").json["type"] == "error"


def test_every_answer_has_the_id_of_its_record(up: Upstream, tmp_path: Path) -> None:
    with start(tmp_path, config_of(tmp_path, up.url)) as running:
        answer = post(f"{running.url}/v1/chat/completions", chat("gpt"))
        record = running.records()[0]
    assert record.id == answer.headers["x-request-id"]
    assert (record.input_tokens, record.cached_tokens, record.output_tokens) == (12, 4, 3)
    assert record.usd == pytest.approx((8 * 1.0 + 4 * 0.25 + 3 * 4.0) / 1e6)
    assert (record.prices, record.finish, record.status) == ("sha256:" + "1" * 64, "stop", 200)
    assert [span.layer for span in record.spans] == ["model"]


def test_the_metrics_count_tokens_money_and_time(up: Upstream, tmp_path: Path) -> None:
    with start(tmp_path, config_of(tmp_path, up.url)) as running:
        url = f"{running.url}/v1/chat/completions"
        for body in (chat("gpt", temperature=0), chat("gpt", temperature=0), chat("gpt", stream=True), chat("none")):
            post(url, body)
        found = running.metrics()
    tokens = {
        kind: found[f'shipway_gateway_tokens_total{{provider="gpt",kind="{kind}"}}'] for kind in ("input", "cached", "output")
    }
    assert tokens == {"input": 24, "cached": 8, "output": 6}
    assert found['shipway_gateway_calls_total{model="gpt",status="200",cache="exact"}'] == 1
    assert found['shipway_gateway_calls_total{model="",status="404",cache="none"}'] == 1
    assert found['shipway_gateway_usd_total{provider="gpt",key=""}'] == pytest.approx(2 * 21e-6)
    assert found['shipway_gateway_saved_usd_total{cache="exact"}'] == pytest.approx(21e-6)
    assert found["shipway_gateway_call_seconds_count"] == 4
    assert found["shipway_gateway_first_token_seconds_count"] == 1
    assert found["shipway_gateway_in_flight"] == 0
    assert found["shipway_gateway_log_accepted_calls_total"] == 4
    assert found["shipway_gateway_log_dropped_calls_total"] == 0
