from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_spender import CENT, DAY, NOW

from shipway.llm import BudgetReached, Charge, Ledger, LedgerGone, Reservation, Usd

SPENDER = Path(__file__).with_name("llm_spender.py")


def charge(scope: str = "global", budget: float | None = 1.0, seconds: int = DAY) -> Charge:
    return Charge(scope, None if budget is None else Usd(budget), seconds)


def test_what_is_reserved_counts_until_it_is_settled_at_its_cost(tmp_path: Path) -> None:
    with Ledger(tmp_path / "new" / "ledger.sqlite") as ledger:
        held = ledger.reserve([charge()], Usd(0.4), now=NOW)
        assert ledger.standing("global", DAY, now=NOW) == (0.4, 0.4, 0.0)
        assert ledger.settle(held, Usd(0.1))
        assert ledger.standing("global", DAY, now=NOW) == (0.1, 0.0, 0.0)
        assert ledger.spent("other", DAY, now=NOW) == 0.0


def test_settling_twice_changes_nothing(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        held, other = (ledger.reserve([charge()], Usd(0.4), now=NOW) for _ in range(2))
        assert ledger.settle(held, Usd(0.1))
        assert not ledger.settle(held, Usd(0.0))
        assert ledger.spent("global", DAY, now=NOW) == 0.5
        assert ledger.settle(other, Usd(0.0))


def test_a_cost_that_nobody_knows_stays_at_what_was_reserved(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.settle(ledger.reserve([charge()], Usd(0.4), now=NOW), None)
        assert ledger.standing("global", DAY, now=NOW) == (0.4, 0.0, 0.0)


def test_a_call_that_costs_more_than_was_reserved_is_charged_in_full(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.settle(ledger.reserve([charge()], Usd(0.9), now=NOW), Usd(1.5))
        with pytest.raises(BudgetReached) as caught:
            ledger.reserve([charge()], Usd(0.0001), now=NOW)
        assert (caught.value.spent, caught.value.budget) == (1.5, 1.0)


def test_several_budgets_are_reserved_together_or_not_at_all(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        both = [charge("global", 10.0), charge("key/team", 0.5, 3600)]
        ledger.reserve(both, Usd(0.3), now=NOW)
        with pytest.raises(BudgetReached) as caught:
            ledger.reserve(both, Usd(0.3), now=NOW)
        assert (caught.value.scope, caught.value.where, caught.value.resets) == (
            "key/team",
            "key/team",
            NOW - NOW % 3600 + 3600,
        )
        assert (ledger.spent("global", DAY, now=NOW), ledger.spent("key/team", 3600, now=NOW)) == (0.3, 0.3)


def test_the_last_cent_can_be_spent_and_not_one_more(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        for _ in range(10):  # ten dimes are a dollar here, though not in floating point
            ledger.reserve([charge()], Usd(0.1), now=NOW)
        with pytest.raises(BudgetReached):
            ledger.reserve([charge()], Usd(1e-9), now=NOW)
        ledger.reserve([charge()], Usd(0.0), now=NOW)


def test_a_new_window_has_its_whole_budget_and_late_costs_go_to_the_old_one(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        end = NOW - NOW % DAY + DAY
        held = ledger.reserve([charge()], Usd(1.0), now=end - 0.001)
        assert ledger.spent("global", DAY, now=end) == 0.0
        ledger.reserve([charge()], Usd(1.0), now=end)
        ledger.settle(held, Usd(0.25))
        assert (ledger.spent("global", DAY, now=end - 1), ledger.spent("global", DAY, now=end)) == (0.25, 1.0)


def test_a_scope_without_a_budget_is_counted_only(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.reserve([charge(budget=None)], Usd(1000.0), now=NOW)
        assert ledger.spent("global", DAY, now=NOW) == 1000.0


@pytest.mark.parametrize("usd", [-0.1, float("nan"), float("inf"), 1e12])
def test_what_is_no_amount_is_refused(tmp_path: Path, usd: float) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        with pytest.raises(ValueError, match="no amount"):
            ledger.reserve([charge()], Usd(usd), now=NOW)
        assert ledger.spent("global", DAY, now=NOW) == 0.0


def test_old_windows_can_be_forgotten(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.reserve([charge()], Usd(0.5), now=NOW)
        ledger.reserve([charge()], Usd(0.5), now=NOW + 2 * DAY)
        ledger.forget(before=NOW + DAY)
        assert (ledger.spent("global", DAY, now=NOW), ledger.spent("global", DAY, now=NOW + 2 * DAY)) == (0.0, 0.5)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 400), st.integers(0, 400)), max_size=30))
def test_sums_are_those_of_a_plain_account(steps: list[tuple[str, int, int]]) -> None:
    """The oracle: a dictionary of thousandths; every second reservation stays open."""
    import tempfile

    sums, held = Counter[str](), list[tuple[Reservation, str, int, int]]()
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite") as ledger:
        for key, asked, cost in steps:
            fits = sums["all"] + asked <= 2000 and sums[key] + asked <= 900
            try:
                made = ledger.reserve([charge("all", 2.0), charge(key, 0.9)], Usd(asked / 1000), now=NOW)
            except BudgetReached:
                assert not fits
                continue
            assert fits
            held.append((made, key, asked, cost))
            sums.update({"all": asked, key: asked})
            if len(held) == 2:
                made, key, asked, cost = held.pop(0)
                ledger.settle(made, Usd(cost / 1000))
                sums.update({"all": cost - asked, key: cost - asked})
        for scope in ("all", "a", "b"):
            assert ledger.spent(scope, DAY, now=NOW) == pytest.approx(sums[scope] / 1000, abs=1e-12)


def test_64_callers_in_threads_never_overspend(tmp_path: Path) -> None:
    start, lock, now_held, most = threading.Barrier(64), threading.Lock(), Counter[str](), Counter[str]()
    path = tmp_path / "ledger.sqlite"

    def spend(ledger: Ledger, number: int) -> int:
        dice, done = random.Random(number), 0
        start.wait()
        for _ in range(12):
            try:
                held = ledger.reserve([charge("global", 2.0), charge(f"key/{number % 4}", 0.7)], CENT, now=NOW)
            except BudgetReached:
                continue
            with lock:
                now_held["open"] += 1
                most["open"] = max(most["open"], now_held["open"])
            time.sleep(dice.random() / 500)
            with lock:
                now_held["open"] -= 1
            assert ledger.settle(held, CENT)
            done += 1
        return done

    with Ledger(path) as one, Ledger(path) as two, ThreadPoolExecutor(64) as pool:
        done = sum(pool.map(lambda number: spend(one if number % 2 else two, number), range(64)))
        assert done == 200
        assert one.standing("global", DAY, now=NOW) == (2.0, 0.0, 0.0)
        assert sum(one.spent(f"key/{number}", DAY, now=NOW) for number in range(4)) == pytest.approx(2.0)
    assert most["open"] > 1


def test_callers_in_many_processes_never_overspend(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    command = [sys.executable, str(SPENDER), str(path), "0.5", "60"]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    said = Counter(word for child in children for word in child.communicate(timeout=60)[0].split())
    assert [child.returncode for child in children] == [0] * 8
    assert said["reserved"] == said["settled"] >= 90
    assert said["full"] >= 1
    with Ledger(path) as ledger:
        assert ledger.spent("global", DAY, now=NOW) == pytest.approx(said["settled"] * CENT / 2)
        assert ledger.spent("global", DAY, now=NOW) <= 0.5


def killed_in_the_middle(path: Path, seed: int) -> None:
    """What a killed process had said is in the file; its open reservation, if any, is charged in full and flagged."""
    child = subprocess.Popen(
        [sys.executable, str(SPENDER), str(path), "1000", "1000000"], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert child.stdout
    said = [child.stdout.readline().strip()]
    time.sleep(random.Random(seed).random() * 0.02)
    child.kill()
    said += child.stdout.read().split()
    child.stdout.close()
    child.wait()
    counted = Counter(said)
    with Ledger(path) as ledger:
        later = NOW + 3600
        total, reserved, lost = ledger.standing("global", DAY, now=later)
        assert ledger.spent("key/team", DAY, now=NOW) == total
        settled = round((total - reserved) / (CENT / 2))
        assert counted["settled"] <= settled <= counted["reserved"]  # the word may be lost, never the money
        assert reserved == lost
        assert round(reserved / CENT) == counted["reserve"] - settled or (said[-1], reserved) == ("reserve", 0.0)
        ledger.reserve([charge("key/team", None)], CENT, now=NOW)  # it goes on


@pytest.mark.parametrize("seed", range(20))
def test_a_killed_process_loses_nothing(tmp_path: Path, seed: int) -> None:
    killed_in_the_middle(tmp_path / "ledger.sqlite", seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 120))
def test_a_killed_process_loses_nothing_a_hundred_times(tmp_path: Path, seed: int) -> None:
    killed_in_the_middle(tmp_path / "ledger.sqlite", seed)


def gone(ledger: Ledger, held: Reservation) -> None:
    """Every call says so, and none makes a new file."""
    calls = (
        lambda: ledger.reserve([charge()], CENT, now=NOW),
        lambda: ledger.settle(held, CENT),
        lambda: ledger.spent("global", DAY, now=NOW),
        lambda: ledger.standing("global", DAY, now=NOW),
    )
    for call in calls:
        with pytest.raises(LedgerGone) as caught:
            call()
        assert caught.value.retry


def test_a_deleted_ledger_is_gone_and_so_is_one_that_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        held = ledger.reserve([charge()], CENT, now=NOW)
        path.rename(tmp_path / "away")
        gone(ledger, held)
        assert not path.exists()
        Ledger(tmp_path / "other.sqlite").close()
        (tmp_path / "other.sqlite").rename(path)
        gone(ledger, held)  # an empty one in its place would forget what was spent
        os.replace(tmp_path / "away", path)
        assert ledger.settle(held, CENT)


def test_a_full_disk_is_a_ledger_that_is_gone_and_nothing_is_half_reserved(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.reserve([charge()], CENT, now=NOW)
        ledger._connection.execute("PRAGMA max_page_count=5")

        def fill() -> None:
            for number in range(1000):
                ledger.reserve([charge(f"scope/{number}" * 20, None), charge("global", None)], CENT, now=NOW)

        with pytest.raises(LedgerGone, match="full"):
            fill()
        total = ledger._connection.execute("SELECT sum(nano) FROM total WHERE scope != 'global'").fetchone()[0]
        ledger._connection.execute("PRAGMA max_page_count=100000")
        assert ledger.spent("global", DAY, now=NOW) == pytest.approx(total / 1e9 + CENT)


def test_a_corrupt_ledger_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        for number in range(200):
            held = ledger.reserve([charge(f"scope/{number}", None)], CENT, now=NOW)
        ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ledger._connection.execute("PRAGMA shrink_memory")
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.write(b"\xff" * size)
        with Ledger(tmp_path / "another.sqlite") as other:
            other.reserve([charge()], CENT, now=NOW)
        gone(ledger, held)
    with pytest.raises(LedgerGone):
        Ledger(path)


def test_another_database_is_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE t (a)")
    other.close()
    with pytest.raises(LedgerGone, match="not a ledger"):
        Ledger(path)


def test_a_path_that_cannot_be_written_is_a_ledger_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(LedgerGone):
        Ledger(tmp_path / "file" / "ledger.sqlite")
    with pytest.raises(LedgerGone):
        Ledger(tmp_path)


def test_a_lock_that_is_never_given_back_ends_the_wait(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path, busy_seconds=0.2) as ledger:
        held = ledger.reserve([charge()], CENT, now=NOW)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        gone(ledger, held)
        other.execute("ROLLBACK")
        other.close()
        assert ledger.settle(held, CENT)
