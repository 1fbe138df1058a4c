"""What nobody needs goes, and nothing else: random histories against a reckoning of their own, locks, kills, damage."""

from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from data_help import new_store
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.data import Keep, Unneeded, check_out, find_unneeded, remove_unneeded, take_snapshot, verify_snapshot
from shipway.kernel.canonical import Json
from shipway.kernel.digest import Digest
from shipway.store import (
    EvidenceRow,
    NewAudit,
    ObjectDamaged,
    ObjectMissing,
    ObjectsOther,
    Store,
    StoreBusy,
    check_store,
    open_store,
)

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # where a flush of the disk costs nothing
BEGAN = datetime(2013, 1, 1, tzinfo=UTC)


def write(folder: Path, files: dict[str, str]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def point(store: Store, ref: str, target: Digest, *, at: datetime = BEGAN, outcome: str = "moved") -> None:
    """A ref moves, or a move of it is refused."""
    present = store.ref(ref)
    source = present.digest if present else None
    allowed = outcome == "moved"
    verdict: dict[str, Json] = {"kind": "verdict", "version": 1, "project": store.project, "ref": ref, "allowed": allowed}
    digest = store.put({**verdict, "from": source, "to": target})
    record = NewAudit(at, "ann", "move", ref, outcome, source=source, target=target, verdict=digest)
    if allowed:
        store.move(record, expected=source)
    else:
        store.record(record)


def collect(store: Store, keep: Keep | None = None) -> Unneeded:
    with store.alone():
        found = find_unneeded(store, keep or Keep())
        remove_unneeded(store, found, actor="ann", why="")
    return found


@dataclass
class History:
    """What a test did to a store, in its own books. moves: per ref (day, target, whether it was made)."""

    store: Store
    folder: Path
    taken: dict[Digest, dict[str, str]] = field(default_factory=dict)
    moves: dict[str, list[tuple[int, Digest, bool]]] = field(default_factory=dict)
    named: set[Digest] = field(default_factory=set)
    day: int = 0

    def snapshot(self, files: dict[str, str]) -> Digest:
        digest = take_snapshot(self.store, write(self.folder, files)).digest
        self.taken[digest] = files
        return digest

    def move(self, ref: str, digest: Digest, *, made: bool) -> None:
        self.day += 1
        if made and self.store.ref(ref) and self.store.resolve(ref) == digest:
            return
        point(self.store, ref, digest, at=BEGAN + timedelta(days=self.day), outcome="moved" if made else "refused")
        self.moves.setdefault(ref, []).append((self.day, digest, made))

    def name(self, how: str, digest: Digest) -> None:
        """Something that is no data needs a snapshot."""
        statement = {"subject": [{"digest": {"sha256": "0" * 64}}], "predicate": {"data": digest}}
        envelope: dict[str, Json] = {"payload": base64.b64encode(json.dumps(statement).encode()).decode(), "signatures": []}
        thing = self.store.put({"kind": "plan", "version": 1, "data": {"flights": digest}})
        if how == "release":
            point(self.store, "release/delay", self.store.put({"kind": "release", "version": 1, "plan": thing}))
        elif how == "evidence":
            sealed = self.store.put({**envelope, "kind": "", "version": 1})
            row = EvidenceRow(sealed, Digest("sha256:" + "0" * 64), "p", "n", BEGAN)
            self.store.add_evidence(row)
        elif how == "state":
            self.store.put_state("made", "x" + digest, {"version": 1, "data": [digest]})
        self.named.add(digest)

    def needed(self, keep: int | None) -> set[Digest]:
        found = set(self.named)
        for moves in self.moves.values():
            made = [place for place, move in enumerate(moves) if move[2]]
            first = 0 if keep is None else made[-keep] if len(made) >= keep else made[0] if made else 0
            found |= {digest for _, digest, _ in moves[first:]}
        return found


def hashes(files: Iterable[str]) -> set[str]:
    return {"sha256:" + hashlib.sha256(text.encode()).hexdigest() for text in files}


FILES = st.dictionaries(
    st.sampled_from(["a", "b", "x/a", "x/y/c", "x/y/d"]), st.sampled_from(["one", "two", '{"kind":"x"}', ""]), min_size=1
).filter(lambda files: not {"x"} & files.keys())
STEPS = st.one_of(
    st.tuples(st.just("move"), st.sampled_from(["data/a", "data/b"]), FILES),
    st.tuples(st.just("refuse"), st.sampled_from(["data/a", "data/b"]), FILES),
    st.tuples(st.just("take"), st.just(""), FILES),
    st.tuples(st.sampled_from(["release", "evidence", "state", "plan"]), st.just(""), FILES),
)


@settings(max_examples=20, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=12), st.sampled_from([None, 1, 2, 3]))
def test_what_history_releases_runs_and_evidence_name_stays_and_all_else_goes(
    steps: list[tuple[str, str, dict[str, str]]], keep: int | None
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as root:
        store = new_store(Path(root) / "project")
        history = History(store, Path(root) / "data")
        for what, ref, files in steps:
            digest = history.snapshot(files)
            if what in ("move", "refuse"):
                history.move(ref, digest, made=what == "move")
            elif what != "take":
                history.name(what, digest)
        others = {one for one in store.objects.all() if one not in _objects_of(store, history.taken)}
        needed = history.needed(keep)
        stay = _objects_of(store, needed)
        gone = _objects_of(store, history.taken) - stay
        found = collect(store, Keep(moves=keep))
        assert set(found.objects) == gone
        assert set(found.snapshots) == history.taken.keys() - needed
        assert set(store.objects.all()) == others | stay
        for digest in needed:
            verify_snapshot(store, digest, name="data")
        assert check_store(store, deep=True).faults == ()
        assert collect(store, Keep(moves=keep)).objects == (), "what is gone is not found again"
        store.close()


def _objects_of(store: Store, snapshots: Iterable[Digest]) -> set[Digest]:
    """A snapshot, its folders and its files, by the store's own walk, which removing does not use."""
    found: set[Digest] = set()
    for digest in snapshots:
        root = Digest(str(json.loads(store.objects.path(digest).read_bytes())["root"]["digest"]))
        found |= {digest, *(node for node, _ in store.tree_nodes(root)), *(file.digest for file in store.tree(root))}
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "project")


