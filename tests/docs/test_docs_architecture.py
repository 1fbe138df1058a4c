"""docs/architecture.md says what the code is: rooms, floors, doors; the glossary and the decisions are in order."""

from __future__ import annotations

import ast
import importlib
import re

import pytest
from docs_help import DOCS, SOURCE, code_words, section, table, titles

PAGE = DOCS / "architecture.md"
FLOORS_TEST = SOURCE.parents[1] / "tests" / "test_floors.py"
ROOMS = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))


def test_every_room_has_a_section_and_every_section_a_room() -> None:
    assert sorted(titles(PAGE, 3, below="Rooms and floors")) == ROOMS


def floors() -> tuple[tuple[str, ...], ...]:
    """FLOORS as tests/test_floors.py writes it."""
    for node in ast.parse(FLOORS_TEST.read_text()).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "FLOORS" and node.value is not None:
            found: tuple[tuple[str, ...], ...] = ast.literal_eval(node.value)
            return found
    raise AssertionError("no FLOORS")


def test_the_floors_are_those_that_the_test_of_imports_knows() -> None:
    shown = [code_words(row[1]) for row in table(section(PAGE, "Rooms and floors").text)]
    built = [[room for room in floor if room in ROOMS] for floor in floors()]
    assert shown == list(reversed(built))


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in ("kernel", "cli")])
def test_the_names_in_a_rooms_section_are_at_its_door(room: str) -> None:
    door = set(importlib.import_module(f"shipway.{room}").__all__)
    everywhere = {name for other in ROOMS for name in getattr(importlib.import_module(f"shipway.{other}"), "__all__", ())}
    named = {word for word in code_words(section(PAGE, room).text.replace("\n", " ")) if re.fullmatch(r"[A-Za-z_]+", word)}
    assert named & door, "a section names what matters at the door"
    types = {word for word in named if word[0].isupper() and not word.isupper()}
    assert types <= everywhere | {"Check", "Verdict", "ShipwayError"}, "a type that is named is at some door"
    called = {word for word in named if "_" in word and word.islower()}
    assert called <= door | METHODS, f"{room} does not export {called - door - METHODS}"


METHODS = {"put_tree", "add_evidence", "put_state", "log_folder", "data", "run", "__init__", "__all__"}


def test_a_section_of_the_kernel_names_its_modules() -> None:
    named = {word for word in code_words(section(PAGE, "kernel").text.replace("\n", " ")) if word.startswith("kernel.")}
    assert named == {f"kernel.{path.stem}" for path in (SOURCE / "kernel").glob("*.py") if path.stem != "__init__"}


def test_the_tests_that_the_steps_name_exist() -> None:
    text = section(PAGE, "How to add a room").text
    for path in re.findall(r"`(tests/\w[\w/]*\.py)`", text):
        assert (SOURCE.parents[1] / path).is_file(), path
    source = FLOORS_TEST.read_text()
    for name in re.findall(r"`(test_\w+)`", text):
        assert f"def {name}(" in source


def test_the_nouns_of_the_glossary_are_in_order_and_once() -> None:
    nouns = [row[0] for row in table((DOCS / "glossary.md").read_text())]
    assert len(nouns) > 50
    assert nouns == sorted(set(nouns), key=lambda noun: nouns.index(noun))
    assert [noun.lower() for noun in nouns] == sorted(noun.lower() for noun in nouns)


def test_no_noun_is_said_to_be_a_synonym_of_another() -> None:
    rows = table((DOCS / "glossary.md").read_text())
    nouns = {row[0] for row in rows}
    shunned = {word.strip() for row in rows for word in row[2].split(",") if word.strip()}
    assert shunned & nouns <= {"release", "manifest", "environment"}


def test_decisions_are_numbered_without_a_gap_and_say_why_and_what_else() -> None:
    found = sorted((DOCS / "design").glob("*.md"))
    assert [path.name[:3] for path in found] == [f"{number:03}" for number in range(1, len(found) + 1)]
    for path in found:
        text = path.read_text()
        assert text.startswith(f"# {path.name[:3]}: ")
        assert all(mark in text for mark in ("**Decision.**", "**Why.**", "**What else was looked at.**")), path.name
