"""Subjects to compile, and files that a person has reviewed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from deploy_subjects import Golden, project_subject

from shipway.deploy import Files, Subject

ROOT = Path(__file__).parents[2]
REVIEWED = Path(__file__).parent / "golden"


@pytest.fixture
def golden() -> Golden:
    """Compares files with those in golden/NAME; `REVIEW=1 pytest` writes them, for `git diff` to be read by a person."""

    def compare(name: str, files: Files) -> None:
        home = REVIEWED / name
        if os.environ.get("REVIEW"):
            for old in home.rglob("*"):
                if old.is_file():
                    old.unlink()
            for path, text in files.items():
                (home / path).parent.mkdir(parents=True, exist_ok=True)
                (home / path).write_text(text)
        known = {str(path.relative_to(home)): path.read_text() for path in sorted(home.rglob("*")) if path.is_file()}
        assert dict(files) == known

    return compare


@pytest.fixture
def flights() -> Subject:
    return project_subject(ROOT / "examples" / "flights")


@pytest.fixture
def assistant() -> Subject:
    return project_subject(ROOT / "examples" / "assistant")


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[[str, str], Subject]:
    """A subject of a spec's lines (after `project:` and `pipeline:`) and a pipeline's source."""

    def make(lines: str, source: str) -> Subject:
        (tmp_path / "steps.py").write_text(source)
        (tmp_path / "shipway.yaml").write_text("project: sample\npipeline: steps.py\n" + lines)
        return project_subject(tmp_path)

    return make
