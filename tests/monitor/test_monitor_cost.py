"""The log of calls becomes tables, and the tables say what answers cost."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from monitor_calls import NOW, REF, call, log_calls
from monitor_logs import OTHER_RELEASE, RELEASE, new_store

from shipway.kernel.check import Verdict
from shipway.kernel.digest import Digest
from shipway.kernel.units import Seconds
from shipway.monitor import Compacted, Severity, check_cost, compact_logs, cost_by, measure_cost, scan_calls
from shipway.spec import MonitorSpec
from shipway.store import SegmentWriter, Store

DAY = Seconds(86_400.0)


def compact(store: Store) -> Compacted:
    return compact_logs(store, now=NOW, time_column=lambda _release: None)


def spent(store: Store) -> None:
    """Three answers of one release, a failed call, a cached one of another release, an old one, somebody else's."""
    calls = [call(f"a{n}", ago=timedelta(hours=n)) for n in range(3)]
    calls += [
        call("failed", status=502, error="gateway.provider-down", usd=0.004, output_tokens=0),
        call("cached", release=OTHER_RELEASE, key="web", cache="exact", usd=0.0, saved_usd=0.002),
        call("old", ago=timedelta(days=3), usd=5.0),
        call("other", deployment="deploy/other@prod", usd=7.0),
        call("plain", deployment="", release="", usd=9.0, key="web"),
    ]
    log_calls(store, calls)
    assert compact(store) == Compacted(0, 0, 0, calls=8)


