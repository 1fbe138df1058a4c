"""What the tests of several rooms share: a small project in a real environment, and the real command line.

It is made once a test run (`run`, `release` and `check`, nothing approved), whichever test process comes first; each test
takes a copy of the folder with its store.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from shipway.access import Actor, KeyRing, Signer, open_keys
from shipway.environment import default_cache
from shipway.pipeline import Hands
from shipway.spec import DeploySpec, Spec, load_spec
from shipway.store import Store, hash_file, open_store

DATA = Path(__file__).parent / "data"
LOCK = Path(__file__).parents[1] / "environment" / "data" / "requirements.lock"
SHIPWAY = str(Path(sys.executable).with_name("shipway"))
REF = "deploy/line@prod"
ANN = "ann@example.org"
SECONDS = 300.0  # longer than anything here takes on a busy machine


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it said with --json: exactly one document."""
        return json.loads(self.out)

    @property
    def last(self) -> str:
        return self.out.strip().splitlines()[-1]


@dataclass
class Project:
    """A project in a folder, and the person who works there."""

    root: Path
    keys_folder: Path
    who: str = ANN
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SHIPWAY_") or name == "SHIPWAY_CACHE"}
        return {**kept, "SHIPWAY_KEYS": str(self.keys_folder), "SHIPWAY_ACTOR": self.who, **self.more}

    def start(self, *words: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """A command that goes on while the test does something else."""
        return subprocess.Popen(
            [SHIPWAY, *words],
            cwd=self.root,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def cli(self, *words: str, environ: Mapping[str, str] | None = None) -> Done:
        """A command to its end."""
        child = self.start(*words, environ=environ)
        return done(child)

    def ask(self, *words: str) -> Any:
        """The document of a command that must succeed."""
        answered = self.cli(*words, "--json")
        assert answered.code == 0, answered.err
        return answered.document

    def copy(self, root: Path) -> Project:
        """The same project with the same store somewhere else; the catalogue as SQLite copies it, while others read there."""
        shutil.copytree(self.root, root, ignore=shutil.ignore_patterns("stat*.sqlite*", "catalogue.sqlite*"))
        catalogue = Path(".shipway") / "catalogue.sqlite"
        if (self.root / catalogue).is_file():
            with closing(sqlite3.connect(self.root / catalogue)) as old, closing(sqlite3.connect(root / catalogue)) as new:
                old.backup(new)
        return Project(root, self.keys_folder, self.who, dict(self.more))

    def edit(self, old: str, new: str, *, file: str = "shipway.yaml") -> None:
        text = (self.root / file).read_text()
        assert old in text
        (self.root / file).write_text(text.replace(old, new))

    def fit_with_sklearn(self) -> None:
        """The model becomes one of scikit-learn, at the next run."""
        text = (DATA / "steps_fitted.py.txt").read_text()
        (self.root / "steps.py").write_text(text.replace("OUTSIDE_FILE", str(self.outside)))
        (self.root / "line.py").unlink()
        self.edit("    class: line.Line\n", "")

    # what a command has in its hands

    @cached_property
    def store(self) -> Store:
        return open_store(self.root, "points")

    @property
    def spec(self) -> Spec:
        return load_spec(self.root / "shipway.yaml")

    @property
    def deploy(self) -> DeploySpec:
        return self.spec.deploy["line@prod"]

    @property
    def actor(self) -> Actor:
        return Actor(self.who, frozenset({"admin"}))

    @property
    def signer(self) -> Signer:
        return open_keys(self.keys_folder)[0]

    @property
    def keys(self) -> KeyRing:
        return open_keys(self.keys_folder)[1]

    @property
    def hands(self) -> Hands:
        return Hands(self.store, self.signer, self.keys, self.actor, default_cache())

    @property
    def outside(self) -> Path:
        """The file outside the project that its model looks at."""
        return self.keys_folder.parent / "outside"

    def damaged_objects(self) -> list[Path]:
        """The objects whose content is not what their name says."""
        files = (self.root / ".shipway" / "objects").glob("??/*")
        return [file for file in files if hash_file(file) != f"sha256:{file.parent.name}{file.name}"]


def done(child: subprocess.Popen[str]) -> Done:
    """Wait for a command to end."""
    out, err = child.communicate(timeout=SECONDS)
    return Done(child.returncode, out, err)


def make_project(root: Path, keys_folder: Path) -> Project:
    """A project that nobody has run."""
    (root / "points").mkdir(parents=True)
    shutil.copy(DATA / "shipway.yaml", root)
    shutil.copy(LOCK, root / "requirements.lock")
    project = Project(root, keys_folder)
    (root / "steps.py").write_text((DATA / "steps.py.txt").read_text().replace("OUTSIDE_FILE", str(project.outside)))
    shutil.copy(DATA / "line.py.txt", root / "line.py")
    for number, part in enumerate((points().head(300), points().tail(300)), start=1):
        part.write_parquet(root / "points" / f"{number}.parquet")
    return project


def points() -> pl.DataFrame:
    """600 points on twelve days, the same each time."""
    random = np.random.default_rng(0)
    days = [date(2020, 1, 1) + timedelta(days=row // 50) for row in range(600)]
    names = [f"p{row:03}" for row in range(600)]
    return pl.DataFrame({"point": names, "day": days, "x": random.normal(size=600), "y": random.normal(size=600)})
