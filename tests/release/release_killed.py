"""Applies one plan again and again in processes that are killed at a random moment, and tells how each left the store.

`python release_killed.py PROJECT KEYS ROUNDS SEED`: a line of JSON for each round. All is imported before a process is forked,
so that a moment is one of the work itself and not of the start of Python.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from shipway.access import Actor, open_keys
from shipway.gate import POLICY_REF
from shipway.release import apply_planned, load_plan
from shipway.store import Store, hash_file, open_store

REF = "deploy/line@prod"
ANN = Actor("ann@example.org", frozenset({"admin"}))


class Place(NamedTuple):
    """A copy of the project, and where its keys are."""

    root: Path
    keys: Path

    def apply(self) -> bool:
        """Carry out the plan that lies there; whether the ref moved."""
        signer, keys = open_keys(self.keys)
        store = open_store(self.root, "points")
        try:
            plan = load_plan(store, (self.root / "next.json").read_bytes(), where="next.json")
            return apply_planned(store, keys, ANN, plan, signer=signer).changed
        finally:
            store.close()

    def start(self) -> int:
        """The same in a process of its own; its id."""
        child = os.fork()
        if child == 0:
            try:
                self.apply()
            finally:
                os._exit(0)
        return child


def looked(place: Place) -> dict[str, object]:
    """What is there: both refs, their histories, the move's verdict, and all that is damaged."""
    store = open_store(place.root, "points")
    try:
        return {**refs_of(store), "damaged": damaged(place.root), "catalogue": integrity(place.root)}
    finally:
        store.close()


def refs_of(store: Store) -> dict[str, object]:
    present, policy = store.ref(REF), store.ref(POLICY_REF)
    last = next(iter(store.lives(REF, limit=1)), None)
    verdict = store.get(last.verdict, "verdict") if last and last.verdict else {}
    return {
        "ref": present.digest if present else None,
        "policy": policy.digest if policy else None,
        "moves": [record.outcome for record in store.history(REF)],
        "policy_moves": [record.outcome for record in store.history(POLICY_REF)],
        "last": last.target if last else None,
        "said": verdict.get("to"),
        "by": verdict.get("plan"),
    }


def damaged(root: Path) -> list[str]:
    """Objects whose content is not what their name says."""
    files = (root / ".shipway" / "objects").glob("??/*")
    return [str(file) for file in files if hash_file(file) != f"sha256:{file.parent.name}{file.name}"]


def integrity(root: Path) -> str:
    connection = sqlite3.connect(root / ".shipway" / "catalogue.sqlite")
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


def killed(place: Place, seconds: float) -> None:
    child = place.start()
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def undisturbed(place: Place) -> float:
    began = time.monotonic()
    os.waitpid(place.start(), 0)
    return time.monotonic() - began


def main(project: Path, keys: Path, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:

        def fresh() -> Place:
            root = Path(tempfile.mkdtemp(dir=folder)) / "project"
            shutil.copytree(project, root)
            return Place(root, keys)

        fresh().apply()  # imports what is imported when it is first used
        took = median(undisturbed(fresh()) for _ in range(3))
        for _ in range(rounds):
            place = fresh()
            killed(place, chance.uniform(0.0, 1.2) * took)
            left, changed = looked(place), place.apply()
            line = {"left": left, "changed": changed, "then": looked(place), "again": place.apply()}
            sys.stdout.write(json.dumps(line) + "\n")
            shutil.rmtree(place.root.parent)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
