"""Applying at once: real processes, each with a plan of its own for the same ref, let loose together.

Every process also writes an approval at the same moment, so that there is something to lose.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import BrokenBarrierError
from time import perf_counter

from shipway.access import Actor, open_keys
from shipway.gate import judge_move, policy_digest
from shipway.kernel.errors import ShipwayError
from shipway.release import Component, Plan, apply_planned, deployment_object, keep_plan, load_plan, put_release
from shipway.spec import DeploySpec
from shipway.store import NewAudit, Store, open_store

REF = "deploy/delay@prod"
PROJECT = "flights"
ANN = Actor("ann", frozenset({"admin"}))
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["shipway.release._planned", "shipway.gate._move", "shipway.store._catalogue"])
_PATIENCE = 120.0  # seconds


@dataclass(frozen=True)
class Round:
    """What came of one round. won: numbers of the processes whose move was made; others: error codes of the rest."""

    won: tuple[int, ...]
    others: tuple[str, ...]
    seconds: float


def race(root: Path, url: str | None, *, applicants: int, rounds: int) -> list[Round]:
    """Rounds of `applicants` processes that apply plans made at the same place of one ref; the store is made when missing."""
    store, keys = open_store(root, PROJECT, catalogue=url, create=True), root / "keys"
    open_keys(keys)
    barrier, found = FORKS.Barrier(applicants + 1), []
    pipes = [FORKS.Pipe() for _ in range(applicants)]
    children = [
        FORKS.Process(target=_apply, args=(root, url, number, theirs, barrier)) for number, (_, theirs) in enumerate(pipes)
    ]
    for child, (_, theirs) in zip(children, pipes, strict=True):
        child.start()
        theirs.close()  # so that the death of a child ends the waiting for it
    try:
        for _ in range(rounds):
            for ours, _ in pipes:
                ours.send(_plan(store, keys))
            barrier.wait(_PATIENCE)
            began = perf_counter()
            said = [str(ours.recv()) for ours, _ in pipes]
            took = perf_counter() - began
            won = tuple(number for number, word in enumerate(said) if word == "won")
            found.append(Round(won, tuple(word for word in said if word != "won"), took))
    finally:
        for ours, _ in pipes:
            with suppress(OSError):
                ours.send(None)
        for child in children:
            child.join(_PATIENCE)
        store.close()
    return found


def problems(store: Store, rounds: Iterable[Round], *, applicants: int) -> list[str]:
    """What is wrong with the history after a race; nothing when each round had one winner and no record was lost."""
    played = list(rounds)
    wrong = [f"round {number}: {len(one.won)} won" for number, one in enumerate(played) if len(one.won) != 1]
    codes = {code for one in played for code in one.others} - {"release.plan-stale"}
    wrong += [f"somebody was told {code}" for code in sorted(codes)]
    moves = store.lives(REF)
    if len(moves) != len(played):
        wrong.append(f"{len(moves)} moves are recorded, of {len(played)}")
    wrong += [
        f"move {newer.id} does not begin where {older.id} ended"
        for newer, older in pairwise(moves)
        if newer.source != older.target
    ]
    if [move.actor for move in reversed(moves)] != [f"ann{one.won[0]}" for one in played if one.won]:
        wrong.append("the records name other winners than were told that they had won")
    approvals = len(store.history("release/delay", limit=applicants * len(played) + 1))
    if approvals != applicants * len(played):
        wrong.append(f"{approvals} approvals are recorded, of {applicants * len(played)}")
    if moves and store.resolve(REF) != moves[0].target:
        wrong.append("the ref is not where its last record says")
    return wrong


_made = iter(range(10**9))


def _plan(store: Store, keys: Path) -> bytes:
    """A plan to put a release of its own live, from where the ref stands now."""
    number = next(_made)
    parts = [store.put({"kind": kind, "version": 1, "text": f"{number}"}) for kind in ("model", "code")]
    release = put_release(store, [Component(kind, "delay", part) for kind, part in zip(("model", "code"), parts, strict=True)])
    deploy = DeploySpec(name="delay@prod", application="delay", environment="prod")
    target = store.put(deployment_object(store, release, deploy, {}))
    judged = judge_move(store, open_keys(keys)[1], ANN, ref=REF, target=target)
    plan = Plan(REF, None, release, target, (), judged, policy_digest(store))
    return keep_plan(store, ANN, plan)[1]


def _apply(root: Path, url: str | None, number: int, pipe: Connection, barrier: Barrier) -> None:
    """One process: takes a plan, waits for the others, approves and applies, and says what came of it."""
    store, (_, keys) = open_store(root, PROJECT, catalogue=url), open_keys(root / "keys")
    actor = Actor(f"ann{number}", frozenset({"admin"}))
    while (data := pipe.recv()) is not None:
        plan = load_plan(store, data, where="the race")
        try:
            barrier.wait(_PATIENCE)
            store.record(NewAudit(store.clock.now(), actor.name, "approve", "release/delay", "approved", target=plan.release))
            apply_planned(store, keys, actor, plan)
            pipe.send("won")
        except BrokenBarrierError:
            return
        except ShipwayError as problem:
            pipe.send(problem.code)
    store.close()
