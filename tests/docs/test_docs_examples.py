"""The commands of the README, typed as they stand there on a project that they begin, and what they answer.

`up` and `pip install` are left out, for they do not end or are not ours; `rollback` gets the second release that it says
it needs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from docs_help import DOCS, ROOT, blocks, section

SHIPWAY = Path(sys.executable).with_name("shipway")
PAGE = DOCS / "commands.md"


class Project:
    """A folder in which commands are typed; answers by command, the first of each."""

    def __init__(self, base: Path) -> None:
        self.folder = base / "churn"
        self.folder.mkdir()
        self.answers: dict[str, Any] = {}
        self._environ = {**os.environ, "SHIPWAY_KEYS": str(base / "keys"), "SHIPWAY_ACTOR": "ann@example.org"}

    def type(self, line: str) -> None:
        words = line.split()[1:]
        done = subprocess.run(
            [SHIPWAY, *words, "--json"], cwd=self.folder, env=self._environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        self.answers.setdefault(words[0], json.loads(done.stdout))

    def edit(self, old: str, new: str) -> None:
        path = self.folder / "pipeline.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def readme_lines() -> list[str]:
    text = section(ROOT / "README.md", "Use it on a project of your own").text
    lines = [line.split("#")[0].strip() for block in blocks(text) for line in block.text.splitlines()]
    return [line for line in lines if line.startswith("shipway ") and line != "shipway up"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("readme"))
    for line in readme_lines():
        if line == "shipway rollback":
            made.edit("max_iter=1000", "max_iter=500, C=0.5")
            for again in ("run", "release", "check", "approve", "apply"):
                made.type(f"shipway {again}")
        made.type(line)
    for line in ("shipway plan", "shipway data snapshot", "shipway data status"):
        made.type(line)
    return made


def shape(value: Any) -> Any:
    """The keys of a document, all the way down; of a list, those of its first item."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return None


def fits(shown: Any, answered: Any) -> bool:
    """Whether both have the same keys wherever both say something; lists may be empty, objects null, models named otherwise."""
    if isinstance(shown, dict) and isinstance(answered, dict):
        if shown.keys() == {"delay"} and answered.keys() == {"tumour"}:
            return fits(shown["delay"], answered["tumour"])
        return shown.keys() == answered.keys() and all(fits(shown[key], answered[key]) for key in shown)
    if isinstance(shown, list) and isinstance(answered, list):
        return not (shown and answered) or fits(shown[0], answered[0])
    return shown is None or answered is None


def test_the_readme_types_the_daily_commands_in_order() -> None:
    order = [line.split()[1] for line in readme_lines()]
    assert order == ["init", "run", "release", "check", "approve", "apply", "watch", "log", "rebuild", "rollback"]


@pytest.mark.parametrize(
    "command", ["init", "run", "release", "check", "plan", "approve", "apply", "watch", "log", "rebuild", "rollback"]
)
def test_a_command_answers_as_its_example_says(project: Project, command: str) -> None:
    (example,) = [json.loads(block.text) for block in blocks(section(PAGE, f"shipway {command}").text)]
    answered = project.answers[command]
    assert list(example) == list(answered)
    assert example["kind"] == answered["kind"]
    assert fits(shape(example), shape(answered)), json.dumps(shape(answered))


def test_a_rebuild_on_the_machine_that_made_it_is_equal(project: Project) -> None:
    assert project.answers["rebuild"]["equality"].startswith("EQUAL")


def test_init_writes_the_files_that_the_readme_names(project: Project) -> None:
    text = section(ROOT / "README.md", "What it writes, and where").text
    assert all(f"`{name}`" in text for name in project.answers["init"]["written"])
    assert (project.folder / ".shipway" / ".gitignore").read_text() == "*\n"
