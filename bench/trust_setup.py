"""What `make bench-trust` measures on: a real project whose store holds 1,000 releases, 10,000 statements and 100,000 moves.

The first release is made by `shipway run`, `release` and `check`. The others are that one with a code and a model of their
own; each has ten signed statements and was live once. The store's own writer writes the long history, in one transaction.
"""

import os
import shutil
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS / "cli"), str(TESTS / "store")]

from cli_project import REF, Project, make_project  # noqa: E402
from store_help import move  # noqa: E402

from shipway.gate import attest  # noqa: E402
from shipway.kernel import media  # noqa: E402
from shipway.kernel.digest import Digest  # noqa: E402
from shipway.release import Component, deployment_object, find_component, load_components, put_release  # noqa: E402
from shipway.store import NewAudit, Store  # noqa: E402

RELEASES, MOVES, CROWD = 1_000, 100_000, 10_000
LOGGED = "deploy/line@logged"  # has the long history
CROWDED = "release/crowded"
__all__ = ["CROWD", "CROWDED", "LOGGED", "MOVES", "REF", "RELEASES", "Project", "crowd", "fill", "make"]


def make(folder: Path) -> Project:
    """The project, released and checked once."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    project = make_project(folder / "project", folder / "keys")
    for word in ("run", "release", "check"):
        project.ask(word)
    return project


def fill(project: Project) -> None:
    """All that a team leaves behind in years."""
    store = project.store
    _hurry(store)
    first = store.resolve("release/line")
    parts, before, live = load_components(store, first), first, None
    for number in range(RELEASES):
        release = _variant(store, parts, number)
        _attest(project, release)
        target = store.put(deployment_object(store, release, project.deploy, project.spec.outcomes))
        move(store, "release/line", release, expected=before)
        if number < RELEASES - 1:  # the last one waits for its apply
            move(store, REF, target, expected=live, release=release)
            live = target
        before = release
    _long_history(store)
    store.close()


def crowd(project: Project) -> None:
    """One release more, with as many statements of its own as all the others have."""
    store = project.store.again()
    _hurry(store)
    release = _variant(store, load_components(store, store.resolve("release/line")), RELEASES)
    for count in range(CROWD):
        _attest_check(store, project, release, count)
    move(store, CROWDED, release)
    store.close()


def _hurry(store: Store) -> None:
    """Do not wait for the disk while filling: a power cut would cost this setup only."""
    os.fsync = lambda _handle: None
    held = store._catalogue._engine.raw_connection()
    held.execute("PRAGMA synchronous = OFF")
    held.close()


def _variant(store: Store, parts: list[Component], number: int) -> Digest:
    """The release with another code and another model; both are read as the real ones are."""
    fresh = {part.kind: {**store.get(part.digest), "note": number} for part in parts if part.kind in ("code", "model")}
    digests = {kind: store.put(value) for kind, value in fresh.items()}
    return put_release(store, [Component(p.kind, p.name, digests.get(p.kind, p.digest)) for p in parts])


def _attest(project: Project, release: Digest) -> None:
    """Ten signed statements: eight about the release's model, two about the release."""
    model = find_component(load_components(project.store, release), "model").digest
    for count in range(10):
        _attest_check(project.store, project, model if count < 8 else release, count)


def _attest_check(store: Store, project: Project, subject: Digest, count: int) -> None:
    check = {"name": "auc", "verdict": "pass", "value": 0.9, "low": 0.8, "high": 0.95, "n": 1000 + count}
    attest(
        store,
        project.signer,
        subject=subject,
        name="line",
        predicate_type=media.CHECK_PREDICATE,
        predicate={"check": check, "level": 0.95},
        label="auc",
    )


def _long_history(store: Store) -> None:
    """100,000 moves of one ref between the deployments that were live."""
    lives = store.lives(REF)
    with store._writer._transaction() as connection:
        for number in range(MOVES):
            now, last = lives[number % len(lives)], lives[(number - 1) % len(lives)]
            at = store.clock.now()
            record = NewAudit(at, "ann", "move", LOGGED, "moved", last.target, now.target, now.verdict, "", now.release)
            store._writer._audit(connection, record)
