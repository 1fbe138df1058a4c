"""One call from its first byte to its record: what is learned on the way, and nothing of anybody's text."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from shipway.llm import Usage
from shipway.store import CallRecord, CallSpan


@dataclass(slots=True)
class Call:
    """What is known of a call so far. started, first and last: `time.perf_counter`; recorded: microseconds of the epoch;
    sent: a request is out whose cost nobody knows yet; lost: requests whose cost nobody will ever say.
    """

    id: str
    started: float
    recorded: int
    endpoint: str = ""
    application: str = ""
    release: str = ""
    deployment: str = ""
    index: str = ""
    provider: str = ""
    model: str = ""
    key: str = ""
    status: int = 0
    error: str = ""
    finish: str = ""
    cache: str = "none"
    stream: bool = False
    usage: Usage | None = None
    usd: float = 0.0
    saved: float = 0.0
    prices: str = ""
    first: float | None = None
    last: float | None = None
    retries: int = 0
    sent: bool = False
    lost: int = 0
    degraded: list[str] = field(default_factory=list)
    spans: list[CallSpan] = field(default_factory=list)

    def span(self, layer: str, begun: float, status: str = "ok") -> None:
        """A layer has ended now, having begun at this `time.perf_counter`."""
        self.take_span(layer, begun, time.perf_counter() - begun, status)

    def take_span(self, layer: str, begun: float, took: float, status: str) -> None:
        """A layer of a room below that began at this `time.perf_counter` and took so many seconds."""
        self.spans.append(CallSpan(layer=layer, start_us=_micros(begun - self.started), took_us=_micros(took), status=status))

    def record(self, now: float) -> CallRecord:
        """The record of the call, ended at `now`."""
        usage = self.usage or Usage(0, 0)
        return CallRecord(
            id=self.id,
            recorded=self.recorded,
            application=self.application,
            release=self.release,
            deployment=self.deployment,
            provider=self.provider,
            model=self.model,
            key=self.key,
            status=self.status,
            error=self.error,
            finish=self.finish,
            cache=self.cache,
            stream=self.stream,
            input_tokens=usage.input,
            output_tokens=usage.output,
            cached_tokens=usage.cached,
            written_tokens=usage.written,
            estimated=usage.estimated,
            usd=self.usd,
            saved_usd=self.saved,
            prices=self.prices,
            latency_us=_micros(now - self.started),
            ttft_us=-1 if self.first is None else _micros(self.first - self.started),
            per_token_us=self._per_token(usage),
            retries=self.retries,
            index=self.index,
            degraded=self.degraded,
            spans=self.spans,
        )

    def _per_token(self, usage: Usage) -> int:
        if self.first is None or self.last is None or usage.output < 2:
            return -1
        return _micros((self.last - self.first) / (usage.output - 1))


def _micros(seconds: float) -> int:
    return round(seconds * 1e6)
