"""Snapshots, status and checkouts against DVC: whole commands, ours and theirs in turn, on the same files."""

import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data_setup import MEMORY, SHIPWAY, Row, Took, peer, seconds_row, took

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SMALL, FOLDERS, EACH = 4096, 200, 100
LARGE = 2 << 30
MANY, MANY_FOLDERS = 100_000, 1000


def measure() -> list[Row]:
    """The rows of this part."""
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-data-") as name:
        root = Path(name)
        return [*_small(root / "small"), *_large(root / "large"), *_many(root / "many")]


class _Side:
    """One tool at work in a folder of its own, with the same files as the other."""

    def __init__(self, root: Path, program: str) -> None:
        self.root, self.program = root, program
        self.environ = {
            "SHIPWAY_KEYS": str(root / "keys"),
            "DVC_SITE_CACHE_DIR": str(root / "site"),
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
        }
        root.mkdir(parents=True)

    def run(self, *words: str) -> Took:
        return took([self.program, *words], self.root, self.environ)


def _shipway(root: Path) -> _Side:
    side = _Side(root, SHIPWAY)
    (root / "shipway.yaml").write_text("project: bench\ndata:\n  other: other\n  data: data\n")
    (root / "other").mkdir()
    (root / "other" / "x").write_text("x")
    side.run("data", "snapshot", "other")
    return side


def _dvc(root: Path) -> _Side:
    side = _Side(root, peer("dvc", "dvc"))
    took(["git", "init", "--quiet"], root, {})
    side.run("init", "--quiet")
    return side


@contextmanager
def _sides(root: Path, fill: Callable[[Path], None]) -> Iterator[tuple[_Side, _Side]]:
    ours, theirs = _shipway(root / "ours"), _dvc(root / "theirs")
    for side in (ours, theirs):
        fill(side.root / "data")
    try:
        yield ours, theirs
    finally:
        shutil.rmtree(root)


def _forget(side: _Side) -> None:
    """As before the first snapshot: the store is there, as it is for DVC after `dvc init`, and holds another data set."""
    for name in (".shipway", ".dvc/cache", ".dvc/tmp", "site", "data.dvc"):
        path = side.root / name
        path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
    if side.program == SHIPWAY:
        side.run("data", "snapshot", "other")


def _small(root: Path) -> list[Row]:
    add, status, again = _Pair(), _Pair(), _Pair()
    links, copies = _Pair(), _Pair()
    with _sides(root, lambda folder: write(folder, FOLDERS, EACH)) as (ours, theirs):
        _settle(ours, theirs)
        for _ in range(ROUNDS):
            for side in (ours, theirs):
                _forget(side)
            add.take(ours.run("data", "snapshot", "data"), theirs.run("add", "--quiet", "data"))
        for _ in range(ROUNDS):
            status.take(ours.run("data", "status", "data"), theirs.run("status", "--quiet"))
            again.take(ours.run("data", "snapshot", "data"), theirs.run("add", "--quiet", "data"))
        for pair, way in ((links, "hardlink"), (copies, "copy")):
            theirs.run("config", "cache.type", way)
            for _ in range(ROUNDS):
                for side in (ours, theirs):
                    shutil.rmtree(side.root / "data")
                pair.take(
                    ours.run("data", "checkout", "data", "--link", way), theirs.run("checkout", "--quiet", "--force", "data")
                )
    words = f"{FOLDERS * EACH:,} files of 4 KiB"
    return [
        add.row(f"snapshot, {words}", "dvc add", 6),
        again.row(f"snapshot again, nothing changed, {words}", "dvc add", None),
        status.row(f"status, nothing changed, {words}", "dvc status", 6),
        links.row(f"checkout by hard links, {words}", "dvc checkout", 10),
        copies.row(f"checkout by copies, {words}", "dvc checkout", 5),
    ]


def _large(root: Path) -> list[Row]:
    plain, summed = _Pair(), _Pair()

    def fill(folder: Path) -> None:
        folder.mkdir()
        with (folder / "large.bin").open("wb") as file:
            block = os.urandom(1 << 20)
            for number in range(LARGE >> 20):
                file.write(number.to_bytes(8, "little") + block[8:])

    with _sides(root, fill) as (ours, theirs):
        _settle(ours, theirs)
        for _ in range(max(1, ROUNDS // 2)):
            for pair in (plain, summed):
                for side in (ours, theirs):
                    _forget(side)
                if pair is summed:  # beside a .dvc file a snapshot has the MD5 of the same pass
                    (ours.root / "data.dvc").write_text("outs:\n- path: data\n")
                pair.take(ours.run("data", "snapshot", "data"), theirs.run("add", "--quiet", "data"))
    return [
        plain.row("snapshot, one file of 2 GiB, SHA-256", "dvc add", 2.5),
        summed.row("snapshot, one file of 2 GiB, SHA-256 and the MD5 for DVC", "dvc add", 1.6),
    ]


def _many(root: Path) -> list[Row]:
    """One file added to many; DVC is not asked: its figure is a matter of minutes."""
    times = []
    ours = _shipway(root / "ours")
    write(ours.root / "data", MANY_FOLDERS, MANY // MANY_FOLDERS, size=16)
    _settle(ours)
    ours.run("data", "snapshot", "data")
    for number in range(ROUNDS):
        (ours.root / "data" / "007" / f"new{number}").write_text(f"{number}")
        times.append(ours.run("data", "snapshot", "data").seconds)
    shutil.rmtree(root)
    seconds = statistics.median(times)
    return [seconds_row("snapshot of one file added to 100,000", seconds, None, None, bar=1.0)]


def write(folder: Path, folders: int, each: int, *, size: int = SMALL) -> None:
    """So many folders with so many files each; no two are equal, and each side has the same."""
    for one in range(folders):
        inside = folder / f"{one:03d}"
        inside.mkdir(parents=True)
        for number in range(each):
            seed = (one * each + number).to_bytes(8, "little")
            (inside / f"{number:03d}.bin").write_bytes((seed * (size // 8 + 1))[:size])


def _settle(*sides: _Side) -> None:
    """So young a file is never trusted unread, by either."""
    took(["sleep", "2.5"], sides[0].root, {})


class _Pair:
    """Ours and theirs, a time each a round."""

    def __init__(self) -> None:
        self.ours: list[float] = []
        self.theirs: list[float] = []

    def take(self, ours: Took, theirs: Took) -> None:
        self.ours.append(ours.seconds)
        self.theirs.append(theirs.seconds)

    def row(self, figure: str, name: str, times: float | None) -> Row:
        """times: how many times faster than theirs ours has to be."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        words = f"{figure}; bar: {times:g} x faster" if times else figure
        return seconds_row(words, ours, theirs, name, bar=theirs / times if times else None)
