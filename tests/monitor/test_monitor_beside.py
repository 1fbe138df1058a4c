"""What a prediction log says beside predictions."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from monitor_logs import NOW, OTHER_RELEASE, REF, RELEASE, log_predictions, make_days, new_store, time_column

from shipway.monitor import Compacted, ServingCost, compact_logs, list_tables, measure_serving, scan_predictions
from shipway.store import FailureRecord, SegmentWriter, Store, WorkRecord, encode_record


def log_beside(store: Store, *records: FailureRecord | WorkRecord) -> None:
    log = SegmentWriter(store.log_folder("predictions"), "beside")
    for record in records:
        assert log.append(encode_record(record), 0)
    log.close()


def work(rows: int, cpu_us: int, usd: float, release: str = RELEASE) -> WorkRecord:
    return WorkRecord(release=release, deployment=REF, arm="live", recorded=1, rows=rows, cpu_us=cpu_us, usd=usd)


def test_requests_that_failed_become_a_table_of_their_own_and_no_gap(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    log_predictions(store, make_days(1, days=1, rows=10))
    failure = FailureRecord(
        request="r", release=RELEASE, deployment=REF, arm="live", recorded=0, status=500, code="serve.x", latency_us=9
    )
    log_beside(store, failure)
    assert compact_logs(store, now=NOW, time_column=time_column) == Compacted(10, 0, 0)
    (path,) = list_tables(store, "failures")
    (row,) = pl.read_parquet(path).to_dicts()
    assert (row["request"], row["status"], row["code"], row["columns"], str(row["day"])) == (
        "r",
        500,
        "serve.x",
        b"",
        "1970-01-01",
    )
    assert scan_predictions(store).collect().height == 10


def test_what_a_release_costs_is_summed_over_its_processes_and_unknown_where_a_price_is_missing(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    assert measure_serving(store) == {}
    log_beside(store, work(1000, 500_000, 0.25), work(3000, 1_500_000, 0.75), work(5, 500_000, -1.0, OTHER_RELEASE))
    compact_logs(store, now=NOW, time_column=time_column)
    assert measure_serving(store) == {RELEASE: ServingCost(4000, 2.0, 1.0), OTHER_RELEASE: ServingCost(5, 0.5, None)}