def three_moves(store: Store, folder: Path) -> list[Digest]:
    taken = []
    for number in range(3):
        taken.append(take_snapshot(store, write(folder, {"same": "same", "day": f"day {number}"})).digest)
        point(store, "data/x", taken[-1], at=BEGAN + timedelta(days=number))
    return taken


def test_a_history_that_nobody_shortens_stays_whole(store: Store, tmp_path: Path) -> None:
    three_moves(store, tmp_path / "data")
    assert collect(store).objects == ()


@pytest.mark.parametrize(("since", "left"), [(1.5, 2), (2, 2), (9, 1), (-1, 3)])
def test_what_a_ref_was_at_in_a_time_counts_also_where_it_came_there_before(
    store: Store, tmp_path: Path, since: float, left: int
) -> None:
    taken = three_moves(store, tmp_path / "data")
    found = collect(store, Keep(since=BEGAN + timedelta(days=since)))
    assert set(found.snapshots) == set(taken[: 3 - left])
    assert {name for names in found.snapshots.values() for name in names} <= {"data/x"}


def test_of_two_rules_each_keeps(store: Store, tmp_path: Path) -> None:
    taken = three_moves(store, tmp_path / "data")
    assert set(collect(store, Keep(moves=2, since=BEGAN + timedelta(days=9))).snapshots) == {taken[0]}


def test_a_removed_snapshot_is_no_fault_of_the_store_and_can_be_taken_again(store: Store, tmp_path: Path) -> None:
    taken = three_moves(store, tmp_path / "data")
    collect(store, Keep(moves=1))
    assert check_store(store, deep=True).faults == ()
    assert next((row.action, row.outcome, row.actor) for row in store.history("data/x")) == ("remove", "removed", "ann")
    with pytest.raises(ObjectMissing):
        check_out(store, taken[0], tmp_path / "out")
    again = take_snapshot(store, write(tmp_path / "data", {"same": "same", "day": "day 0"}))
    assert again.digest == taken[0]
    verify_snapshot(store, taken[0], name="x")
    assert collect(store, Keep(moves=1)).snapshots.keys() == {taken[0]}, "nobody needs it the second time either"


def test_another_project_in_the_same_store_keeps_all_that_it_names(store: Store, tmp_path: Path) -> None:
    other = open_store(tmp_path / "project", "other", create=True)
    taken = three_moves(other, tmp_path / "data")
    other.close()
    point(store, "data/x", take_snapshot(store, write(tmp_path / "data", {"a": "mine"})).digest)
    assert collect(store, Keep(moves=1)).objects == ()
    for digest in taken:
        verify_snapshot(store, digest, name="x")


