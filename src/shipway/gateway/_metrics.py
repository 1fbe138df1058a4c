"""What happened to the calls of this process, as Prometheus text (exposition format 0.0.4).

The names below are the whole list; each has its heading in the documentation. One thread, the event loop, writes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from shipway.store import CallRecord

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds

METRICS = {
    "shipway_gateway_calls_total": ("counter", "Calls, by model asked for, HTTP status and cache."),
    "shipway_gateway_tokens_total": (
        "counter",
        "Tokens that providers counted, by provider and kind; cached is part of input.",
    ),
    "shipway_gateway_usd_total": ("counter", "What calls have cost, by provider and key."),
    "shipway_gateway_saved_usd_total": ("counter", "What caches kept calls from costing, by cache."),
    "shipway_gateway_retries_total": ("counter", "Requests sent again to a provider."),
    "shipway_gateway_call_seconds": ("histogram", "Time from a request to the end of its answer."),
    "shipway_gateway_first_token_seconds": ("histogram", "Time from a request to the first byte of a streamed answer."),
    "shipway_gateway_in_flight": ("gauge", "Calls that are being answered."),
    "shipway_gateway_cooling": ("gauge", "1 while a provider is left alone after repeated failures, by provider."),
    "shipway_gateway_cache_bytes": ("gauge", "Memory that the exact cache holds."),
    "shipway_gateway_cache_entries": ("gauge", "Answers in the exact cache."),
    "shipway_gateway_semantic_lookups_total": ("counter", "Questions to the semantic cache, by outcome."),
    "shipway_gateway_semantic_entries": ("gauge", "Answers in the semantic cache."),
    "shipway_gateway_semantic_on": ("gauge", "1 while the semantic cache answers, 0 after its audit has turned it off."),
    "shipway_gateway_semantic_false_bound": ("gauge", "Upper bound of the share of false hits that the audit allows for."),
    "shipway_gateway_ledger_down_total": ("counter", "Calls that were let through without the ledger."),
    "shipway_gateway_budget_used_ratio": ("gauge", "Share of a budget that is spent or reserved in its window, by scope."),
    "shipway_gateway_log_accepted_calls_total": ("counter", "Records that the log of calls has taken."),
    "shipway_gateway_log_dropped_calls_total": ("counter", "Records that the log refused because its buffer was full."),
}
# gauges that are added over the processes of one address, and of which the lowest counts
SUMMED = tuple(f"shipway_gateway_{name}" for name in ("in_flight", "cache_bytes", "cache_entries", "semantic_entries"))
LOWEST = ("shipway_gateway_semantic_on",)

Samples = Iterable[tuple[Mapping[str, str], float]]
Labels = tuple[str, ...]

_NAMES: Mapping[str, Labels] = {
    "shipway_gateway_calls_total": ("model", "status", "cache"),
    "shipway_gateway_tokens_total": ("provider", "kind"),
    "shipway_gateway_usd_total": ("provider", "key"),
    "shipway_gateway_saved_usd_total": ("cache",),
    "shipway_gateway_retries_total": (),
}


class CallMetrics:
    """Counters and histograms over the records of calls."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, Labels], float] = {}
        self._seconds = {"shipway_gateway_call_seconds": _Histogram(), "shipway_gateway_first_token_seconds": _Histogram()}
        self.in_flight = 0

    def add(self, name: str, labels: Labels = (), value: float = 1) -> None:
        """Raises the counter `shipway_gateway_<name>_total`."""
        key = (f"shipway_gateway_{name}_total", labels)
        self._counts[key] = self._counts.get(key, 0) + value

    def observe(self, record: CallRecord) -> None:
        """One call has ended."""
        self.add("calls", (record.application or record.provider, str(record.status), record.cache))
        tokens = (("input", record.input_tokens), ("output", record.output_tokens), ("cached", record.cached_tokens))
        for kind, count in tokens:
            if count:
                self.add("tokens", (record.provider, kind), count)
        if record.usd:
            self.add("usd", (record.provider, record.key), record.usd)
        if record.saved_usd:
            self.add("saved_usd", (record.cache,), record.saved_usd)
        if record.retries:
            self.add("retries", (), record.retries)
        self._seconds["shipway_gateway_call_seconds"].add(record.latency_us / 1e6)
        if record.ttft_us >= 0:
            self._seconds["shipway_gateway_first_token_seconds"].add(record.ttft_us / 1e6)

    def render(self, gauges: Mapping[str, Samples]) -> bytes:
        """The metrics page; gauges are values read by the caller at this moment, by metric name."""
        lines: list[str] = []
        for name, (kind, text) in METRICS.items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
            if name in self._seconds:
                lines += self._seconds[name].render(name)
            elif name in gauges:
                lines += [_line(name, labels, value) for labels, value in gauges[name]]
            else:
                lines += self._counter(name)
        return ("\n".join(lines) + "\n").encode()

    def _counter(self, name: str) -> list[str]:
        names = _NAMES.get(name, ())
        found = [(labels, value) for (metric, labels), value in self._counts.items() if metric == name]
        return [_line(name, dict(zip(names, labels, strict=True)), value) for labels, value in sorted(found)]


class _Histogram:
    __slots__ = ("_counts", "_sum")

    def __init__(self) -> None:
        self._counts, self._sum = [0] * (len(BUCKETS) + 1), 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self._sum += seconds

    def render(self, name: str) -> list[str]:
        lines, total = [], 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self._counts, strict=True):
            total += count
            lines.append(_line(f"{name}_bucket", {"le": bound}, total))
        return [*lines, _line(f"{name}_sum", {}, self._sum), _line(f"{name}_count", {}, total)]


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
