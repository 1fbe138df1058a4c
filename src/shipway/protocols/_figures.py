"""What a predictor process counts, and the page of metrics that it and its neighbours at one address make of it."""

from __future__ import annotations

import time
from functools import partial

from shipway.kernel.pages import SharedPages
from shipway.protocols._memory import resident_bytes
from shipway.protocols._metrics import RequestMetrics, Samples
from shipway.protocols._split import split_samples
from shipway.protocols._traces import Tracer
from shipway.serve import Batcher, Split


class Figures:
    """The figures of one process. pages: of metrics, where other processes answer at the same address; replaced: how many
    processes died here before this one; cpu_price: US dollars for an hour of a processor. requests: told of each request that
    was answered.
    """

    def __init__(
        self,
        batcher: Batcher | Split,
        *,
        pages: SharedPages | None,
        tracer: Tracer | None,
        replaced: int,
        cpu_price: float | None,
    ) -> None:
        self.away = False  # another process answers at this address
        self._batcher, self._predictor, self._pages, self._tracer = batcher, batcher.predictor, pages, tracer
        self._replaced, self._cpu_price = replaced, cpu_price
        self.requests = RequestMetrics(partial(pages.keep_soon, self.own) if pages else None)

    def keep(self) -> None:
        """Leaves to the others what this process has counted."""
        if self._pages:
            self._pages.keep(self.own())

    def whole(self) -> str:
        """The page of all processes of this address."""
        return self._pages.whole(self.own()) if self._pages else self.own()

    def own(self) -> str:
        """The page of this process alone."""
        return self.requests.render(self._gauges())

    def _gauges(self) -> dict[str, Samples]:
        spent = self._batcher.spent
        gauges: dict[str, Samples] = {
            "shipway_predictor_info": [({**self._predictor.identity._asdict()}, 0 if self.away else 1)],
            "shipway_predictor_calls_total": [({}, self._batcher.calls)],
            "shipway_predictor_replaced": [({}, self._replaced)],
            "shipway_predictor_memory_bytes": [({}, resident_bytes())],
            "shipway_predictor_queued_rows": [({}, self._batcher.queued_rows)],
            "shipway_predictor_queue_seconds_total": [({}, spent.queue)],
            "shipway_predictor_model_seconds_total": [({}, spent.model)],
            "shipway_predictor_last_call_timestamp_seconds": [({}, _wall(spent.last) if spent.last else 0.0)],
        }
        if isinstance(self._batcher, Split):
            gauges |= split_samples(self._batcher)
        gauges |= self._of_log()
        if self._tracer:
            gauges["shipway_traces_sent_total"] = [({}, self._tracer.sent)]
            gauges["shipway_traces_dropped_total"] = [({}, self._tracer.dropped)]
        cpu, price = time.process_time(), self._cpu_price
        gauges["shipway_predictor_cpu_seconds_total"] = [({}, cpu)]
        gauges["shipway_predictor_usd_total"] = [({}, cpu * price / 3600)] if price is not None else []
        return gauges

    def _of_log(self) -> dict[str, Samples]:
        gauges: dict[str, Samples] = {}
        if self._predictor.log is not None:
            counts = self._predictor.log.counts()
            for name in ("accepted", "written", "dropped"):
                gauges[f"shipway_log_{name}_rows_total"] = [({}, getattr(counts, name))]
        if recorder := self._predictor.recorder:
            gauges["shipway_log_left_out_rows_total"] = [({}, recorder.left_out)]
            gauges["shipway_log_unrecorded_failures_total"] = [({}, recorder.unrecorded)]
        return gauges


def _wall(moment: float) -> float:
    """Seconds since 1970 of a moment of the timer."""
    return round(time.time() - time.perf_counter() + moment, 3)
