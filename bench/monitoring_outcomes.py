"""Outcomes: how many a second are taken, made durable, put into tables and joined with their predictions.

`measure_bodies` is called by the bench of monitoring; run alone it prints its figures.
"""

from __future__ import annotations

import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from shipway.kernel.digest import digest_bytes
from shipway.models import encode_columns
from shipway.monitor import EntityRule, OutcomeLog, compact_logs, joined, measure_coverage
from shipway.store import PredictionRecord, SegmentWriter, Store, encode_record, open_store
from shipway.web import parse_outcomes

ROWS, REQUEST, BODY = 500_000, 100, 5_000
BAR = 50_000.0
_RELEASE = digest_bytes(b"bench")
_START = datetime(2013, 2, 1, tzinfo=UTC)


def measure_bodies(*, rounds: int = 3) -> list[dict[str, Any]]:
    """Outcomes a second from bodies of JSON lines, as `POST /api/v1/outcomes` takes them: the best of several rounds.

    By the id of a prediction, and by entity and time: each of 125,000 customers is predicted four times, told an hour later.
    """
    by_id = [_round(rows=ROWS) for _ in range(rounds)]
    by_entity = [_round(rows=ROWS, rule=EntityRule("customer", timedelta(days=1))) for _ in range(rounds)]
    return [
        _figure(f"by bodies of {BODY:,} JSON lines", max(by_id)),
        _figure("by entity and time", max(by_entity)),
    ]


def _figure(name: str, ours: float) -> dict[str, Any]:
    return {
        "figure": f"outcomes ingested and joined, {name}",
        "unit": "1/s",
        "ours": round(ours),
        "peer": None,
        "peer_name": None,
        "ratio": None,
        "bar": BAR,
        "holds": ours >= BAR,
    }


def _round(*, rows: int, rule: EntityRule | None = None) -> float:
    """Rows a second from the first body to the joined table, with every row's label in it; files on the disk."""
    random = np.random.default_rng(1)
    label = (random.random(rows) < 0.2).astype(float)
    owners = [_customer(at, rows) if rule else f"{at // REQUEST}:{at % REQUEST}" for at in range(rows)]
    times = [(_START + timedelta(hours=1, seconds=at)).strftime("%Y-%m-%dT%H:%M:%S") for at in range(rows)]
    table = pl.DataFrame({"entity" if rule else "id": owners, "name": "late", "value": label, "time": times})
    bodies = ["\n".join(map(json.dumps, part.to_dicts())).encode() for part in table.iter_slices(BODY)]
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder), "bench", create=True)
        _predictions(store, rows, random)
        begin = time.perf_counter()
        with OutcomeLog(store) as log:
            for body in bodies:
                log.record(parse_outcomes(body, "application/x-ndjson"))
        compact_logs(store, now=store.clock.now(), time_column=lambda _: "at")
        last = (_START + timedelta(seconds=rows)).date()
        found = measure_coverage(joined(store, release=_RELEASE, start=_START.date(), end=last, outcome="late", entity=rule))
        took = time.perf_counter() - begin
        assert found.labels == rows
        store.close()
    return rows / took


def _predictions(store: Store, rows: int, random: np.random.Generator) -> None:
    log = SegmentWriter(store.log_folder("predictions"), "bench", capacity_bytes=1 << 30)
    now = int(store.clock.now().timestamp() * 1e6)
    for request in range(rows // REQUEST):
        moments = (_START + timedelta(seconds=request * REQUEST + row) for row in range(REQUEST))
        at = np.array([f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in moments], dtype=object)
        of = np.array([_customer(request * REQUEST + row, rows) for row in range(REQUEST)], dtype=object)
        record = PredictionRecord(
            request=str(request),
            release=_RELEASE,
            deployment="deploy/bench@prod",
            arm="live",
            recorded=now,
            rows=REQUEST,
            columns=encode_columns({"at": at, "customer": of}),
            outputs=encode_columns({"probability": random.random(REQUEST)}),
            latency_us=1,
        )
        log.append(encode_record(record), REQUEST)
    log.close()
    compact_logs(store, now=store.clock.now(), time_column=lambda _: "at")


def _customer(at: int, rows: int) -> str:
    return f"customer {at % (rows // 4)}"


if __name__ == "__main__":
    for figure in measure_bodies():
        print("{figure:<46} {ours:>10,} {unit}  bar {bar:,.0f}  holds {holds}".format(**figure))
