"""What `up` takes from other people's servers: predictions from KServe's payload logger, outcomes from OTLP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from shipway.kernel.errors import ShipwayError

if TYPE_CHECKING:
    from shipway.kernel.digest import Digest
    from shipway.models import Signature
    from shipway.monitor import OutcomeLog
    from shipway.protocols import Signal, Span
    from shipway.store import PredictionRecord, SegmentWriter, Store
    from shipway.web import Answer, Receivers

_ROTATE_SECONDS = 2.0


class _Live(NamedTuple):
    """What answers at a deployment, as far as its log goes."""

    deployment: str
    release: Digest
    signature: Signature
    aside: tuple[str, ...]
    time: str | None


class Intake:
    """Receivers for the site. One a process; threads share it; close it. open_store: called for each event, closed after it.

    count: is told what came in: `predictions`, `refused`, `lost` (halves that nobody will ever pair).
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        outcomes: OutcomeLog,
        count: Callable[[str, int], None] = lambda _what, _rows: None,
    ) -> None:
        from shipway.protocols import PayloadLog

        self._open_store, self._outcomes, self._count = open_store, outcomes, count
        self._pairs, self._alone = PayloadLog(), threading.Lock()
        self._writer: SegmentWriter | None = None
        self._known: dict[Digest, _Live] = {}  # a deployment never changes

    def __enter__(self) -> Intake:
        return self

    def __exit__(self, *_problem: object) -> None:
        """What still waits for its other half is lost with this process: a gap says how many."""
        from shipway.monitor import record_unpaired

        if self._writer is not None:
            self._writer.close()
        if lost := self._pairs.waiting + self._pairs.dropped:
            store = self._open_store()
            try:
                record_unpaired(store, f"events-{store.ids.new()}", lost, now=store.clock.now())
            finally:
                store.close()

    @property
    def receivers(self) -> Receivers:
        from shipway.web import Receivers

        return Receivers(self.event, self._export("logs"), self._export("traces"))

    def event(self, body: bytes, headers: Mapping[bytes, bytes], parameters: Mapping[str, str]) -> Answer:
        """One half of a prediction; with the other it is on the device before the answer is sent."""
        import msgspec

        from shipway.protocols import logged_prediction
        from shipway.store import encode_record
        from shipway.web import Answer, EventRefused

        store = self._open_store()
        try:
            live = self._live(store, parameters.get("deployment", ""))
            recorded = int(store.clock.now().timestamp() * 1e6)
            dropped = self._pairs.dropped
            pair = self._pairs.take(body, headers, group=live.deployment)
            self._count("lost", self._pairs.dropped - dropped)
            if pair is not None:
                record = logged_prediction(
                    pair, live.signature, live.aside, release=live.release, deployment=live.deployment, recorded=recorded
                )
                self._log(store).append_durable(encode_record(record), record.rows)
        except ShipwayError as problem:
            self._count("refused", not problem.retry)
            if problem.retry or problem.code.startswith(("store.", "web.")):
                raise
            raise EventRefused(problem.what, where=problem.where, mend=problem.mend) from problem
        finally:
            store.close()
        self._count("predictions", record.rows if pair else 0)
        told = {"recorded": record.rows if pair else 0, "waiting": self._pairs.waiting, "dropped": self._pairs.dropped}
        return Answer(msgspec.json.encode(told), "application/json")

    def _export(self, signal: Signal) -> Callable[[bytes, Mapping[bytes, bytes], Mapping[str, str]], Answer]:
        def take(body: bytes, headers: Mapping[bytes, bytes], parameters: Mapping[str, str]) -> Answer:
            from shipway.protocols import answer_export, outcome_row, parse_spans, parse_telemetry
            from shipway.web import Answer, EventRefused, telemetry_type

            kind = telemetry_type(headers.get(b"content-type", b"").decode("latin-1"))
            try:
                spans = parse_spans(body, kind) if signal == "traces" else []
                events = [event for span in spans for event in span.events]
                records = events if signal == "traces" else parse_telemetry(body, kind, signal)
            except ShipwayError as problem:
                raise EventRefused(problem.what, where=problem.where, mend=problem.mend) from problem
            found = [row for one in records if (row := outcome_row(one)) is not None]
            refused: list[ShipwayError] = self._spans(spans, parameters.get("deployment", ""))
            refused += self._outcomes.record_each(found)[1]
            self._count("refused", len(refused))
            why = f"{refused[0].what} ({refused[0].where or 'a span'})" if refused else ""
            return Answer(answer_export(kind, signal, rejected=len(refused), why=why), kind)

        return take

    def _spans(self, spans: Sequence[Span], named: str) -> list[ShipwayError]:
        """Records those that are predictions, on the device when it returns; why others are not. named: the deployment of
        spans that name none.
        """
        from shipway.protocols import is_prediction
        from shipway.store import encode_record

        asked = [span for span in spans if is_prediction(span)]
        records: list[PredictionRecord] = []
        refused: list[ShipwayError] = []
        if not asked:
            return []
        store = self._open_store()
        try:
            for span in asked:
                try:
                    records.append(self._span_record(store, span, named))
                except ShipwayError as problem:
                    if problem.retry or problem.code.startswith("store."):
                        raise
                    refused.append(problem)
            frames = [(encode_record(record), record.rows) for record in records]
            log = self._log(store) if frames else None
            for number, (payload, rows) in enumerate(frames, 1):
                if log and (number == len(frames) or not log.append(payload, rows)):
                    log.append_durable(payload, rows)  # and all before it
        finally:
            store.close()
        self._count("predictions", sum(record.rows for record in records))
        return refused

    def _span_record(self, store: Store, span: Span, named: str) -> PredictionRecord:
        from shipway.protocols import logged_prediction, span_deployment, span_pair

        live = self._live(store, span_deployment(span) or named)
        pair = span_pair(span, time_column=live.time)
        recorded = int(store.clock.now().timestamp() * 1e6)
        return logged_prediction(
            pair, live.signature, live.aside, release=live.release, deployment=live.deployment, recorded=recorded
        )

    def _log(self, store: Store) -> SegmentWriter:
        from shipway.store import SegmentWriter

        with self._alone:
            if self._writer is None:
                name = f"events-{store.ids.new()}"
                self._writer = SegmentWriter(store.log_folder("predictions"), name, rotate_seconds=_ROTATE_SECONDS)
            return self._writer

    def _live(self, store: Store, name: str) -> _Live:
        """What is live at the deployment that was named, or at the only one there is."""
        from shipway.web import EventRefused

        there = {ref.name.removeprefix("deploy/"): ref.digest for ref in store.refs("deploy/")}
        chosen = name.removeprefix("deploy/") or (next(iter(there)) if len(there) == 1 else "")
        if chosen not in there:
            mend = f"?deployment=NAME, one of: {', '.join(sorted(there)) or 'none is deployed yet'}"
            raise EventRefused("the event does not say of which deployment it is", where="?deployment", mend=mend)
        digest = there[chosen]
        if digest not in self._known:
            self._known[digest] = _answering(store, digest)
        return self._known[digest]


def _answering(store: Store, deployment: Digest) -> _Live:
    from shipway.gate import release_of
    from shipway.models import Signature
    from shipway.release import find_component, load_components
    from shipway.web import EventRefused

    release = release_of(store, deployment)
    components = load_components(store, release) if release else ()
    if release is None or not any(component.kind == "model" for component in components):
        raise EventRefused("no model answers there", where="?deployment", mend="name a deployment of a model")
    model = store.get(find_component(components, "model").digest, "model")
    key = model.get("key") or []
    aside = [*(key if isinstance(key, list) else [key]), *([model["time"]] if model.get("time") else [])]
    time = str(model["time"]) if model.get("time") else None
    return _Live(deployment, release, Signature.from_json(model["signature"]), tuple(map(str, aside)), time)
