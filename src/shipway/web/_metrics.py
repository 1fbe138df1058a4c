"""The few counters of the control plane's HTTP side, as Prometheus text (exposition format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from threading import Lock

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

METRICS: Mapping[str, tuple[str, str]] = {
    "shipway_web_requests_total": ("counter", "Requests answered by pages and API, by HTTP status."),
    "shipway_outcomes_recorded_total": ("counter", "Outcomes taken and made durable by this process."),
    "shipway_received_total": (
        "counter",
        "Of other people's servers: predictions, refused rows, lost halves.",
    ),
    "shipway_reviews_rated_total": ("counter", "Ratings of reviews that people gave this process."),
    "shipway_live_info": ("gauge", "1 for every deployment, labelled with the release that is live."),
    "shipway_alerts_open": ("gauge", "Open alerts of a deployment, by severity."),
    "shipway_alert_open": ("gauge", "1 for every open alert, by deployment, monitor and severity."),
    "shipway_monitor_value": ("gauge", "What a monitor measured last, in its own unit."),
    "shipway_monitor_low": ("gauge", "Lower end of the interval of what a monitor measured last."),
    "shipway_monitor_high": ("gauge", "Upper end of the interval of what a monitor measured last."),
    "shipway_monitor_threshold": ("gauge", "What a monitor compares with."),
    "shipway_monitor_failing": ("gauge", "1 when the newest word of a monitor is fail, 0 when it passes or cannot tell."),
    "shipway_judged_day_timestamp_seconds": (
        "gauge",
        "Begin of the newest judged day of a deployment, in the time of its events, seconds of the Unix epoch.",
    ),
    "shipway_judged_timestamp_seconds": ("gauge", "When the newest day of a deployment was judged, seconds of the Unix epoch."),
    "shipway_log_gap_rows": ("gauge", "Rows that are missing from the logs for good, by stream."),
    "shipway_reading_value": (
        "gauge",
        "What a monitor measured last: stale documents, USD, share of agreement lost.",
    ),
    "shipway_reading_failing": ("gauge", "1 when the newest reading of a monitor fails, 0 when it passes or cannot tell."),
    "shipway_reading_timestamp_seconds": ("gauge", "When a monitor was read last, seconds of the Unix epoch."),
    "shipway_reviews_open": ("gauge", "Reviews that nobody has rated yet."),
}

Samples = Iterable[tuple[Mapping[str, str], float]]


class Counters:
    """What happened since this process began; threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._statuses: Counter[int] = Counter()
        self._outcomes = self._ratings = 0
        self._received = Counter(dict.fromkeys(("predictions", "refused", "lost"), 0))

    def answered(self, status: int) -> None:
        with self._lock:
            self._statuses[status] += 1

    def recorded(self, outcomes: int) -> None:
        with self._lock:
            self._outcomes += outcomes

    def received(self, what: str, rows: int) -> None:
        """From other people's servers: `predictions` recorded, rows `refused`, halves of predictions `lost`."""
        with self._lock:
            self._received[what] += rows

    def rated(self) -> None:
        with self._lock:
            self._ratings += 1

    def samples(self) -> dict[str, Samples]:
        with self._lock:
            statuses = sorted(self._statuses.items())
            return {
                "shipway_web_requests_total": [({"status": str(status)}, count) for status, count in statuses],
                "shipway_outcomes_recorded_total": [({}, self._outcomes)],
                "shipway_received_total": [({"what": what}, rows) for what, rows in sorted(self._received.items())],
                "shipway_reviews_rated_total": [({}, self._ratings)],
            }


def render_metrics(samples: Mapping[str, Samples]) -> str:
    """The metrics page; a metric without samples has its heading only.

    >>> print(render_metrics({"shipway_outcomes_recorded_total": [({}, 2)]}).splitlines()[4])
    shipway_outcomes_recorded_total 2
    """
    lines: list[str] = []
    for name, (kind, text) in METRICS.items():
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        lines += [_line(name, labels, value) for labels, value in samples.get(name, ())]
    return "\n".join(lines) + "\n"


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
