"""The small project, made once a test run for all test processes, and a copy of it for each test."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from cli_project import Project, make_project


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that has run, with a release that was checked and not approved. Never to be changed: take a copy."""
    return _made(tmp_path_factory, "small", fitted=False)


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same with a model of scikit-learn, which brings no code."""
    return _made(tmp_path_factory, "fitted", fitted=True)


def _made(tmp_path_factory: pytest.TempPathFactory, name: str, *, fitted: bool) -> Project:
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    shared.mkdir(exist_ok=True)
    project = Project(shared / "project", shared / "keys")
    with open(shared / "lock", "w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        if not (shared / "made").exists():
            shutil.rmtree(shared / "project", ignore_errors=True)  # of a test process that did not get to the end of it
            make_project(shared / "project", shared / "keys")
            if fitted:
                project.fit_with_sklearn()
            for word in ("run", "release", "check"):
                project.ask(word)
            (shared / "made").touch()
    return project


@pytest.fixture
def project(released: Project, tmp_path: Path) -> Project:
    """A copy of the released project, of this test alone."""
    return released.copy(tmp_path / "project")
