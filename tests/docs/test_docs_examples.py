"""The commands of the README, typed as they stand there on a project that they begin, and what they answer.

`up` and `pip install` are left out, for they do not end or are not ours; `rollback` gets the second release that it says
it needs.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from docs_help import DOCS, ROOT, blocks, section

from shipway.kernel.units import parse_duration
from shipway.spec import load_spec, rule_of

SHIPWAY = Path(sys.executable).with_name("shipway")
PAGE = DOCS / "commands.md"
OWN, ASSISTANT = "Use it on a project of your own", "Use it for an assistant of your own"
OF_AN_ASSISTANT = ["rag sync", "rag search", "rag status", "eval", "prompt put", "prompt status", "prompt show"]
OF_AN_ASSISTANT += ["release", "plan", "apply", "gateway cost", "gateway compare"]
GROUPS = ("data", "rag", "prompt", "gateway")
DOCUMENTS = {
    "ferry.md": "# Ferry\n\nThe ferry to Holm leaves every forty minutes.\n",
    "library.md": "# Library\n\nThe library lends nine books to each reader.\n",
    "museum.md": "# Museum\n\nThe entrance of the museum costs seven crowns.\n",
}
QUESTIONS = [  # with the one of the README
    {"id": "books", "input": "How many books may a reader have?", "target": "nine", "context": ["library.md"]},
    {"id": "museum", "input": "What does the museum cost?", "target": "seven crowns", "context": ["museum.md"]},
]


class Project:
    """A folder in which commands are typed; answers by command, the first of each."""

    def __init__(self, base: Path, name: str) -> None:
        self.folder = base / name
        self.folder.mkdir()
        self.answers: dict[str, Any] = {}
        self._environ = {**os.environ, "SHIPWAY_KEYS": str(base / "keys"), "SHIPWAY_ACTOR": "ann@example.org"}

    def type(self, line: str) -> None:
        words = shlex.split(line)[1:]
        done = subprocess.run(
            [SHIPWAY, *words, "--json"], cwd=self.folder, env=self._environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        name = " ".join(words[:2]) if words[0] in GROUPS else words[0]
        self.answers.setdefault(name, json.loads(done.stdout))

    def edit(self, old: str, new: str) -> None:
        path = self.folder / "pipeline.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def readme_lines(title: str = OWN) -> list[str]:
    text = section(ROOT / "README.md", title).text
    lines = [line.split("#")[0].strip() for block in blocks(text) for line in block.text.splitlines()]
    return [line for line in lines if line.startswith("shipway ") and line not in ("shipway up", "shipway gateway serve")]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("readme"), "churn")
    for line in readme_lines():
        if line == "shipway rollback":
            made.edit("max_iter=1000", "max_iter=500, C=0.5")
            for again in ("run", "release", "check", "approve", "apply"):
                made.type(f"shipway {again}")
        made.type(line)
    for line in ("plan", "data snapshot", "data status", "why tumour@prod", "at tumour@prod now", "lineage model/tumour"):
        made.type(f"shipway {line}")
    return made


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The assistant of the README: its files, three documents with a question each, its commands and some more."""
    made = Project(tmp_path_factory.mktemp("assistant"), "guide")
    spec, prompt, row = (block.text for block in blocks(section(ROOT / "README.md", ASSISTANT).text)[:3])
    golden = row + "".join(json.dumps(question) + "\n" for question in QUESTIONS)
    files = {"shipway.yaml": spec, "prompts/answer.md": prompt, "golden.jsonl": golden}
    files |= {f"docs/{name}": text for name, text in DOCUMENTS.items()}
    for name, text in files.items():
        (made.folder / name).parent.mkdir(exist_ok=True)
        (made.folder / name).write_text(text)
    for line in readme_lines(ASSISTANT):
        made.type(line)
    for line in ("rag status", "prompt put", "prompt status", "prompt show answer", "gateway cost", "gateway compare a b"):
        made.type(f"shipway {line}")
    return made


def shape(value: Any) -> Any:
    """The keys of a document, all the way down; of a list, those of its first item."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return None


def fits(shown: Any, answered: Any) -> bool:
    """Whether both have the same keys wherever both say something; lists and maps may be empty, objects null, models named
    otherwise.
    """
    if isinstance(shown, dict) and isinstance(answered, dict):
        if not (shown and answered):
            return True
        if shown.keys() == {"delay"} and answered.keys() == {"tumour"}:
            return fits(shown["delay"], answered["tumour"])
        return shown.keys() == answered.keys() and all(fits(shown[key], answered[key]) for key in shown)
    if isinstance(shown, list) and isinstance(answered, list):
        return not (shown and answered) or fits(shown[0], answered[0])
    return shown is None or answered is None


TRUST = "Trust a release, and let others"


def test_the_policy_of_the_readme_is_one(project: Project) -> None:
    (policy,) = [block.text for block in blocks(section(ROOT / "README.md", TRUST).text) if block.language == "yaml"]
    own = (project.folder / "shipway.yaml").read_text().partition("\npolicy:")[0]
    (project.folder / "strict.yaml").write_text(f"{own}\n{policy}")
    spec = load_spec(project.folder / "strict.yaml")
    rule = rule_of(spec.policy, "deploy/tumour@prod")
    assert (rule.roles, rule.evidence_within) == ({"approver": 2}, parse_duration("30d"))


def test_the_commands_about_trust_do_what_the_readme_says(project: Project) -> None:
    (project.folder / "junit.xml").write_text('<testsuite name="t" tests="1"><testcase name="adds"/></testsuite>')
    for line in readme_lines(TRUST):
        project.type(line)
    assert project.answers["verify"]["releases"]
    assert project.answers["apply"]["kind"] == "apply"


def test_an_auditor_can_type_what_the_page_says(project: Project) -> None:
    text = section(DOCS / "releases.md", "If you have an hour").text
    lines = [line.split("#")[0].strip() for block in blocks(text) for line in block.text.splitlines()]
    typed = [line.replace("delay", "tumour").replace("../again", "../audited") for line in lines if line.startswith("shipway ")]
    assert len(typed) == 9
    for line in typed:
        project.type(line)


def test_the_readme_types_the_daily_commands_in_order() -> None:
    order = [line.split()[1] for line in readme_lines()]
    assert order == ["init", "run", "release", "check", "approve", "apply", "watch", "log", "rebuild", "rollback"]


@pytest.mark.parametrize(
    "command",
    [
        "init",
        "run",
        "release",
        "check",
        "plan",
        "approve",
        "apply",
        "watch",
        "log",
        "rebuild",
        "rollback",
        "why",
        "at",
        "lineage",
    ],
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


def test_the_readme_types_the_commands_of_an_assistant_in_order() -> None:
    order = [line.split()[1] for line in readme_lines(ASSISTANT)]
    assert order == ["rag", "rag", "eval", "release", "plan", "apply"]


@pytest.mark.parametrize("command", OF_AN_ASSISTANT)
def test_a_command_on_an_assistant_answers_as_its_example_says(assistant: Project, command: str) -> None:
    (example,) = [json.loads(block.text) for block in blocks(section(PAGE, f"shipway {command}").text)]
    answered = assistant.answers[command]
    assert list(example) == list(answered)
    assert fits(shape(example), shape(answered)), json.dumps(shape(answered))


def test_the_assistant_of_the_readme_goes_live(assistant: Project) -> None:
    applied = assistant.answers["apply"]
    assert (applied["changed"], applied["gate"]["verdict"]) == (True, "pass")
    assert assistant.answers["rag sync"]["indexes"][0]["documents"] == len(DOCUMENTS)
