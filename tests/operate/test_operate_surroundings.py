"""What surrounds a live application: its documents, what it costs, whether its provider is still the one that was measured."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import closing
from typing import Any

import pytest
from assistant_live import GOLDEN, REF, Assistant, Parrot, apply, go, look, sync, write_golden

from shipway.kernel.check import Verdict
from shipway.monitor import Reading, load_alerts, load_readings
from shipway.operate import compact, watch_calls, watch_surroundings
from shipway.rag import SourceEmpty, SourceUnreadable
from shipway.store import CallRecord, SegmentWriter, encode_record

pytest_plugins = ["cli_assistant_fixtures"]


def verdicts(readings: dict[str, Reading]) -> dict[str, str]:
    return {name: reading.check.verdict.value for name, reading in readings.items()}


def open_alerts(project: Assistant) -> set[str]:
    return {alert.monitor for alert in load_alerts(project.store, REF) if alert.open}


def signs(reading: Reading) -> Any:
    return reading.detail["by"]


def call(project: Assistant, *, usd: float, status: int = 200) -> None:
    """An answer that was given and paid for, or a failure, as a gateway records it."""
    store = project.store
    record = CallRecord(
        id=f"c{time.time_ns()}",
        recorded=int(store.clock.now().timestamp() * 1e6),
        application="guide",
        release=store.resolve("release/guide"),
        deployment=store.resolve(REF),
        provider="answer",
        model="parrot",
        key="team",
        status=status,
        usd=usd,
    )
    folder = store.log_folder("calls")
    folder.mkdir(parents=True, exist_ok=True)
    with closing(SegmentWriter(folder, f"gateway-{time.time_ns()}", rotate_seconds=5.0)) as log:
        log.append(encode_record(record), 1)
    compact(store)


def test_a_calm_application_passes_everything(live: Assistant) -> None:
    readings = look(live, sentinel=True)
    assert verdicts(readings) == {"cost": "pass", "freshness": "pass", "sentinel": "pass"}
    assert open_alerts(live) == set()
    assert {reading.release for reading in readings.values()} == {live.store.resolve("release/guide")}


def test_a_changed_document_pages_until_it_is_served(live: Assistant) -> None:
    live.write("docs/ferry.txt", "The ferry to Holm leaves every forty minutes from the western quay.\n")
    early = look(live)["freshness"]
    assert (early.check.verdict, early.detail["stale"]) == (Verdict.PASS, 1), "within the window a change may wait"
    time.sleep(1.1)
    late = look(live)["freshness"]
    assert (late.check.verdict, late.check.value, late.detail["examples"]) == (Verdict.FAIL, 1.0, ["ferry.txt"])
    assert open_alerts(live) == {"freshness"}
    sync(live)
    assert look(live)["freshness"].check.verdict is Verdict.FAIL, "an index that is not live serves nobody"
    done = go(live)
    assert done
    assert done.moved
    assert look(live)["freshness"].check.verdict is Verdict.PASS
    (alert,) = load_alerts(live.store, REF)
    assert (alert.monitor, alert.open) == ("freshness", False)


def test_a_document_that_is_gone_and_still_served_counts_at_once(live: Assistant) -> None:
    (live.root / "docs" / "ferry.txt").unlink()
    reading = look(live)["freshness"]
    assert (reading.check.verdict, reading.detail["orphans"], reading.detail["stale"]) == (Verdict.FAIL, 1, 0)


def test_a_touched_document_that_says_the_same_is_fresh(live: Assistant) -> None:
    for file in (live.root / "docs").iterdir():
        file.write_bytes(file.read_bytes())
    time.sleep(1.1)
    assert look(live)["freshness"].check.verdict is Verdict.PASS


def test_costs_over_the_threshold_page_and_resolve_when_the_limit_is_raised(live: Assistant) -> None:
    call(live, usd=0.0006)
    assert look(live)["cost"].check.verdict is Verdict.PASS
    call(live, usd=0.0006)
    reading = look(live)["cost"]
    by_key: Any = reading.detail["by_key"]
    assert (reading.check.verdict, reading.detail["answers"]) == (Verdict.FAIL, 2)
    assert reading.check.value == by_key["team"]["usd"] == pytest.approx(0.0012)
    assert open_alerts(live) == {"cost"}
    live.edit("cost: {page: 0.001", "cost: {page: 1")
    apply(live)
    assert look(live)["cost"].check.verdict is Verdict.PASS
    assert open_alerts(live) == set()


def test_calls_that_no_provider_answers_page_until_they_are_answered(live: Assistant) -> None:
    for _ in range(8):
        call(live, usd=0.0, status=502)
    watch_calls(live.hands, REF)
    kept = look(live)
    assert (kept["errors"].check.verdict, kept["errors"].check.value) == (Verdict.FAIL, 1.0)
    assert open_alerts(live) == {"errors"}
    live.edit("    monitors:\n", "    monitors:\n      errors: off\n")
    apply(live)
    assert "errors" not in look(live)
    assert open_alerts(live) == set()


def test_documents_that_cannot_be_read_keep_no_other_monitor_from_its_reading(live: Assistant) -> None:
    """The folder is a mount that went away: what the calls cost is looked at all the same."""
    shutil.rmtree(live.root / "docs")
    call(live, usd=0.5)
    with pytest.raises((SourceEmpty, SourceUnreadable)):
        look(live, sentinel=True)
    kept = {reading.monitor: reading.check.verdict for reading in load_readings(live.store, REF)}
    assert kept == {"cost": Verdict.FAIL, "freshness": Verdict.INCONCLUSIVE, "sentinel": Verdict.PASS}


def test_the_sentinel_asks_when_its_window_has_passed_and_not_before(live: Assistant, parrot: Parrot) -> None:
    look(live, sentinel=None)
    assert len(parrot.asked) == 16, "eight golden questions, twice each"
    look(live, sentinel=None)
    look(live, sentinel=False)
    assert len(parrot.asked) == 16
    look(live, sentinel=True)
    assert len(parrot.asked) == 32


def test_a_model_that_is_swapped_behind_its_name_is_noticed_and_the_alert_resolves_with_it(
    live: Assistant, parrot: Parrot
) -> None:
    first = look(live, sentinel=True)["sentinel"]
    same = look(live, sentinel=True)["sentinel"]
    assert (first.check.verdict, same.check.verdict, signs(same)) == (Verdict.PASS, Verdict.PASS, [])
    parrot.swapped = True
    swapped = look(live, sentinel=True)["sentinel"]
    assert swapped.check.verdict is Verdict.FAIL
    assert {"tokens", "answers"} <= set(signs(swapped))
    assert swapped.detail["baseline"] == same.detail["baseline"]
    assert open_alerts(live) == {"sentinel"}
    parrot.swapped = False
    assert look(live, sentinel=True)["sentinel"].check.verdict is Verdict.PASS
    assert open_alerts(live) == set()


def test_a_price_of_ones_own_that_changes_is_noticed_until_it_is_applied(live: Assistant) -> None:
    look(live, sentinel=True)
    live.edit("output: 2}}\n  spare", "output: 3}}\n  spare")
    priced = look(live, sentinel=True)["sentinel"]
    assert (priced.check.verdict, signs(priced)) == (Verdict.FAIL, ["price"])
    assert re.search(r"price of answer/parrot, output: 2 then, 3 now", priced.check.text)
    apply(live)
    assert look(live, sentinel=True)["sentinel"].check.verdict is Verdict.PASS


def test_a_price_of_a_provider_that_does_not_answer_here_is_nobodys_business(live: Assistant) -> None:
    look(live, sentinel=True)
    live.edit("price: {input: 1, output: 2}", "price: {input: 9, output: 9}")
    assert look(live, sentinel=True)["sentinel"].check.verdict is Verdict.PASS


def test_a_provider_that_is_down_is_a_reading_and_no_alarm_about_its_answers(live: Assistant, parrot: Parrot) -> None:
    parrot.down = True
    reading = look(live, sentinel=None)["sentinel"]
    assert (reading.check.verdict, signs(reading), reading.detail["baseline"]) == (Verdict.INCONCLUSIVE, ["down"], None)
    assert "answered 503" in reading.check.text
    assert open_alerts(live) == set()
    look(live, sentinel=None)
    assert parrot.asked == [], "it is left alone for a minute"
    parrot.down = False
    assert look(live, sentinel=True)["sentinel"].check.verdict is Verdict.PASS
    parrot.down = True
    assert look(live, sentinel=True)["sentinel"].detail["baseline"], "what it once said is kept"


def test_an_alarm_stays_open_while_the_provider_is_down(live: Assistant, parrot: Parrot) -> None:
    look(live, sentinel=True)
    parrot.swapped = True
    look(live, sentinel=True)
    parrot.swapped, parrot.down = False, True
    look(live, sentinel=True)
    assert open_alerts(live) == {"sentinel"}


def test_a_question_that_is_worded_anew_is_no_change_of_the_provider(live: Assistant, parrot: Parrot) -> None:
    look(live, sentinel=True)
    rows = [(id, question.replace("bridge", "old bridge"), target, file) for id, question, target, file in GOLDEN]
    write_golden(live, rows)
    apply(live)
    assert look(live, sentinel=True)["sentinel"].check.verdict is Verdict.PASS
    parrot.swapped = True
    assert look(live, sentinel=True)["sentinel"].check.verdict is Verdict.FAIL


def test_a_golden_set_of_other_questions_begins_a_new_baseline(live: Assistant, parrot: Parrot) -> None:
    before = look(live, sentinel=True)["sentinel"].detail["baseline"]
    write_golden(live, [(f"new-{id}", f"Tell me: {question}", target, file) for id, question, target, file in GOLDEN])
    apply(live)
    reading = look(live, sentinel=True)["sentinel"]
    assert reading.check.verdict is Verdict.PASS
    assert reading.detail["baseline"] != before
    parrot.swapped = True
    assert look(live, sentinel=True)["sentinel"].check.verdict is Verdict.FAIL


def test_a_monitor_that_is_taken_out_takes_its_reading_and_its_alert_with_it(live: Assistant) -> None:
    call(live, usd=0.5)
    look(live)
    assert open_alerts(live) == {"cost"}
    live.edit("      cost: {page: 0.001, window: 1d}\n", "")
    apply(live)
    assert set(look(live)) == {"freshness"}
    assert open_alerts(live) == set()


def test_a_new_baseline_is_taken_only_once_the_provider_has_answered(live: Assistant, parrot: Parrot) -> None:
    look(live, sentinel=True)
    parrot.down = True
    kept = live.store.states("baseline")
    watch_surroundings(live.hands, REF, environ=live.environ, spec=live.spec, sentinel=True, anew=True)
    assert live.store.states("baseline") == kept
