"""LLM calls as the gateway logs them, and golden-prompt runs of a provider that is as noisy as it is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from monitor_logs import RELEASE, microseconds

from shipway.monitor import PromptRun
from shipway.store import CallRecord, CallSpan, SegmentWriter, Store, encode_record

REF = "deploy/assistant@prod"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SPANS = [CallSpan(layer="embed", start_us=10, took_us=900, status="ok"),
         CallSpan(layer="model", start_us=1_000, took_us=80_000, status="ok")]  # fmt: skip


def call(id: str, *, ago: timedelta = timedelta(), **more: Any) -> CallRecord:
    """An answered call of REF, `ago` before NOW."""
    told: dict[str, Any] = {
        "application": "assistant", "release": RELEASE, "deployment": REF, "provider": "answer", "model": "smollm2",
        "key": "team", "status": 200, "finish": "stop", "input_tokens": 900, "output_tokens": 40, "usd": 0.001,
        "latency_us": 90_000, "spans": SPANS,
    }  # fmt: skip
    return CallRecord(id=id, recorded=microseconds(NOW - ago), **(told | more))


def log_calls(store: Store, calls: Sequence[CallRecord], *, writer: str = "gateway") -> None:
    log = SegmentWriter(store.log_folder("calls"), writer)
    for record in calls:
        assert log.append(encode_record(record), record.rows)
    log.close()


def ask_golden(
    seed: int,
    *,
    prompts: int = 12,
    repeats: int = 3,
    noise: float = 0.0,
    right: float = 0.7,
    changed: float = 0.0,
    tokens: int = 0,
    model: str = "smollm2",
    shift: float = 0.0,
    **more: Any,
) -> list[PromptRun]:
    """Answers to `p0`...; noise: the share of answers that are worded by chance; changed: the share of prompts whose usual
    answer is another one; right: the mean score; shift: how far the embeddings have moved."""
    random, runs = np.random.default_rng(seed), []
    for number in range(prompts):
        usual = f"answer {number}" + (" of another model" if number < changed * prompts else "")
        hardness = np.random.default_rng(number).uniform(-0.25, 0.25)
        for _ in range(repeats):
            text = f"{usual}, variant {random.integers(3)}" if random.random() < noise else usual
            score = float(random.random() < right + hardness)
            vector = tuple((np.eye(8)[number % 8] + random.normal(0, 0.2, 8) + shift).tolist())
            run = PromptRun(f"p{number}", 20 + number + tokens, text, model, 0.1, score=score, vector=vector, **more)
            runs.append(run)
    return runs