def test_a_sealed_segment_of_calls_becomes_a_flat_table_with_its_spans(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    log_calls(store, [call("a", degraded=["embed"], ttft_us=12), call("b", ago=timedelta(days=1), cached_tokens=512)])
    assert compact(store) == Compacted(0, 0, 0, calls=2)
    first, second = scan_calls(store).collect().iter_rows(named=True)
    assert (first["id"], first["recorded"], first["day"]) == ("a", NOW, NOW.date())
    assert (first["degraded"], first["ttft_us"], second["cached_tokens"], second["per_token_us"]) == (["embed"], 12, 512, -1)
    assert first["spans"][1] == {"layer": "model", "start_us": 1_000, "took_us": 80_000, "status": "ok"}
    assert list(store.log_folder("calls").glob("*.seg")) == []
    assert scan_calls(store, since=NOW - timedelta(hours=1)).select("id").collect()["id"].to_list() == ["a"]


def test_a_segment_whose_table_was_made_before_a_kill_is_no_second_table(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    log_calls(store, [call("a")])
    (segment,) = store.log_folder("calls").glob("*.seg")
    kept = segment.read_bytes()
    compact(store)
    segment.write_bytes(kept)  # as if the process had been killed before it removed the segment
    compact(store)
    assert scan_calls(store).select(pl.len()).collect().item() == 1


def test_calls_that_nobody_can_read_are_a_gap_with_its_size(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    log = SegmentWriter(store.log_folder("calls"), "gateway")
    assert log.append(b"\xc1 not a record", 3)
    log.close()
    assert compact(store) == Compacted(0, 0, 1)
    (gap,) = store.states("gap")
    assert (gap.value["stream"], gap.value["rows"]) == ("calls", 3)
    assert list((store.log_folder("calls") / "unread").iterdir())


def test_a_store_without_calls_has_an_empty_table_and_costs_nothing(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    assert scan_calls(store).collect().height == 0
    reading = measure_cost(store, REF, window=DAY, now=NOW)
    assert (reading.whole.usd, reading.whole.answers, reading.whole.usd_per_answer, reading.by_key) == (0.0, 0, None, {})


def test_the_cost_of_a_window_is_that_of_its_own_deployment_and_failed_calls_cost_too(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    spent(store)
    reading = measure_cost(store, REF, window=DAY, now=NOW)
    assert (reading.whole.calls, reading.whole.answers, reading.whole.exact) == (5, 4, 1)
    assert reading.whole.usd == pytest.approx(0.007)
    assert reading.whole.usd_per_answer == pytest.approx(0.00175)
    assert reading.whole.saved_usd == pytest.approx(0.002)
    assert list(reading.by_release) == [RELEASE, OTHER_RELEASE]  # the dearest first
    assert reading.by_key["team"].answers == 3
    assert reading.by_key["web"].saved_usd == pytest.approx(0.002)


def test_a_call_is_its_refs_by_the_deployment_object_that_it_names(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    known = store.put({"kind": "deployment", "version": 1, "application": "assistant", "environment": "prod"})
    gone = Digest("sha256:" + "0" * 64)
    log_calls(store, [call("a", deployment=known, usd=2.0), call("b", deployment=gone, usd=3.0)])
    compact(store)
    assert measure_cost(store, REF, window=DAY, now=NOW).whole.usd == 2.0


def test_cost_is_told_by_release_key_cache_and_day(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    spent(store)
    assert {name: round(part.usd, 4) for name, part in cost_by(store, by="key").items()} == {"web": 9.0, "team": 12.007}
    assert list(cost_by(store, by="key")) == ["team", "web"]
    assert cost_by(store, REF, by="cache")["exact"].saved_usd == pytest.approx(0.002)
    assert list(cost_by(store, REF, by="day")) == ["2026-11-20", "2026-11-23"]
    early = cost_by(store, REF, by="release", until=NOW - timedelta(days=1))
    assert early[RELEASE].usd == 5.0
    with pytest.raises(ValueError, match="by: one of release, key"):
        cost_by(store, by="model; drop")


def test_cost_above_the_threshold_fails_as_loud_as_the_threshold(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    spent(store)
    reading = measure_cost(store, REF, window=DAY, now=NOW)
    found = check_cost(MonitorSpec(name="cost", page=0.01, inform=0.005, window=DAY), reading)
    assert (found.severity, found.check.verdict, found.check.threshold) == (Severity.INFORM, Verdict.FAIL, 0.005)
    assert found.check.text == "0.00700 USD for 4 answers in 1 d, 0.00175 USD each; caches saved 0.00200 USD"
    assert check_cost(MonitorSpec(name="cost", page=0.006), reading).severity is Severity.PAGE
    assert check_cost(MonitorSpec(name="cost", page=0.01), reading).check.verdict is Verdict.PASS
    assert check_cost(MonitorSpec(name="cost"), reading).severity is Severity.REPORT


def test_calls_without_a_price_are_counted_and_make_a_pass_inconclusive(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    calls = [call("priced", prices=RELEASE), call("free", prices=RELEASE, usd=0.0), call("cached", cache="exact", usd=0.0)]
    calls += [call("refused", status=429, error="gateway.budget", usd=0.0, input_tokens=0, output_tokens=0)]
    log_calls(store, [*calls, call("unknown", usd=0.0), call("failed", usd=0.0, status=502, output_tokens=0)])
    compact(store)
    reading = measure_cost(store, REF, window=DAY, now=NOW)
    assert (reading.whole.unpriced, reading.to_json()["unpriced"]) == (2, 2)
    found = check_cost(MonitorSpec(name="cost", page=1.0), reading).check
    assert (found.verdict, found.value) == (Verdict.INCONCLUSIVE, 0.001)
    assert found.text.endswith("; 2 of 6 calls have no price and are not in it")
    assert check_cost(MonitorSpec(name="cost", page=0.0005), reading).check.verdict is Verdict.FAIL


def test_the_detail_of_a_reading_has_the_agreed_keys(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    spent(store)
    detail = measure_cost(store, REF, window=DAY, now=NOW).to_json()
    agreed = {"window_seconds", "answers", "usd", "usd_per_answer", "saved_usd", "by_release", "by_key", "tokens"}
    assert agreed <= detail.keys()
    assert detail["tokens"] == {"input": 4500, "output": 160, "cached": 0}
