"""The runner: nothing is asked twice, nothing is lost by a kill, and what failed is said."""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import evals_help
import pytest
from evals_help import ASKED, OTHER, evaluated, make_rows, new_store, right, run, wrong

from shipway.evals import (
    Answer,
    EvaluationFailed,
    GoldenRow,
    SampleLog,
    SamplesDamaged,
    SamplesTaken,
    SamplesUnwritten,
    load_samples,
    put_samples,
    run_evaluation,
)
from shipway.kernel.errors import ShipwayError
from shipway.store import ObjectMissing


class Asked:
    """Counts who was asked what; fails where it is told to."""

    def __init__(self, failing: frozenset[str] = frozenset()) -> None:
        self.calls: Counter[tuple[str, int]] = Counter()
        self.failing = failing

    def __call__(self, row: GoldenRow, sample: int) -> Answer:
        self.calls[row.id, sample] += 1
        if row.id in self.failing:
            raise ShipwayError("the provider is down")
        return right(row)


def test_every_row_is_asked_its_number_of_times_and_no_more(tmp_path: Path) -> None:
    asked, seen = Asked(), list[tuple[int, int]]()
    found = run(tmp_path / "s.jsonl", make_rows(7), asked, samples=3, report=lambda done, total: seen.append((done, total)))
    assert asked.calls == {(f"q{n}", k): 1 for n in range(7) for k in range(3)}
    assert (len(found.answers), found.called, found.errors) == (21, 21, 0)
    assert seen == [(n, 21) for n in range(1, 22)]


def test_never_more_are_asked_at_once_than_allowed(tmp_path: Path) -> None:
    now = most = 0

    async def ask(row: GoldenRow, sample: int) -> Answer:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return right(row)

    with SampleLog(tmp_path / "s.jsonl", ASKED) as kept:
        asyncio.run(run_evaluation(make_rows(30), ask, samples=2, concurrency=5, kept=kept))
    assert most == 5


def test_a_second_run_asks_nothing_and_gives_the_same(tmp_path: Path) -> None:
    path, again = tmp_path / "s.jsonl", Asked()
    first = run(path, make_rows(5), Asked(), samples=2)
    second = run(path, make_rows(5), again, samples=2)
    assert not again.calls
    assert second.called == 0
    assert second.answers == first.answers


def test_more_samples_and_more_rows_ask_only_what_is_new(tmp_path: Path) -> None:
    path, again = tmp_path / "s.jsonl", Asked()
    run(path, make_rows(5), Asked(), samples=2)
    run(path, make_rows(6), again, samples=3)
    assert set(again.calls) == {("q5", 0), ("q5", 1)} | {(f"q{n}", 2) for n in range(6)}


def test_another_definition_is_asked_anew_in_the_same_file(tmp_path: Path) -> None:
    path, other = tmp_path / "s.jsonl", Asked()
    run(path, make_rows(4), Asked())
    run(path, make_rows(4), other, asked=OTHER)
    assert len(other.calls) == 4
    again = Asked()
    run(path, make_rows(4), again)
    assert not again.calls


def test_a_changed_question_is_asked_anew_and_a_changed_target_is_not(tmp_path: Path) -> None:
    path, again = tmp_path / "s.jsonl", Asked()
    run(path, make_rows(3), Asked())
    one, two, three = make_rows(3)
    rows = (
        one,
        GoldenRow("q1", "asked otherwise", target=two.target, context=("x",)),
        GoldenRow("q2", three.input, ("new",), ("x",)),
    )
    run(path, rows, again)
    assert list(again.calls) == [("q1", 0)]


def test_few_failures_are_counted_and_asked_again_next_time(tmp_path: Path) -> None:
    path, rows = tmp_path / "s.jsonl", make_rows(40)
    found = run(path, rows, Asked(frozenset({"q3"})))
    assert (found.errors, len(found.answers)) == (1, 40)
    assert found.answers["q3", 0].error == "shipway.error: the provider is down"
    assert list(found.of(rows[3])) == []
    again = Asked()
    assert run(path, rows, again).errors == 0
    assert list(again.calls) == [("q3", 0)]


