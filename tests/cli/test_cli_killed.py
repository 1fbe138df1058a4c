"""Commands on data killed where they change something on the disk: nothing is half, and run again they end as if never killed.

A child is forked for each kill. It counts the changes (files opened to be written, written, renamed, linked, removed, commits
of the catalogue) and ends itself by SIGKILL before the one that was asked for, so each kill is certain and the same every time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shipway.cli._commands import group
from shipway.data import Keep, find_unneeded, remote_snapshot, snapshot_files, verify_snapshot
from shipway.kernel.digest import Digest
from shipway.store import Remote, Store, check_store, open_store

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))  # repositories as DVC has them

from dvc_help import tree_of, write_legacy, write_tree

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
KILLS = 5  # of each command, from its first change to its last; the slow variant takes each change
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
EVENTS = {"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}
FILES = {
    "empty": b"",
    "one": b"1" * 9000,
    "deep/er/two": b"2" * 70_000,
    "a name\nof two lines": b"3",
    "large": b"4" * (3 << 20),
}


def run(root: Path, *words: str) -> None:
    """A command, here."""
    group.main(["-C", str(root), *words], standalone_mode=False)


def changes(root: Path, words: tuple[str, ...], die_at: int | None, tell: Path) -> None:
    """In a child: run a command, count its changes, and die before one of them. tell: is written how many there were."""
    count = 0

    def change() -> None:
        nonlocal count
        if count == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event in EVENTS or (event == "open" and isinstance(given[2], int) and given[2] & WRITES):
            change()

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            change()
            return real(*given)

        return call

    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def traced(*given: Any, **named: Any) -> sqlite3.Connection:
        connection = connect(*given, **named)
        connection.set_trace_callback(lambda sql: change() if sql.lstrip().upper().startswith("COMMIT") else None)
        return connection

    for module in (sqlite3, sqlite3.dbapi2):
        setattr(module, "connect", traced)  # noqa: B010 - it is another type
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    for name in ("write", "fsync", "copy_file_range"):
        setattr(os, name, counted(getattr(os, name)))
    sys.addaudithook(hook)
    run(root, *words)
    die_at = None
    tell.write_text(str(count))


def forked(root: Path, words: tuple[str, ...], die_at: int | None, tell: Path) -> int:
    """The signal that ended the command, 0 for none."""
    child = os.fork()
    if not child:
        try:
            changes(root, words, die_at, tell)
            os._exit(0)
        except BaseException:
            tell.write_text(traceback.format_exc())
        finally:
            os._exit(1)
    code = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(code) or os.WEXITSTATUS(code) == 0, tell.read_text()
    return os.WTERMSIG(code) if os.WIFSIGNALED(code) else 0


@dataclass
class World:
    """A folder as it is before a command; each kill takes a copy."""

    template: Path
    work: Path

    def killed_everywhere(
        self, words: Callable[[Path], tuple[str, ...]], look: Callable[[Path], None], done: Callable[[Path], object], kills: int
    ) -> None:
        """look: what holds after each kill; done: what is there after a run to the end, killed before or not."""
        here, tell = self.work / "here", self.work / "count"
        self._fresh(here)
        run(here / "project", *words(here))  # here, so that no child imports anything
        expected = done(here)
        self._fresh(here)
        assert forked(here / "project", words(here), None, tell) == 0
        total = int(tell.read_text())
        assert total > 5, words(here)
        points = sorted({one * (total - 1) // (kills - 1) for one in range(kills)})
        dead = 0
        for number in points:
            self._fresh(here)
            dead += forked(here / "project", words(here), number, tell) == signal.SIGKILL
            look(here)
            assert forked(here / "project", words(here), None, tell) == 0, (words(here), number)
            look(here)
            assert done(here) == expected, (words(here), number)
        assert dead > len(points) // 2, "threads may take a change less than the first time, at the end"

    def _fresh(self, here: Path) -> None:
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(self.template, here)


def whole(root: Path) -> None:
    """A store in which every object is what its name says, and every ref has all that it names."""
    if not (root / ".shipway/catalogue.sqlite").exists():
        return
    store = open_store(root, "flights")
    try:
        for digest in store.objects.all():
            store.objects.verify(digest)
        assert check_store(store, deep=True).faults == ()
        for ref in store.refs():
            if ref.name.startswith("data/"):
                verify_snapshot(store, ref.digest, name=ref.name)
    finally:
        store.close()


def seen(root: Path) -> tuple[dict[str, Digest], list[str]]:
    """Where the refs of data are, and the snapshots that each was at."""
    store = open_store(root, "flights")
    try:
        refs = {ref.name: ref.digest for ref in store.refs()}
        return refs, [str(record.target) for record in store.history("data/flights", limit=100) if record.outcome == "moved"]
    finally:
        store.close()


def whole_remote(here: Path) -> None:
    there = Remote(f"file://{here}/remote", here / "cache")
    for digest in there.objects.all():
        there.objects.verify(digest)
    pushed = remote_snapshot(there, "flights", "flights")
    if pushed:
        store = open_store(here / "project", "flights")
        assert all(there.objects.has(file.digest) for file in snapshot_files(store, pushed))
        store.close()


def both(here: Path) -> None:
    whole(here / "project")
    whole_remote(here)


@pytest.fixture(autouse=True)
def _person(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tmp_path_factory.getbasetemp() / "keys of those who are killed"
    for name, value in {"SHIPWAY_KEYS": str(keys), "SHIPWAY_ACTOR": "ann@example.org"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def world(capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    """A project with two snapshots, in memory, where a flush of the disk costs nothing."""
    folder = Path(tempfile.mkdtemp(dir=MEMORY))
    template = folder / "template"
    root = template / "project"
    write_tree(root / "data/flights", FILES)
    (root / "shipway.yaml").write_text("project: flights\n\ndata:\n  flights: data/flights\n")
    run(root, "data", "snapshot")
    (root / "data/flights/one").write_bytes(b"another" * 1000)
    run(root, "data", "snapshot")
    yield World(template, folder)
    shutil.rmtree(folder)


def files_of(here: Path) -> dict[str, bytes]:
    return dict(tree_of(here / "project/data/flights"))


def test_a_snapshot(world: World, kills: int) -> None:
    write_tree(
        world.template / "project/data/flights", {"deep/er/two": b"new" * 40_000, "added": b"5", "large": b"6" * (2 << 20)}
    )
    world.killed_everywhere(
        lambda _: ("data", "snapshot"), lambda here: whole(here / "project"), lambda here: seen(here / "project"), kills
    )


def test_a_push(world: World, kills: int) -> None:
    world.killed_everywhere(
        lambda here: ("data", "push", "--remote", f"file://{here}/remote"),
        both,
        lambda here: (published(here / "remote"), seen(here / "project")),
        kills,
    )


def test_a_pull(world: World, kills: int) -> None:
    root = world.template / "project"
    run(root, "data", "push", "--remote", f"file://{world.template}/remote")
    shutil.rmtree(root / ".shipway")
    world.killed_everywhere(
        lambda here: ("data", "pull", "--remote", f"file://{here}/remote"),
        lambda here: whole(here / "project"),
        lambda here: seen(here / "project"),
        kills,
    )


@pytest.mark.parametrize("way", ["copy", "hardlink"])
def test_a_checkout(world: World, kills: int, way: str) -> None:
    now = tree_of(world.template / "project/data/flights")
    was = {**now, "one": FILES["one"]}

    def look(here: Path) -> None:
        whole(here / "project")
        there = {name: data for name, data in files_of(here).items() if not name.startswith(".shipway-checkout/")}
        assert all(data in (now.get(name), was.get(name)) for name, data in there.items())

    shutil.rmtree(world.template / "project/data/flights/deep")
    world.killed_everywhere(
        lambda _: ("data", "checkout", "flights", "--at", "flights~1", "--link", way, "--force"), look, files_of, kills
    )


def test_the_removal_of_what_nobody_needs(world: World, kills: int) -> None:
    def left(here: Path) -> object:
        store = open_store(here / "project", "flights")
        with store.alone():
            found = find_unneeded(store, Keep(moves=1))
        kept = {file.digest for file in snapshot_files(store, store.resolve("data/flights"))}
        assert kept <= set(store.objects.all())
        gone = Digest(f"sha256:{hashlib.sha256(FILES['one']).hexdigest()}")
        there = store.objects.has(gone)
        store.close()
        return found.objects, there

    def look(here: Path) -> None:
        store: Store = open_store(here / "project", "flights")
        verify_snapshot(store, store.resolve("data/flights"), name="flights")
        store.close()

    world.killed_everywhere(lambda _: ("data", "gc", "--keep", "1", "--remove"), look, left, kills)


def dvc_repo(root: Path) -> None:
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc/config").write_text("[core]\n    no_scm = True\n")
    for name, files in (("raw", {"a.csv": b"1\n" * 9000, "b/c.csv": b"2\n", "empty": b""}), ("one.csv", b"3\n" * 100_000)):
        write_legacy(root, name, files)
        write_tree(
            root, {name: files} if isinstance(files, bytes) else {f"{name}/{path}": data for path, data in files.items()}
        )


def sums(root: Path) -> dict[str, bytes]:
    """What DVC reads: its files, and the objects of its cache, each of which is what its name says."""
    found = tree_of(root / ".dvc/cache")
    for name, data in found.items():
        digits = "".join(name.split("/")[-2:]).removesuffix(".dir")
        if len(digits) == 32:
            assert hashlib.md5(data).hexdigest() == digits, name
    ours = {name: data for name, data in tree_of(root).items() if name.endswith((".dvc", "data/.gitignore"))}
    return {**published(root / ".dvc/cache"), **ours}


def published(folder: Path) -> dict[str, bytes]:
    """Without what a killed process was writing, which has a name that says so."""
    return {name: data for name, data in tree_of(folder).items() if "/tmp-" not in name and "/." not in name}


def test_an_import_from_dvc(world: World, kills: int) -> None:
    root = world.template / "project"
    shutil.rmtree(root)
    dvc_repo(root)
    before = sums(root), tree_of(root / ".dvc")

    def look(here: Path) -> None:
        whole_of_flights(here / "project")
        assert (sums(here / "project"), tree_of(here / "project/.dvc")) == before, "DVC's files stay as they are"
        spec = here / "project/shipway.yaml"
        assert not spec.exists() or "one: one.csv" in spec.read_text()

    def done(here: Path) -> object:
        store = open_store(here / "project", "project")
        refs = {ref.name: ref.digest for ref in store.refs()}
        store.close()
        return refs, (here / "project/shipway.yaml").read_text()

    world.killed_everywhere(lambda _: ("import", "dvc"), look, done, kills)


def whole_of_flights(root: Path) -> None:
    """As whole, of the project that an import names after its folder."""
    if (root / ".shipway/catalogue.sqlite").exists():
        store = open_store(root, "project")
        for digest in store.objects.all():
            store.objects.verify(digest)
        for ref in store.refs():
            verify_snapshot(store, ref.digest, name=ref.name)
        store.close()


def test_an_export_to_dvc(world: World, kills: int) -> None:
    def look(here: Path) -> None:
        whole(here / "project")
        sums(here / "project")
        for path in (here / "project").glob("data/*.dvc"):
            (digits,) = [
                line.split()[-1] for line in path.read_text().splitlines() if "md5:" in line and len(line.split()[-1]) > 30
            ]
            assert (here / "project/.dvc/cache/files/md5" / digits[:2] / digits[2:]).exists(), (
                "what it names was there before it"
            )

    world.killed_everywhere(
        lambda here: ("data", "export", "--remote", str(here / "there")),
        look,
        lambda here: (sums(here / "project"), published(here / "there")),
        kills,
    )


@pytest.fixture(params=[KILLS, pytest.param(10_000, marks=pytest.mark.slow)], ids=["some", "each"])
def kills(request: pytest.FixtureRequest) -> int:
    return int(request.param)
