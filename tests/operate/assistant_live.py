"""What the tests of applications that answer prompts share: the small application, and its commands without a process."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from shipway.gate import Moved
from shipway.kernel.digest import Digest
from shipway.monitor import Reading
from shipway.operate import (
    Evaluated,
    Followed,
    embedder_from_spec,
    evaluate_candidate,
    follow,
    golden_of,
    keep_prices,
    lock_candidate,
    watch_surroundings,
    world_of,
)
from shipway.pipeline import Silence
from shipway.rag import sync_index
from shipway.release import apply_release, roll_back

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from cli_assistant import (
    DOCUMENTS,
    GOLDEN,
    KEY,
    PROMPT,
    QUESTION,
    REF,
    WORDS_KEY,
    WORSE,
    Assistant,
    Parrot,
    forget_answers,
    write_golden,
)

__all__ = [
    "DOCUMENTS",
    "GOLDEN",
    "KEY",
    "PROMPT",
    "QUESTION",
    "REF",
    "WORDS_KEY",
    "WORSE",
    "Assistant",
    "Parrot",
    "apply",
    "evaluate",
    "forget_answers",
    "go",
    "look",
    "outcomes",
    "release",
    "rollback",
    "sync",
    "write_golden",
]


def sync(project: Assistant) -> Digest:
    """`shipway rag sync`; the version that `index/docs` then names."""
    spec = project.spec
    index = spec.indexes["docs"]
    embedder = embedder_from_spec(spec, index, cache=project.hands.cache, environ=project.environ)
    hands = project.hands
    sync_index(
        hands.store, hands.keys, hands.actor, index, root=spec.root, embedder=embedder, report=Silence(), allow_shrink=True
    )
    return project.store.resolve("index/docs")


def evaluate(
    project: Assistant, *, again: bool = False, release: Digest | None = None, only: str | None = None
) -> tuple[Evaluated, ...]:
    """`shipway eval`."""
    spec = project.spec
    world = world_of(project.hands, spec, environ=project.environ, again=again)
    return evaluate_candidate(project.hands, spec, project.deploy, world=world, release=release, only=only, report=Silence())


def release(project: Assistant) -> Digest:
    """`shipway release`."""
    return lock_candidate(project.hands, project.spec, project.deploy).release


def apply(project: Assistant, chosen: Digest | None = None) -> Moved:
    """`shipway apply`."""
    hands, spec = project.hands, project.spec
    prices = keep_prices(hands.store, spec, project.deploy)
    golden = golden_of(hands.store, spec)
    return apply_release(
        hands.store, hands.keys, hands.actor, spec, project.deploy, release=chosen, golden=golden, prices=prices
    )[1]


def rollback(project: Assistant) -> Moved:
    hands = project.hands
    return roll_back(hands.store, hands.keys, hands.actor, REF)


def go(project: Assistant) -> Followed | None:
    """One look at what is followed, as `shipway up` takes it every second."""
    hands = project.hands
    world = world_of(hands, project.spec, environ=project.environ)
    return follow(hands, REF, world=lambda: world, environ=project.environ, report=Silence())


def look(project: Assistant, *, sentinel: bool | None = False, environ: Mapping[str, str] | None = None) -> dict[str, Reading]:
    """The readings of the deployment, by monitor."""
    time.sleep(0.002)  # a reading has a time of its own
    readings = watch_surroundings(project.hands, REF, environ=environ or project.environ, spec=project.spec, sentinel=sentinel)
    return {reading.monitor: reading for reading in readings}


def outcomes(project: Assistant, ref: str = REF) -> list[str]:
    """How the moves of a ref went, newest first."""
    return [record.outcome for record in project.store.history(ref)]
