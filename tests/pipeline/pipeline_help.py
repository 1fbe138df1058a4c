"""What the tests of this room share: a project on disk, its store, and a run of it, in the environment of the real lock.

As a script (`python pipeline_help.py FOLDER CACHE`) it runs the pipeline of a project that exists: what the tests kill.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from shipway.data import take_snapshot
from shipway.environment import default_cache, ensure_environment, environment_object
from shipway.kernel import media
from shipway.kernel.canonical import Json
from shipway.kernel.digest import Digest
from shipway.pipeline import Report, RunRequest, RunResult, Silence, code_object, run_pipeline
from shipway.store import Store, hash_file, open_store

DATA = Path(__file__).parent / "data"
LOCK = Path(__file__).parents[1] / "environment" / "data" / "requirements.lock"
ENVIRON = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
STEPS = ("points_seen", "train", "reference", "above", "count")


class Heard(Silence):
    """A report that remembers what it was told."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.reused: list[str] = []

    def started(self, step: str) -> None:
        self.ran.append(step)

    def cached(self, step: str) -> None:
        self.reused.append(step)


class Project:
    """A project with the steps of data/steps.py.txt and a data set `points` of 600 rows in two files, and its store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store: Store = open_store(root, "points", create=True)

    @classmethod
    def make(cls, root: Path) -> Project:
        (root / "shapes").mkdir(parents=True)
        shutil.copy(DATA / "steps.py.txt", root / "steps.py")
        shutil.copy(DATA / "lines.py.txt", root / "shapes" / "lines.py")
        (root / "points").mkdir()
        for number, part in enumerate((points().head(300), points().tail(300)), start=1):
            part.write_parquet(root / "points" / f"{number}.parquet")
        return cls(root)

    def copy(self, root: Path) -> Project:
        """The same project with the same store somewhere else."""
        shutil.copytree(self.root, root)
        return Project(root)

    def edit(self, old: str, new: str, *, file: str = "steps.py") -> None:
        text = (self.root / file).read_text()
        assert old in text
        (self.root / file).write_text(text.replace(old, new))

    def environment(self) -> Digest:
        lock = self.store.put_file(LOCK, media.TEXT)
        return self.store.put(environment_object(lock=lock, python="3.11"))

    def python(self) -> Path:
        return project_python(self.environment())

    def request(self, parameters: Mapping[str, Json] | None = None, wanted: tuple[str, ...] = ()) -> RunRequest:
        snapshot = take_snapshot(self.store, self.root / "points").digest
        code = code_object(self.store, self.root, "steps.py")
        return RunRequest(code, {"points": snapshot}, self.environment(), parameters or {}, wanted)

    def run(
        self,
        request: RunRequest | None = None,
        *,
        cache: Path | None = None,
        report: Report | None = None,
        reuse: bool = True,
    ) -> RunResult:
        return run_pipeline(
            self.store,
            request or self.request(),
            cache=cache or default_cache(),
            report=report or Silence(),
            environ=ENVIRON,
            reuse=reuse,
        )

    def damaged_objects(self) -> list[Path]:
        """The files of the store whose content is not what their name says, half-written temporary ones left out."""
        files = self.store.objects.root.glob("??/*")
        return [file for file in files if hash_file(file) != f"sha256:{file.parent.name}{file.name}"]


@cache
def project_python(environment: Digest) -> Path:
    """Made once and kept in the default cache from run to run."""
    return ensure_environment(environment, LOCK.read_bytes(), python="3.11", cache=default_cache(), report=print)


def own_cache(folder: Path) -> Path:
    """A cache of one test's own that borrows the environments of the default one."""
    folder.mkdir()
    (folder / "environments").symlink_to(default_cache() / "environments")
    return folder


def points() -> pl.DataFrame:
    """600 points on twelve days, the same each time."""
    random = np.random.default_rng(0)
    days = [date(2020, 1, 1) + timedelta(days=row // 50) for row in range(600)]
    return pl.DataFrame(
        {
            "point": [f"p{row:03}" for row in range(600)],
            "day": days,
            "x": random.normal(size=600),
            "y": random.normal(size=600),
        }
    )


if __name__ == "__main__":
    print(Project(Path(sys.argv[1])).run(cache=Path(sys.argv[2])).pipeline)