def test_many_failures_end_the_run_soon_and_keep_what_was_answered(tmp_path: Path) -> None:
    path, asked = tmp_path / "s.jsonl", Asked(frozenset(f"q{n}" for n in range(2, 100)))
    with pytest.raises(EvaluationFailed, match=r"6 of 100 answers failed.*the provider is down") as caught:
        run(path, make_rows(100), asked)
    assert caught.value.retry
    assert caught.value.where == str(path)
    assert asked.calls.total() < 15
    again = Asked()
    run(path, make_rows(100), again)
    assert again.calls.total() == 98


def test_an_answer_that_names_its_error_has_failed(tmp_path: Path) -> None:
    with pytest.raises(EvaluationFailed, match="cut off"):
        run(tmp_path / "s.jsonl", make_rows(3), lambda _row, _sample: Answer("half", error="cut off"))


def test_a_fault_of_the_asker_ends_the_run_and_keeps_what_was_answered(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"

    def ask(row: GoldenRow, sample: int) -> Answer:
        return Answer({"q0": "a", "q1": "b"}[row.id])

    with pytest.raises(KeyError, match="q2"):
        run(path, make_rows(3), ask, concurrency=1)
    again = Asked()
    run(path, make_rows(3), again)
    assert list(again.calls) == [("q2", 0)]


def test_kept_answers_age_and_the_oldest_of_them_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    assert run(path, make_rows(3), Asked(), now=100.0).oldest == 100.0
    young = run(path, make_rows(5), Asked(), now=200.0, since=100.0)
    assert (young.called, young.oldest) == (2, 100.0)
    again = Asked()
    assert run(path, make_rows(5), again, now=300.0, since=150.0).oldest == 200.0
    assert set(again.calls) == {("q0", 0), ("q1", 0), ("q2", 0)}
    assert run(path, make_rows(5), Asked(), now=400.0, since=150.0).called == 0


def test_a_kept_answer_that_does_not_say_when_is_old(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    run(path, make_rows(2), Asked())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({key: line[key] for key in line if key != "at"}) + "\n" for line in lines))
    found = run(path, make_rows(2), Asked())
    assert (found.called, found.oldest) == (0, 0.0)
    assert run(path, make_rows(2), Asked(), since=1.0).called == 2


def test_the_clock_of_a_log_is_the_worlds_when_none_is_given(tmp_path: Path) -> None:
    (row,) = make_rows(1)
    with SampleLog(tmp_path / "s.jsonl", ASKED) as kept:
        kept.add(row, 0, right(row))
        assert abs((kept.kept_at(row, 0) or 0.0) - time.time()) < 60
        assert kept.kept_at(row, 1) is None


def test_a_cut_last_line_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    run(path, make_rows(3), Asked(), concurrency=1)
    whole = path.read_bytes()
    for cut in (1, 30):
        path.write_bytes(whole[:-cut])
        again = Asked()
        run(path, make_rows(3), again, concurrency=1)
        assert list(again.calls) == [("q2", 0)]
        assert path.read_bytes() == whole


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    run(path, make_rows(3), Asked())
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"{}\n" + lines[2])
    with pytest.raises(SamplesDamaged) as caught:
        SampleLog(path, ASKED)
    assert caught.value.where == f"{path}:2"
    path.write_bytes(lines[0] + lines[2])
    run(path, make_rows(3), Asked())


def test_two_cannot_run_one_evaluation_at_once(tmp_path: Path) -> None:
    with SampleLog(tmp_path / "s.jsonl", ASKED), pytest.raises(SamplesTaken):
        SampleLog(tmp_path / "s.jsonl", ASKED)
    SampleLog(tmp_path / "s.jsonl", ASKED).close()


