"""Gateways that share one address: each counts for all of them, and leaves what it counted."""

from __future__ import annotations

from pathlib import Path

from gateway_help import chat, config_of, post, start, upstream


def test_what_a_gateway_counted_is_there_when_another_is_scraped(tmp_path: Path) -> None:
    beside = tmp_path / "pages"
    beside.mkdir()
    with upstream() as up:
        up.plan()
        for number in (1, 2):
            config = config_of(tmp_path / str(number), up.url)
            with start(tmp_path / str(number), config, None, "--beside", str(beside)) as gateway:
                assert post(f"{gateway.url}/v1/chat/completions", chat("gpt", f"question {number}")).status == 200
                told = gateway.metrics()
                assert sum(told[name] for name in told if name.startswith("shipway_gateway_calls_total")) == number
                assert told["shipway_gateway_in_flight"] == 0
