"""Freshness in words, and a change that is younger than the window is no failure."""

from __future__ import annotations

from shipway.kernel.check import Verdict
from shipway.kernel.units import Seconds
from shipway.monitor import Severity, check_freshness, freshness_detail
from shipway.rag import Freshness
from shipway.spec import MonitorSpec

MONITOR = MonitorSpec(name="freshness", page=0.0, window=Seconds(900.0))


def measured(stale: int = 0, orphans: int = 0, oldest: float = 0.0, examples: tuple[str, ...] = ()) -> Freshness:
    return Freshness(documents=60, stale=stale, orphans=orphans, oldest_seconds=oldest, examples=examples)


def test_an_index_that_serves_its_source_passes() -> None:
    found = check_freshness(MONITOR, measured(), index="docs")
    assert (found.check.name, found.check.verdict, found.check.value) == ("freshness", Verdict.PASS, 0.0)
    assert found.check.text == "index docs serves all 60 documents as they are now"


def test_changes_older_than_the_window_fail_and_are_named() -> None:
    found_now = measured(stale=3, orphans=1, oldest=7_300.0, examples=("ref/models.txt", "intro/install.txt"))
    found = check_freshness(MONITOR, found_now, index="docs")
    assert (found.severity, found.check.verdict, found.check.value, found.check.n) == (Severity.PAGE, Verdict.FAIL, 4.0, 60)
    assert found.check.text == (
        "index docs, 60 documents, 3 not served as they are now and 1 served and gone: ref/models.txt, intro/install.txt; "
        "the oldest change is 2 h old"
    )


def test_changes_within_the_window_pass_and_are_told() -> None:
    found = check_freshness(MONITOR, measured(stale=3, oldest=899.0), index="docs")
    assert (found.check.verdict, found.check.value) == (Verdict.PASS, 0.0)
    assert "3 not served as they are now" in found.check.text


def test_a_document_that_is_gone_and_still_served_counts_at_once() -> None:
    found = check_freshness(MONITOR, measured(orphans=2, examples=("internal/old.txt",)), index="docs")
    assert (found.check.verdict, found.check.value) == (Verdict.FAIL, 2.0)
    assert found.check.text == "index docs, 60 documents, 2 served and gone: internal/old.txt"


def test_a_threshold_above_nothing_lets_some_documents_be_late() -> None:
    five = MonitorSpec(name="freshness", page=5.0, window=Seconds(900.0))
    assert check_freshness(five, measured(stale=5, oldest=1e6), index="docs").check.verdict is Verdict.PASS
    assert check_freshness(five, measured(stale=5, orphans=1, oldest=1e6), index="docs").check.verdict is Verdict.FAIL


def test_the_detail_names_five_documents_at_most() -> None:
    detail = freshness_detail(measured(stale=9, examples=tuple("abcdefg")), index="docs")
    assert detail == {
        "index": "docs", "documents": 60, "stale": 9, "orphans": 0, "oldest_seconds": 0.0, "examples": list("abcde"),
    }  # fmt: skip
