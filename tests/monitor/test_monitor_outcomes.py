from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from monitor_logs import (
    FIRST_DAY,
    NOW,
    OTHER_RELEASE,
    RELEASE,
    Day,
    FakeClock,
    log_predictions,
    new_store,
    prediction,
    time_column,
)

from shipway.kernel.units import Seconds
from shipway.monitor import OutcomeLog, OutcomeMalformed, compact_logs, joined, measure_coverage, scan_outcomes
from shipway.store import SegmentWriter, Store, encode_record

GOOD = {"id": "r:0", "name": "late", "value": 1, "time": "2013-02-02T09:15:00"}


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"id": "\ud800:0"}, "id"),
        ({"unit": 7}, "unit"),
        ({"time": "2013-02-02T09:15:00\ud800"}, "time"),
        ({"name": None}, "name"),
        ({"value": "1"}, "value"),
        ({"value": None}, "value"),
        ({"value": float("nan")}, "value"),
        ({"value": 10**400}, "value"),
        ({"value": -(10**5000)}, "value"),
        ({"time": "yesterday"}, "time"),
        ({"time": "2099-01-01T00:00:00"}, "time"),
        ({"time": "9999-12-31T23:59:59-14:00"}, "time"),
        ({"valeu": 1}, "valeu"),
    ],
)
def test_a_malformed_row_is_named_by_line_and_field_and_nothing_is_recorded(
    tmp_path: Path, bad: dict[str, object], field: str
) -> None:
    store = new_store(tmp_path)
    with OutcomeLog(store) as log:
        with pytest.raises(OutcomeMalformed) as caught:
            log.record([GOOD, {**GOOD, **bad}, GOOD])
        assert (caught.value.line, caught.value.field) == (2, field)
        assert f"line 2, field {field}" in caught.value.render()
    compact_logs(store, now=NOW, time_column=time_column)
    assert scan_outcomes(store).collect().is_empty()


def test_a_row_that_is_no_object_and_a_row_without_an_id_are_malformed(tmp_path: Path) -> None:
    with OutcomeLog(new_store(tmp_path)) as log:
        for row in (["r:0"], {"name": "late", "value": 1}):
            with pytest.raises(OutcomeMalformed, match=r"object|missing"):
                log.record([row])  # type: ignore[list-item]