def test_a_full_disk_is_an_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    path, (one, two) = tmp_path / "s.jsonl", make_rows(2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with SampleLog(path, ASKED) as kept:
        kept.add(one, 0, right(one))
        size = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
        try:
            with pytest.raises(SamplesUnwritten):
                kept.add(two, 0, right(two))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.stat().st_size == size
        assert kept.find(two, 0) is None
        kept.add(two, 0, right(two))
    with SampleLog(path, ASKED) as kept:
        assert kept.find(one, 0) == right(one)
        assert kept.find(two, 0) == right(two)


def test_a_device_is_no_log() -> None:
    with pytest.raises(SamplesUnwritten, match="this is none"):
        SampleLog(Path("/dev/null"), ASKED)


def test_a_folder_in_the_place_of_the_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SamplesUnwritten, match="directory"):
        SampleLog(tmp_path, ASKED)


def kill_a_run(path: Path, after: float) -> list[str]:
    """Start a real run, kill -9 it while it asks; the lines it told before."""
    child = subprocess.Popen([sys.executable, str(Path(evals_help.__file__)), str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = [child.stdout.readline()]
    time.sleep(after)
    os.kill(child.pid, signal.SIGKILL)
    told += child.stdout.readlines()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    return [line.strip() for line in told if line.endswith("\n")]


@pytest.mark.parametrize("seed", range(3))
def test_after_kill_9_only_what_is_missing_is_asked(tmp_path: Path, seed: int) -> None:
    path, rows = tmp_path / "s.jsonl", make_rows(100)
    told = kill_a_run(path, random.Random(seed).uniform(0.02, 0.15))
    kept = [line for line in path.read_bytes().split(b"\n") if line.endswith(b"}")]
    assert len(told) - 4 <= len(kept) <= len(told) < 200
    again = Asked()
    found = run(path, rows, again, samples=2)
    assert again.calls.total() == 200 - len(kept)
    assert max(again.calls.values()) == 1
    assert found.answers == evaluated(rows, lambda row, _: right(row), samples=2).answers


def test_samples_are_kept_as_the_same_bytes_whatever_the_order_of_the_answers(tmp_path: Path) -> None:
    store, rows = new_store(tmp_path), make_rows(6)
    one = run(tmp_path / "a.jsonl", rows, Asked(), samples=2, concurrency=1)
    other = run(tmp_path / "b.jsonl", rows[::-1], Asked(), samples=2, concurrency=6)
    assert put_samples(store, one) == put_samples(store, other)


def test_samples_come_back_with_failures_and_in_new_rows(tmp_path: Path) -> None:
    store, rows = new_store(tmp_path), make_rows(4)

    def answer(row: GoldenRow, sample: int) -> Answer:
        return Answer("", error="down") if row.id == "q1" else Answer("ü", ("a#b",), None, 1.5, 3, 4, ("dense",))

    given = evaluated(rows, answer, samples=2)
    leaf = put_samples(store, given)
    assert load_samples(store, leaf, rows) == given
    new = (
        GoldenRow("q0", rows[0].input, ("new target",)),
        GoldenRow("q2", "asked otherwise", ("x",)),
        GoldenRow("q9", "x", ("y",)),
    )
    found = load_samples(store, leaf, new)
    assert found.rows == new[:1]
    assert set(found.answers) == {("q0", 0), ("q0", 1)}
    assert found.degraded == 2


def test_samples_that_are_none_are_named(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    for data in (b"", b"{}\n", b'{"kind":"samples","version":2}\n', b"x"):
        with pytest.raises(SamplesDamaged):
            load_samples(store, store.put_bytes(data), make_rows(1))
    leaf = put_samples(store, evaluated(make_rows(1), lambda row, _: wrong(row)))
    (store.root / "objects").rename(store.root / "gone")
    with pytest.raises(ObjectMissing):
        load_samples(store, leaf, make_rows(1))


def test_a_log_is_lines_that_other_tools_can_read(tmp_path: Path) -> None:
    run(tmp_path / "s.jsonl", make_rows(1), Asked())
    (line,) = (tmp_path / "s.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["id"] == "q0"
    assert record["answer"]["text"] == "It is number 0."


def test_counts_below_one_are_refused(tmp_path: Path) -> None:
    for samples, concurrency in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            run(tmp_path / "s.jsonl", make_rows(1), Asked(), samples=samples, concurrency=concurrency)
