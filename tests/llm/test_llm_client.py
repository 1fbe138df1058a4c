from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from llm_upstream import WORDS, Upstream, upstream

from shipway.kernel.canonical import Json
from shipway.llm import (
    ANTHROPIC,
    Client,
    Completion,
    Message,
    Provider,
    ProviderDown,
    ProviderMalformed,
    ProviderRefused,
    SecretMissing,
    Usage,
    open_client,
    parse_retry_after,
    secret_value,
)

T = TypeVar("T")
KEY = "sk-very-secret"
ASK = (Message("system", "Be brief."), Message("user", "What is the answer?"))
TEXT = "".join(WORDS)


class Noon:
    """A clock that stands at noon of the day that the tests' provider speaks of."""

    def now(self) -> datetime:
        return datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[Upstream]:
    with upstream() as running:
        yield running


def provider(server: Upstream, model: str, **more: Json) -> Provider:
    return Provider("p", model, server.url, key="secret://env/KEY", parameters=more)


def with_client(call: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_client({"KEY": KEY}, clock=Noon()) as client:
            return await call(client)

    return asyncio.run(run())


def complete(asked: Provider, *, timeout: float = 5.0, **parameters: Json) -> Completion:
    return with_client(lambda client: client.complete(asked, ASK, parameters=parameters, timeout=timeout))


def streamed(asked: Provider, *, timeout: float = 5.0) -> tuple[list[str], Completion | None]:
    async def run(client: Client) -> tuple[list[str], Completion | None]:
        pieces: list[str] = []
        async for item in client.stream(asked, ASK, timeout=timeout):
            if isinstance(item, Completion):
                return pieces, item
            pieces.append(item)
        return pieces, None

    return with_client(run)


def test_an_answer_has_its_text_usage_model_and_reason(server: Upstream) -> None:
    found = complete(provider(server, "good", temperature=0, max_tokens=9), max_tokens=5)
    assert (found.text, found.model, found.finish, found.fingerprint) == (TEXT, "m-2026", "stop", "fp_1")
    assert found.usage == Usage(20, 5, cached=8)
    path, headers, body = server.seen[-1]
    assert (path, headers["authorization"]) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert body == {
        "temperature": 0,
        "max_tokens": 5,
        "model": "good",
        "stream": False,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the answer?"}],
    }


def test_a_parameter_cannot_replace_the_model_or_the_messages(server: Upstream) -> None:
    complete(provider(server, "good"), model="other", messages=[])
    assert (server.seen[-1][2]["model"], len(str(server.seen[-1][2]["messages"])) > 2) == ("good", True)


def test_anthropics_cached_tokens_are_part_of_its_input(server: Upstream) -> None:
    asked = Provider("p", "good", server.url, shape=ANTHROPIC, key="secret://env/KEY")
    found = complete(asked)
    assert (found.text, found.usage, found.finish) == (TEXT, Usage(20, 5, cached=8, written=2), "end_turn")
    path, headers, body = server.seen[-1]
    assert (path, headers["x-api-key"], "authorization" in headers) == ("/v1/messages", KEY, False)
    assert (body["system"], body["max_tokens"]) == ("Be brief.", 1024)
    assert body["messages"] == [{"role": "user", "content": "What is the answer?"}]


@pytest.mark.parametrize("shape", ["openai", ANTHROPIC])
def test_a_stream_gives_its_pieces_and_then_the_whole(server: Upstream, shape: str) -> None:
    asked = Provider("p", "good", server.url, shape=shape, key="secret://env/KEY")
    pieces, whole = streamed(asked)
    assert whole is not None
    assert ("".join(pieces), len(pieces), whole.text) == (TEXT, len(WORDS), TEXT)
    assert (whole.usage.input, whole.usage.output, whole.usage.cached, whole.usage.estimated) == (20, 5, 8, False)
    assert whole.first_token is not None
    assert 0 < whole.first_token < whole.seconds
    if shape == "openai":
        assert server.seen[-1][2]["stream_options"] == {"include_usage": True}


def test_an_answer_without_usage_is_counted_and_says_so(server: Upstream) -> None:
    found = complete(provider(server, "no-usage"))
    _, whole = streamed(provider(server, "no-usage"))
    assert whole is not None
    assert found.usage.estimated
    assert whole.usage == found.usage
    assert 5 <= found.usage.input <= 20
    assert 4 <= found.usage.output <= 12


@pytest.mark.parametrize(("model", "pieces"), [("cut", 3), ("short", 3), ("told", 2)])
def test_a_stream_that_ends_before_its_end_is_an_error_with_the_text_so_far(server: Upstream, model: str, pieces: int) -> None:
    with pytest.raises(ProviderMalformed) as caught:
        streamed(provider(server, model))
    assert (caught.value.partial, caught.value.retry) == ("".join(WORDS[:pieces]), True)
    assert f"after {pieces} pieces" in caught.value.what
    assert ("overloaded" in caught.value.what) == (model == "told")


def test_an_upstream_that_never_answers_is_down_when_the_time_is_up(server: Upstream) -> None:
    began = time.monotonic()
    with pytest.raises(ProviderDown, match=r"within 0\.3 s") as caught:
        complete(provider(server, "hang"), timeout=0.3)
    assert caught.value.retry
    assert time.monotonic() - began < 2


def test_a_stream_that_stops_moving_is_down_with_the_text_so_far(server: Upstream) -> None:
    with pytest.raises(ProviderDown) as caught:
        streamed(provider(server, "drip"), timeout=0.5)
    assert caught.value.partial == "".join(WORDS[:2])


@pytest.mark.parametrize(("model", "seconds"), [("busy", 7.0), ("busy-ms", 1.5), ("busy-date", 30.0)])
def test_a_busy_provider_says_how_long_to_wait(server: Upstream, model: str, seconds: float) -> None:
    for call in (complete, streamed):
        with pytest.raises(ProviderRefused, match="slow down") as caught:
            call(provider(server, model))
        assert (caught.value.status, caught.value.retry_after, caught.value.retry) == (429, seconds, True)


def test_a_5xx_is_worth_a_retry_and_a_4xx_is_not(server: Upstream) -> None:
    with pytest.raises(ProviderDown) as down:
        complete(provider(server, "broken"))
    assert (down.value.status, down.value.retry_after, down.value.retry) == (503, 3.0, True)
    with pytest.raises(ProviderRefused, match="no such parameter") as refused:
        complete(provider(server, "wrong"))
    assert (refused.value.status, refused.value.retry_after, refused.value.retry) == (400, None, False)


@pytest.mark.parametrize("model", ["garbage", "empty", "nothing"])
def test_what_is_no_answer_is_malformed(server: Upstream, model: str) -> None:
    with pytest.raises(ProviderMalformed):
        complete(provider(server, model))
    with pytest.raises(ProviderMalformed):
        streamed(provider(server, model))


def test_an_answer_without_an_end_is_given_up(server: Upstream) -> None:
    with pytest.raises(ProviderMalformed, match="larger than 16 MiB"):
        complete(provider(server, "huge"))


def test_a_key_goes_to_no_redirect_target(server: Upstream) -> None:
    with pytest.raises(ProviderMalformed, match="redirect"):
        complete(provider(server, "redirect"))
    assert not any(path.startswith("/elsewhere") for path, _, _ in server.seen)


def test_a_key_that_the_provider_repeats_is_not_in_the_error(server: Upstream) -> None:
    with pytest.raises(ProviderRefused) as caught:
        complete(provider(server, "leaky"))
    assert KEY not in caught.value.render()
    assert "***" in caught.value.what


def test_no_half_of_a_key_is_left_where_the_words_are_cut(server: Upstream) -> None:
    with pytest.raises(ProviderRefused) as caught:
        complete(provider(server, "leaky-late"))
    assert KEY[:4] not in caught.value.render()


def test_nobody_at_the_address_is_down() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else can take it
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(ProviderDown, match="cannot be reached"):
            complete(Provider("p", "m", url))


def test_a_local_model_that_does_not_run_is_down() -> None:
    with pytest.raises(ProviderDown, match="does not run yet"):
        complete(Provider("p", "m", local="smollm2"))


def test_leaving_a_stream_early_closes_it(server: Upstream) -> None:
    async def run(client: Client) -> str:
        stream = client.stream(provider(server, "drip"), ASK)
        async for item in stream:
            await stream.aclose()
            return str(item)
        return ""

    assert with_client(run) == WORDS[0]


@pytest.mark.parametrize(
    "reference", ["sk-pasted-key", "secret://env/", "secret://vault/x", "secret://env/a b", "secret://env/NOT"]
)
def test_a_secret_that_is_not_there_is_an_error_without_a_value(reference: str) -> None:
    with pytest.raises(SecretMissing) as caught:
        secret_value(reference, {"a b": KEY, "": KEY})
    assert "sk-" not in caught.value.render()


def test_a_secret_with_a_line_end_inside_cannot_smuggle_a_header() -> None:
    assert secret_value("secret://env/K", {"K": f"{KEY}\n"}) == KEY
    with pytest.raises(SecretMissing) as caught:
        secret_value("secret://env/K", {"K": f"{KEY}\r\nx-admin: 1"})
    assert KEY not in caught.value.render()


@pytest.mark.parametrize("text", ["", "soon", "-1", "Mon, 99 Foo 2026", "١٢"])
def test_an_unreadable_wait_is_none(text: str) -> None:
    assert parse_retry_after({"retry-after": text}, now=Noon().now()) is None


def test_a_wait_in_the_past_is_none_at_all_and_a_week_is_a_day() -> None:
    assert parse_retry_after({"retry-after": "Mon, 23 Nov 2026 11:59:00 GMT"}, now=Noon().now()) == 0.0
    assert parse_retry_after({"retry-after": "604800"}, now=Noon().now()) == 86400.0
