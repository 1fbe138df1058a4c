from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rag_child import Recorded
from rag_help import Project, page

BATCH, CHANGED = 8, 30
CHILD = Path(__file__).with_name("rag_child.py")


def change(project: Project, number: int) -> None:
    """Forty documents, of which thirty have a new chunk each time."""
    for place in range(40):
        version = number if place < CHANGED else 0
        project.write(f"{place}.txt", page(f"Page {place}", ("Only", f"text number{place} of round{version}")))


def kill_a_sync(project: Project, ledger: Path, after: float | None) -> float:
    """Run a sync in a child, killed after some seconds; the seconds that it took."""
    with subprocess.Popen([sys.executable, str(CHILD), str(project.root), str(ledger)], stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        started = time.monotonic()
        if after is not None:
            time.sleep(after)
            child.send_signal(signal.SIGKILL)
        child.stdout.read()
        child.wait(30)
    return time.monotonic() - started


def embedded_in_all(ledger: Path) -> int:
    return sum(int(line) for line in ledger.read_text().split())


@pytest.mark.parametrize("points", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_a_sync_that_is_killed_anywhere_leaves_what_answered_and_is_taken_up_again(tmp_path: Path, points: int) -> None:
    project, ledger, drawn = Project(tmp_path / "p"), tmp_path / "ledger", random.Random(7)
    change(project, 1)
    usual = kill_a_sync(project, ledger, None)
    distinct = embedded_in_all(ledger)
    assert distinct == 40
    before = project.store.resolve("index/docs")
    cut = 0
    for number in range(2, 2 + points):
        change(project, number)
        distinct += CHANGED
        kill_a_sync(project, ledger, drawn.uniform(0, 1.1 * usual))
        named = project.store.resolve("index/docs")
        cut += named == before
        assert answer(project) == f"text number3 of round{number if named != before else number - 1}"
        synced = project.sync(embedder=Recorded(ledger), batch=BATCH)
        assert (synced.documents, synced.chunks) == (40, 40)
        assert answer(project) == f"text number3 of round{number}"
        before = synced.index
    assert embedded_in_all(ledger) <= distinct + BATCH * points
    assert cut >= points // 4  # the kills did fall into the syncs
    project.close()


def answer(project: Project) -> str:
    index = project.open()
    try:
        (passage,) = index.search("number3", 1).passages
        return passage.member.text
    finally:
        index.close()
