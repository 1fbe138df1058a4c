"""What a call can cost at most is held before it is sent, whatever fields say it and however the call ends."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_help import RATES, Running, Upstream, chat, config_of, post, provider_object, start, upstream, wait_until

from shipway.gateway._budget import input_bound
from shipway.gateway._callers import Caller
from shipway.gateway._compose import compose
from shipway.gateway._errors import RequestMalformed
from shipway.gateway._providers import LiveProvider
from shipway.gateway._request import ENDPOINTS, parse_ask
from shipway.gateway._targets import Target
from shipway.kernel.canonical import Json
from shipway.llm import Charge, Ledger, Message, Provider, Usd, count_tokens

DAY = 86400
BUDGET = {"usd": 1.0, "window_seconds": DAY}
CHAT, MESSAGES, RESPONSES = (ENDPOINTS[f"/v1/{name}"] for name in ("chat/completions", "messages", "responses"))
BUDGETED = Caller("a", "a", frozenset(), (), (Charge("key/a", Usd(1.0), DAY),))
FREE = Caller("", "", frozenset(), (), ())


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with upstream() as found:
        yield found


def composed(
    fields: dict[str, Any], own: dict[str, Json], caller: Caller, *, shape: str = "openai", at: Any = CHAT, app: bool = False
) -> tuple[dict[str, Any], int]:
    """The body that the provider gets, and the tokens that are held for it."""
    provider = Provider("p", "m", "http://127.0.0.1:9/v1", shape=shape, parameters=own)
    live = LiveProvider(provider, {}, None, "")
    ask = parse_ask(at, json.dumps({"model": "x", "messages": [{"role": "user", "content": "q"}], **fields}).encode())
    messages = [Message("user", "q")] if app else None
    [want] = compose(ask, Target((live,)), caller, {}, messages=messages, longest=77)
    body: dict[str, Any] = json.loads(want.body)
    return {name: value for name, value in body.items() if name not in ("model", "messages", "stream")}, want.output


@pytest.mark.parametrize(
    "fields",
    [
        {"max_output_tokens": 1},
        {"max_tokens": -1},
        {"max_tokens": 0},
        {"max_completion_tokens": 10_000_001},
        {"max_tokens": 10**400},
        {"max_tokens": 1.5},
        {"n": 0},
        {"n": 129},
        {"N": 5},
        {"Max_Tokens": 5},
        {"n_predict": 5},
    ],
)
def test_a_limit_that_is_none_of_its_address_or_absurd_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RequestMalformed):
        parse_ask(CHAT, json.dumps(chat("gpt", **fields)).encode())


def test_each_address_has_its_own_limits() -> None:
    for endpoint, name in ((MESSAGES, "max_tokens"), (RESPONSES, "max_output_tokens")):
        assert parse_ask(endpoint, json.dumps({**chat("gpt"), name: 5}).encode()).limits == {name: 5}
        with pytest.raises(RequestMalformed, match="max_completion_tokens"):
            parse_ask(endpoint, json.dumps(chat("gpt", max_completion_tokens=5)).encode())
    with pytest.raises(RequestMalformed, match="'max_tokens' is none of /v1/embeddings"):
        parse_ask(ENDPOINTS["/v1/embeddings"], b'{"model": "x", "max_tokens": 5}')


@pytest.mark.parametrize(
    ("fields", "own", "sent", "held"),
    [
        ({"max_completion_tokens": 1, "max_tokens": 500}, {}, {"max_completion_tokens": 1, "max_tokens": 500}, 500),
        ({"max_tokens": 5, "n": 3}, {}, {"max_tokens": 5, "n": 3}, 15),
        ({"max_tokens": 5}, {"n": 4}, {"max_tokens": 5, "n": 4}, 20),
        ({"max_tokens": 5}, {"max_completion_tokens": 900}, {"max_tokens": 5}, 5),
        ({"max_tokens": None}, {"max_tokens": 48}, {"max_tokens": 48}, 48),
        ({}, {"max_completion_tokens": 48}, {"max_completion_tokens": 48}, 48),
        ({}, {"max_tokens": -1}, {"max_tokens": 77}, 77),
        ({}, {}, {"max_tokens": 77}, 77),
    ],
)
def test_what_is_held_covers_all_that_the_body_allows(
    fields: dict[str, Any], own: dict[str, Json], sent: dict[str, Any], held: int
) -> None:
    assert composed(fields, own, BUDGETED) == (sent, held)


def test_the_limit_of_a_providers_chat_says_nothing_of_its_responses() -> None:
    body, held = composed({"input": "q"}, {"max_tokens": 5}, BUDGETED, at=RESPONSES)
    assert (body["max_output_tokens"], "max_tokens" in body, held) == (77, False, 77)


def test_a_field_that_comes_twice_goes_out_once_as_it_was_read() -> None:
    provider = LiveProvider(Provider("p", "m", "http://127.0.0.1:9/v1"), {}, None, "")
    ask = parse_ask(CHAT, b'{"model":"m","max_tokens":50000,"messages":[],"max_tokens":1}')
    [want] = compose(ask, Target((provider,)), BUDGETED, {}, messages=None, longest=77)
    assert (want.body.count(b"max_tokens"), want.output) == (1, 1)


@pytest.mark.parametrize(
    ("fields", "own", "caller", "sent"),
    [
        ({}, {"seed": 1}, FREE, {"seed": 1}),
        ({}, {"max_completion_tokens": 48}, BUDGETED, {"max_completion_tokens": 48}),
        ({"max_tokens": 5}, {"max_completion_tokens": 48}, FREE, {"max_completion_tokens": 5}),
        ({"max_tokens": 900}, {"max_completion_tokens": 48}, FREE, {"max_completion_tokens": 48}),
        ({"max_completion_tokens": 9, "max_tokens": 5}, {}, FREE, {"max_tokens": 5}),
        ({"n": 100}, {}, BUDGETED, {"max_tokens": 77}),
    ],
)
def test_an_application_is_asked_as_it_was_evaluated_or_for_less(
    fields: dict[str, Any], own: dict[str, Json], caller: Caller, sent: dict[str, Any]
) -> None:
    body, held = composed(fields, own, caller, app=True)
    assert body == sent
    assert held == max((value for name, value in sent.items() if name.startswith("max")), default=0)


def test_an_application_of_anthropics_shape_keeps_the_default_of_its_evaluation() -> None:
    assert composed({}, {}, BUDGETED, app=True, shape="anthropic") == ({"max_tokens": 1024}, 1024)


def test_a_translated_request_has_one_limit_in_the_providers_own_field() -> None:
    body, held = composed({"max_tokens": 9}, {"max_completion_tokens": 48}, BUDGETED, at=MESSAGES)
    assert (body, held) == ({"max_completion_tokens": 9}, 9)
    assert composed({"max_tokens": None}, {}, BUDGETED, shape="anthropic") == ({"max_tokens": 1024}, 1024)


def test_a_long_body_is_counted_in_pieces_and_never_below_its_tokens() -> None:
    body = b"The library opens at nine. " * 20_000
    found = asyncio.run(input_bound(body))
    assert count_tokens(body.decode()) <= found < 2 * count_tokens(body.decode())


def standing(folder: Path) -> tuple[float, float]:
    with Ledger(folder / "state" / "ledger.sqlite") as ledger:
        now = ledger.standing("gateway", DAY, now=time.time())
    return now.spent, now.reserved


def calls(running: Running) -> str:
    return f"{running.url}/v1/chat/completions"


WORST = 1000 * 4e-6  # of an answer, without what is read for it


@pytest.mark.parametrize("behaviour", ["hang", "cut+drip", "drop", "unmetered"])
def test_a_call_of_unknown_cost_stays_charged_at_what_was_held(up: Upstream, tmp_path: Path, behaviour: str) -> None:
    up.plan(behaviour)
    config = config_of(tmp_path, up.url, budget=BUDGET, timeout_seconds=1.0, retries=0)
    with start(tmp_path, config) as running:
        post(calls(running), chat("gpt", max_tokens=1000, stream="cut" in behaviour))
        running.stop()
    spent, reserved = standing(tmp_path)
    assert WORST < spent < 2 * WORST
    assert reserved == 0


def test_a_client_that_hangs_up_does_not_get_the_rest_for_nothing(up: Upstream, tmp_path: Path) -> None:
    up.plan("hang")
    with start(tmp_path, config_of(tmp_path, up.url, budget=BUDGET)) as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port)
        body = json.dumps(chat("gpt", max_tokens=1000))
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        wait_until(lambda: len(up.seen) == 1)
        connection.close()
        wait_until(lambda: up.tell()["gone"] == 1)
        running.stop()
    assert standing(tmp_path)[0] > WORST


def test_a_request_after_one_of_unknown_cost_is_held_as_well(up: Upstream, tmp_path: Path) -> None:
    up.plan("drop", "gpt")
    with start(tmp_path / "room", config_of(tmp_path / "room", up.url, budget=BUDGET)) as running:
        assert post(calls(running), chat("gpt", max_tokens=1000)).status == 200
        running.stop()
    assert standing(tmp_path / "room")[0] > WORST + 20e-6
    up.plan("drop", "gpt")
    tight = {**BUDGET, "usd": 1.5 * WORST}
    with start(tmp_path / "tight", config_of(tmp_path / "tight", up.url, budget=tight)) as running:
        assert post(calls(running), chat("gpt", max_tokens=1000)).status == 502
        assert len(up.seen) == 1
        running.stop()
    assert WORST < standing(tmp_path / "tight")[0] <= 1.5 * WORST


def test_a_call_that_the_provider_has_refused_costs_nothing(up: Upstream, tmp_path: Path) -> None:
    up.plan("broken", "wrong")
    with start(tmp_path, config_of(tmp_path, up.url, budget=BUDGET)) as running:
        assert post(calls(running), chat("gpt", max_tokens=1000)).status == 400
        running.stop()
    assert standing(tmp_path) == (0.0, 0.0)


def test_no_number_makes_a_fault_of_ours(up: Upstream, tmp_path: Path) -> None:
    config = config_of(tmp_path, up.url, budget=BUDGET)
    config["prices"]["rates"]["gpt/gpt"] = {**RATES, "output": 1e12}
    config["providers"][0]["object"] = provider_object("gpt", up.url, max_tokens=10**15)
    with start(tmp_path, config) as running:
        assert post(calls(running), chat("gpt")).status == 429
        assert post(calls(running), chat("gpt", max_tokens=10_000_000, n=128)).status == 429
        assert post(calls(running), chat("gpt", max_tokens=10**30)).status == 400
