"""The small application that answers a prompt, made once a test process with its provider, and a copy for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_assistant import Assistant, Parrot, make_assistant
from cli_assistant import parrot as running_parrot


@pytest.fixture(scope="session")
def one_parrot() -> Iterator[Parrot]:
    """The provider of all tests of a process: its address is part of every release."""
    with running_parrot() as found:
        yield found


@pytest.fixture
def parrot(one_parrot: Parrot) -> Parrot:
    """The provider, as if nobody had asked it before."""
    one_parrot.calm()
    return one_parrot


@pytest.fixture(scope="session")
def synced_once(one_parrot: Parrot, tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    """The application with an index, not evaluated. Never to be changed: take a copy."""
    folder = tmp_path_factory.mktemp("assistant")
    one_parrot.calm()
    project = make_assistant(folder / "project", folder / "keys", one_parrot.url)
    project.ask("rag", "sync")
    return project


@pytest.fixture(scope="session")
def live_once(synced_once: Assistant, one_parrot: Parrot, tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    """The application evaluated, released and live. Never to be changed: take a copy."""
    project = synced_once.copy(tmp_path_factory.mktemp("live") / "project")
    one_parrot.calm()
    for words in (["eval"], ["release"], ["apply"]):
        project.ask(*words)
    return project


@pytest.fixture
def synced(synced_once: Assistant, parrot: Parrot, tmp_path: Path) -> Assistant:
    """A copy of the application with its index, of this test alone."""
    return synced_once.copy(tmp_path / "project")


@pytest.fixture
def live(live_once: Assistant, parrot: Parrot, tmp_path: Path) -> Assistant:
    """A copy of the live application, of this test alone."""
    return live_once.copy(tmp_path / "project")
