"""Keys, rates and budgets: who may call, how often, and for how much, whatever the callers and the ledger do."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gateway_help import Upstream, chat, config_of, post, read_records, start, upstream, wait_until

from shipway.llm import Ledger, Usd

DAY = 86400


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with upstream() as found:
        yield found


def hashed(key: str) -> str:
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_only_known_keys_are_answered_and_neither_file_nor_record_holds_one(up: Upstream, tmp_path: Path) -> None:
    import anthropic

    keys = [{"name": "team", "key": hashed("k-team")}, {"name": "env", "key": "secret://env/GATEWAY_TEST_KEY"}]
    up.plan()
    with start(tmp_path, config_of(tmp_path, up.url, keys=keys), {"GATEWAY_TEST_KEY": "k-env"}) as running:
        url = f"{running.url}/v1/chat/completions"
        assert not running.ready["open"]
        assert post(url, chat("gpt"), bearer("k-team")).status == 200
        assert post(url, chat("gpt"), {"x-api-key": "k-env"}).status == 200
        for wrong in ({}, bearer("k-tea"), bearer(""), {"x-api-key": hashed("k-team")}):
            answer = post(url, chat("gpt"), wrong)
            assert (answer.status, answer.json["error"]["code"]) == (401, "invalid_api_key")
        claude = anthropic.Anthropic(base_url=running.url, api_key="no", max_retries=0)
        with claude, pytest.raises(anthropic.AuthenticationError):
            claude.messages.create(model="claude", max_tokens=1, messages=[{"role": "user", "content": "a"}])
        records = running.records()
    assert [record.key for record in records] == ["team", "env", *[""] * 5]
    assert all("k-team" not in json.dumps(seen) for seen in up.seen)


def test_a_gateway_without_keys_says_so_when_it_starts(up: Upstream, tmp_path: Path) -> None:
    with start(tmp_path, config_of(tmp_path, up.url)) as running:
        assert running.ready["open"]
        assert "no keys" in (tmp_path / "gateway.log").read_text()


def test_a_rate_is_kept_and_says_when_to_come_back(up: Upstream, tmp_path: Path) -> None:
    import openai

    keys = [{"name": "slow", "key": hashed("a"), "rate_per_minute": 2}, {"name": "free", "key": hashed("b")}]
    with start(tmp_path, config_of(tmp_path, up.url, keys=keys, rate_per_minute=4)) as running:
        url = f"{running.url}/v1/chat/completions"
        answers = [post(url, chat("gpt"), bearer("a")) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[0].headers["x-ratelimit-limit-requests"] == "2"
        assert answers[0].headers["x-ratelimit-remaining-requests"] == "1"
        assert 20 <= int(answers[2].headers["retry-after"]) <= 30
        assert answers[2].json["error"]["code"] == "rate_limit_exceeded"
        assert [post(url, chat("gpt"), bearer("b")).status for _ in range(3)] == [200, 200, 429]
        with (
            openai.OpenAI(base_url=f"{running.url}/v1", api_key="a", max_retries=0) as client,
            pytest.raises(openai.RateLimitError),
        ):
            client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "a"}])


def test_sixty_four_callers_at_once_never_spend_more_than_the_budget(up: Upstream, tmp_path: Path) -> None:
    up.plan()
    usd = 0.002  # a call is held for some 66e-6 and costs 21e-6: all of them do not fit at once, most of them do after another
    keys = [{"name": "team", "key": hashed("k"), "budget": {"usd": usd, "window_seconds": DAY}}]
    with start(tmp_path, config_of(tmp_path, up.url, keys=keys)) as running:
        url, highest, done = f"{running.url}/v1/chat/completions", 0.0, threading.Event()

        def watch() -> float:
            most = 0.0
            with Ledger(tmp_path / "state" / "ledger.sqlite") as ledger:
                while not done.is_set():
                    most = max(most, ledger.spent("key/team", DAY, now=time.time()))
                    time.sleep(0.002)
            return most

        with ThreadPoolExecutor(66) as pool:
            watching = pool.submit(watch)
            answers = list(pool.map(lambda n: post(url, chat("gpt", f"{n}", max_tokens=3), bearer("k")), range(200)))
            done.set()
            highest = watching.result()
        records = running.records()
    refused = [answer for answer in answers if answer.status == 429]
    paid = sum(record.usd for record in records)
    assert refused
    assert {answer.status for answer in answers} == {200, 429}
    assert "begins anew at" in refused[0].json["error"]["message"]
    assert refused[0].json["error"]["code"] == "insufficient_quota"
    assert highest <= usd + 1e-12
    assert usd / 2 < paid <= usd
    assert len([record for record in records if record.error == "gateway.budget-spent"]) == len(refused)
    with Ledger(tmp_path / "state" / "ledger.sqlite") as ledger:
        assert ledger.spent("key/team", DAY, now=time.time()) == pytest.approx(paid, abs=1e-9)
        assert ledger.standing("key/team", DAY, now=time.time()).reserved == Usd(0.0)


def test_a_call_whose_worst_case_does_not_fit_is_refused_before_it_is_made(up: Upstream, tmp_path: Path) -> None:
    up.plan()
    budget = {"usd": 0.001, "window_seconds": DAY}
    with start(tmp_path, config_of(tmp_path, up.url, budget=budget)) as running:
        url = f"{running.url}/v1/chat/completions"
        assert post(url, chat("gpt", max_tokens=1000)).status == 429
        assert post(url, chat("gpt", max_tokens=10, n=50)).status == 429
        assert up.seen == []
        assert post(url, chat("gpt", max_tokens=10)).status == 200


def test_the_metrics_say_how_much_of_each_budget_is_used_and_nothing_without_the_ledger(up: Upstream, tmp_path: Path) -> None:
    up.plan()
    keys = [
        {"name": "team", "key": hashed("k"), "budget": {"usd": 84e-6, "window_seconds": DAY}},
        {"name": "idle", "key": hashed("i"), "budget": {"usd": 1.0, "window_seconds": DAY}},
    ]
    config = config_of(tmp_path, up.url, keys=keys, budget={"usd": 210e-6, "window_seconds": DAY})
    name = "shipway_gateway_budget_used_ratio"
    with start(tmp_path, config) as running:
        assert post(f"{running.url}/v1/chat/completions", chat("gpt", max_tokens=3), bearer("k")).status == 200  # costs 21e-6
        found = {key: value for key, value in running.metrics().items() if key.startswith(name)}
        assert found == {
            f'{name}{{scope="gateway"}}': pytest.approx(0.1),
            f'{name}{{scope="key/team"}}': pytest.approx(0.25),
            f'{name}{{scope="key/idle"}}': 0.0,
        }
        for path in (tmp_path / "state").glob("ledger.sqlite*"):
            path.unlink()
        assert not [key for key in running.metrics() if key.startswith(name)]


def test_a_budgeted_call_without_a_limit_gets_one(up: Upstream, tmp_path: Path) -> None:
    up.plan()
    budget = {"usd": 1.0, "window_seconds": DAY}
    with start(tmp_path, config_of(tmp_path, up.url, budget=budget, max_output_tokens=77)) as running:
        assert post(f"{running.url}/v1/chat/completions", chat("gpt")).status == 200
        assert post(f"{running.url}/v1/responses", {"model": "gpt", "input": "hi"}).status == 200
    assert [seen["body"].get("max_tokens") or seen["body"].get("max_output_tokens") for seen in up.seen] == [77, 77]


def test_an_unknown_price_under_a_budget_is_refused_and_without_one_is_not(up: Upstream, tmp_path: Path) -> None:
    config = config_of(tmp_path, up.url, budget={"usd": 1.0, "window_seconds": DAY})
    config["prices"]["rates"]["gpt/gpt"] = None
    with start(tmp_path / "a", {**config, "state_directory": str(tmp_path / "a")}) as running:
        answer = post(f"{running.url}/v1/chat/completions", chat("gpt"))
        assert (answer.status, answer.json["error"]["code"]) == (403, "price_unknown")
        assert post(f"{running.url}/v1/chat/completions", chat("spare")).status == 200
    free = {**config, "budget": None, "log_directory": str(tmp_path / "b" / "calls")}
    with start(tmp_path / "b", free) as running:
        assert post(f"{running.url}/v1/chat/completions", chat("gpt")).status == 200
        record = running.records()[0]
    assert (record.usd, record.prices) == (0.0, "")


@pytest.mark.parametrize("rule", ["refuse", "allow"])
def test_without_its_ledger_a_gateway_does_what_its_owner_said_and_records_it(up: Upstream, tmp_path: Path, rule: str) -> None:
    budget = {"usd": 1.0, "window_seconds": DAY}
    with start(tmp_path, config_of(tmp_path, up.url, budget=budget, ledger_down=rule)) as running:
        url = f"{running.url}/v1/chat/completions"
        assert post(url, chat("gpt")).status == 200
        for path in (tmp_path / "state").glob("ledger.sqlite*"):
            path.unlink()
        answer = post(url, chat("gpt"))
        assert answer.status == (503 if rule == "refuse" else 200)
        lapses = running.metrics()["shipway_gateway_ledger_down_total"]
        record = running.records()[-1]
    if rule == "refuse":
        assert (answer.json["error"]["code"], record.error) == ("ledger_down", "gateway.ledger-down")
    else:
        assert (record.degraded, lapses) == (["ledger"], 1)


def test_a_file_that_is_no_ledger_keeps_the_gateway_from_starting(up: Upstream, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with sqlite3.connect(tmp_path / "state" / "ledger.sqlite") as other:
        other.execute("CREATE TABLE t (a)")
    other.close()
    with pytest.raises(AssertionError, match=r"llm\.ledger-gone"):
        start(tmp_path, config_of(tmp_path, up.url, budget={"usd": 1.0, "window_seconds": DAY}))


def test_a_gateway_killed_in_a_call_leaves_its_reservation_charged_and_its_log_readable(up: Upstream, tmp_path: Path) -> None:
    budget = {"usd": 1.0, "window_seconds": DAY}
    with start(tmp_path, config_of(tmp_path, up.url, budget=budget)) as running, ThreadPoolExecutor(1) as pool:
        url = f"{running.url}/v1/chat/completions"
        assert post(url, chat("gpt")).status == 200
        time.sleep(0.5)  # the log is flushed every 0.2 s
        up.plan("hang")
        hanging = pool.submit(post, url, chat("gpt", max_tokens=1000))
        wait_until(lambda: len(up.seen) == 1)
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
        with pytest.raises((ConnectionError, OSError)):
            hanging.result()
    with Ledger(tmp_path / "state" / "ledger.sqlite") as ledger:
        standing = ledger.standing("gateway", DAY, now=time.time())
    assert standing.reserved > 1000 * 4e-6
    assert standing.spent == pytest.approx(standing.reserved + 21e-6)
    assert [record.status for record in read_records(tmp_path / "calls")] == [200]
