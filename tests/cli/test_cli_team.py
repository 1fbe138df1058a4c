"""docs/team.md: its commands, typed as they stand there, on a project that goes to PostgreSQL and a bucket and comes back."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_project import REF, Project

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))

from store_help import BUCKET, new_schema, s3_environ

pytest_plugins = ["cli_fixtures"]

PAGE = Path(__file__).parents[2] / "docs" / "team.md"


def lines(title: str) -> Iterator[str]:
    """The lines of the `sh` blocks of one section."""
    section = PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL):
        yield from block.splitlines()


class Person:
    """Types into the shell of one machine, where the two addresses are real ones."""

    def __init__(self, project: Project, addresses: dict[str, str]) -> None:
        self.project, self.addresses = project, addresses
        project.more |= s3_environ()

    def type(self, title: str) -> list[Any]:
        return [answer for line in lines(title) if (answer := self._line(line)) is not None]

    def _line(self, line: str) -> Any:
        word, _, rest = line.partition(" ")
        if word == "export":
            name = rest.partition("=")[0]
            self.project.more[name] = self.addresses[name]
        elif word == "unset":
            for name in rest.split():
                del self.project.more[name]
        elif word == "shipway":
            return self.project.ask(*shlex.split(rest))
        return None


@pytest.fixture
def addresses(tmp_path: Path) -> dict[str, str]:
    return {"SHIPWAY_CATALOGUE": new_schema(), "SHIPWAY_OBJECTS": f"s3://{BUCKET}/team/{os.getpid()}-{tmp_path.name}"}


def test_the_page_goes_to_a_team_and_back(project: Project, addresses: dict[str, str], tmp_path: Path) -> None:
    before, digest = project.ask("log"), project.ask("plan")["release"]
    table = project.root / ".shipway" / "logs" / "points" / "gaps" / "table" / "one.parquet"
    table.parent.mkdir(parents=True)
    table.write_bytes(b"a table")
    project.more |= {**s3_environ(), **addresses}
    refused = project.cli("log")
    assert "store.catalogue-other" in refused.err
    assert "shipway store migrate" in refused.err
    ann = Person(project, addresses)
    for name in addresses:
        del project.more[name]
    found, moved, kept = ann.type("Go there")
    assert found["faults"] == kept["faults"] == []
    assert moved["tables"] == 1
    assert moved["objects"]["brought"] == moved["objects"]["count"] == moved["objects"]["hashed"]
    assert project.ask("log") == before
    (project.root / ".shipway" / "objects").rename(tmp_path / "gone")
    assert project.ask("verify", digest)["verdict"] == "pass"
    other = project.copy(tmp_path / "second")
    shutil.rmtree(other.root / ".shipway")
    log, plan = Person(other, addresses).type("The second machine")
    assert (log, plan["ref"]) == (before, REF)
    other.ask("store", "migrate")
    assert (other.root / table.relative_to(project.root)).read_bytes() == b"a table"
    *_, checked = ann.type("Back")
    assert checked["faults"] == []
    assert project.ask("log") == before
    assert not addresses.keys() & project.more.keys()


def test_the_page_says_what_the_command_says(project: Project, addresses: dict[str, str]) -> None:
    project.more |= {**s3_environ(), **addresses}
    shown = re.search(r"\$ shipway store migrate\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown
    said = project.cli("store", "migrate")
    assert said.code == 0, said.err

    def shape(text: str) -> list[str]:
        return [re.sub(r"[\d,.]+|\S*[/:]\S+|(?<=now: )\w+", "#", line) for line in text.strip().splitlines()]

    assert shape(said.out) == shape(shown[1])
    assert addresses["SHIPWAY_CATALOGUE"] not in said.out + said.err
    refused = project.cli("log", environ={"SHIPWAY_CACHE_SIZE": "much"})
    assert "SHIPWAY_CACHE_SIZE" in refused.err


def test_a_team_moves_to_another_database(project: Project, addresses: dict[str, str]) -> None:
    """The address of the old one is in a variable that is named: a password is no argument."""
    project.more["SHIPWAY_CATALOGUE"] = project.more["OLD"] = addresses["SHIPWAY_CATALOGUE"]
    first = project.ask("store", "migrate")
    project.more["SHIPWAY_CATALOGUE"] = new_schema()
    second = project.ask("store", "migrate", "--from-catalogue", "OLD")
    assert second["rows"] == first["rows"]
    assert second["rows"]["new"] > 0
    assert second["objects"]["brought"] == 0
    assert project.ask("store", "check")["moves"] > 0


def test_what_is_served_from_here_is_ended_first(project: Project, addresses: dict[str, str]) -> None:
    import fcntl

    with (project.root / ".shipway" / "points.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        refused = project.cli("store", "migrate", environ={**s3_environ(), **addresses})
    assert refused.code == 1
    assert "operate.control-running" in refused.err
    assert project.ask("store", "check")["faults"] == []


def test_a_command_that_is_killed_is_typed_again(project: Project, addresses: dict[str, str]) -> None:
    before = project.ask("log")
    project.more |= {**s3_environ(), **addresses}
    child = project.start("store", "migrate")
    note = project.root / ".shipway" / "cache" / "migrate"
    while child.poll() is None and not any(file.stat().st_size for file in note.glob("*")):
        pass
    child.send_signal(signal.SIGKILL)
    child.communicate()
    found = project.ask("store", "migrate")
    assert found["objects"]["hashed"] < found["objects"]["count"]
    assert project.ask("log") == before
    with sqlite3.connect(project.root / ".shipway" / "catalogue.sqlite") as old:
        assert old.execute("SELECT version_num FROM alembic_version").fetchone() == ("moved-0002",)
    old.close()
