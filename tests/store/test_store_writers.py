"""Writers of one ref, in any store: killed at any moment, or several at once, they leave a history without a hole."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest
from store_help import Place, every_place  # noqa: F401 - a fixture

from shipway.kernel.digest import Digest
from shipway.store import AuditRecord, Store

WRITER = """
import itertools, sys
from pathlib import Path
from shipway.store import NewAudit, RefMoved, open_store

REF = "model/delay"
root, catalogue, objects, first, count = sys.argv[1:]
store = open_store(Path(root), "flights", catalogue=catalogue or None, objects=objects or None)
first, count = int(first), int(count)

def move(number, target):
    # from wherever the ref is now; again when somebody was faster
    while True:
        ref = store.ref(REF)
        previous = ref.digest if ref else None
        says = {"project": "flights", "ref": REF, "from": previous, "to": target, "allowed": True}
        verdict = store.put({"kind": "verdict", "version": 1, **says})
        record = NewAudit(store.clock.now(), "ann", "move", REF, "moved", previous, target, verdict, str(number))
        try:
            return store.move(record, expected=previous)
        except RefMoved:
            continue

for number in range(first, first + count):
    move(number, store.put({"kind": "thing", "version": 1, "number": number}))
    print(number, flush=True)
"""


def start(place: Place, first: int, count: int) -> subprocess.Popen[str]:
    """A process that moves the ref again and again, and says the number of each move that it was told is made."""
    command = [sys.executable, "-c", WRITER, str(place.root), place.url or "", place.objects or "", str(first), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill_rounds(place: Place, rounds: int) -> None:
    """Kill a writer at a random moment: the ref is old or new, its record is there, and all it names is whole."""
    dice, store = random.Random(7), place.open()
    for number in range(rounds):
        child = start(place, number * 100_000, 99_999)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(dice.random() * 0.05)
        child.send_signal(signal.SIGKILL)
        with child.stdout:
            acknowledged = child.stdout.read().split()
        child.wait()
        last, present = settled(store)
        assert present == last.target
        assert last.target is not None
        assert str(store.get(last.target)["number"]) == last.why
        if acknowledged:
            assert int(last.why) >= int(acknowledged[-1])


def settled(store: Store) -> tuple[AuditRecord, Digest]:
    """The last record and where the ref is. A server may still commit what the killed writer had asked it for."""
    while True:
        last, present = store.history("model/delay", limit=1)[0], store.resolve("model/delay")
        if store.history("model/delay", limit=1)[0] == last:
            return last, present


def test_a_writer_killed_at_any_moment_leaves_the_ref_old_or_new(place: Place) -> None:
    kill_rounds(place, 2)


@pytest.mark.slow
def test_a_writer_killed_fifty_times_leaves_the_ref_old_or_new(place: Place) -> None:
    kill_rounds(place, 50)


def test_two_writers_on_one_ref_lose_no_record(place: Place) -> None:
    """Each takes what it finds and retries: the history is one chain without a hole."""
    store = place.open()
    children = [start(place, first, 20) for first in (100, 200)]
    for child in children:
        child.communicate()
        assert child.returncode == 0
    history = store.history("model/delay", limit=100)
    assert len(history) == 40
    assert all(newer.source == older.target for newer, older in pairwise(history))
