"""Plain counters and one latency histogram of a predictor process, written as Prometheus text (exposition format 0.0.4).

The names below are the whole list; each has its heading in the documentation.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds

METRICS = {
    "shipway_predictor_info": ("gauge", "1, labelled with the release that this process serves; 0 while it stands aside."),
    "shipway_predictor_requests_total": ("counter", "Requests to predict, by HTTP status."),
    "shipway_predictor_rows_total": ("counter", "Rows predicted."),
    "shipway_predictor_calls_total": ("counter", "Batches that the model was given."),
    "shipway_predictor_failed_seconds_total": ("counter", "The part of that time that went to requests without an answer."),
    "shipway_predictor_request_seconds": ("histogram", "Time from the last byte of a request to its answer."),
    "shipway_predictor_decode_seconds_total": ("counter", "The part of the time of answered requests that reading them took."),
    "shipway_predictor_queue_seconds_total": ("counter", "The part of it that they waited for the model."),
    "shipway_predictor_model_seconds_total": ("counter", "The part of it that the batches took which they were part of."),
    "shipway_predictor_encode_seconds_total": ("counter", "The part of it that writing the answers took."),
    "shipway_predictor_last_call_timestamp_seconds": ("gauge", "When a model last answered a batch, in seconds since 1970."),
    "shipway_predictor_cpu_seconds_total": ("counter", "Processor time of the process, its start included."),
    "shipway_predictor_usd_total": ("counter", "What that processor time costs, where the deployment has a price."),
    "shipway_predictor_replaced": (
        "gauge",
        "Processes of this address that had died and were replaced when this one began.",
    ),
    "shipway_predictor_memory_bytes": ("gauge", "Resident memory of the process that holds the most."),
    "shipway_predictor_queued_rows": ("gauge", "Rows that wait for the model."),
    "shipway_traces_sent_total": ("counter", "Traces that the collector has taken."),
    "shipway_traces_dropped_total": ("counter", "Traces that were too many, or that the collector did not take."),
    "shipway_predictor_arm_share": ("gauge", "The share of units that an arm answers, 0 to 1; 0 where it could not be loaded."),
    "shipway_predictor_arm_requests_total": ("counter", "Requests by arm and outcome, where several arms answer."),
    "shipway_log_accepted_rows_total": ("counter", "Rows that the prediction log has taken."),
    "shipway_log_written_rows_total": ("counter", "Rows that the prediction log has given to the file system."),
    "shipway_log_dropped_rows_total": ("counter", "Rows that the prediction log refused because its buffer was full."),
    "shipway_log_unrecorded_failures_total": ("counter", "Failed requests that were counted and not recorded, being too many."),
    "shipway_log_left_out_rows_total": ("counter", "Rows that are not of the share that the deployment logs."),
}

SUMMED = ("shipway_predictor_queued_rows",)  # gauges that are added over the processes of one address

Samples = Iterable[tuple[Mapping[str, str], float]]


class RequestMetrics:
    """What happened to the requests of this process; one thread, the event loop, writes it. changed: told of each one."""

    def __init__(self, changed: Callable[[], None] | None = None) -> None:
        self._changed = changed
        self._statuses: dict[int, int] = {}
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = self._failed_seconds = self._decode = self._encode = 0.0
        self._rows = 0

    def observe(self, status: int, seconds: float, *, rows: int = 0, decode: float = 0.0, encode: float = 0.0) -> None:
        """A request to predict of any protocol was answered, with what is or would be this status of HTTP. decode, encode: of
        the seconds those that reading it and writing its answer took.
        """
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds
        if status >= 300:
            self._failed_seconds += seconds
        self._rows += rows
        self._decode += decode
        self._encode += encode
        if self._changed:
            self._changed()

    def render(self, gauges: Mapping[str, Samples]) -> str:
        """The metrics page; gauges are values read by the caller at this moment, by metric name."""
        lines: list[str] = []
        own: dict[str, Samples] = {
            "shipway_predictor_requests_total": [({"status": str(code)}, n) for code, n in sorted(self._statuses.items())],
            "shipway_predictor_rows_total": [({}, self._rows)],
            "shipway_predictor_failed_seconds_total": [({}, self._failed_seconds)],
            "shipway_predictor_decode_seconds_total": [({}, self._decode)],
            "shipway_predictor_encode_seconds_total": [({}, self._encode)],
        }
        for name, (kind, text) in METRICS.items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
            if kind == "histogram":
                lines += self._render_histogram(name)
            else:
                lines += [_line(name, labels, value) for labels, value in {**own, **gauges}.get(name, ())]
        return "\n".join(lines) + "\n"

    def _render_histogram(self, name: str) -> list[str]:
        lines, total = [], 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self._buckets, strict=True):
            total += count
            lines.append(_line(f"{name}_bucket", {"le": bound}, total))
        return [*lines, _line(f"{name}_sum", {}, self._seconds), _line(f"{name}_count", {}, total)]


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
