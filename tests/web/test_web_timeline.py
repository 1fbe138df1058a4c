"""The drawing: places from days, lines that do not cross what nobody measured, alerts and moves where they belong. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from web_project import FIRST_DAY, REF, day_verdict

from shipway.kernel.digest import Digest, digest_bytes, short
from shipway.monitor import DayVerdict, fold_alerts
from shipway.web._facts import DeploymentFacts, Move
from shipway.web._lanes import LANE
from shipway.web._timeline import Timeline, make_timeline

A, B = digest_bytes(b"a"), digest_bytes(b"b")


def drawn(days: list[DayVerdict], moves: tuple[Move, ...] = ()) -> Timeline:
    facts = DeploymentFacts(REF, None, None, moves, tuple(days), fold_alerts(days), None, None)
    timeline = make_timeline(facts)
    assert timeline is not None
    return timeline


def days_of(values: Sequence[float | None], release: Digest = A, first: int = 0) -> list[DayVerdict]:
    start = FIRST_DAY + timedelta(days=first)
    return [day_verdict(start + timedelta(days=n), release, calibration=value) for n, value in enumerate(values)]


def moved(day: date, target: Digest) -> Move:
    return Move(REF, None, target, "ada", datetime(day.year, day.month, day.day, 9, tzinfo=UTC), "why", "moved", "move", None)


def points(text: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, _, y in (pair.partition(",") for pair in text.split())]


def test_no_days_are_no_drawing() -> None:
    assert make_timeline(DeploymentFacts(REF, None, None, (), (), (), None, None)) is None


def test_judged_monitors_come_first_and_reported_ones_beside_them() -> None:
    assert [lane.title for lane in drawn(days_of([0.02] * 5)).lanes] == ["Calibration error", "Base-rate error", "ROC AUC"]


def test_days_fill_the_width_and_one_day_alone_can_be_seen() -> None:
    (line,) = drawn(days_of([0.02])).lanes[0].lines
    assert [x for x, _ in points(line)] == [0, 500, 1000]
    (line,) = drawn(days_of([0.02, 0.03])).lanes[0].lines
    assert [x for x, _ in points(line)] == [0, 250, 750, 1000]


def test_a_line_breaks_where_a_day_is_missing_or_undecided_or_another_release_answers() -> None:
    missing = days_of([0.02] * 3) + days_of([0.02] * 3, first=5)
    undecided = days_of([0.02, 0.02, None, 0.02])
    other = days_of([0.02] * 3) + days_of([0.02] * 3, B, first=3)
    assert [len(drawn(days).lanes[0].lines) for days in (missing, undecided, other)] == [2, 2, 2]


def test_a_lane_holds_its_numbers_and_its_thresholds() -> None:
    timeline = drawn(days_of([0.02, 0.08, 0.5]))
    calibration, base_rate, auc = timeline.lanes
    for lane in timeline.lanes:
        assert all(0 <= y <= LANE for text in (*lane.lines, *lane.bands) for _, y in points(text))
        assert all(0 <= float(y) <= LANE for y in lane.thresholds)
    assert (calibration.threshold, base_rate.threshold, auc.threshold) == ("0.05", "±0.05", "")
    assert (len(calibration.thresholds), len(base_rate.thresholds)) == (1, 2)
    assert (calibration.zero, base_rate.zero != "") == ("", True)


def test_higher_is_drawn_higher() -> None:
    (line,) = drawn(days_of([0.02, 0.08])).lanes[0].lines
    heights = [y for _, y in points(line)]
    assert heights[1] > heights[2]


def test_undecided_days_only_still_show_the_threshold() -> None:
    lane = drawn(days_of([None] * 4)).lanes[0]
    assert (lane.value, lane.lines) == ("not yet", ())
    assert 0 < float(lane.thresholds[0]) < LANE


def test_alerts_are_spans_in_the_lane_of_their_monitor() -> None:
    calibration, base_rate, _ = drawn(days_of([0.02] * 5 + [0.12] * 5 + [0.02] * 10)).lanes
    (span,) = calibration.spans
    assert (span.x, span.width, span.level) == ("25.000%", "25.000%", "page")
    assert base_rate.spans == ()


def test_an_open_alert_lasts_to_the_newest_day() -> None:
    (span,) = drawn(days_of([0.02] * 5 + [0.12] * 4 + [None])).lanes[0].spans
    assert (span.x, span.width) == ("50.000%", "50.000%")
    assert "still open" in span.title


def test_a_release_that_takes_over_is_a_mark_once() -> None:
    days = days_of([0.02] * 10) + days_of([0.02] * 10, B, first=10)
    marks = drawn(days, (moved(FIRST_DAY + timedelta(days=10), B),)).marks
    assert [(mark.x, mark.label) for mark in marks] == [("0.000%", short(A)), ("50.000%", short(B))]
    assert "ada moved" in marks[1].title


def test_moves_outside_of_the_days_are_no_marks() -> None:
    assert len(drawn(days_of([0.02] * 10), (moved(date(2026, 11, 23), B),)).marks) == 1


def test_labels_that_would_lie_on_each_other_are_left_out() -> None:
    moves = tuple(moved(FIRST_DAY + timedelta(days=day), B) for day in (1, 2, 3, 4))
    marks = drawn(days_of([0.02] * 100), moves).marks
    assert len(marks) == 5
    assert [mark.label for mark in marks if mark.label] == [short(A)]


@pytest.mark.parametrize("days", [1, 2, 9, 44, 46, 90, 240, 400])
def test_ticks_are_few_and_have_room(days: int) -> None:
    ticks = drawn(days_of([0.02] * days)).ticks
    places = [float(tick.x.rstrip("%")) for tick in ticks]
    assert 1 <= len(ticks) <= 14
    assert all(after - before > 5 for before, after in pairwise(places))


def test_every_day_tells_its_numbers() -> None:
    cell = drawn(days_of([0.12])).cells[0]
    assert cell.verdict == "fail"
    assert "Calibration error 0.120 [0.105, 0.135], threshold 0.05" in cell.title