def test_recorded_means_on_the_device_and_joinable_once_it_is_sealed(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    log = OutcomeLog(store)
    assert log.record([GOOD, {"id": "r:1", "name": "late", "value": False}]) == 2
    (segment,) = store.log_folder("outcomes").glob("*.open")
    assert b"2013-02-02T09:15:00" in segment.read_bytes()
    log.close()
    log.close()
    compact_logs(store, now=NOW, time_column=time_column)
    rows = scan_outcomes(store).collect().rows()
    assert rows == [
        ("r:0", "late", 1.0, datetime(2013, 2, 2, 9, 15, tzinfo=UTC), NOW, None, None),
        ("r:1", "late", 0.0, None, NOW, None, None),
    ]


def test_a_request_without_rows_records_nothing(tmp_path: Path) -> None:
    with OutcomeLog(store := new_store(tmp_path)) as log:
        assert log.record([]) == 0
    assert not list(store.log_folder("outcomes").iterdir())


@pytest.mark.parametrize("seed", range(5))
def test_the_join_agrees_with_brute_force_over_late_duplicate_corrected_and_orphaned_outcomes(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    store, clock = _store_with_predictions(tmp_path)
    truth: dict[str, float] = {}
    for _ in range(6):
        clock.at += timedelta(seconds=chance.choice([0, 1, 3600]))
        rows = [_any_outcome(chance) for _ in range(80)]
        with OutcomeLog(store) as log:
            log.record(rows)
        for row in rows:
            if row["name"] == "late":
                truth[str(row["id"])] = float(str(row["value"]))
    compact_logs(store, now=NOW, time_column=time_column)
    for release in (None, RELEASE, OTHER_RELEASE):
        first, last = FIRST_DAY + timedelta(days=1), FIRST_DAY + timedelta(days=2)
        table = joined(store, release=release, start=first, end=last, outcome="late").collect()
        releases = [RELEASE, OTHER_RELEASE] if release is None else [release]
        expected = {
            (each, day, f"{day}-{n}:{row}"): truth.get(f"{day}-{n}:{row}")
            for each in releases for day in (first, last) for n in range(2) for row in range(10)
        }  # fmt: skip
        keys = zip(table["release"], table["day"], table["id"], strict=True)
        assert dict(zip(keys, table["label"], strict=True)) == expected


def test_an_outcome_counts_only_once_its_prediction_has_matured(tmp_path: Path) -> None:
    store, _ = _store_with_predictions(tmp_path)
    with OutcomeLog(store) as log:
        log.record({"id": f"{FIRST_DAY}-0:{row}", "name": "late", "value": 1} for row in range(10))
    compact_logs(store, now=NOW, time_column=time_column)
    noon = datetime(2013, 2, 3, 4, 30, tzinfo=UTC)  # rows 0 to 4 are of the hours 0 to 4
    frame = joined(
        store, release=RELEASE, start=FIRST_DAY, end=FIRST_DAY, outcome="late", matures=Seconds(2 * 86400.0), as_of=noon
    )
    seen = measure_coverage(frame)
    assert (seen.rows, seen.mature, seen.labels) == (20, 10, 5)
    assert seen.score_labelled == pytest.approx(0.02)
    assert frame.filter("mature").select("label").collect()["label"].to_list().count(None) == 5


def test_rows_of_different_requests_under_one_id_have_no_label_and_are_counted(tmp_path: Path) -> None:
    store, clock = _store_with_predictions(tmp_path)
    log = SegmentWriter(store.log_folder("predictions"), "triton")
    for number in range(300):  # a client that calls every request "1"
        columns = {"scheduled": np.array([f"{FIRST_DAY}T12:00:00"], dtype=object), "x": np.array([float(number)])}
        log.append(encode_record(prediction("1", columns, np.array([0.5]))), 1)
    log.close()
    with OutcomeLog(store) as outcomes:
        outcomes.record([{"id": "1:0", "name": "late", "value": 1}, {"id": f"{FIRST_DAY}-0:0", "name": "late", "value": 1}])
    compact_logs(store, now=clock.now(), time_column=time_column)
    frame = joined(store, release=RELEASE, start=FIRST_DAY, end=FIRST_DAY, outcome="late")
    seen = measure_coverage(frame)
    assert (seen.rows, seen.labels, seen.ambiguous) == (320, 1, 300)
    assert sorted(frame.filter("ambiguous").collect()["x"]) == list(map(float, range(300)))


def test_the_same_request_asked_again_is_one_row_with_its_label(tmp_path: Path) -> None:
    store, _ = _store_with_predictions(tmp_path)
    log = SegmentWriter(store.log_folder("predictions"), "again")
    for _ in range(3):
        columns = {"scheduled": np.array([f"{FIRST_DAY}T12:00:00"], dtype=object)}
        log.append(encode_record(prediction("1", columns, np.array([0.5]))), 1)
    log.close()
    with OutcomeLog(store) as outcomes:
        outcomes.record([{"id": "1:0", "name": "late", "value": 1}])
    compact_logs(store, now=NOW, time_column=time_column)
    seen = measure_coverage(joined(store, release=RELEASE, start=FIRST_DAY, end=FIRST_DAY, outcome="late"))
    assert (seen.rows, seen.labels, seen.ambiguous) == (21, 1, 0)


def test_a_log_without_rows_joins_to_nothing(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    frame = joined(store, release=None, start=FIRST_DAY, end=FIRST_DAY, outcome="late")
    assert tuple(measure_coverage(frame)) == (0, 0, 0, None, None, 0)


def _store_with_predictions(folder: Path) -> tuple[Store, FakeClock]:
    """Two requests of ten rows a day and release for four days; row i is of hour i, with score i/100."""
    clock = FakeClock()
    store, days = new_store(folder, clock), []
    for number in range(4):
        day = FIRST_DAY + timedelta(days=number)
        times = [f"{day}T{row % 10:02}:00:00" for row in range(20)]
        score = np.array([row % 10 / 100 for row in range(20)])
        days.append(Day(day, {"scheduled": np.array(times, dtype=object)}, score, score))
    log_predictions(store, days, writer="a", batch=10)
    log_predictions(store, days, writer="b", batch=10, release=OTHER_RELEASE)
    compact_logs(store, now=NOW, time_column=time_column)
    return store, clock


def _any_outcome(chance: random.Random) -> dict[str, object]:
    day = FIRST_DAY + timedelta(days=chance.randrange(6))  # days 4 and 5 were never predicted: orphans
    name = chance.choice(["late", "late", "diverted"])
    when = None if chance.random() < 0.3 else f"{day + timedelta(days=1)}T10:00:00+01:00"
    request = f"{day}-{chance.randrange(2)}:{chance.randrange(10)}"
    return {"id": request, "name": name, "value": chance.randrange(2), "time": when}