@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_where_a_needed_list_of_files_cannot_be_read_nothing_is_removed(store: Store, tmp_path: Path, how: str) -> None:
    taken = three_moves(store, tmp_path / "data")
    point(store, "data/y", take_snapshot(store, write(tmp_path / "data", {"sub/deep": "deep"})).digest)
    *_, (node, _) = store.tree_nodes(
        Digest(str(json.loads(store.objects.path(store.resolve("data/y")).read_bytes())["root"]["digest"]))
    )
    path = store.objects.path(node)
    path.chmod(0o644)
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(b"[" + path.read_bytes()[1:])
    before = set(store.objects.all())
    with pytest.raises((ObjectMissing, ObjectDamaged)):
        collect(store, Keep(moves=1))
    assert set(store.objects.all()) == before
    verify_snapshot(store, taken[0], name="x")


def test_who_works_is_waited_for_and_who_removes_is_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shipway.store import _work

    monkeypatch.setattr(_work, "_ALONE_PATIENCE", 0.1)
    monkeypatch.setattr(_work, "_PATIENCE", 0.1)
    other = new_store(tmp_path / "project")
    with store.working(), pytest.raises(StoreBusy, match="somebody works"), other.alone():
        pass
    other.put({"kind": "x", "version": 1})  # and names it in no row yet
    with pytest.raises(StoreBusy), store.alone():
        pass
    other.put_state("x", "x", {})
    with store.alone(), pytest.raises(StoreBusy, match="being removed"):
        take_snapshot(other, write(tmp_path / "data", {"a": "a"}))
    with store.alone(), pytest.raises(StoreBusy), other.alone():
        pass
    with store.working(), other.working():
        take_snapshot(other, tmp_path / "data")


def test_objects_in_a_bucket_are_not_removed(tmp_path: Path) -> None:
    store = open_store(tmp_path, "test", objects=None, create=True)
    from shipway.store._place import open_bucket

    store.objects = open_bucket("s3://nobody-asks/x", tmp_path / "cache")
    with pytest.raises(ObjectsOther), store.alone():
        find_unneeded(store, Keep())
    with pytest.raises(ObjectsOther), store.alone():
        store.remove_objects([])


_CHILD = """
import sys, pathlib
sys.path[:0] = [{tests!r}]
from test_data_collect import Keep, collect
from data_help import new_store
store = new_store(pathlib.Path(sys.argv[1]))
print("go", flush=True)
collect(store, Keep(moves=1))
"""


def _kill_rounds(root: Path, rounds: int, *, files: int) -> None:
    """Many snapshots, removed by a process that is killed; the last one stays whole and the next removal does the rest."""
    for number in range(rounds):
        store = new_store(root / f"project{number}")
        folder = write(root / "data", {f"{one % 7}/{one}": f"{one}" for one in range(files)})
        for version in range(3):
            (folder / "0/0").write_text(f"{number} {version}")
            for name in range(0, files, 3):
                (folder / f"{name % 7}/{name}").write_text(f"{name} {version}")
            point(store, "data/x", take_snapshot(store, folder).digest)
        script = _CHILD.format(tests=str(Path(__file__).parent))
        child = subprocess.Popen([sys.executable, "-c", script, str(root / f"project{number}")], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.04 * number / max(rounds - 1, 1))
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        verify_snapshot(store, store.resolve("data/x"), name="x")
        assert check_store(store, deep=True).faults == () or not store.states("removed")
        collect(store, Keep(moves=1))
        assert set(store.objects.all()) >= _objects_of(store, [store.resolve("data/x")])
        assert check_store(store, deep=True).faults == ()
        kept = len(_objects_of(store, [store.resolve("data/x")]))
        assert len(list(store.objects.all())) == kept + 3, "the last snapshot and three verdicts"
        store.close()


@pytest.mark.slow
def test_killed_anywhere_what_is_needed_is_whole_and_the_next_one_does_the_rest() -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as root:
        _kill_rounds(Path(root), 2, files=60)


@pytest.mark.slow
def test_killed_at_twelve_moments_what_is_needed_is_whole() -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as root:
        _kill_rounds(Path(root), 12, files=300)


def _take(root: Path) -> None:
    store = new_store(root / "project")
    for version in range(8):
        with store.working():
            point(store, "data/x", take_snapshot(store, write(root / "data", {"a": f"{version}", "b": "same"})).digest)
        verify_snapshot(store, store.resolve("data/x"), name="x")
    store.close()


def test_snapshots_and_removals_at_once_never_take_from_each_other(tmp_path: Path) -> None:
    new_store(tmp_path / "project").close()
    taker = multiprocessing.get_context("fork").Process(target=_take, args=(tmp_path,))
    taker.start()
    store = new_store(tmp_path / "project")
    while taker.is_alive():
        collect(store, Keep(moves=1))
        time.sleep(0.002)
    assert taker.exitcode == 0
    verify_snapshot(store, store.resolve("data/x"), name="x")
    assert check_store(store, deep=True).faults == ()
