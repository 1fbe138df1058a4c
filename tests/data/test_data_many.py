"""Thousands of small files, which several processes hash, write and bring back: as one process would, whatever goes wrong."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from data_help import new_store

from shipway.data import Way, check_out, measure_status, snapshot_files, take_snapshot, verify_snapshot
from shipway.kernel.errors import ShipwayError
from shipway.store import FileUnreadable, Store, look_then_do, share_out

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # where a flush of the disk costs nothing
COUNT = 2400  # enough for two processes
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # the children of these use no lock


@pytest.fixture(autouse=True)
def _others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library of another test may have started threads in this process, and then there would be no second one."""
    monkeypatch.setattr("shipway.store._hands._alone", lambda: True)
    monkeypatch.setattr("shipway.store._hands._cores", lambda: 2)


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)


@pytest.fixture
def folder(root: Path) -> Path:
    for number in range(COUNT):
        path = root / f"data/{number % 7}/{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number // 2}")  # each content twice
    (root / "data/0/0").chmod(0o755)
    return root / "data"


def test_two_processes_take_the_snapshot_that_one_takes_and_bring_it_back(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, alone = new_store(root / "project"), new_store(root / "other")
    taken = take_snapshot(store, folder)
    monkeypatch.setattr("shipway.store._hands._alone", lambda: False)
    assert take_snapshot(alone, folder).digest == taken.digest
    monkeypatch.setattr("shipway.store._hands._alone", lambda: True)
    assert (taken.files, taken.read) == (COUNT, taken.bytes)
    verify_snapshot(store, taken.digest, name="data")
    assert {path.stat().st_mode & 0o7777 for path in store.objects.root.glob("??/*")} == {0o444}
    for way in (Way.COPY, Way.HARDLINK):
        out = root / f"out-{way}"
        assert check_out(store, taken.digest, out, way=way).written == COUNT
        assert measure_status(store, taken.digest, out).clean
        assert (out / "0/0").stat().st_mode & 0o100
    assert not [name for name in os.listdir(root) if name.startswith(".shipway")], "nothing is left beside it"


def test_one_folder_with_all_files_is_brought_by_all_hands_too(root: Path) -> None:
    (root / "data/empty").mkdir(parents=True)
    for number in range(COUNT):
        (root / f"data/{number}").write_text(f"{number}")
    store = new_store(root / "project")
    taken = take_snapshot(store, root / "data")
    shown: list[tuple[str, int]] = []
    done = check_out(store, taken.digest, root / "out", way=Way.HARDLINK, report=lambda *one: shown.append(one))
    assert (done.written, done.bytes, done.way) == (COUNT, taken.bytes, Way.HARDLINK)
    assert (len(shown), sum(size for _, size in shown)) == (COUNT, taken.bytes)
    assert take_snapshot(store, root / "out").digest == taken.digest


@pytest.mark.parametrize("how", ["lost", "cut", "marked"])
def test_nothing_comes_into_an_empty_folder_when_the_store_has_not_every_byte(root: Path, folder: Path, how: str) -> None:
    store = new_store(root / "project")
    taken = take_snapshot(store, folder)
    path = store.objects.path(next(file for file in snapshot_files(store, taken.digest) if file.path == "3/3").digest)
    path.unlink()
    if how != "lost":
        path.write_bytes(b"" if how == "cut" else b"x")
        path.chmod(0o444 if how == "cut" else 0o400)
    (root / "out").mkdir()
    with pytest.raises(ShipwayError, match=r"[23]/[23]"):
        check_out(store, taken.digest, root / "out")
    assert os.listdir(root / "out") == []


def test_what_a_killed_hand_did_not_bring_comes_all_the_same(root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = new_store(root / "project")
    taken = take_snapshot(store, folder)
    here, real, brought = os.getpid(), os.link, itertools.count()

    def killed(source: str, target: str, **named: int) -> None:
        if os.getpid() != here and next(brought) == 100:
            os.kill(os.getpid(), signal.SIGKILL)
        real(source, target, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", killed)
    done = check_out(store, taken.digest, root / "out", way=Way.HARDLINK)
    assert (done.written + done.kept, bool(done.kept)) == (COUNT, True)
    assert measure_status(store, taken.digest, root / "out").clean


def test_no_hand_does_anything_before_all_have_looked(root: Path) -> None:
    def look(hand: int, share: Sequence[int]) -> Sequence[int]:
        if hand == 1 and broken:
            raise FileNotFoundError("an object")
        return share

    def do(_hand: int, share: Sequence[int]) -> Iterator[bytes]:
        for number in share:
            (root / str(number)).touch()
            yield bytes((number,))

    told: list[bytes] = []
    for broken in (True, False):
        done = look_then_do(range(9), look, do, size=1, between=lambda: (root / "between").touch(), tell=told.append)
        assert done is not broken
        assert sorted(os.listdir(root)) == ([] if broken else [*map(str, range(9)), "between"])
    assert sorted(told) == [bytes((number,)) for number in range(9)]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_objects_are_readable_by_all_whatever_the_mask_is(root: Path, folder: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        store = new_store(root / "project")
        take_snapshot(store, folder)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o7777 for path in store.objects.root.glob("??/*")} == {0o444}


def test_a_file_that_vanishes_among_thousands_is_named_and_the_next_try_reads_the_rest_no_more(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shipway.store._stat_cache._RACY_NS", -1)
    store, real = new_store(root / "project"), new_store(root / "project").objects.put_small

    def late(*given: object, **named: object) -> object:
        (folder / "3/3").unlink(missing_ok=True)
        return real(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(store.objects, "put_small", late)
    with pytest.raises(FileUnreadable, match="cannot read 3: No such file"):
        take_snapshot(store, folder)
    assert take_snapshot(store, folder).files == COUNT - 1


def test_what_takes_a_snapshot_imports_nothing_that_starts_threads() -> None:
    words = "import sys; from shipway.pipeline import snapshot_data; sys.exit(str({'polars', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"


def test_a_full_disk_is_told_once(root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = new_store(root / "project")
    (store.root / "objects").mkdir(exist_ok=True)
    real = os.open

    def full(path: str | bytes, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT and "tmp-" in os.fsdecode(path):
            raise OSError(28, "No space left on device")
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(Exception, match="no room left"):
        take_snapshot(store, folder)


def test_what_a_killed_process_did_not_say_is_done_by_the_one_that_asked() -> None:
    def work(hand: int, share: Sequence[int]) -> Iterator[bytes]:
        for number in share:
            if hand == 1 and number % 1000 == 500:
                os.kill(os.getpid(), signal.SIGKILL)
            yield bytes((number % 251,))

    told: list[int] = []
    found = share_out(list(range(COUNT)), work, size=1, tell=told.append)
    known = {number: said for number, said in enumerate(found) if said is not None}
    assert all(said == bytes((number % 251,)) for number, said in known.items())
    assert COUNT // 2 <= len(known) < COUNT
    assert sorted(told) == sorted(known)


_CHILD = """
import sys, pathlib
sys.path[:0] = [{tests!r}]
from data_help import new_store
from shipway.data import take_snapshot
store = new_store(pathlib.Path(sys.argv[1]))
print("go", flush=True)
take_snapshot(store, pathlib.Path(sys.argv[2]))
"""


def _killed(root: Path, folder: Path, waits: list[float]) -> None:
    new_store(root / "project").close()
    for wait in waits:
        words = [sys.executable, "-c", _CHILD.format(tests=str(Path(__file__).parent)), str(root / "project"), str(folder)]
        child = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(wait)
        child.kill()
        child.communicate()
        time.sleep(0.05)  # what it had others do ends after a few files
        store = new_store(root / "project")
        for digest in store.objects.all():
            store.objects.verify(digest)
        store.close()
    store = new_store(root / "project")
    _whole(store, folder)


def _whole(store: Store, folder: Path) -> None:
    taken = take_snapshot(store, folder)
    verify_snapshot(store, taken.digest, name="data")
    assert len(snapshot_files(store, taken.digest)) == COUNT


def test_a_snapshot_killed_anywhere_leaves_whole_objects_and_the_next_one_goes_on(root: Path, folder: Path) -> None:
    _killed(root, folder, [0.05])


@pytest.mark.slow
def test_a_snapshot_killed_at_twenty_moments_leaves_whole_objects(root: Path, folder: Path) -> None:
    _killed(root, folder, [0.01 * number for number in range(20)])
